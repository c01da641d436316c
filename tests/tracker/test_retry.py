"""What an answer means, and when to try again."""

from __future__ import annotations

import email.utils
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.tracker.retry import Outcome, delay_s, outcome, retry_after_s

NOW_MS = 1_654_496_481_346
DELIVERED, DROP, RETRY, SPLIT = Outcome.DELIVERED, Outcome.DROP, Outcome.RETRY, Outcome.SPLIT


def decide(
    status: int | None,
    *,
    events: int = 2,
    is_oversize: bool = False,
    retries: bool = True,
    custom: dict[int, bool] | None = None,
) -> Outcome:
    return outcome(
        status,
        events=events,
        is_oversize=is_oversize,
        retry_failed_requests=retries,
        custom=custom or {},
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, DELIVERED),
        (204, DELIVERED),
        (299, DELIVERED),
        (199, RETRY),
        (300, RETRY),
        (301, RETRY),
        (302, RETRY),
        (400, DROP),
        (401, DROP),
        (403, DROP),
        (404, RETRY),
        (408, RETRY),
        (410, DROP),
        (413, SPLIT),
        (422, DROP),
        (429, RETRY),
        (500, RETRY),
        (502, RETRY),
        (503, RETRY),
        (504, RETRY),
        (None, RETRY),
    ],
)
def test_e21_the_status_decides(status: int | None, expected: Outcome) -> None:
    """Reference 7.5; a redirect is not followed, and the event is kept."""
    assert decide(status) is expected


def test_a_single_event_that_is_too_large_for_the_collector_is_dropped() -> None:
    """413 cannot be split further; the native trackers try it for ever."""
    assert decide(413, events=1) is DROP


@pytest.mark.parametrize("status", [None, 404, 413, 500, 403])
def test_e21_an_oversize_request_is_tried_once(status: int | None) -> None:
    assert decide(status, is_oversize=True, custom={500: True}) is DROP


@pytest.mark.parametrize("status", [None, 301, 413, 500, 403])
def test_e13_without_retries_every_failure_drops(status: int | None) -> None:
    assert decide(status, retries=False, custom={500: True}) is DROP
    assert decide(200, retries=False) is DELIVERED


def test_e12_custom_rules_beat_the_table() -> None:
    rules = {403: True, 500: False, 413: True}

    assert decide(403, custom=rules) is RETRY
    assert decide(500, custom=rules) is DROP
    assert decide(413, custom=rules) is RETRY
    assert decide(401, custom=rules) is DROP
    assert decide(200, custom={200: True}) is DELIVERED


def test_waiting_doubles_up_to_a_limit_and_half_of_it_is_chance() -> None:
    generator = random.Random(1)

    for failures, full_s in ((1, 1.0), (2, 2.0), (3, 4.0), (5, 16.0), (6, 30.0), (10**9, 30.0)):
        waits = [delay_s(failures, generator) for _ in range(200)]

        assert full_s / 2 <= min(waits) < full_s * 0.6
        assert full_s * 0.9 < max(waits) <= full_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0.0),
        ("", 0.0),
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("3600", 3600.0),
        ("86400", 3600.0),
        ("9" * 500, 3600.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("soon", 0.0),
        ("\N{ARABIC-INDIC DIGIT FIVE}", 0.0),
        ("\N{SUPERSCRIPT TWO}", 0.0),
        (email.utils.formatdate(NOW_MS // 1000 + 90, usegmt=True), 90 - 0.346),
        (email.utils.formatdate(NOW_MS // 1000 - 90, usegmt=True), 0.0),
        (email.utils.formatdate(NOW_MS // 1000 + 10**6, usegmt=True), 3600.0),
        ("Mon, 32 Foo 2022 99:99:99 GMT", 0.0),
        ("Mon, 06 Jun 99999999999999 06:21:21 GMT", 0.0),
        ("Mon, 06 Jun 2022 06:21:21 +99999999999999", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(text: str | None, seconds: float) -> None:
    assert retry_after_s(text, NOW_MS) == pytest.approx(seconds, abs=0.001)


@given(text=st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [-+]?\w+"))
def test_no_text_of_retry_after_is_too_strange(text: str) -> None:
    assert 0.0 <= retry_after_s(text, NOW_MS) <= 3600.0
