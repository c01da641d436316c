"""A loader's session with Kafka: messages in, rows of the lake out.

The offsets that count are those in the lake. They are committed to the group as well, so that its
lag can be watched, but nothing is read from there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from whiteout.errors import LogError
from whiteout.kafka import clients
from whiteout.kafka.origin import ORIGIN, read_origin
from whiteout.kafka.topics import ensure_topics
from whiteout.lake.stream_records import StreamRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Consumer, Message, TopicPartition

    from whiteout.kafka.settings import KafkaSettings
    from whiteout.lake.stream_loader import StreamLoader

_LOGGER = logging.getLogger(__name__)
_NAMES = ("enriched", "failed", "bad")
_ANSWER_S = 10.0


_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Sorted(Generic[_Item]):
    """Partitions, or their records, by the table that they are for."""

    events: list[_Item] = field(default_factory=list)
    failed: list[_Item] = field(default_factory=list)
    incomplete: list[_Item] = field(default_factory=list)

    def of(self, name: str) -> list[_Item]:
        """Those of a topic, by the settings' name for it."""
        return {"enriched": self.events, "incomplete": self.incomplete}.get(name, self.failed)


class LoadingSession:
    """From its first poll to its first fault. One thread.

    Args:
        settings: of Kafka.
        loader: of the lake; given partitions as Kafka assigns them.
        max_records: a commit to the lake.

    Raises:
        LogError: the topics cannot be used.
    """

    def __init__(self, settings: KafkaSettings, loader: StreamLoader, *, max_records: int) -> None:
        self._loader = loader
        self._max_records = max_records
        self._kafka = clients.library()
        names = _NAMES if loader.incomplete is None else (*_NAMES, "incomplete")
        self._topics = ensure_topics(settings, names)
        self._sources = {topic.name: topic for topic in self._topics.values()}
        self._names = {topic.name: name for name, topic in self._topics.items()}
        self._begun: dict[tuple[str, int], int] = {}  # what the lake had at the assignment
        self._keeps_house = False
        self._consumer: Consumer = clients.consumer(
            settings, settings.loading, auto_offset_reset="error"
        )
        self._consumer.subscribe(list(self._sources), on_assign=self._assigned)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        taken: _Sorted[str] = _Sorted()
        for one in partitions:
            taken.of(self._names[one.topic]).append(self._sources[one.topic].source(one.partition))
        offsets = self._loader.take_over(taken.events, taken.failed)
        if self._loader.incomplete is not None:
            offsets |= self._loader.incomplete.take_over(taken.incomplete)
        for one in partitions:
            one.offset = offsets[self._sources[one.topic].source(one.partition)]
            self._begun[one.topic, one.partition] = one.offset
        # One loader of all is enough to merge files.
        self._keeps_house = self._topics["enriched"].source(0) in taken.events
        consumer.assign(partitions)

    def _go_on_from(self, topic: str, partition: int) -> None:
        """Read on where the brokers do not have what comes next.

        Raises:
            LogError: the topic is shorter than the lake: what comes would be taken for loaded.
        """
        one = self._kafka.TopicPartition(topic, partition)
        loaded = self._begun.get((topic, partition), 0)
        try:
            loaded = max(loaded, self._consumer.position([one])[0].offset)
            ends = self._consumer.get_watermark_offsets(one, timeout=_ANSWER_S)
            if ends is None:
                raise LogError("Kafka does not say where a topic ends")
            first, end = ends
            if first <= loaded:
                raise LogError(
                    f"partition {partition} of topic {topic} ends at {end}, and the lake has"
                    f" loaded {loaded} messages of it: the brokers have lost some. New ones would"
                    " be passed over. Load under another prefix, or delete the topic: a new one of"
                    " the same name is read from its start"
                )
            if loaded:  # else what was there before this lake was made
                _LOGGER.warning(
                    "%d messages of partition %d of topic %s were deleted before they were loaded",
                    first - loaded,
                    partition,
                    topic,
                )
            one.offset = first
            self._consumer.seek(one)
        except self._kafka.KafkaException as error:
            raise LogError(f"Kafka failed: {error.args[0].name()}") from error

    def step(self, timeout_s: float) -> int:
        """Load what comes within `timeout_s`.

        Returns:
            How many messages that was.

        Raises:
            LogError: Kafka failed, or another loader was there; the session is over.
            Exception: the lake cannot be written; the same. Nothing is lost or doubled.
        """
        try:
            messages = self._consumer.consume(self._max_records, timeout_s)
        except self._kafka.KafkaException as error:
            raise LogError(f"Kafka failed: {error.args[0].name()}") from error
        if not messages:
            return 0
        read: _Sorted[StreamRecord] = _Sorted()
        for message in messages:
            problem = message.error()
            if problem is not None:
                if problem.code() != self._kafka.KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - its name
                    raise LogError(f"a topic cannot be read: {problem.name()}")
                self._go_on_from(message.topic() or "", message.partition() or 0)
                continue
            read.of(self._names[message.topic() or ""]).append(self._record(message))
        self._loader.load(read.events, read.failed)
        if self._loader.incomplete is not None:
            self._loader.incomplete.load(read.incomplete)
        self._show_lag(messages)
        return len(messages)

    def _record(self, message: Message) -> StreamRecord:
        topic = self._sources[message.topic() or ""]
        header = dict(message.headers() or ()).get(ORIGIN)
        place = read_origin(header if isinstance(header, bytes) else None)
        return StreamRecord(
            topic.source(message.partition() or 0),
            message.offset() or 0,
            message.value() or b"",
            None if place is None else (place.source, place.rank),
        )

    def _show_lag(self, messages: Sequence[Message]) -> None:
        ends: dict[tuple[str, int], int] = {}
        for message in messages:
            place = (message.topic() or "", message.partition() or 0)
            ends[place] = (message.offset() or 0) + 1
        offsets = [self._kafka.TopicPartition(*place, end) for place, end in ends.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except self._kafka.KafkaException as error:
            _LOGGER.warning("the lag cannot be shown: %s", error.args[0].name())

    def maintain(self) -> None:
        """Merge small files, where that is this loader's to do."""
        if not self._keeps_house:
            return
        try:
            self._loader.maintain()
        except Exception as error:  # noqa: BLE001 - it conflicts with others' commits at times
            _LOGGER.warning("files were not merged: %s", type(error).__name__)

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._consumer.close()
