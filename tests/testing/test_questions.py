"""What arrived at the pipeline for tests, asked for over HTTP as test suites for Micro ask."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.trackers import CONTEXT_FREE
from tests.testing.test_micro import TP2, post, request

import whiteout
from whiteout import EmitterConfiguration, ScreenView
from whiteout.testing import Micro

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTHING = {"total": 0, "good": 0, "bad": 0}


@pytest.fixture(scope="module")
def server() -> Iterator[Micro]:
    with Micro() as running:
        yield running


@pytest.fixture
def micro(server: Micro) -> Micro:
    server.clear()
    return server


def ask(micro: Micro, path: str, wanted: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
    body = None if wanted is None else json.dumps(wanted)
    status, answer = request(micro, "GET" if body is None else "POST", path, body)
    assert status == 200
    return json.loads(answer)


def test_what_arrived_before_the_first_question_is_in_its_answer() -> None:
    with Micro() as micro:
        post(micro, {"e": "pv", "page": "Tea"}, {"e": "nonsense"})
        request(micro, "POST", TP2, "{", Content_Type="application/json")
        request(micro, "GET", "/com.acme/v1?x=%zz")

        assert ask(micro, "/micro/all") == {"total": 4, "good": 1, "bad": 3}


def test_an_event_is_in_the_answer_once_its_request_is_answered(micro: Micro) -> None:
    for number in range(20):
        post(micro, {"e": "pv", "page": f"Page {number}"})

        event, *_ = ask(micro, "/micro/good")
        assert event["event"]["page_title"] == f"Page {number}"
        assert event["eventType"] == "page_view"


def test_a_good_event_shows_its_request(micro: Micro) -> None:
    """Also one that arrived before the first question."""
    with Micro() as fresh:
        for kit in (micro, fresh):
            post(kit, {"e": "pv", "page": "A"}, {"e": "nope"}, {"e": "pv", "page": "C"}, X_Own="1")
            request(kit, "GET", "/i?e=pv&p=web&tv=t&unknown=1")

            got, last, first = (one["rawEvent"] for one in ask(kit, "/micro/good"))
            assert [one["parameters"]["page"] for one in (first, last)] == ["A", "C"]
            assert got["api"]["version"] == "tp1"
            assert got["parameters"]["unknown"] == "1"
            assert "X-Own: 1" in first["context"]["headers"]


def test_good_and_failed_events_are_asked_for_as_of_micro(micro: Micro) -> None:
    post(micro, {"e": "pv"}, {"e": "se", "se_ca": "shop", "se_ac": "add"}, {"e": "nonsense"})

    assert ask(micro, "/micro/all") == {"total": 3, "good": 2, "bad": 1}
    assert len(ask(micro, "/micro/good", {"event_type": "struct"})) == 1
    assert len(ask(micro, "/micro/bad", {"version": "tp2"})) == 1
    assert len(ask(micro, "/micro/events")) == 3
    found = ask(micro, "/micro/iglu/com.snowplowanalytics.snowplow/link_click/jsonschema/1-0-1")
    assert found["self"]["name"] == "link_click"


def test_a_reset_empties_the_assertions_too_and_the_other_way_round(micro: Micro) -> None:
    post(micro, {"e": "pv"}, {"e": "nonsense"})
    assert ask(micro, "/micro/reset") == NOTHING
    assert (micro.events, micro.failed_events) == ([], [])

    post(micro, {"e": "pv"}, {"e": "nonsense"})
    micro.clear()
    assert ask(micro, "/micro/all") == NOTHING


def test_what_trackers_of_this_process_hold_is_delivered_before_an_answer(
    micro: Micro, tmp_path: Path
) -> None:
    tracker = whiteout.create_tracker(
        "asked", micro.endpoint, CONTEXT_FREE, EmitterConfiguration(storage_dir=tmp_path)
    )
    try:
        tracker.track(ScreenView(name="Tea"))

        (event,) = ask(micro, "/micro/good")
        assert event["event"]["name_tracker"] == "asked"
    finally:
        whiteout.remove_tracker("asked", timeout=0)


def test_the_page_shows_what_arrived(micro: Micro) -> None:
    post(micro, {"e": "pv", "aid": "tea-shop"})

    status, page = request(micro, "GET", "/ui")

    assert status == 200
    assert b"tea-shop" in page


def test_who_asks_nothing_loads_nothing_that_answers() -> None:
    code = (
        "import sys, urllib.request\n"
        "from whiteout.testing import Micro\n"
        "with Micro() as micro:\n"
        "    urllib.request.urlopen(micro.endpoint + '/i?e=pv&p=web')\n"
        "    assert len(micro.events) == 1\n"
        "print([name for name in ('starlette', 'jinja2', 'uvicorn', 'pyarrow',"
        " 'whiteout.web') if name in sys.modules])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_without_the_extra_a_question_is_refused_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "starlette", None)

    with Micro() as micro:
        status, _ = request(micro, "GET", "/micro/all")

    assert status == 503
    assert "pip install 'whiteout[web]'" in caplog.text
