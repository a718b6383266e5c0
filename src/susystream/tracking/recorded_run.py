"""A run of ours as the tracking server keeps it, to be repeated.

In: a run id or its beginning. Out: the run's configuration, tags and data sets, as plain data; of a
chain also what its steps chose, which stands at their own runs alone.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from susystream.disclosure import public_uri
from susystream.errors import TrackingError
from susystream.tracking.address import restoring
from susystream.tracking.label import PARENT, REUSED_FROM, TESTED
from susystream.tracking.lookup import is_deleted, original_of, run_or_none, runs_below

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

CHAIN = "pipeline"  # the stage whose runs have a run below them for each step
_CONFIG = "config.yaml"
_WHOLE, _BEGINNING = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{4,31}")
_TESTED_ON = ("mlflow.data.context", "evaluation")
_CHOSEN = ("dataset_id", "model_id", "parent_model_id")
_CURE = "correct the id, or name the server that holds it (tracking.uri)"


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What a run said of itself.

    Attributes:
        run_id: The whole id.
        config: Its resolved settings, without secrets.
        tags: Of MLflow and of ours; of a chain also what was trained, on what, and from what.
        data_sets: The registered data sets it tested on, by the name of the set.
    """

    run_id: str
    config: dict[str, Any]
    tags: dict[str, str]
    data_sets: dict[str, str]


def recorded_run(client: MlflowClient, wanted: str, *, uri: str) -> RecordedRun:
    """The run that an id or its beginning names.

    Args:
        client: Of the tracking server.
        wanted: The id, or at least four characters of its beginning.
        uri: Of the server, for messages.

    Raises:
        TrackingError: There is no such run, more than one, or it is none of ours.
    """
    run = _found(client, wanted, uri)
    run = original_of(client, run) or _gone(client, run, uri)
    _check_whole(run)
    steps = steps_of(client, run)
    return RecordedRun(
        run_id=str(run.info.run_id),
        config=_config(client, str(run.info.run_id)),
        tags={**_chosen(steps), **run.data.tags},
        data_sets=dict(_data_sets([run, *steps.values()])),
    )


def steps_of(client: MlflowClient, run: Run) -> dict[str, Run]:
    """The runs of a chain's steps by stage; none of any other run."""
    if run.data.tags.get("stage") != CHAIN:
        return {}
    return {one.data.tags.get("stage", ""): one for one in runs_below(client, run)}


def source_of(one: DatasetInput) -> Mapping[str, Any]:
    """What an input says of its source; nothing where that is none of ours."""
    try:
        found = json.loads(one.dataset.source)
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


def tested_on(run: Run) -> Iterator[DatasetInput]:
    """The inputs of a run that are its test sets."""
    for one in run.inputs.dataset_inputs if run.inputs else ():
        if any((tag.key, tag.value) == _TESTED_ON for tag in one.tags):
            yield one


def _check_whole(run: Run) -> None:
    """Raises TrackingError for a run that is only a part of what can be repeated."""
    if run.data.tags.get("stage") == TESTED:
        above = run.data.tags.get(PARENT, "RUN_ID")
        raise TrackingError(
            f"expected a run that is repeated as a whole, received {run.info.run_id}, the part of "
            f"an evaluation that is one model's (stage {TESTED}); repeat the evaluation: "
            f"--from-run {above}"
        )


def _found(client: MlflowClient, wanted: str, uri: str) -> Run:
    if _WHOLE.fullmatch(wanted):
        one = run_or_none(client, wanted)
        found = [] if one is None else [one]
    elif _BEGINNING.fullmatch(wanted):
        found = _several(client, wanted)
    else:
        raise TrackingError(
            "expected a run id of 32 characters out of 0-9 and a-f, or its first four or more, "
            f"received {wanted!r}; correct the id"
        )
    place = public_uri(uri)
    if len(found) == 1 and is_deleted(found[0]):
        run_id = str(found[0].info.run_id)
        raise TrackingError(
            f"expected run {wanted} at {place}, received one that was deleted; restore it: "
            f"{restoring(run_id, uri)}"
        )
    if len(found) == 1:
        return found[0]
    ids = ", ".join(sorted(str(one.info.run_id) for one in found)[:3])
    received = f"{len(found)} that begin so ({ids})" if found else "none"
    raise TrackingError(
        f"expected one run {wanted} at {place}, received {received}; "
        + ("give more of the id" if found else _CURE)
    )


def _gone(client: MlflowClient, run: Run, uri: str) -> NoReturn:
    """Raises TrackingError for a copy whose original is not there.

    The copy has settings, but its stage is `reused`, and the ids of what the trial took and its
    data sets stand at the original alone.
    """
    first = run.data.tags[REUSED_FROM]
    received, cure = (
        ("none", "repeat another run")
        if run_or_none(client, first) is None
        else ("one that was deleted", f"restore it: {restoring(first, uri)}")
    )
    raise TrackingError(
        f"expected run {first} at {public_uri(uri)}, of which {run.info.run_id} is a copy, "
        f"received {received}; {cure}"
    )


def _several(client: MlflowClient, beginning: str) -> list[Run]:
    """In whichever experiment they are; deleted ones where there are no others."""
    from mlflow.entities import ViewType

    experiments = [one.experiment_id for one in client.search_experiments(max_results=1000)]
    condition = f"attributes.run_id LIKE '{beginning}%'"
    for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY) if experiments else ():
        if found := client.search_runs(experiments, condition, view, max_results=4):
            return list(found)
    return []


def _parsed(path: Path, run_id: str) -> object:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # no UTF-8, or no such day
        received = " ".join(str(error).split())
        raise TrackingError(
            f"expected YAML in {_CONFIG} of run {run_id}, received {received}; name another run, "
            "or put the file right"
        ) from error


def _config(client: MlflowClient, run_id: str) -> dict[str, Any]:
    names = {artifact.path for artifact in client.list_artifacts(run_id)}
    found: object = None
    if _CONFIG in names:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(client.download_artifacts(run_id, _CONFIG, scratch))
            found = _parsed(path, run_id)
    if not isinstance(found, dict) or not isinstance(found.get("stage"), dict):
        raise TrackingError(
            f"expected run {run_id} to hold the settings of a stage ({_CONFIG}), received none; "
            "name a run of susystream, and see that its artifacts are there"
        )
    return {str(key): value for key, value in found.items()}


def _chosen(steps: Mapping[str, Run]) -> dict[str, str]:
    """What a chain published and trained, also of one that ended before it could say so itself."""
    made = (steps[stage].data.tags for stage in ("publish", "train") if stage in steps)
    return {name: tags[name] for tags in made for name in _CHOSEN if name in tags}


def _data_sets(runs: Iterable[Run]) -> Iterator[tuple[str, str]]:
    for one in (one for run in runs for one in tested_on(run)):
        source = source_of(one)
        if "slice" in source and source.get("dataset_id"):
            yield one.dataset.name, str(source["dataset_id"])
