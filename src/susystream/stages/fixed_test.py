"""The one test set of a chain of models, none of which may have seen an event of it.

In: `train.following.test`, and what the chain learned and is about to learn. Out: the test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from susystream.errors import SettingsError
from susystream.registry.document import DatasetRecord, ModelSummary
from susystream.settings.data import SliceSet
from susystream.stages.context import StageContext
from susystream.stages.learned import Learned
from susystream.stages.slice_source import offsets_of
from susystream.stages.testsets import NamedSet, given_set, holdout
from susystream.stream.slices import TopicSlice

NAME = "follow"  # of the set
KEY = "follow/test"  # in models' documents: no name of an evaluation's set can be that

_CURE = "set train.following.test to other events"


def to_learn(chain: str, record: DatasetRecord) -> Learned:
    """A data set that the chain is about to learn from."""
    where = TopicSlice.from_json(record.slice)
    return Learned(f"chain {chain}", record.dataset_id, where, where, record)


def fixed_test(
    context: StageContext, models: Sequence[ModelSummary], learned: Sequence[Learned]
) -> NamedSet:
    """The test set of a chain.

    Args:
        context: The settings, the store and the broker.
        models: The chain so far.
        learned: What it learned from, and is about to; the first data set of an empty chain last.

    Raises:
        SettingsError: It is another one than that of the chain's first model, or is empty, or
            holds events that are learned from.
    """
    given = context.settings.train.following.given
    if given is not None:
        test = given_set(context, given, learned, cure=_CURE)
    else:
        test = _first_holdout(context, models, learned)
    if models and not _has_stored_digest(models[0], test):
        check_same(models[0], "source", test.described)
    return replace(test, name=NAME)


def _first_holdout(
    context: StageContext, models: Sequence[ModelSummary], learned: Sequence[Learned]
) -> NamedSet:
    first = models[0].training.dataset_id if models else learned[-1].dataset_id
    found = holdout(
        context, NAME, [replace(one, own=one.dataset_id == first) for one in learned], cure=_CURE
    )
    if not found.source.rows:
        raise SettingsError(
            f"expected a holdout of the chain's first data set {first}, received an empty one; "
            "set train.following.test, or publish with a data.test_fraction"
        )
    return found


def _has_stored_digest(first: ModelSummary, test: NamedSet) -> bool:
    """The same events are the same test set, wherever they lie now."""
    return test.digest is not None and _stored(first, "digest") == test.digest


def _stored(first: ModelSummary, what: str) -> object:
    return first.test_sets.get(KEY, {}).get(what)


def check_same(first: ModelSummary, what: str, received: object) -> None:
    """Figures of other events are no measure of what is forgotten.

    Args:
        first: The chain's first model, which says what it was tested on.
        what: Of the test set is compared: `source` or `digest`.
        received: That of the test set of now.

    Raises:
        SettingsError: They differ.
    """
    before = _stored(first, what)
    if before is None or before == received:
        return
    if isinstance(before, Mapping) and isinstance(received, Mapping):
        keys = ["kind", *before, *(key for key in received if key not in before)]
        key = next(key for key in keys if before.get(key) != received.get(key))
        what, before, received = f"{what} {key}", before.get(key), received.get(key)
    raise SettingsError(
        f"expected the test set of the chain's first model {first.model_id} with {what} "
        f"{_short(before)}, received {_short(received)}; set train.following.test as it was, "
        "or begin another train.following.chain"
    )


def is_test_set(context: StageContext, record: DatasetRecord) -> bool:
    """Whether a data set of the topic is the one to test on."""
    given = context.settings.train.following.given
    if not isinstance(given, SliceSet):
        return False
    kind, _, text = given.events.partition(":")
    if kind == "dataset":
        test = context.store.load_dataset(text)
        return test.digest == record.digest
    return TopicSlice.from_json(record.slice) == offsets_of(text)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 160 else text[:157] + "..."
