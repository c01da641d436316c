"""The collector's sink: an answer only after the broker's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.kafka.conftest import read_topic
from tests.support.broker import DEADLINE_S, Broker, free_port

from whiteout.collector.kafka_sink import KafkaSink
from whiteout.kafka.settings import KafkaSettings
from whiteout.kafka.topics import ensure_topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TP2 = "/com.snowplowanalytics.snowplow/tp2"


class Waiter:
    """A request that waits."""

    def __init__(self) -> None:
        self.told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def stored(self, ok: bool) -> None:  # noqa: FBT001 - the sink's protocol
        self.told.set_result(ok)


def with_sink(
    settings: KafkaSettings, test: Callable[[KafkaSink], Awaitable[None]], **options: int
) -> None:
    async def run() -> None:
        sink = KafkaSink(settings, asyncio.get_running_loop(), **options)
        try:
            await asyncio.wait_for(test(sink), 2 * DEADLINE_S)
        finally:
            sink.close()

    asyncio.run(run())


def test_W24_what_was_acknowledged_is_in_its_topic_and_has_no_key(  # noqa: N802 - its id
    kafka: KafkaSettings,
) -> None:
    """A key would keep together, and so name, what belongs to one person."""
    ensure_topics(kafka, ("raw", "bad"))

    async def test(sink: KafkaSink) -> None:
        waiters = [Waiter() for _ in range(50)]
        for number, waiter in enumerate(waiters):
            assert sink.submit([b"record %d" % number], [b"row %d" % number], waiter)
        assert sink.waiting_bytes > 0
        assert [await waiter.told for waiter in waiters] == [True] * 50
        assert sink.waiting_bytes == 0
        assert sink.healthy
        assert (sink.metrics.stored, sink.metrics.records, sink.metrics.bad_rows) == (50, 50, 50)

    with_sink(kafka, test)

    records, rows = read_topic(kafka, "raw", 50), read_topic(kafka, "bad", 50)
    assert {message.value() for message in records} == {b"record %d" % n for n in range(50)}
    assert {message.value() for message in rows} == {b"row %d" % n for n in range(50)}
    assert {message.key() for message in records + rows} == {None}
    assert {message.headers() for message in records + rows} == {None}


def test_more_than_may_wait_is_refused(own_broker: Broker) -> None:
    kafka = own_broker.settings()
    ensure_topics(kafka, ("raw", "bad"))

    async def test(sink: KafkaSink) -> None:
        own_broker.pause()
        waiters = [Waiter() for _ in range(3)]
        taken = [sink.submit([bytes(600)], [], waiter) for waiter in waiters]
        assert taken == [True, True, False]
        assert sink.metrics.unavailable == 1
        own_broker.resume()
        assert [await waiter.told for waiter in waiters[:2]] == [True, True]

    with_sink(kafka, test, pending_bytes=1000)


def test_without_a_broker_a_waiter_is_told_no_and_the_sink_is_ill() -> None:
    nowhere = KafkaSettings(servers=f"127.0.0.1:{free_port()}")

    async def test(sink: KafkaSink) -> None:
        waiter = Waiter()
        assert sink.submit([b"record"], [], waiter)
        assert await waiter.told is False
        assert not sink.healthy
        assert sink.metrics.unavailable == 1

    with_sink(nowhere, test, answer_ms=1500)


def test_closing_waits_for_what_is_under_way(kafka: KafkaSettings) -> None:
    ensure_topics(kafka, ("raw", "bad"))
    told: list[bool] = []

    class Count:
        def stored(self, ok: bool) -> None:  # noqa: FBT001 - the sink's protocol
            told.append(ok)

    async def run() -> None:
        sink = KafkaSink(kafka, asyncio.get_running_loop())
        for _ in range(100):
            sink.submit([b"record"], [], Count())
        sink.close()
        sink.close()
        await asyncio.sleep(0)  # what the polling thread had told the loop before

    asyncio.run(run())

    assert told == [True] * 100


def test_a_cluster_that_forgot_its_producers_is_written_to_again(own_broker: Broker) -> None:
    """What an idempotent producer cannot repair itself: the sink makes another one."""
    kafka = own_broker.settings()
    ensure_topics(kafka, ("raw", "bad"))

    async def test(sink: KafkaSink) -> None:
        async def send() -> bool:
            waiter = Waiter()
            return sink.submit([b"record"], [], waiter) and await waiter.told

        assert await send()
        own_broker.kill()
        own_broker.start()
        ensure_topics(kafka, ("raw", "bad"))
        for _ in range(5):
            if await send():
                break
            await asyncio.sleep(0.2)
        else:
            pytest.fail("nothing was stored any more")
        assert sink.healthy

    with_sink(kafka, test, answer_ms=4000)
