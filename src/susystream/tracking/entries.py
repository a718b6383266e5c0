"""What runs log, as plain data that can be kept in a file and sent later.

In: entries. Out: requests to the tracking server, within its limits.

An entry may be sent more than once, for nobody knows whether a request arrived whose answer did
not: tags, params, files, inputs and the end of a run replace what there was, and a point of a
metric carries its own time, so that MLflow's databases keep two identical points once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from mlflow import MlflowClient

Kind: TypeAlias = Literal["params", "metrics", "tags", "input", "file", "end"]
_BATCH = 100  # MLflow's limit of params and of tags a request
_METRICS_BATCH = 1000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a run logs.

    Attributes:
        run_id: Of the run.
        kind: What `data` is.
        data: `params` and `tags`: values by name. `metrics`: (name, value, milliseconds since
            1970, step) each. `input`: `dataset` and `tags`, as MLflow's own plain data. `file`:
            the artifact folder, or None. `end`: `status`, and `time` in milliseconds.
        file: The file to send, on this machine.
        own: Whether the process that logs it opened the run, and nobody else ends that.
        whose: Which run it is, where that is another command's, with what else has these figures:
            what such a run does not take is told and no error. Empty: it is one.
        before: Of an entry that was set aside: what stood in its places then, as far as that is
            known. None: it was not.
    """

    run_id: str
    kind: Kind
    data: Any
    file: Path | None = None
    own: bool = False
    whose: str = ""
    before: Mapping[str, str | None] | None = None


def send(client: MlflowClient, entry: Entry) -> None:
    """Sends an entry; the errors are MLflow's own and those of what it stands on."""
    _SENDERS[entry.kind](client, entry)


def joined(entries: Iterable[tuple[Entry, int]]) -> Iterator[tuple[Entry, int]]:
    """The same with neighbouring metrics of a run as one entry, if one request takes them.

    Args:
        entries: Each with the place behind it in its file.
    """
    before: tuple[Entry, int] | None = None
    for entry, end in entries:
        if before is not None and _fit(before[0], entry):
            before = replace(before[0], data=[*before[0].data, *entry.data]), end
            continue
        if before is not None:
            yield before
        before = entry, end
    if before is not None:
        yield before


def halves(entry: Entry) -> tuple[Entry, ...]:
    """Two entries that together say the same; none if it is one thing only.

    Example:
        >>> one, other = halves(Entry("r1", "metrics", [["a", 1.0, 0, 0], ["b", 2.0, 0, 0]]))
        >>> other.data
        [['b', 2.0, 0, 0]]
    """
    if entry.kind != "metrics" or len(entry.data) < 2:
        return ()
    middle = len(entry.data) // 2
    first, second = entry.data[:middle], entry.data[middle:]
    return replace(entry, data=first), replace(entry, data=second)


def _fit(one: Entry, other: Entry) -> bool:
    return (
        one.kind == other.kind == "metrics"
        and (one.run_id, one.whose) == (other.run_id, other.whose)
        and len(one.data) + len(other.data) <= _METRICS_BATCH
    )


def _send_params(client: MlflowClient, entry: Entry) -> None:
    from mlflow.entities import Param

    found = [Param(name, value) for name, value in entry.data.items()]
    for batch in _batches(found, _BATCH):
        client.log_batch(entry.run_id, params=batch, synchronous=True)


def _send_metrics(client: MlflowClient, entry: Entry) -> None:
    from mlflow.entities import Metric

    found = [Metric(name, value, time, step) for name, value, time, step in entry.data]
    for batch in _batches(found, _METRICS_BATCH):
        client.log_batch(entry.run_id, metrics=batch, synchronous=True)


def _send_tags(client: MlflowClient, entry: Entry) -> None:
    from mlflow.entities import RunTag

    found = [RunTag(name, value) for name, value in entry.data.items()]
    for batch in _batches(found, _BATCH):
        client.log_batch(entry.run_id, tags=batch, synchronous=True)


def _send_input(client: MlflowClient, entry: Entry) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    tags = [InputTag(name, value) for name, value in entry.data["tags"].items()]
    client.log_inputs(entry.run_id, [DatasetInput(Dataset(**entry.data["dataset"]), tags)])


def _send_file(client: MlflowClient, entry: Entry) -> None:
    """Stores of files have clients of their own, whose errors are of no family that we know."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    try:
        client.log_artifact(entry.run_id, str(entry.file), entry.data)
    except (MlflowException, RequestException, OSError, ImportError):
        raise
    except Exception as error:  # it counts as an error inside the server: training goes on
        told = f"the store of files: {type(error).__name__} {error}".strip()
        raise MlflowException(told) from error


def _send_end(client: MlflowClient, entry: Entry) -> None:
    client.set_terminated(entry.run_id, entry.data["status"], entry.data["time"])


_SENDERS: dict[Kind, Callable[[MlflowClient, Entry], None]] = {
    "params": _send_params,
    "metrics": _send_metrics,
    "tags": _send_tags,
    "input": _send_input,
    "file": _send_file,
    "end": _send_end,
}


def _batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
