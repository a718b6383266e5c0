"""Read as a group, write in transactions: each message once, whatever dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.future import Future
from kafka.structs import MemberState, OffsetAndMetadata
from own_broker import OwnBroker
from waiting import until

from susystream.errors import BrokerUnavailable, SliceTruncated, StreamError
from susystream.stream.connection import KafkaConnection
from susystream.stream.exchange import Arrived, Exchange
from susystream.stream.positions import Positions
from susystream.stream.topics import ensure_topic, is_there, watermarks
from susystream.stream.transaction import Outgoing, transactional_producer

MEMBER = Path(__file__).parent / "copying_member.py"
QUICK_GROUPS = (
    "group.min.session.timeout.ms=500",
    "group.initial.rebalance.delay.ms=0",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=200",
)
SESSION = 2.0
DEADLINE = 90.0


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """A broker that lets members be missed soon."""
    with OwnBroker(tmp_path_factory.mktemp("quick"), QUICK_GROUPS) as broker:
        yield broker


@pytest.fixture
def connection(quick: OwnBroker) -> KafkaConnection:
    return KafkaConnection(quick.address)


@pytest.fixture
def topic(connection: KafkaConnection) -> str:
    """An empty topic of two partitions, and one for its copies."""
    name = f"exchange-{uuid.uuid4().hex[:8]}"
    ensure_topic(connection, name, 2)
    ensure_topic(connection, f"{name}.copy", 2)
    return name


def fill(connection: KafkaConnection, topic: str, numbers: range) -> None:
    producer = KafkaProducer(**connection.client_settings(), acks="all")
    for number in numbers:
        producer.send(topic, value=str(number).encode(), partition=number % 2)
    producer.flush()
    producer.close()


def committed(connection: KafkaConnection, topic: str, *, in_order: bool = True) -> list[int]:
    """Every number that readers of committed messages see, partition by partition."""
    consumer = KafkaConsumer(
        **connection.client_settings(), group_id=None, isolation_level="read_committed"
    )
    keys = [TopicPartition(topic, partition) for partition in range(2)]
    consumer.assign(keys)
    consumer.seek_to_beginning(*keys)
    ends = consumer.end_offsets(keys)
    found: dict[int, list[int]] = {0: [], 1: []}
    give_up = time.monotonic() + DEADLINE
    while any((consumer.position(key) or 0) < ends[key] for key in keys):
        assert time.monotonic() < give_up
        for key, records in consumer.poll(timeout_ms=200).items():
            found[key.partition] += [int(record.value) for record in records]
    consumer.close()
    for numbers in found.values():
        assert numbers == sorted(numbers) or not in_order
    return found[0] + found[1]


def offsets(connection: KafkaConnection, topic: str) -> list[int | None]:
    """What the group has committed of each partition."""
    consumer = KafkaConsumer(
        **connection.client_settings(), group_id=topic, enable_auto_commit=False
    )
    try:
        return [consumer.committed(TopicPartition(topic, partition)) for partition in range(2)]
    finally:
        consumer.close()


def expel(connection: KafkaConnection, group: str) -> None:
    """Puts all members of a group out of it, as the end of a session does."""
    admin = KafkaAdminClient(**connection.client_settings())
    try:
        (found,) = admin.describe_groups([group]).values()
        members = [MemberToRemove(member_id=one["member_id"]) for one in found["members"]]
        assert members
        admin.remove_group_members(group, members)
    finally:
        admin.close()


def copies(arrived: list[Arrived]) -> list[Outgoing]:
    return [
        Outgoing(f"{one.place.topic}.copy", one.place.partition, *one.message) for one in arrived
    ]


def next_arrived(exchange: Exchange) -> list[Arrived]:
    found: list[Arrived] = []
    ends = time.monotonic() + DEADLINE
    while not found:
        assert time.monotonic() < ends
        found = exchange.poll()
    return found


def copy_all(exchange: Exchange, connection: KafkaConnection, topic: str) -> None:
    ends = {p: high for p, (_, high) in watermarks(connection, topic).items()}
    give_up = time.monotonic() + DEADLINE
    while not exchange.has_read(ends):
        assert time.monotonic() < give_up
        if arrived := exchange.poll():
            exchange.commit(copies(arrived), arrived)
        else:
            exchange.pass_markers()


def test_what_was_read_and_not_committed_comes_again(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(10))
    with Exchange(connection, topic, topic, session_seconds=SESSION) as exchange:
        first = next_arrived(exchange)
        exchange.rewind()
        copy_all(exchange, connection, topic)
    assert first
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(10))


def test_a_member_goes_on_where_its_group_stopped(connection: KafkaConnection, topic: str) -> None:
    for part in (range(10), range(10, 25)):
        fill(connection, topic, part)
        with Exchange(connection, topic, topic, session_seconds=SESSION) as exchange:
            copy_all(exchange, connection, topic)
            assert exchange.lag() == 0
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(25))


def test_another_group_reads_all_again(connection: KafkaConnection, topic: str) -> None:
    fill(connection, topic, range(10))
    for times, group in enumerate(("one", "two"), start=1):
        with Exchange(connection, topic, topic + group, session_seconds=SESSION) as exchange:
            copy_all(exchange, connection, topic)
        found = committed(connection, f"{topic}.copy", in_order=False)
        assert sorted(found) == sorted(times * [*range(10)])


def test_a_member_that_was_put_out_of_its_group_passes_over_nothing_later(
    connection: KafkaConnection, topic: str
) -> None:
    """The offsets of a refused commit must not be committed with the next transaction."""
    fill(connection, topic, range(20))
    with Exchange(connection, topic, topic, session_seconds=SESSION) as halted:
        arrived = next_arrived(halted)
        while {one.place.partition for one in arrived} != {0, 1}:
            arrived += next_arrived(halted)
        expel(connection, topic)
        assert not halted.commit(copies(arrived), arrived)
        halted.at_most = 1
        done = False
        while not done:
            first = next_arrived(halted)
            done = halted.commit(copies(first), first)
        assert offsets(connection, topic).count(None) == 1
    with Exchange(connection, topic, topic, session_seconds=SESSION) as exchange:
        copy_all(exchange, connection, topic)
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(20))


def test_a_member_put_out_while_it_was_joining_again_repeats_nothing(
    connection: KafkaConnection, topic: str
) -> None:
    """It comes back with its old place, behind which others have read on."""
    long = 60.0  # a heartbeat each 12 s: it does not hear that it was put out
    fill(connection, topic, range(40))
    with Exchange(connection, topic, topic, at_most=5, session_seconds=long) as halted:
        arrived = next_arrived(halted)
        assert halted.commit(copies(arrived), arrived)
        coordinator = halted._member._consumer._coordinator
        left = threading.Event()

        def other() -> None:
            with Exchange(connection, topic, topic, session_seconds=long) as member:
                while not left.is_set():
                    _copy(member)

        thread = threading.Thread(target=other)
        thread.start()
        until(lambda: bool(coordinator.rejoin_needed))  # and is halted: it polls no more
        member_id = coordinator._generation.member_id
        admin = KafkaAdminClient(**connection.client_settings())
        admin.remove_group_members(topic, [MemberToRemove(member_id=member_id)])
        admin.close()
        until(lambda: len(committed(connection, f"{topic}.copy")) == 40)
        left.set()
        thread.join(DEADLINE)
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            _copy(halted)
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(40))


def _copy(exchange: Exchange) -> bool:
    arrived = exchange.poll()
    return bool(arrived) and exchange.commit(copies(arrived), arrived)


def test_a_topic_that_is_made_anew_while_it_is_read_is_told(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(100))
    with Exchange(connection, topic, topic, session_seconds=SESSION) as exchange:
        copy_all(exchange, connection, topic)
        admin = KafkaAdminClient(**connection.client_settings())
        admin.delete_topics([topic])
        admin.close()
        until(lambda: not is_there(connection, topic))
        ensure_topic(connection, topic, 2)
        fill(connection, topic, range(1000, 1300))
        with pytest.raises(SliceTruncated, match="made anew"):
            until(lambda: _copy(exchange) is None)


def test_two_members_come_to_the_end_of_a_topic_that_was_written_in_transactions(
    connection: KafkaConnection, topic: str
) -> None:
    """Behind the last message stand the markers of the transaction."""
    producer = transactional_producer(connection, topic, session_seconds=10.0)
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(10):
        producer.send(topic, value=str(number).encode(), partition=number % 2)
    producer.commit_transaction()
    producer.close()

    def work() -> None:
        with Exchange(connection, topic, topic, session_seconds=SESSION) as exchange:
            copy_all(exchange, connection, topic)
            done.append(True)

    done: list[bool] = []
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * DEADLINE)
    assert done == [True, True]
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(10))


def test_two_members_that_begin_at_once_with_latest_read_nothing_old(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(100))
    begun, stop = [threading.Event(), threading.Event()], threading.Event()

    def work(mine: threading.Event) -> None:
        with Exchange(
            connection, topic, topic, start="latest", session_seconds=SESSION
        ) as exchange:
            while not stop.is_set():
                _copy(exchange)
                if exchange.has_read({0: 50, 1: 50}):
                    mine.set()

    threads = [threading.Thread(target=work, args=(one,)) for one in begun]
    for thread in threads:
        thread.start()
    assert all(one.wait(DEADLINE) for one in begun)
    fill(connection, topic, range(100, 110))
    until(lambda: len(committed(connection, f"{topic}.copy")) >= 10)
    stop.set()
    for thread in threads:
        thread.join(DEADLINE)
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(100, 110))


class Overtaken:
    """A consumer of kafka-python, whose group begins just after its first question."""

    def __init__(self, consumer: Any, begin: Callable[[], None]) -> None:
        self._consumer, self._begin = consumer, begin

    def committed(self, key: TopicPartition, **given: Any) -> int | None:
        found: int | None = self._consumer.committed(key, **given)
        self._begin()
        self._begin = lambda: None
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


def test_a_member_that_asked_just_before_its_group_began_reads_nothing_old(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(10))
    first, mine = [TopicPartition(topic, partition) for partition in range(2)]
    ends = {key: OffsetAndMetadata(5, "", -1) for key in (first, mine)}
    settings = {**connection.client_settings(), "group_id": topic, "enable_auto_commit": False}
    consumer, other = KafkaConsumer(**settings), KafkaConsumer(**settings)
    consumer.assign([mine])
    overtaken = Overtaken(consumer, lambda: other.commit(ends))
    assert Positions(overtaken, topic, "latest", 5000).seek_committed()
    assert consumer.position(mine) == 5
    consumer.close()
    other.close()


def test_a_partition_that_is_added_later_is_read_from_its_start_with_latest_too(
    connection: KafkaConnection, topic: str
) -> None:
    begin = Exchange(connection, topic, topic, start="latest", session_seconds=SESSION)
    with begin as exchange:
        until(lambda: not exchange.poll() and exchange.has_read({0: 0, 1: 0}))
    admin = KafkaAdminClient(**connection.client_settings())
    admin.create_partitions({topic: 3, f"{topic}.copy": 3})
    admin.close()
    until(lambda: len(watermarks(connection, topic)) == 3)
    producer = KafkaProducer(**connection.client_settings(), acks="all")
    for number in range(5):
        producer.send(topic, value=str(number).encode(), partition=2)
    producer.close()
    again = Exchange(connection, topic, topic, start="latest", session_seconds=SESSION)
    with again as exchange:
        assert [int(one.message[1]) for one in next_arrived(exchange)] == list(range(5))
        exchange.rewind()
        assert [int(one.message[1]) for one in next_arrived(exchange)] == list(range(5))


class Joining:
    """A consumer of kafka-python between the two answers of a join: the generation is new already,
    the partitions are not there yet. A real one is so for a moment only.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def poll(self, **given: Any) -> dict[Any, Any]:
        return {}

    def assignment(self) -> set[TopicPartition]:
        return set()

    def group_metadata(self) -> Any:
        return self._consumer.group_metadata()._replace(state=MemberState.REBALANCING)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


