"""The page's session with Kafka: what the topics bring, told to an observer; and what is still due.

Nobody's offsets move: the page is a member of no consumer group. It shows what the topics hold, and
not, as the page of one machine, what is in the lake.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from whiteout.enrich.tsv import NotEnrichedError, read_tsv
from whiteout.errors import LogError
from whiteout.kafka import clients
from whiteout.kafka.ends import SHOWN, Ends
from whiteout.lake.failed import from_text
from whiteout.lake.loaded import Loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import Consumer, Message

    from whiteout.kafka.ends import Offsets
    from whiteout.kafka.settings import KafkaSettings
    from whiteout.lake.loaded import Observer

WAIT_S = 10.0
_ANSWER_S = 5.0
_LOOK_EVERY_S = 0.02
_MESSAGES = 500  # of one observation
_LOGGER = logging.getLogger(__name__)


class Window:
    """How far the page has read; outlives sessions. Any thread.

    Args:
        begin: where it begins to read.
    """

    def __init__(self, begin: Mapping[str, Mapping[int, int]]) -> None:
        self._next: Offsets = {name: dict(offsets) for name, offsets in begin.items()}
        self._moved = threading.Condition()

    def positions(self) -> Offsets:
        """The offsets that will be read next."""
        with self._moved:
            return {name: dict(offsets) for name, offsets in self._next.items()}

    def advance(self, name: str, partition: int, offset: int) -> None:
        """Note that a partition is read before `offset`."""
        with self._moved:
            self._next[name][partition] = offset
            self._moved.notify_all()

    def wait(self, ends: Offsets, timeout_s: float) -> bool:
        """Wait until everything before `ends` is read; False: it takes too long."""

        def is_there() -> bool:
            return all(
                self._next.get(name, {}).get(partition, end) >= end  # a new one is not read yet
                for name, offsets in ends.items()
                for partition, end in offsets.items()
            )

        with self._moved:
            return self._moved.wait_for(is_there, timeout_s)


class ShowingSession:
    """From its first poll to its first fault. One thread.

    Args:
        settings: of Kafka.
        window: where to go on, and where that is noted.
        observe: told of what came.
        now_ms: the wall clock.

    Raises:
        LogError: the topics cannot be used.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        window: Window,
        observe: Observer,
        now_ms: Callable[[], int],
    ) -> None:
        self._window, self._observe, self._now_ms = window, observe, now_ms
        self._kafka = clients.library()
        self._names = {settings.topic(name): name for name in SHOWN}
        # The group is only a name here: no offset is committed.
        self._consumer: Consumer = clients.consumer(
            settings, f"{settings.prefix}-page", enable_partition_eof=True
        )
        self._consumer.assign(
            [
                self._kafka.TopicPartition(settings.topic(name), partition, offset)
                for name, offsets in window.positions().items()
                for partition, offset in offsets.items()
            ]
        )

    def step(self, timeout_s: float) -> int:
        """Tell what comes within `timeout_s`; how many messages that was.

        Raises:
            LogError: Kafka failed; the session is over.
        """
        try:
            messages = self._consumer.consume(_MESSAGES, timeout_s)
        except self._kafka.KafkaException as error:
            raise LogError(f"Kafka failed: {error.args[0].name()}") from error
        loaded = Loaded(load_us=self._now_ms() * 1000)
        found = [message for message in messages if self._is_record(message)]
        for message in found:
            self._read(message, loaded)
        if found:
            self._observe(loaded)
        for message in messages:
            name = self._names[message.topic() or ""]
            after = 1 if message.error() is None else 0
            self._window.advance(name, message.partition() or 0, (message.offset() or 0) + after)
        return len(found)

    def _is_record(self, message: Message) -> bool:
        """Whether it is one, and not word that a partition is read up to here.

        That word passes over what is no message: marks of transactions, records that are deleted.
        """
        problem = message.error()
        if problem is None:
            return True
        if problem.code() != self._kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            raise LogError(f"a topic cannot be read: {problem.name()}")
        return False

    def _read(self, message: Message, loaded: Loaded) -> None:
        value = message.value() or b""
        if self._names[message.topic() or ""] != "enriched":
            loaded.failed.append(from_text(value, now_ms=self._now_ms()))
            return
        try:
            loaded.events.append(read_tsv(value.decode()))
        except (NotEnrichedError, UnicodeDecodeError) as error:
            # Of somebody else's making; the loader makes a failed event of it, in the lake.
            _LOGGER.warning("the page leaves out an event: %s", type(error).__name__)

    def maintain(self) -> None:
        """Nothing waits to be done."""

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


class KafkaFreshness:
    """Waits until what collectors had accepted when it was asked has come to the page. Any thread.

    First until the enrich workers have committed what the raw topic holds: they do so after all
    that came of it is acknowledged. Then until the page has read what the other topics hold.

    Args:
        settings: of Kafka.
        window: of the page.
        timeout_s: for all of it.
    """

    def __init__(
        self, settings: KafkaSettings, window: Window, *, timeout_s: float = WAIT_S
    ) -> None:
        self._settings, self._window, self._timeout_s = settings, window, timeout_s
        self._kafka = clients.library()
        self._asking = threading.Lock()
        self._ends: Ends | None = None
        self._asker: Consumer = clients.consumer(settings, settings.enriching)  # never subscribed

    def wait(self) -> bool:
        """Wait; False: it takes too long, or Kafka does not answer."""
        deadline = time.monotonic() + self._timeout_s
        try:
            ends = self._made()
            begins, raw = ends.earliest("raw")["raw"], ends.latest("raw")["raw"]
            # What is deleted is not due, also where no offset was ever committed.
            due = {partition: end for partition, end in raw.items() if end > begins[partition]}
            while not self._is_enriched(due):
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_LOOK_EVERY_S)
            rest = ends.latest(*SHOWN)
        except (LogError, self._kafka.KafkaException) as error:
            _LOGGER.warning("the page cannot ask Kafka: %s", type(error).__name__)
            return False
        return self._window.wait(rest, max(deadline - time.monotonic(), 0))

    def _made(self) -> Ends:
        with self._asking:
            if self._ends is None:
                self._ends = Ends(self._settings, ("raw", *SHOWN))
            return self._ends

    def _is_enriched(self, due: Mapping[int, int]) -> bool:
        if not due:
            return True
        title = self._settings.topic("raw")
        with self._asking:
            found = self._asker.committed(
                [self._kafka.TopicPartition(title, partition) for partition in due],
                timeout=_ANSWER_S,
            )
        return all(one.error is None and one.offset >= due[one.partition] for one in found)

    def close(self) -> None:
        """Close the connection."""
        with self._asking:
            self._asker.close()
