"""One client library in one process: makes calls, measures them, prints a line of JSON.

    python tracker_client.py LIBRARY MODE PORT CALLS

Every library is given the same screen view with the same 22 device facts and 8 session facts: the
Snowplow trackers as two entities, the others as properties. Whiteout makes both entities itself.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import resource
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DEVICE: dict[str, Any] = {
    "osType": "android",
    "osVersion": "15",
    "deviceManufacturer": "Google",
    "deviceModel": "Pixel 9",
    "carrier": "Example Mobile",
    "networkType": "wifi",
    "androidIdfa": "5f1d0dcb-d1d3-4c2b-b2a5-0e1f6e4a9d11",
    "physicalMemory": 12_000_000_000,
    "systemAvailableMemory": 5_000_000_000,
    "batteryLevel": 73,
    "batteryState": "unplugged",
    "availableStorage": 91_000_000_000,
    "totalStorage": 256_000_000_000,
    "isPortrait": True,
    "resolution": "1080x2424",
    "scale": 2.625,
    "language": "eng",
    "appSetId": "3f8e7d52-3b05-4c6e-8a43-3a1c2c3b4d5e",
    "appSetIdScope": "app",
}
SESSION: dict[str, Any] = {
    "userId": "a7a1c6b5-0d2f-4a37-9b3e-1f0d6f2c8e90",
    "sessionId": "0b0c2f0e-6a4d-4f0f-8a66-5d1f4c3b2a19",
    "previousSessionId": None,
    "sessionIndex": 1,
    "eventIndex": 7,
    "firstEventId": "c9f0f895-3f5d-4b6e-9d0f-7c2b1a0e8d47",
    "firstEventTimestamp": "2026-11-23T10:00:00.000Z",
    "storageMechanism": "LOCAL_STORAGE",
}


def screen() -> dict[str, Any]:
    """Seven fields, made by the caller: part of every call that is measured."""
    return {
        "name": "Checkout",
        "id": str(uuid.uuid4()),
        "type": "form",
        "transitionType": "push",
        "previousName": "Basket",
        "previousId": "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
        "previousType": "list",
    }


Client = tuple["Callable[[], object]", "Callable[[], object]"]  # track, and flush


ONE_A_CALL = {"screen_engagement_autotracking": False}
"""What keeps a call to one event: else a screen view also ends the screen before, summed up."""


def automatic(*, on: bool) -> dict[str, Any]:
    """Every option that tracks or attaches something by itself: all on, or all off."""
    import whiteout

    names = whiteout.TrackerConfiguration.__dataclass_fields__
    states = {"screen_context", "deep_link_context"}
    return {name: on for name in names if name in states or name.endswith("_autotracking")}


def whiteout_client(
    port: int, features: dict[str, Any] = ONE_A_CALL, calls_a_screen: int = 1, **limits: int
) -> Client:
    """Whiteout with `features` of its tracker configuration, and limits of its emitter's.

    Of `calls_a_screen` calls the first is a screen view, the others are structured events.
    """
    import whiteout

    properties = {
        "os_type": "osType", "os_version": "osVersion", "device_vendor": "deviceManufacturer",
        "device_model": "deviceModel", "carrier": "carrier", "network_type": "networkType",
        "android_idfa": "androidIdfa", "physical_memory": "physicalMemory",
        "system_available_memory": "systemAvailableMemory", "battery_level": "batteryLevel",
        "battery_state": "batteryState", "available_storage": "availableStorage",
        "total_storage": "totalStorage", "is_portrait": "isPortrait", "resolution": "resolution",
        "scale": "scale", "language": "language", "app_set_id": "appSetId",
        "app_set_id_scope": "appSetIdScope",
    }  # fmt: skip
    retriever = whiteout.PlatformContextRetriever(
        **{name: (lambda value=DEVICE[key]: value) for name, key in properties.items()}
    )
    emitter_options: dict[str, Any] = limits
    tracker = whiteout.create_tracker(
        "bench",
        f"http://127.0.0.1:{port}",
        whiteout.TrackerConfiguration(
            app_id="shop",
            device_platform=whiteout.DevicePlatform.MOBILE,
            platform_context_retriever=retriever,
            install_autotracking=False,  # what is measured is the calls alone
            **{name: on for name, on in features.items() if name != "install_autotracking"},
        ),
        whiteout.EmitterConfiguration(
            storage_dir=os.environ.get("BENCH_STORAGE")
            or tempfile.mkdtemp(prefix="whiteout-bench-"),
            **emitter_options,
        ),
    )

    def track() -> None:
        tracker.track(
            whiteout.ScreenView(
                name="Checkout",
                type="form",
                transition_type="push",
                previous_name="Basket",
                previous_id="1b4e28ba-2fa1-41d2-883f-0016d3cca427",
                previous_type="list",
            )
        )

    def act() -> None:
        tracker.track(
            whiteout.Structured(
                category="shop", action="add-to-basket", label="green", property="shoe", value=49.5
            )
        )

    turns = itertools.cycle([track, *[act] * (calls_a_screen - 1)])

    def take_turns() -> None:
        next(turns)()

    return track if calls_a_screen == 1 else take_turns, lambda: tracker.flush(60)


def _snowplow(port: int, batch_size: int | None, *, with_session: bool) -> Client:
    import requests
    from snowplow_tracker import AsyncEmitter, SelfDescribing, SelfDescribingJson, Tracker

    # In its favour: as it comes it writes two lines to standard error for each request.
    logging.getLogger("snowplow_tracker.emitters").setLevel(logging.ERROR)
    logging.getLogger("snowplow_tracker.tracker").setLevel(logging.ERROR)

    options: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
    if with_session:
        options["session"] = requests.Session()
    emitter = AsyncEmitter("http://127.0.0.1", protocol="http", port=port, **options)
    tracker = Tracker("bench", emitter, app_id="shop")
    schema = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
    prefix = "iglu:com.snowplowanalytics.snowplow/"

    def track() -> None:
        tracker.track(
            SelfDescribing(
                SelfDescribingJson(schema, screen()),
                context=[
                    SelfDescribingJson(prefix + "mobile_context/jsonschema/1-0-3", DEVICE),
                    SelfDescribingJson(prefix + "client_session/jsonschema/1-0-2", SESSION),
                ],
            )
        )

    return track, tracker.flush


def segment_client(port: int, **limits: int) -> Client:
    from segment.analytics.client import Client as Segment

    client = Segment("key", host=f"http://127.0.0.1:{port}", **limits)

    def track() -> None:
        client.track("u", "screen_view", {**screen(), "device": DEVICE, "session": SESSION})

    return track, client.flush


def posthog_client(port: int, **limits: int) -> Client:
    from posthog import Posthog

    client = Posthog("key", host=f"http://127.0.0.1:{port}", **limits)

    def track() -> None:
        client.capture(
            "screen_view",
            distinct_id="u",
            properties={**screen(), "device": DEVICE, "session": SESSION},
        )

    return track, client.flush


CLIENTS: dict[str, Callable[[int], Client]] = {
    "whiteout": whiteout_client,
    "whiteout-all": lambda port: whiteout_client(port, automatic(on=True)),
    "whiteout-all-mixed": lambda port: whiteout_client(port, automatic(on=True), 10),
    "whiteout-bare-mixed": lambda port: whiteout_client(port, automatic(on=False), 10),
    "whiteout-bare": lambda port: whiteout_client(port, automatic(on=False)),
    "snowplow-async": lambda port: _snowplow(port, None, with_session=False),
    "snowplow-async-best": lambda port: _snowplow(port, 100, with_session=True),
    "segment": lambda port: segment_client(port, max_queue_size=10_000_000),
    "posthog": lambda port: posthog_client(port, max_queue_size=10_000_000),
}
"""With the peers' queue limits lifted: for speed and memory."""

