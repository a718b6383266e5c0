"""A chain of models, each trained on from the one before it: as the store holds it.

In: the store's models and data sets. Out: the chain in order, and the data set that comes next.
The store is all that a chain is: a trainer that was killed finds here where to go on, so no data
set is passed over and none is learned from twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from susystream.errors import RegistryError, SettingsError
from susystream.registry.document import UNPROVEN, DatasetRecord, ModelSummary
from susystream.registry.selectors import moment_of
from susystream.stages.context import StageContext
from susystream.stages.learned import Learned


def chain_of(models: Sequence[ModelSummary], name: str) -> list[ModelSummary]:
    """The proven models of a chain, the first one first.

    Raises:
        RegistryError: They do not follow each other one by one.
    """
    of_chain = [one for one in models if one.training.chain == name and one.status != UNPROVEN]
    known = {one.model_id for one in of_chain}
    after: dict[str | None, list[ModelSummary]] = {}
    for one in of_chain:
        parent = one.training.parent_model_id
        after.setdefault(parent if parent in known else None, []).append(one)
    found: list[ModelSummary] = []
    while following := after.get(found[-1].model_id if found else None):
        if len(following) > 1:
            raise _forked(name, found, following)
        found += following
    return found


def _forked(
    name: str, found: Sequence[ModelSummary], several: Sequence[ModelSummary]
) -> RegistryError:
    place = f"after {found[-1].model_id}" if found else "at its beginning"
    last = several[0].model_id
    return RegistryError(
        f"expected one model {place} in chain {name}, received "
        f"{' and '.join(one.model_id for one in several)}: two commands followed it at once, or "
        f"a model is gone; go on from one: train.following.chain=NEW train.parent={last}"
    )


def next_dataset(
    context: StageContext, cluster: str, learned: Sequence[Learned], passed: dict[str, str]
) -> DatasetRecord | None:
    """The oldest data set of the topic that no model of the chain or before it was trained on.

    Of several with just the same events it is the one published last: an earlier one may be gone.
    Data sets that share only some of their events are each learned from.

    Args:
        context: The store, and the topic in the settings.
        cluster: The Kafka cluster.
        learned: What the chain's last model learned from.
        passed: The data sets that are passed over, and why; those of known events, and those
            before `train.following.since`, are added.

    Raises:
        NotFound: `train.following.since` names no data set.
        SettingsError: It names one of another topic.
    """
    topic = context.settings.stream.topic
    ids = {one.dataset_id for one in learned}
    seen = {one.record.digest: one.dataset_id for one in learned if one.record}
    since = _since(context)
    left = [
        record
        for record in _oldest_first(context.store.list_datasets())
        if record.slice["topic"] == topic
        and record.cluster_id == cluster
        and record.dataset_id not in ids
        and record.dataset_id not in passed
    ]
    for record in left:
        if (record.created_at, record.dataset_id) < since:
            passed[record.dataset_id] = "before train.following.since"
        elif record.digest in seen:
            passed[record.dataset_id] = f"same events as {seen[record.digest]}"
    new = [record for record in left if record.dataset_id not in passed]
    return next((one for one in reversed(new) if one.digest == new[0].digest), None)


def _oldest_first(records: Iterable[DatasetRecord]) -> list[DatasetRecord]:
    return sorted(records, key=lambda one: (one.created_at, one.dataset_id))


def _since(context: StageContext) -> tuple[str, str]:
    """The time and the id at which `train.following.since` begins, as data sets are ordered."""
    since, topic = context.settings.train.following.since, context.settings.stream.topic
    if since is None:
        return "", ""
    if moment := moment_of(since, of_a_date="00:00:00"):
        return moment, ""
    record = context.store.load_dataset(since)
    if record.slice["topic"] != topic:
        raise SettingsError(
            f"expected train.following.since to name a data set of topic {topic}, received "
            f"{record.dataset_id} of {record.slice['topic']}; choose one of its own, or a time"
        )
    return record.created_at, record.dataset_id
