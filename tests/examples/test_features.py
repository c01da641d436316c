"""The examples of single features run, against a real collector, and send what they claim to."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.support.collector import entities, entity, unstructured
from tests.support.real_collector import RealCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NEEDS_KILL = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCollector]:
    with RealCollector(tmp_path_factory.mktemp("collector")) as collector:
        yield collector


@pytest.fixture
def collector(running: RealCollector) -> RealCollector:
    running.new_events()  # those of tests before
    return running


def command(name: str, *arguments: str | Path) -> tuple[list[str], dict[str, str]]:
    """How an example is started, and in which environment."""
    search = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    program = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, arguments)]
    return program, {**os.environ, "PYTHONPATH": search}


def run(name: str, *arguments: str | Path) -> list[str]:
    """Run an example to its end; what it printed. It complains of nothing."""
    program, environment = command(name, *arguments)
    done = subprocess.run(
        program, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def kind(event: dict[str, str]) -> str:
    """What an event is: `se`, or the name of its schema."""
    return event["e"] if event["e"] != "ue" else unstructured(event)["schema"].split("/")[1]


def names(event: dict[str, str]) -> set[str]:
    """The names of an event's entities."""
    return {one["schema"].split("/")[1] for one in entities(event)}


# --- reader ----------------------------------------------------------------------------------


def test_the_reader_sums_up_what_was_read(collector: RealCollector, tmp_path: Path) -> None:
    printed = run("reader.py", collector.url, "--storage", tmp_path)

    events = collector.new_events()
    assert printed == ["everything was delivered"]
    assert Counter(map(kind, events)) == {
        "deep_link_received": 1,
        "screen_view": 3,
        "screen_end": 2,
        "application_background": 1,
        "application_foreground": 1,
        "se": 1,
    }
    of_list, of_article = (
        entity(event, "screen_summary") or {} for event in events if kind(event) == "screen_end"
    )
    assert (of_list["last_item_index"], of_list["items_count"]) == (11, 40)
    assert (of_article["max_y_offset"], of_article["content_height"]) == (2400, 5000)


def test_the_readers_first_screen_carries_the_link_and_no_other_does(
    collector: RealCollector, tmp_path: Path
) -> None:
    run("reader.py", collector.url, "--storage", tmp_path)

    views = [event for event in collector.new_events() if kind(event) == "screen_view"]
    assert ["deep_link" in names(event) for event in views] == [True, False, False]


# --- phone -----------------------------------------------------------------------------------


def test_the_phone_is_asked_for_its_identifier_only_after_sign_in(
    collector: RealCollector, tmp_path: Path
) -> None:
    printed = run("phone.py", collector.url, "--storage", tmp_path)

    events = {
        unstructured(event)["data"]["name"]: event
        for event in collector.new_events()
        if kind(event) == "screen_view"
    }
    assert printed.index("signed in") < printed.index("the vendor id was asked for")
    start, account = (entity(events[name], "mobile_context") for name in ("Start", "Account"))
    assert start is not None
    assert account is not None
    assert "appleIdfv" not in start
    assert account["appleIdfv"] == "E621E1F8-C36C-495A-93FC-0C247A3E6E5F"
    assert "uid" not in events["Start"]
    assert events["Account"]["uid"] == "customer-17"


# --- workers ---------------------------------------------------------------------------------


@NEEDS_KILL
def test_the_workers_lose_and_double_nothing(collector: RealCollector, tmp_path: Path) -> None:
    printed = run("workers.py", collector.url, "--storage", tmp_path)

    events = collector.new_events()
    assert printed == ["ended with [-9, 0, 0]", "everything was delivered"]
    assert len({event["eid"] for event in events}) == len(events)
    assert Counter(event["se_ca"] for event in events) == {
        "worker 0": 20,
        "worker 1": 20,
        "worker 2": 20,
    }


# --- site ------------------------------------------------------------------------------------


def ask(url: str, headers: dict[str, str]) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", "/shoes/42?size=38", headers=headers)
    try:
        return connection.getresponse().read()
    finally:
        connection.close()