AS_THEY_COME: dict[str, Callable[[int], Client]] = {
    **CLIENTS,
    "segment": segment_client,
    "posthog": posthog_client,
}
"""With the limits that they come with: for losses."""


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    library, mode, port, calls = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    track, flush = CLIENTS[library](port)
    for _ in range(20):
        track()
    flush()
    before_mb = peak_mb = rss_mb()
    durations: list[int] = []
    clock = time.perf_counter_ns
    started_at, started_s, started_cpu = time.time(), time.perf_counter(), cpu_s()
    for number in range(calls):
        start = clock()
        track()
        durations.append(clock() - start)
        if mode == "paced":
            time.sleep(0.004)
        elif mode == "memory" and number % 1000 == 0:
            peak_mb = max(peak_mb, rss_mb())
    called_s = time.perf_counter() - started_s
    print(json.dumps({"called_s": called_s, "started_at": started_at}), flush=True)
    flush()
    print("flushed", flush=True)
    sys.stdin.readline()  # the driver saw all events arrive
    result = {
        "cpu_us": (cpu_s() - started_cpu) / calls * 1e6,
        "p50_us": sorted(durations)[calls // 2] / 1e3,
        "p99_us": sorted(durations)[calls * 99 // 100] / 1e3,
        "mean_us": sum(durations) / calls / 1e3,
        "rss_before_mb": before_mb,
        "rss_peak_mb": max(peak_mb, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
