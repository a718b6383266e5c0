"""The command `susystream report`: results of experiments, out of tracked runs.

In: names of recipes. Out: `result.json`, `figure.png` and the block between the marks in the README
of each one's folder; or whether a README says what its `result.json` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from susystream.errors import DataError, SettingsError, SusystreamError, line_of

if TYPE_CHECKING:
    from susystream.reports.form import Report
    from susystream.reports.result import Result
    from susystream.tracking.recipe_runs import RecipeRuns


@click.command("report")
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All recipes that have a folder.")
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", default="sqlite:///mlflow.db")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("experiments"),
    show_default=True,
    help="Holds a folder for each experiment.",
)
@click.option("--check", is_flag=True, help="Only compare each README with its result.json.")
@click.option("--render", is_flag=True, help="Ask no server: render result.json again.")
@click.option(
    "--any-settings",
    is_flag=True,
    help="Take the newest runs, with other settings than the recipe's too; the result names them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def report(
    names: tuple[str, ...],
    every: bool,
    tracking_uri: str,
    folder: Path,
    check: bool,
    render: bool,
    any_settings: bool,
    as_json: bool,
) -> None:
    """Write the results of experiments, from the newest finished runs of their recipes.

    Runs that set something otherwise than the recipe does are left out.

    \b
    susystream report low_vs_high     experiments/low_vs_high/: result.json, figure.png, README.md
    susystream report --all --check   whether each README says what its result.json says
    """  # noqa: D301  # click reads the backspace: lines as they stand
    if check and render:
        raise SettingsError(
            "expected --check, which writes nothing, or --render, received both; leave one out"
        )
    chosen = _chosen(names, every, folder)
    with ExitStack() as stack:
        make = partial(_checked, folder=folder) if check else partial(_rendered, folder=folder)
        if not check and not render:
            runs = stack.enter_context(_open(tracking_uri))
            make = partial(_written, folder=folder, runs=runs, any_settings=any_settings)
        found, faults = _each(chosen, make)
    if as_json:
        click.echo(json.dumps([one.to_json() for one in found], indent=2))
    else:
        done = "is as its result says" if check else "is written"
        for one in found:
            click.echo(f"{folder / one.recipe / 'README.md'} {done}")
    _raise(faults)


def _open(uri: str) -> AbstractContextManager[RecipeRuns]:
    from susystream.tracking.recipe_runs import open_runs

    return open_runs(uri)


def _each(
    chosen: Sequence[Report], make: Callable[[Report], Result]
) -> tuple[list[Result], list[SusystreamError]]:
    """The results, and what was wrong with the others: a fault of one stops no other."""
    found: list[Result] = []
    faults: list[SusystreamError] = []
    for one in chosen:
        try:
            found.append(make(one))
        except SusystreamError as error:
            faults.append(error)
    return found, faults


def _raise(faults: Sequence[SusystreamError]) -> None:
    """Each fault is a line; of several the last line says how many there are."""
    if len(faults) == 1:
        raise faults[0]
    for one in faults:
        click.echo(f"susystream: {line_of(one)}", err=True)
    if faults:
        raise DataError(
            f"expected reports without a fault, received {len(faults)} with one, each told above; "
            "put them right"
        )


def _chosen(names: Sequence[str], every: bool, folder: Path) -> list[Report]:
    """The reports of those names, or of all recipes whose folders have marks in their README."""
    from susystream.composition import config_folder
    from susystream.reports.declared import report_of
    from susystream.reports.rendering import has_marks

    recipes = sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))
    if bool(names) == every:
        raise SettingsError(
            f"expected either names or --all, received {'both' if names else 'neither'}; "
            f"name some of {', '.join(recipes)}"
        )
    chosen = [one for one in recipes if has_marks(folder / one)] if every else names
    if not chosen:
        raise DataError(
            f"expected folders of recipes in {folder}, received none; go to the checkout, or name "
            "the folder (--folder)"
        )
    return [report_of(one, recipes=recipes) for one in chosen]


def _written(one: Report, folder: Path, runs: RecipeRuns, any_settings: bool) -> Result:
    from susystream.reports.rendering import standing
    from susystream.reports.result import result_of

    standing(folder / one.recipe)  # told before anything is asked or written
    result = result_of(one, runs, any_settings=any_settings)
    _render(one, result, folder / one.recipe)
    result.write(folder / one.recipe)  # last: by it the others are judged
    return result


def _rendered(one: Report, folder: Path) -> Result:
    from susystream.reports.result import read_result

    result = read_result(folder / one.recipe, one)
    _render(one, result, folder / one.recipe)
    return result


def _render(one: Report, result: Result, place: Path) -> None:
    from susystream.reports.picture import PICTURE, drawn
    from susystream.reports.rendering import block, put

    with drawn(one, result, place) as picture:
        put(place, block(one, result))
        picture.replace(place / PICTURE)


def _checked(one: Report, folder: Path) -> Result:
    """Raises DataError where the README says, or the picture shows, something else."""
    from susystream.reports.picture import PICTURE, is_of
    from susystream.reports.rendering import block, standing
    from susystream.reports.result import command, read_result

    place = folder / one.recipe
    result = read_result(place, one)
    agrees = {"README.md": standing(place) == block(one, result), PICTURE: is_of(result, place)}
    for name in (name for name, is_so in agrees.items() if not is_so):
        received = "something else" if (place / name).exists() else "no such file"
        raise DataError(
            f"expected {place / name} to say what {place / 'result.json'} says, received "
            f"{received}; write it again: {command(place, '--render')}"
        )
    return result
