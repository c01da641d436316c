"""Several brokers whose partitions can be made slow, or go away one by one: librdkafka's own mock.

What it can do and the binary of `tests.support.broker` cannot: leaders of partitions on different
brokers, each as slow as one likes, down and up again with its records. It answers real clients over
real sockets, from threads of this process.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import confluent_kafka

from whiteout.kafka.settings import TOPICS, KafkaSettings

if TYPE_CHECKING:
    from types import TracebackType

_PRODUCER = 0
_ERROR_BYTES = 512
_JOIN_MS = 100  # for which a new group waits for members


def library() -> ctypes.CDLL | None:
    """The very library of the client; None where its wheel does not bring it as a file."""
    places = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    found = sorted(places.glob("librdkafka*.so*"))
    return ctypes.CDLL(str(found[0])) if found else None


class Cluster:
    """Brokers 1, 2, … in this process; a context manager. The first one looks after the groups.

    Args:
        brokers: how many.
        partitions: of each topic; partition n is led by broker n + 1, and round again.
    """

    def __init__(self, brokers: int = 3, partitions: int = 3) -> None:
        found = library()
        assert found is not None
        self._call: Any = found
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(self._call, name).restype = ctypes.c_void_p
        self._call.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        configuration = ctypes.c_void_p(self._call.rd_kafka_conf_new())
        self._call.rd_kafka_conf_set_log_cb(configuration, None)
        handle = self._call.rd_kafka_new(_PRODUCER, configuration, error, _ERROR_BYTES)
        assert handle, error.value
        self._handle = ctypes.c_void_p(handle)
        self._cluster = ctypes.c_void_p(self._call.rd_kafka_mock_cluster_new(self._handle, brokers))
        assert not self._call.rd_kafka_mock_set_controller_id(self._cluster, 1)
        self._call.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, _JOIN_MS)
        servers = self._call.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self.settings = KafkaSettings(
            servers=servers,
            prefix="mock",
            partitions=partitions,
            replication=1,
            # A member that could not say that it leaves is in the way until its session is over.
            consumer={
                "fetch.wait.max.ms": 20,
                "session.timeout.ms": 2000,
                "heartbeat.interval.ms": 200,
            },
        )
        for group in (self.settings.enriching, self.settings.loading):
            assert not self._call.rd_kafka_mock_coordinator_set(
                self._cluster, b"group", group.encode(), 1
            )
        for name in TOPICS:
            title = self.settings.topic(name).encode()
            assert not self._call.rd_kafka_mock_topic_create(self._cluster, title, partitions, 1)
            for partition in range(partitions):
                leader = partition % brokers + 1
                assert not self._call.rd_kafka_mock_partition_set_leader(
                    self._cluster, title, partition, leader
                )

    def slow_down(self, broker: int, by_ms: int) -> None:
        """Let a broker answer so much later; 0: at once."""
        assert not self._call.rd_kafka_mock_broker_set_rtt(self._cluster, broker, by_ms)

    def take_down(self, broker: int) -> None:
        """Let a broker go; it keeps its records."""
        assert not self._call.rd_kafka_mock_broker_set_down(self._cluster, broker)

    def bring_up(self, broker: int) -> None:
        """Let it come back."""
        assert not self._call.rd_kafka_mock_broker_set_up(self._cluster, broker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call.rd_kafka_mock_cluster_destroy(self._cluster)
        self._call.rd_kafka_destroy(self._handle)
