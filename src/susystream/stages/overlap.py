"""Events that a data set shares with those its model's parent learned from.

In: a data set and what a training starts from. Out: a line for a person, tags for the run. Nothing
is refused: to learn again from some events is no error, but its validation figures may flatter.
"""

from __future__ import annotations

from susystream.registry.document import DatasetRecord
from susystream.stages.context import StageContext
from susystream.stages.learned import Learned, learned_by
from susystream.stages.starting import Origin
from susystream.stages.unseen import same_events
from susystream.stream.slices import TopicSlice


def seen_by_parent(context: StageContext, record: DatasetRecord, origin: Origin) -> dict[str, str]:
    """Tells what a parent has seen of a data set.

    Returns:
        Tags of the run: `events_seen_by_parent`, the data sets that share events with it; and
        `validation_seen_by_parent`, if the parent's weights were fitted to some events of the part
        it is validated on, or may have been. With the parent's own data set and fraction they
        were not: its validation part is the same.
    """
    learned = [] if origin.parent is None else learned_by(context, [origin.parent])
    shared = [one.dataset_id for one in learned if _shares(record, one)]
    if not shared:
        return {}
    context.note(f"its parent learned from events of it: {', '.join(shared)}")
    tags = {"events_seen_by_parent": ", ".join(shared)}
    fraction = context.settings.train.validation_fraction
    validation = TopicSlice.from_json(record.slice).split(fraction)[1]
    if validation.messages and any(_fitted_to(validation, record, one) for one in learned):
        context.note("so may it have from the validation part, whose figures then flatter")
        tags["validation_seen_by_parent"] = "true"
    return tags


def _shares(record: DatasetRecord, one: Learned) -> bool:
    if _is_there(record, one) and one.slice.overlaps(TopicSlice.from_json(record.slice)):
        return True
    return one.record is not None and same_events(one.record, record)


def _fitted_to(validation: TopicSlice, record: DatasetRecord, one: Learned) -> bool:
    """By offsets where both lie in one log; elsewhere the order of the events is not known."""
    if _is_there(record, one) and one.slice.overlaps(TopicSlice.from_json(record.slice)):
        return one.fitted.overlaps(validation)
    return one.record is not None and same_events(one.record, record)


def _is_there(record: DatasetRecord, one: Learned) -> bool:
    """Whether equal offsets of both are the same messages, as far as is known."""
    other = one.record
    if other is None:
        return True
    ids = {other.topic_id, record.topic_id} - {None}
    return other.cluster_id == record.cluster_id and len(ids) < 2