@NEEDS_KILL
def test_the_site_tracks_each_visitor_as_the_visitor_wants(
    collector: RealCollector, tmp_path: Path
) -> None:
    program, environment = command(
        "site.py", collector.url, "--port", "0", "--storage", str(tmp_path)
    )
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as site:
        try:
            assert site.stdout is not None
            url = site.stdout.readline().strip()
            assert ask(url, {"Cookie": "customer=17"}) == b"A nice pair of shoes.\n"
            ask(url, {"Cookie": "customer=18", "Sec-GPC": "1"})
            ask(url, {})
            site.terminate()
            printed, _ = site.communicate(timeout=30)
        finally:
            site.kill()

    events: list[dict[str, Any]] = collector.new_events()
    assert printed.strip() == "everything was delivered"
    assert Counter((kind(event), event.get("uid")) for event in events) == {
        ("se", "17"): 1,
        ("screen_view", "17"): 1,
        ("se", None): 2,
        ("screen_view", None): 2,
    }
    views = [unstructured(event)["data"] for event in events if kind(event) == "screen_view"]
    assert {view["name"] for view in views} == {"/shoes/:id"}
    assert all("client_session" not in names(event) for event in events)


# --- editor ----------------------------------------------------------------------------------


def test_the_editor_leaves_noise_out_and_tells_the_shop_only_while_it_may(
    collector: RealCollector, tmp_path: Path
) -> None:
    printed = run("editor.py", collector.url, "--storage", tmp_path)

    events = collector.new_events()
    assert printed == [
        "identified: True",
        "anonymous: https://shop.example/plugins?lang=en",
        "everything was delivered",
        "tracked: {'pv': 1, 'se': 1, 'ue': 2}",
    ]
    assert Counter(map(kind, events)) == {"screen_view": 1, "se": 1, "pv": 1, "screen_end": 1}
    documents = {kind(event): entity(event, "document") for event in events}
    assert documents.pop("se") == {"suffix": "md"}
    assert set(documents.values()) == {None}


def test_the_diary_keeps_to_what_its_user_answered(
    collector: RealCollector, tmp_path: Path
) -> None:
    seen = []
    for answer in ([], ["--answer", "yes"], [], ["--answer", "no"], []):
        state, delivered = run("consent.py", collector.url, "--storage", tmp_path, *answer)
        assert delivered == "everything was delivered"
        seen.append((state, collector.new_events()))

    assert [state for state, _ in seen] == [
        "consent: unknown, hidden: FULL",
        "consent: given, hidden: NONE",
        "consent: given, hidden: NONE",
        "consent: withdrawn, hidden: FULL",
        "consent: withdrawn, hidden: FULL",
    ]
    first, yes, after, no, last = ([kind(event) for event in events] for _, events in seen)
    assert sorted(first) == ["application_install", "screen_end", "screen_view", "screen_view"]
    assert Counter(yes) == Counter(after) + Counter(["consent_granted"])
    assert "consent_withdrawn" in no
    assert "application_install" not in [*yes, *after, *no, *last]
    for _, events in (seen[0], seen[3], seen[4]):
        for event in events:
            if "uid" in event:
                assert kind(event) in {"screen_view", "screen_end"}  # before the answer
            else:
                assert entity(event, "geolocation_context") is None
    assert all(entity(event, "geolocation_context") for event in seen[2][1])
    for _, events in seen:
        for event in events:
            basis = entity(event, "gdpr")
            assert basis is not None
            assert basis["basisForProcessing"] in {"consent", "legitimate_interests"}


# --- kiosk -----------------------------------------------------------------------------------


def test_the_kiosk_is_anonymous_until_the_file_is_known_and_follows_it_then(
    collector: RealCollector, tmp_path: Path
) -> None:
    printed = run("kiosk.py", collector.url, "--storage", tmp_path)

    events = collector.new_events()
    assert printed == ["default: advertising, tickets", "fetched: tickets"]
    told = {(event["tna"], event["se_la"]): event for event in events}
    assert told.keys() == {
        ("tickets", "before"),
        ("advertising", "before"),
        ("tickets", "after"),
    }
    assert "uid" not in told["tickets", "before"]
    assert entity(told["tickets", "before"], "client_session") is None
    assert told["tickets", "after"]["uid"] == "clerk-3"
    assert told["tickets", "after"]["aid"] == "kiosk-7"