def test_a_member_whose_join_takes_longer_than_a_poll_reads_all(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(10))
    with Exchange(connection, topic, topic, session_seconds=SESSION) as exchange:
        until(lambda: not exchange.poll() and exchange.partitions() == (0, 1))
        member, consumer = exchange._member, exchange._member._consumer
        member._membership = None
        member._consumer = Joining(consumer)
        assert exchange.poll() == []
        assert member._membership is None, "its place is not settled before it has partitions"
        member._consumer = consumer
        copy_all(exchange, connection, topic)
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(10))


def test_a_join_for_an_added_partition_that_takes_longer_than_a_poll_is_gone_on_with(
    connection: KafkaConnection, topic: str
) -> None:
    """The group's leader begins it, and waits for the other one, which does not poll."""
    pair = [Exchange(connection, topic, topic, session_seconds=SESSION) for _ in range(2)]

    def shared() -> list[int]:
        for one in pair:
            one.poll()
        return sorted(len(one.partitions()) for one in pair)

    def poll_on() -> None:
        while not stop.is_set():
            other.poll()

    stop, thread = threading.Event(), threading.Thread(target=poll_on)
    with pair[0], pair[1]:
        until(lambda: shared() == [1, 1])
        other, leader = sorted(pair, key=lambda one: one._member._consumer._coordinator._is_leader)
        coordinator = leader._member._consumer._coordinator
        admin = KafkaAdminClient(**connection.client_settings())
        admin.create_partitions({topic: 3})
        admin.close()
        until(lambda: not leader.poll() and coordinator.rejoining, seconds=20)
        begun = coordinator._join_task
        until(lambda: not other.poll() and begun.is_done, seconds=20)
        thread.start()
        try:
            # its place is settled
            until(lambda: not leader.poll() and leader.has_read({}), seconds=20)
        finally:
            stop.set()
            thread.join(DEADLINE)


