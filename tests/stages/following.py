"""What the tests of following do again and again: publish, follow, load the chain."""

from __future__ import annotations

from stages.desk import Open

from susystream.registry.document import ModelDocument
from susystream.stages.follow import follow
from susystream.stages.publish import publish
from susystream.stages.result import StageResult

FOLLOW = [
    "stage=train",
    "train.follow=true",
    "train.following.poll_seconds=0.05",
    "train.following.idle_seconds=0.2",
]


def published(opened: Open, *numbers: int, overrides: tuple[str, ...] = ()) -> list[str]:
    """Data sets of 2000 toy events each; the number says which."""
    found: list[str] = []
    for number in numbers:
        with opened("data.rows=2000", f"data.offset={2000 * number}", *overrides) as context:
            found += publish(context).dataset_ids
    return found


def followed(opened: Open, *overrides: str) -> StageResult:
    """What a command did that followed the topic as long as there were data sets."""
    with opened(*FOLLOW, *overrides) as context:
        return follow(context)


def documents(opened: Open, result: StageResult) -> list[ModelDocument]:
    """The models of its chain."""
    with opened() as context:
        return [context.store.load_model(one) for one in result.inputs["models"]]
