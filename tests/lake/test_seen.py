from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.lake.clock import DAY_US
from whiteout.lake.keys import event_key
from whiteout.lake.seen import SeenEvents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[SeenEvents]:
    index = SeenEvents(tmp_path / "seen.sqlite3", "table")
    yield index
    index.close()


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_sweeps_go_on_where_the_last_one_stopped_and_begin_again_behind_the_end(
    seen: SeenEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No sweep stops the loading for long, and none forgets a part of the index for ever."""
    monkeypatch.setattr("whiteout.lake.seen._SWEPT", 10)
    seen.add(map(key, range(1, 101)), day=1, watermark_us=1)
    left = []

    for _ in range(3):
        seen.forget_before(0)  # nothing is that old; what came is looked at
    seen.add(map(key, range(101, 121)), day=9, watermark_us=2)
    for _ in range(10):
        seen.forget_before(5 * DAY_US)
        left.append(len(seen))

    assert left[0] < 120
    assert left[-1] == 20
    assert seen.among([key(1), key(100), key(101)]) == {key(101)}


def test_a_sweep_outruns_what_comes(seen: SeenEvents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an index that grows fast would never be swept to its end."""
    monkeypatch.setattr("whiteout.lake.seen._SWEPT", 1)
    sizes = []

    for turn in range(60):
        seen.add(map(key, range(turn * 100, turn * 100 + 100)), day=turn, watermark_us=turn)
        seen.forget_before((turn - 3) * DAY_US)
        sizes.append(len(seen))

    assert max(sizes) < 1_000


_TIMES = st.datetimes().map(lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}.000".zfill(23))


@given(_TIMES, _TIMES)
def test_keys_stand_in_the_order_of_the_minutes_of_their_events(one: str, other: str) -> None:
    """What comes together stands together in the index, whose pages then are few."""
    keys = {text: event_key(["id", text, "name", "app", "tracker", None]) for text in (one, other)}

    if one[:16] < other[:16]:
        assert keys[one] < keys[other]
    assert all(len(found) == 16 for found in keys.values())


@pytest.mark.parametrize("created", [None, "", "no time", "\uff12026-11-23 17:00:00.000"])
def test_an_event_without_a_readable_device_time_has_a_key_too(created: str | None) -> None:
    found = event_key(["id", created, "name", "app", "tracker", None])

    assert found[:5] == bytes(5)
    assert found != event_key(["another", created, "name", "app", "tracker", None])