def test_a_question_that_timed_out_is_asked_anew(connection: KafkaConnection, topic: str) -> None:
    """kafka-python gives its late answer, of long ago, to the next who asks."""
    fill(connection, topic, range(10))
    with Exchange(connection, topic, topic, session_seconds=SESSION) as exchange:
        copy_all(exchange, connection, topic)
        positions = exchange._member._positions
        key = TopicPartition(topic, 0)
        late = Future()
        late.success({key: OffsetAndMetadata(1, "", -1)})
        positions.consumer._coordinator._offset_fetch_futures[frozenset([key])] = late
        assert positions._committed(key) == 5


def test_refusals_far_apart_do_not_add_up(connection: KafkaConnection, topic: str) -> None:
    fill(connection, topic, range(5))
    quick = KafkaConnection(connection.bootstrap_servers, timeout_seconds=1.0)
    patient = Exchange(quick, topic, topic, session_seconds=SESSION, patience_seconds=2.0)
    with patient as exchange:
        for _ in range(2):
            arrived = next_arrived(exchange)
            expel(connection, topic)
            assert not exchange.commit(copies(arrived), arrived)
            time.sleep(6.0)  # longer than the patience and an attempt
        assert exchange.given_up == 2


def test_what_kafka_refuses_for_good_is_told_at_once(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(2))
    admin = KafkaAdminClient(**connection.client_settings())
    small = {"num_partitions": 1, "configs": {"max.message.bytes": "1000"}}
    admin.create_topics({f"{topic}.small": small})
    admin.close()
    with Exchange(connection, topic, topic, session_seconds=SESSION) as exchange:
        arrived = next_arrived(exchange)
        large = Outgoing(f"{topic}.small", 0, b"large", os.urandom(2000))
        with pytest.raises(StreamError, match="check the topics, their limits"):
            exchange.commit([large], arrived)
    assert lags(connection, topic) == 2


