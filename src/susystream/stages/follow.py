"""Stage `train` with `train.follow`: a model of each new data set of a topic, from the last one.

In: data sets as they are published, the chain so far. Out: the chain, one model longer for each,
with what each forgot. All that must outlive a kill stands in the store, and a model is either
there and proven or is not: run again, the chain goes on to the same weights.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from susystream.errors import SettingsError
from susystream.file_lock import file_lock
from susystream.registry.document import DatasetRecord
from susystream.settings import public_uri
from susystream.stages import result_notes
from susystream.stages.chain_figures import COLUMNS, FOOTNOTE
from susystream.stages.context import StageContext
from susystream.stages.follower import Follower
from susystream.stages.readers import bad_messages_logged
from susystream.stages.result import StageResult
from susystream.stages.tracked import tracked
from susystream.stream.topics import is_there

_LOCK_SECONDS = 10.0  # a command that was killed lets go at once


def follow(context: StageContext, *, parent_run_id: str | None = None) -> StageResult:
    """Trains on every data set of the topic in turn, until one of the settings ends it.

    A stop by Ctrl-C or SIGTERM between two data sets is an end as good as any, with the exit
    status of a stop; in the middle of a training it leaves no model, and the next command trains
    on that data set from its beginning. `result.json` tells what was done after each data set.
    """
    following = context.settings.train.following
    name = following.chain or context.settings.model.name
    topic = context.settings.stream.topic
    context.console.heading(f"follow topic {topic} as chain {name}")
    with (
        _alone(context, name),
        tracked(
            context,
            "follow",
            what=f"follow {topic}",
            tags={"chain": name, "topic": topic, **_since(context)},
            parent_run_id=parent_run_id,
        ) as run,
        bad_messages_logged(context, run),
    ):
        _ = context.store  # a wrong address is told before a broker starts
        follower = Follower(context, run, name)
        follower.catch_up()
        follower.check_test()
        stop = _until_the_end(context, follower)
        table = ("data set", *COLUMNS), follower.table()
        made = follower.result().model_ids
        run.set_note(result_notes.of_follow(context, name, table, model_ids=made))
    context.console.table(f"Chain {name}", *table)
    context.console.say(FOOTNOTE)
    result = follower.result()
    if stop is not None:
        context.console.say(f"stopped between two data sets: {result.write(context.output)}")
        raise stop
    return result


def _since(context: StageContext) -> dict[str, str]:
    """What the run says of data sets that were left out."""
    since = context.settings.train.following.since
    return {} if since is None else {"since": since}


def _until_the_end(context: StageContext, follower: Follower) -> BaseException | None:
    """Returns what stopped it between two data sets, if something did."""
    wanted = context.settings.train.following.slices
    while wanted is None or len(follower.steps) < wanted:
        try:
            record = _awaited(context, follower)
            context.tracker.wait()  # the next training is a run of its own
        except (KeyboardInterrupt, SystemExit) as stop:
            return stop
        if record is None:
            break
        follower.step(record)
        follower.result().write(context.output)
    return None


def _awaited(context: StageContext, follower: Follower) -> DatasetRecord | None:
    """The next data set; None if none came for as long as the settings say."""
    following = context.settings.train.following
    idle = float("inf") if following.idle_seconds is None else following.idle_seconds
    ends, told = time.monotonic() + idle, False
    while (record := follower.next()) is None:
        left = ends - time.monotonic()
        if left <= 0:
            context.note(f"no data set came for {idle:g} s")
            break
        if not told:
            context.note(_waits_for(context))
            told = True
        time.sleep(min(following.poll_seconds, left))
    return record


def _waits_for(context: StageContext) -> str:
    topic = context.settings.stream.topic
    if is_there(context.kafka, topic):
        return f"waiting for the next data set on topic {topic}"
    return f"waiting for topic {topic}, which the broker does not have yet"


@contextmanager
def _alone(context: StageContext, name: str) -> Iterator[None]:
    """Two commands of one home do not follow one chain: each would train on each data set.

    Raises:
        SettingsError: Another one does.
    """
    registry = context.settings.registry
    place = json.dumps([public_uri(registry.uri or ""), registry.database, name])
    folder = context.settings.home / "follow"
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(
        folder / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.lock",
        deadline_seconds=_LOCK_SECONDS,
        late=lambda why: SettingsError(
            f"expected one command to follow chain {name}, received: {why}; stop the other, or "
            "name another train.following.chain"
        ),
    ):
        yield
