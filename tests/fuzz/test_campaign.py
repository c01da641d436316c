"""A part of the million in `million.py`, and whether its checks can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.fuzz.campaign import Campaign
from tests.fuzz.checks import FaultError, check_answers, check_outcome

from whiteout.collector.exchange import Outcome, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEED = 20_261_124


def test_some_thousand_inputs_are_all_accounted_for(tmp_path: Path) -> None:
    """No crash, no 5xx; each request is stored, answered or refused, each event good or failed."""
    campaign = Campaign(SEED, tmp_path)
    campaign.run(0, 4_000)

    for way in ("stored", "answered", "refused", "records", "anonymous"):
        assert campaign.counts[way] > 100
    for result in ("good", "failed", "failed at the collector"):
        assert campaign.results[result] > 20


@pytest.mark.long
def test_a_million_inputs_are_all_accounted_for(tmp_path: Path) -> None:
    """Some ten minutes of one core."""
    campaign = Campaign(SEED + 1, tmp_path)
    campaign.run(0, 1_000_000)

    assert campaign.counts.total() >= 1_000_000


def test_the_same_seed_makes_the_same_inputs(tmp_path: Path) -> None:
    runs = []
    for name in "ab":
        (tmp_path / name).mkdir()
        campaign = Campaign(SEED, tmp_path / name)
        campaign.run(1, 9)  # none over a socket
        campaign.run(11, 9)
        runs.append((campaign.counts, campaign.results))

    assert runs[0] == runs[1]


@pytest.mark.parametrize("part", ["strip_body", "strip_query"])
def test_a_door_that_lets_something_through_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(f"whiteout.collector.door.{part}", lambda given, *_: given)

    with pytest.raises(FaultError, match="whose it was"):
        Campaign(SEED, tmp_path).run(0, 300)


def test_what_must_not_happen_would_be_noticed() -> None:
    """The checks can fail."""
    fine = Response(200, b"Content-Type: text/plain\r\n", b"ok")
    faults: list[Callable[[], object]] = [
        lambda: check_outcome(Outcome(fine), is_event=True),
        lambda: check_outcome(Outcome(fine, (b"record",)), is_event=False),
        lambda: check_outcome(Outcome(fine._replace(status=500)), is_event=False),
        lambda: check_outcome(Outcome(fine._replace(lines=b"A: b\n")), is_event=False),
        lambda: check_answers(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
        lambda: check_answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"),
        lambda: check_answers(b"nonsense"),
    ]

    for fault in faults:
        with pytest.raises(FaultError):
            fault()
    assert check_answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")["stored"] == 1
