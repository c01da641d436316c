"""Where topics begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.errors import LogError
from whiteout.kafka import clients
from whiteout.kafka.topics import ensure_topics, once_known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from whiteout.kafka.settings import KafkaSettings

SHOWN = ("enriched", "failed", "bad")
"""The topics whose messages the page shows, by the settings' names."""
_ANSWER_S = 5.0

Offsets = dict[str, dict[int, int]]
"""For each of the settings' names of topics, for each partition, an offset."""


class Ends:
    """Asks where topics begin and end. Any thread.

    Args:
        settings: of Kafka.
        names: of topics; they are made where they do not exist.

    Raises:
        LogError: the brokers cannot be reached, or refuse.
    """

    def __init__(self, settings: KafkaSettings, names: Iterable[str]) -> None:
        self._topics = ensure_topics(settings, names)
        self._admin = clients.admin(settings)
        self._kafka = clients.library()

    def latest(self, *names: str) -> Offsets:
        """The offsets that the next messages will have.

        Args:
            *names: some of those that were named.

        Raises:
            LogError: the brokers do not answer.
        """
        return self._ask(names, is_end=True)

    def earliest(self, *names: str) -> Offsets:
        """The offsets of the oldest messages that are kept; as `latest`."""
        return self._ask(names, is_end=False)

    def _ask(self, names: Iterable[str], *, is_end: bool) -> Offsets:
        from confluent_kafka import admin  # noqa: PLC0415 - only where Kafka is

        asked = {
            (name, partition): self._kafka.TopicPartition(self._topics[name].name, partition)
            for name in names
            for partition in range(self._topics[name].partitions)
        }
        kind: Any = admin.OffsetSpec  # type: ignore[attr-defined] # it is not marked as exported
        spec = kind.latest() if is_end else kind.earliest()
        found: Offsets = {name: {} for name in names}

        def ask() -> None:
            answers = self._admin.list_offsets(
                dict.fromkeys(asked.values(), spec), request_timeout=_ANSWER_S
            )
            for (name, partition), place in asked.items():
                found[name][partition] = answers[place].result(_ANSWER_S).offset

        try:
            once_known(ask)
        except (self._kafka.KafkaException, TimeoutError) as error:
            raise LogError(f"Kafka does not answer: {type(error).__name__}") from error
        return found
