"""An enrich worker: records from the raw topic, events and bad rows to theirs.

What keeps anything from being lost or doubled in the lake, whatever is killed when:

1. The offset of a record is committed only after everything that came of it is acknowledged.
2. A record is therefore enriched again after a crash or a rebalance, and what comes of it is the
   same again: an event without an id gets one made from the record's place, not from chance. The
   loader knows the event by its id, and a bad row by the place that its message names (`ORIGIN`).
3. The bad rows of one partition go to one partition, in order and without gaps. So whoever reads
   them meets a place only after all places before it. Events go where their id belongs.

Any fault ends the session: the next one starts where the last offset was committed.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from whiteout.enrich import BadRow, EnrichedEvent
from whiteout.enrich.failure import BadRows
from whiteout.errors import LogError
from whiteout.kafka import clients
from whiteout.kafka.origin import ORIGIN, Origin
from whiteout.kafka.topics import ensure_topics
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from confluent_kafka import Consumer, KafkaError, Message, Producer

    from whiteout.enrich.event import Result
    from whiteout.kafka.settings import KafkaSettings

_LOGGER = logging.getLogger(__name__)
_WAITING_BYTES = 64 * 1024 * 1024
_FLUSH_S = 30.0
_RECORDS = 500  # between two commits of offsets
_ARTIFACT = "whiteout-enrich"


class Enrich(Protocol):
    """What a worker does to records."""

    def __call__(
        self, records: Iterable[bytes], new_uuids: Iterable[Callable[[], UUID]], /
    ) -> Iterable[Sequence[Result]]:
        """Return the events and bad rows of each record; what makes missing ids is beside it."""
        ...


class Identities:
    """Ids for events that came without, the same each time the same record is enriched.

    They are made of where the record stands, never of what it holds: whoever has the id must not
    be able to try out what was masked.

    Args:
        source: of the record.
        offset: in that.
        appended_ms: when it was written there, Unix epoch milliseconds.
    """

    def __init__(self, source: str, offset: int, appended_ms: int) -> None:
        self._place = f"{source}\n{offset}\n{appended_ms}\n".encode()
        self._count = 0

    def __call__(self) -> UUID:
        """Make the next one."""
        self._count += 1
        digest = hashlib.blake2b(b"%b%d" % (self._place, self._count), digest_size=16).digest()
        return UUID(bytes=digest, version=4)


@dataclass(slots=True)
class WorkerCounts:
    """What a worker did since it started."""

    records: int = 0
    events: int = 0
    failed: int = 0
    incomplete: int = 0
    too_large: int = 0


@dataclass(slots=True)
class Limits:
    """What sessions learn of the topics.

    Attributes:
        message_bytes: the most that a topic takes in one message, as far as is known.
    """

    message_bytes: int = clients.MAX_MESSAGE_BYTES - 10_000  # the rest is the protocol's


@dataclass(slots=True)
class _Sent:
    """What became of the messages of one batch."""

    unacknowledged: int = 0
    problems: Counter[int] = field(default_factory=Counter)


class Worker:
    """One session of an enrich worker, from its first poll to its first fault. One thread.

    Args:
        settings: of Kafka.
        enrich: what is done to records.
        now_ms: the wall clock.
        counts: counted up.
        limits: learnt, and kept for the next session.
        monotonic_s: for waits.

    Raises:
        LogError: the topics cannot be used.
    """

    def __init__(  # noqa: PLR0913 - all keyword-only, none with a sensible default
        self,
        settings: KafkaSettings,
        *,
        enrich: Enrich,
        now_ms: Callable[[], int],
        counts: WorkerCounts,
        limits: Limits,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._enrich, self._now_ms = enrich, now_ms
        self._monotonic_s = monotonic_s
        self._counts, self._limits = counts, limits
        self._kafka = clients.library()
        self._topics = ensure_topics(settings, set(settings.topics) - {"bad"})
        self._bad_rows = BadRows(artifact=_ARTIFACT, version=__version__)
        self._producer: Producer = clients.producer(
            settings,
            waiting_bytes=_WAITING_BYTES,
            # A message that is given up while later ones arrive would be a gap: none is given up
            # because of its age, and one that is refused ends the session.
            enable_gapless_guarantee=True,
            message_timeout_ms=0,
        )
        self._consumer: Consumer = clients.consumer(settings, settings.enriching)
        self._sent = _Sent()
        self._consumer.subscribe([self._topics["raw"].name])

    def step(self, timeout_s: float) -> int:
        """Take what there is within `timeout_s`, to the last acknowledgement.

        Returns:
            How many records that was.

        Raises:
            LogError: something went wrong; the session is over, and nothing is lost.
        """
        try:
            messages = self._consumer.consume(_RECORDS, timeout_s)
            if not messages:
                return 0
            self._sent = _Sent()
            self._take(messages)
            self._settle()
            self._commit(messages)
        except self._kafka.KafkaException as error:
            raise LogError(f"Kafka failed: {_name(error.args[0])}") from error
        self._counts.records += len(messages)
        return len(messages)

    def _take(self, messages: Sequence[Message]) -> None:
        places: list[tuple[str, int, int]] = []
        for message in messages:
            error = message.error()
            if error is not None:
                raise LogError(f"the raw topic cannot be read: {_name(error)}")
            partition = message.partition() or 0
            source = self._topics["raw"].source(partition)
            places.append((source, message.offset() or 0, partition))
        enriched = self._enrich(
            (message.value() or b"" for message in messages),
            (
                Identities(source, offset, message.timestamp()[1])
                for message, (source, offset, _) in zip(messages, places, strict=True)
            ),
        )
        for (source, offset, partition), results in zip(places, enriched, strict=True):
            for number, result in enumerate(results):
                self._hand_on(result, Origin(source, offset, number), partition)

    def _hand_on(self, result: Result, origin: Origin, partition: int) -> None:
        if isinstance(result, EnrichedEvent):
            self._counts.events += 1
            line = result.tsv().encode("utf-8", "replace")
            home = home_of(result["event_id"], self._topics["enriched"].partitions)
            self._send("enriched", line, home, origin, partition)
        elif isinstance(result, BadRow):
            self._fail(result, origin, partition)
            if result.incomplete is not None and "incomplete" in self._topics:
                self._counts.incomplete += 1
                line = result.incomplete.tsv().encode("utf-8", "replace")
                home = partition % self._topics["incomplete"].partitions
                if len(line) <= self._limits.message_bytes:  # else its bad row has to do
                    self._send("incomplete", line, home, origin, partition)

    def _fail(self, row: BadRow, origin: Origin, partition: int) -> None:
        self._counts.failed += 1
        home = partition % self._topics["failed"].partitions
        self._send("failed", row.json().encode("utf-8", "replace"), home, origin, partition)

    def _send(self, name: str, value: bytes, home: int, origin: Origin, partition: int) -> None:
        if len(value) > self._limits.message_bytes:
            self._replace(len(value), origin, partition)
            return
        sent = self._sent

        def acknowledged(problem: KafkaError | None, _: object) -> None:
            sent.unacknowledged -= 1
            if problem is None:
                return
            if problem.code() == self._kafka.KafkaError.MSG_SIZE_TOO_LARGE:
                # A topic of somebody else's making. The next session knows.
                self._limits.message_bytes = min(len(value), self._limits.message_bytes) - 1
            sent.problems[problem.code()] += 1

        headers: dict[str, str | bytes | None] | None = None
        if name != "enriched":
            headers = {ORIGIN: origin.header()}
        deadline_s = self._monotonic_s() + _FLUSH_S
        while True:
            try:
                self._producer.produce(
                    self._topics[name].name,
                    value,
                    partition=home,
                    headers=headers,
                    on_delivery=acknowledged,
                )
            except BufferError:  # a slow partition: wait for room, take nothing more meanwhile
                self._producer.poll(0.1)
                if sent.problems or self._monotonic_s() >= deadline_s:
                    raise LogError("Kafka does not acknowledge") from None
            else:
                sent.unacknowledged += 1
                return

    def _replace(self, size: int, origin: Origin, partition: int) -> None:
        """In place of what no topic takes: a bad row that says how large it was."""
        self._counts.too_large += 1
        limit = self._limits.message_bytes
        row = self._bad_rows.size_violation(self._now_ms(), size=size, limit=limit)
        self._fail(row, origin, partition)

    def _settle(self) -> None:
        """Wait until everything is acknowledged."""
        sent = self._sent
        self._producer.flush(_FLUSH_S)
        if sent.unacknowledged or sent.problems:
            names = ", ".join(str(code) for code in sorted(sent.problems)) or "no answer"
            raise LogError(f"Kafka does not acknowledge: {names}")

    def _commit(self, messages: Sequence[Message]) -> None:
        offsets: dict[int, int] = {}
        for message in messages:
            offsets[message.partition() or 0] = (message.offset() or 0) + 1
        topic = self._topics["raw"].name
        self._consumer.commit(
            offsets=[self._kafka.TopicPartition(topic, *pair) for pair in offsets.items()],
            asynchronous=False,
        )

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._producer.purge()
        self._consumer.close()


def home_of(event_id: str | None, partitions: int) -> int:
    """The partition of an event: all deliveries of it meet there, and nothing else of anybody."""
    digest = hashlib.blake2b((event_id or "").encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) % partitions


def _name(error: KafkaError) -> str:
    return str(error.name())