def commit_in_vain(exchange: Exchange) -> None:
    nowhere = [Outgoing("no-such-topic", 0, b"", b"")]
    ends = time.monotonic() + DEADLINE
    while time.monotonic() < ends:
        if arrived := exchange.poll():
            assert not exchange.commit(nowhere, arrived)


def test_what_kafka_goes_on_to_refuse_is_told_when_the_patience_ends(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(10))
    quick = KafkaConnection(connection.bootstrap_servers, timeout_seconds=1.0)
    told: list[str] = []
    impatient = Exchange(
        quick, topic, topic, session_seconds=SESSION, patience_seconds=2.0, say=told.append
    )
    with impatient as exchange, pytest.raises(StreamError, match="write in transactions"):
        commit_in_vain(exchange)
    assert len(told) == 1
    assert lags(connection, topic) == 10


def test_latest_begins_at_the_end_and_a_restart_passes_over_nothing(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(10))
    joined = Exchange(connection, topic, topic, start="latest", session_seconds=SESSION)
    with joined as exchange:
        until(lambda: not exchange.poll() and exchange.partitions() == (0, 1))
        until(lambda: exchange.has_read({0: 5, 1: 5}))
    fill(connection, topic, range(10, 20))  # while nobody reads
    again = Exchange(connection, topic, topic, start="latest", session_seconds=SESSION)
    with again as exchange:
        copy_all(exchange, connection, topic)
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(10, 20))


def test_a_topic_that_is_not_there_is_told(connection: KafkaConnection) -> None:
    with pytest.raises(StreamError, match="expected topic nowhere"):
        Exchange(connection, "nowhere", "g").__enter__()


def test_what_retention_removed_before_it_was_read_is_an_error(
    connection: KafkaConnection, topic: str
) -> None:
    fill(connection, topic, range(10))
    with Exchange(connection, topic, topic, at_most=1, session_seconds=SESSION) as exchange:
        arrived = next_arrived(exchange)
        assert exchange.commit(copies(arrived), arrived)
    admin = KafkaAdminClient(**connection.client_settings())
    admin.delete_records({TopicPartition(topic, partition): 4 for partition in range(2)})
    admin.close()
    with (
        Exchange(connection, topic, topic, session_seconds=SESSION) as exchange,
        pytest.raises(SliceTruncated, match="retention removed"),
    ):
        copy_all(exchange, connection, topic)


