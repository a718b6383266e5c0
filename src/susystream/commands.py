"""The commands.

In: what a person typed. Out: a stage run, a listing, or one line that says what was wrong.
"""

from __future__ import annotations

import json
import logging
import shlex
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from susystream import __version__
from susystream.data_listing import data
from susystream.delivering import runs
from susystream.enlarging import enlarge
from susystream.errors import SettingsError, line_of
from susystream.listing import home_option
from susystream.model_listing import models
from susystream.reporting import report
from susystream.tracking.opened_by_mlflow import fail_opened_run

_HOME = home_option("Where embedded servers keep their data.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def status_of_command() -> int:
    """Runs what `sys.argv` asks for, tells of its errors, and returns the exit status.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it.
    """
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        return int(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:  # the border: no error of any kind ends in a traceback
        if _verbose():
            traceback.print_exc()
        click.echo(f"susystream: {line_of(error)}", err=True)
        fail_opened_run(line_of(error))
        return 2 if isinstance(error, SettingsError) else 1


def _verbose() -> bool:
    """Whether -v was typed, in --overrides too: nothing else reaches us through `mlflow run`."""
    return "-v" in " ".join(sys.argv[1:]).split()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Experiment-tracked machine learning on a Kafka event stream."""


@cli.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.option("--overrides", "quoted", metavar="TEXT")
@click.option("-v", "verbose", is_flag=True)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...], quoted: str | None, verbose: bool) -> None:
    r"""Run a stage: susystream run stage=pipeline experiment=quickstart.

    \b
    susystream run --help        the groups and every setting
    susystream run --cfg job     the composed configuration
    susystream run -m seed=1,2   a sweep
    -v                           show the traceback of an error
    --from-run ID [a=1]          repeat a run, with some settings changed
    --overrides "a=1 b=2 -m"     more of these in one text (used by MLproject)
    """
    from susystream import repeating
    from susystream.composition import parted, run_composed
    from susystream.flags import check_flags
    from susystream.project_run import check_experiment, check_parameters, temporary_hint
    from susystream.recipes import check_recipe

    more = [word for word in split_overrides(quoted or "") if word != "-v"]
    words = [*arguments, *more]
    parameters, typed = list[str](), words
    if quoted is not None:  # as MLproject does: before it stand an entry point's parameters
        parameters, flags = parted(arguments)
        typed = [*flags, *more]
        check_parameters(flags)
        if hint := temporary_hint(more):
            click.echo(f"susystream: {hint}", err=True)
    check_flags([word for part in parted(words) for word in part])
    if repeating.is_asked(words):
        words = repeating.repeated(parameters, typed)
    elif parameters:
        check_recipe(parameters, typed)
    check_experiment(words)
    run_composed(words)


def split_overrides(text: str) -> list[str]:
    """Overrides given as one text, split as a shell would.

    Raises:
        SettingsError: A quotation is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SettingsError(
            "expected overrides quoted as for a shell, received a quote that is not closed (the "
            "text is not repeated, for it may hold a secret); close the quote"
        ) from error


@cli.group()
def services() -> None:
    """The embedded Kafka broker and document store."""


@services.command("up")
@_HOME
@_JSON
def services_up(home: Path, as_json: bool) -> None:
    """Start both and keep them until `services down`."""
    from susystream.services import control

    _show_services(control.up(home, say=partial(click.echo, err=True)), as_json)


@services.command("down")
@_HOME
@_JSON
def services_down(home: Path, as_json: bool) -> None:
    """Stop both as soon as nothing uses them."""
    from susystream.services import control

    _show_services(control.down(home), as_json)


@services.command("status")
@_HOME
@_JSON
def services_status(home: Path, as_json: bool) -> None:
    """Say what runs, where."""
    from susystream.services import control

    _show_services(control.statuses(home), as_json)


def _show_services(statuses: Sequence[Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([status.to_json() for status in statuses], indent=2))
        return
    for status in statuses:
        click.echo(str(status))


cli.add_command(models)
cli.add_command(report)
cli.add_command(runs)
data.add_command(enlarge)
cli.add_command(data)
