"""The command `susystream report`: results of experiments, out of tracked runs.

In: names of recipes. Out: `result.json`, `figure.png` and the block between the marks in the README
of each one's folder; or whether a README says what its `result.json` says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from susystream.errors import DataError, SettingsError

if TYPE_CHECKING:
    from susystream.reports.form import Report
    from susystream.reports.result import Result


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
    chosen = _chosen(names, every, folder)
    if check:
        found = [_checked(one, folder) for one in chosen]
    elif render:
        found = [_rendered(one, folder) for one in chosen]
    else:
        found = _written(chosen, folder, tracking_uri, any_settings)
    if as_json:
        click.echo(json.dumps([one.to_json() for one in found], indent=2))
        return
    done = "is as its result says" if check else "is written"
    for one in chosen:
        click.echo(f"{folder / one.recipe / 'README.md'} {done}")


def _chosen(names: Sequence[str], every: bool, folder: Path) -> list[Report]:
    """The reports of those names, or of all recipes whose folders have marks in their README."""
    from susystream.known_settings import config_folder
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


def _written(chosen: Sequence[Report], folder: Path, uri: str, any_settings: bool) -> list[Result]:
    from susystream.reports.rendering import standing
    from susystream.reports.result import result_of
    from susystream.tracking.recipe_runs import open_runs

    for one in chosen:
        standing(folder / one.recipe)  # told before anything is asked or written
    with open_runs(uri) as runs:
        found = [result_of(one, runs, any_settings=any_settings) for one in chosen]
    for one, result in zip(chosen, found, strict=True):
        _render(one, result, folder / one.recipe)
        result.write(folder / one.recipe)  # last: by it the others are judged
    return found


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
    from susystream.reports.result import read_result

    place = folder / one.recipe
    result = read_result(place, one)
    for name, agrees in (
        ("README.md", standing(place) == block(one, result)),
        (PICTURE, is_of(result, place)),
    ):
        if not agrees:
            raise DataError(
                f"expected {place / name} to say what {place / 'result.json'} says, received "
                f"something else; write it again: susystream report {one.recipe} --render"
            )
    return result
