"""Clients of Kafka, as the stages need them."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient

    from whiteout.kafka.settings import KafkaSettings

LOGGER = logging.getLogger("whiteout.kafka")
MAX_MESSAGE_BYTES = 10_000_000
"""Of one message: a bad row repeats what a collector takes in a request, and more."""

_QUEUED_KIB = 16 * 1024  # that a consumer has fetched ahead
_KIB = 1024
_NUMBER = re.compile(r"-\d+(?=\])|\d+(?=ms)")  # of a client, of milliseconds: all that differs
_TOLD_EVERY_S, _MAX_KINDS = 60.0, 1000


def library() -> ModuleType:
    """The module `confluent_kafka`.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import confluent_kafka  # noqa: PLC0415 - only where Kafka is
    except ImportError as error:
        raise ConfigurationError("Kafka needs more: pip install 'whiteout[kafka]'") from error
    return confluent_kafka


def producer(
    settings: KafkaSettings,
    *,
    waiting_bytes: int,
    logger: logging.Logger = LOGGER,
    **options: object,
) -> Producer:
    """A producer whose messages are acknowledged by all replicas in sync, once and in order.

    Args:
        settings: see there.
        waiting_bytes: how much may wait in it.
        logger: of the library's own messages.
        **options: of librdkafka, `_` for `.`.

    Raises:
        ConfigurationError: the library does not take an option.
    """
    made: Producer = _make(
        library().Producer,
        {
            **_common(settings),
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 3,  # what comes together goes together
            "compression.type": "lz4",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "queue.buffering.max.kbytes": max(waiting_bytes // _KIB, 1),
            "queue.buffering.max.messages": 1_000_000,
            **{name.replace("_", "."): value for name, value in options.items()},
            **settings.producer,
        },
        logger,
    )
    return made


def consumer(
    settings: KafkaSettings, group: str, *, logger: logging.Logger = LOGGER, **options: object
) -> Consumer:
    """A member of a group that commits its offsets itself, and reads from the first record on.

    Args:
        settings: see there.
        group: its name.
        logger: of the library's own messages.
        **options: of librdkafka, `_` for `.`.

    Raises:
        ConfigurationError: the library does not take an option.
    """
    made: Consumer = _make(
        library().Consumer,
        {
            **_common(settings),
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": _QUEUED_KIB,
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
            "fetch.wait.max.ms": 100,
            **{name.replace("_", "."): value for name, value in options.items()},
            **settings.consumer,
        },
        logger,
    )
    return made


def admin(settings: KafkaSettings) -> AdminClient:
    """What makes and describes topics.

    Raises:
        ConfigurationError: the library does not take an option.
    """
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - only where Kafka is

    made: AdminClient = _make(AdminClient, _common(settings), LOGGER)
    return made


def check_options(settings: KafkaSettings) -> None:
    """Let the library look at the options that go on to it. Asks no broker.

    Raises:
        ConfigurationError: it is not installed, or does not take one.
    """
    # Somewhere that nobody listens: the clients live for a moment, and say nothing.
    nowhere = replace(settings, servers="127.0.0.1:0")
    silent = logging.getLogger(f"{LOGGER.name}.silent")
    silent.setLevel(logging.CRITICAL + 1)
    producer(nowhere, waiting_bytes=_KIB, logger=silent)
    consumer(nowhere, "none", logger=silent).close()


def _make(kind: Callable[..., Any], options: dict[str, Any], logger: logging.Logger) -> Any:  # noqa: ANN401 - any client
    LOGGER.addFilter(_WORTH_TELLING)
    try:
        return kind(options, logger=logger)
    except (library().KafkaException, TypeError, ValueError) as error:
        reason = error.args[0] if error.args else error
        text = str(reason.str() if hasattr(reason, "str") else reason).strip()
        raise ConfigurationError(
            f"client, producer or consumer has an option that Kafka's client does not take: {text};"
            " CONFIGURATION.md of librdkafka lists what it takes"
        ) from error


class WorthTelling(logging.Filter):
    """What the library says is told once a minute: it repeats itself while a broker is away.

    Never that the guarantee against gaps is experimental: what rests on it is tested.

    Args:
        monotonic_s: a clock that never steps back, seconds.
    """

    def __init__(self, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic_s = monotonic_s
        self._told_at_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is to be written."""
        text = record.getMessage()
        if text.startswith("CONFWARN"):
            return False
        kind, now = _NUMBER.sub("", text), self._monotonic_s()
        if now - self._told_at_s.get(kind, float("-inf")) < _TOLD_EVERY_S:
            return False
        if len(self._told_at_s) >= _MAX_KINDS:
            self._told_at_s.clear()
        self._told_at_s[kind] = now
        return True


_WORTH_TELLING = WorthTelling()


def _common(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "bootstrap.servers": settings.servers,
        "client.id": "whiteout",
        "log.connection.close": False,
        **settings.client,
    }