class Member:
    """`copying_member.py` in a process."""

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(MEMBER), connection.bootstrap_servers, topic, topic, str(SESSION)],
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_joined(self) -> None:
        assert cast(IO[str], self.process.stdout).readline().strip() == "joined"

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        cast(IO[str], self.process.stdout).close()


def lags(connection: KafkaConnection, topic: str) -> int:
    """Messages the group has still to read, by its committed offsets."""
    consumer = KafkaConsumer(
        **connection.client_settings(), group_id=topic, enable_auto_commit=False
    )
    try:
        keys = [TopicPartition(topic, partition) for partition in range(2)]
        ends = consumer.end_offsets(keys)
        return sum(ends[key] - (consumer.committed(key) or 0) for key in keys)
    finally:
        consumer.close()


def test_killed_members_lose_nothing_and_repeat_nothing(
    connection: KafkaConnection, topic: str
) -> None:
    draw, count = random.Random(7), 3000
    fill(connection, topic, range(count))
    with ExitStack() as stack:
        for _ in range(3):
            member = Member(connection, topic)
            stack.callback(member.end)
            member.wait_joined()
            before = lags(connection, topic)
            until(lambda before=before: lags(connection, topic) < before)  # type: ignore[misc]
            time.sleep(draw.uniform(0.0, 0.05))
            member.signal(signal.SIGKILL)
            assert lags(connection, topic) > 0, "the kill came too late to prove anything"
        last = Member(connection, topic)
        stack.callback(last.end)
        until(lambda: lags(connection, topic) == 0)
        last.signal(signal.SIGTERM)
        assert last.process.wait(30) == 0
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(count))


def test_members_share_the_partitions_and_take_over_from_one_that_is_halted(
    connection: KafkaConnection, topic: str
) -> None:
    """A halted member is put out of the group; waking up, it must not commit what others did."""
    count = 4000
    with ExitStack() as stack:
        members = [Member(connection, topic) for _ in range(2)]
        for member in members:
            stack.callback(member.end)
        for member in members:
            member.wait_joined()
        filler = threading.Thread(target=fill, args=(connection, topic, range(count)))
        filler.start()
        until(lambda: lags(connection, topic) > 0)
        members[0].signal(signal.SIGSTOP)
        filler.join(DEADLINE)
        until(lambda: lags(connection, topic) == 0)  # the other one read the rest
        members[0].signal(signal.SIGCONT)
        fill(connection, topic, range(count, count + 200))
        until(lambda: lags(connection, topic) == 0)
        for member in members:
            member.signal(signal.SIGTERM)
        assert [member.process.wait(30) for member in members] == [0, 0]
    assert sorted(committed(connection, f"{topic}.copy")) == list(range(count + 200))


def test_a_broker_that_dies_and_comes_back_costs_no_message(tmp_path: Path) -> None:
    with OwnBroker(tmp_path, QUICK_GROUPS) as broker:
        connection, topic = KafkaConnection(broker.address, timeout_seconds=5.0), "restarted"
        ensure_topic(connection, topic, 2)
        ensure_topic(connection, f"{topic}.copy", 2)
        fill(connection, topic, range(1000))
        restarts = iter([300, 700])
        after, done = next(restarts), 0
        patient = Exchange(
            connection, topic, topic, at_most=20, session_seconds=SESSION, patience_seconds=60
        )
        with patient as exchange:
            give_up = time.monotonic() + 2 * DEADLINE
            while not exchange.has_read({0: 500, 1: 500}):
                assert time.monotonic() < give_up
                if not (arrived := exchange.poll()):
                    continue
                if done >= after:
                    after = next(restarts, 10_000)
                    broker.kill()
                    revival = threading.Timer(0.5, broker.start)
                    revival.start()
                    done += len(arrived) * exchange.commit(copies(arrived), arrived)
                    revival.join()
                    continue
                done += len(arrived) * exchange.commit(copies(arrived), arrived)
        assert sorted(committed(connection, f"{topic}.copy")) == list(range(1000))


def test_a_broker_that_stays_away_is_told(tmp_path: Path) -> None:
    with OwnBroker(tmp_path, QUICK_GROUPS) as broker:
        connection, topic = KafkaConnection(broker.address, timeout_seconds=2.0), "gone"
        ensure_topic(connection, topic, 1)
        impatient = Exchange(connection, topic, topic, session_seconds=SESSION, patience_seconds=3)
        with impatient as exchange:
            exchange.poll()
            broker.kill()
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable, match="expected a Kafka broker"):
                until(lambda: bool(exchange.poll()))
            assert time.monotonic() - began < 30
