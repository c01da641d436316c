"""G17: one install event for an installation and namespace."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.collector import Collector, entity, unstructured
from tests.support.trackers import STATELESS, Wire, a_tracker

import whiteout
from whiteout import (
    Anonymisation,
    EmitterConfiguration,
    HttpMethod,
    NetworkConfiguration,
    SelfDescribingJson,
    Structured,
    TrackerConfiguration,
)
from whiteout.events.install import Install, InstallReferrer
from whiteout.tracker.install import track_install

if TYPE_CHECKING:
    from whiteout.events.event import Event

REFERRER = InstallReferrer(google_play_instant_param=False).self_describing()


def never(_event: Event) -> None:
    pytest.fail("tracked")


def test_the_first_run_is_tracked_once(tmp_path: Path) -> None:
    """G17: once for an installation and namespace."""
    tracked: list[Event] = []

    assert track_install(tmp_path, "app", tracked.append)
    assert not track_install(tmp_path, "app", tracked.append)

    assert tracked == [Install()]


def test_each_namespace_has_a_first_run_of_its_own(tmp_path: Path) -> None:
    tracked: list[Event] = []

    assert track_install(tmp_path, "app", tracked.append)
    assert track_install(tmp_path, "other", tracked.append)

    assert len(tracked) == 2


def test_the_mark_is_the_same_for_everybody(tmp_path: Path) -> None:
    """It identifies nobody, so it may be written while the user is anonymous."""
    track_install(tmp_path, "app", lambda _event: None)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "app.install": b"tracked"
    }
    assert (tmp_path / "app.install").stat().st_mode & 0o077 == 0


def test_the_referrer_comes_along(tmp_path: Path) -> None:
    tracked: list[Event] = []

    track_install(tmp_path, "app", tracked.append, referrer=lambda: REFERRER)

    assert tracked == [Install(entities=(REFERRER,))]


def test_a_referrer_that_fails_costs_the_entity_only(tmp_path: Path) -> None:
    tracked: list[Event] = []

    def fail() -> None:
        raise OSError

    track_install(tmp_path, "app", tracked.append, referrer=fail)

    assert tracked == [Install()]


@pytest.mark.parametrize(
    ("gives", "text"),
    [
        (lambda: 1 / 0, "install_referrer raised ZeroDivisionError"),
        (
            lambda: InstallReferrer(google_play_instant_param=False),
            "install_referrer gave InstallReferrer, not a SelfDescribingJson",
        ),
        (
            lambda: SelfDescribingJson(REFERRER.schema, {"of": object()}),
            "install_referrer raised ConfigurationError",
        ),
    ],
)
def test_a_referrer_that_is_of_no_use_is_warned_of(
    tmp_path: Path,
    gives: Any,  # noqa: ANN401 - the mistakes
    text: str,
) -> None:
    """It is asked once in the life of an installation: nobody would notice otherwise."""
    warnings: list[str] = []

    track_install(
        tmp_path, "app", lambda _: None, referrer=gives, warn=lambda _, said: warnings.append(said)
    )

    assert warnings == [text]


def test_a_referrer_that_knows_nothing_is_not_warned_of(tmp_path: Path) -> None:
    track_install(
        tmp_path,
        "app",
        lambda _: None,
        referrer=lambda: None,
        warn=lambda *_: pytest.fail("warned"),
    )


def test_a_tracker_warns_of_a_referrer_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire()
    broken = TrackerConfiguration(install_referrer=lambda: 1 / 0)  # type: ignore[arg-type,return-value] # the mistake

    with a_tracker(wire.network, tmp_path, broken):
        pass

    assert "install_referrer raised ZeroDivisionError" in caplog.messages


def test_a_referrer_is_asked_for_the_first_run_only(tmp_path: Path) -> None:
    track_install(tmp_path, "app", lambda _event: None)

    track_install(tmp_path, "app", never, referrer=lambda: pytest.fail("asked"))


def test_an_event_that_could_not_be_tracked_is_tracked_at_the_next_start(tmp_path: Path) -> None:
    def fail(_event: Event) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        track_install(tmp_path, "app", fail)

    tracked: list[Event] = []
    assert track_install(tmp_path, "app", tracked.append)
    assert tracked == [Install()]


KILLED = """
import os, sys
from pathlib import Path
from whiteout.tracker.install import track_install
track_install(Path(sys.argv[1]), "app", lambda event: os._exit(7))
"""


def test_a_process_that_is_killed_while_it_tracks_leaves_it_to_the_next(tmp_path: Path) -> None:
    """Rather twice than never; and its lock does not outlive it."""
    source = str(Path(whiteout.__file__).parents[1])
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    killed = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": source}, timeout=60, check=False
    )
    assert killed.returncode == 7

    tracked: list[Event] = []
    assert track_install(tmp_path, "app", tracked.append)
    assert not track_install(tmp_path, "app", tracked.append)
    assert len(tracked) == 1


def test_of_several_that_start_together_one_tracks_it(tmp_path: Path) -> None:
    """They exclude one another by a lock on the file, as processes do."""
    tracked: list[Event] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        track_install(tmp_path, "app", tracked.append)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert tracked == [Install()]


def test_an_anonymous_install_leaves_nothing_that_identifies(tmp_path: Path) -> None:
    wire = Wire()
    hidden = TrackerConfiguration(
        user_anonymisation=True,
        session_context=False,
        platform_context=False,
        base64_encoding=False,
        install_autotracking=False,
    )
    with a_tracker(wire.network, tmp_path, hidden) as tracker:
        assert track_install(tmp_path, "app", tracker.track)
        assert tracker.flush(10)

    assert len(wire.events) == 1
    assert not wire.events[0].keys() & {"uid", "duid", "tnuid", "ip"}
    assert "client_session" not in wire.events[0].get("co", "")
    assert not (tmp_path / "app.identity.json").exists()


def test_where_nothing_can_be_remembered_nothing_is_tracked(tmp_path: Path) -> None:
    """Every start would be the first."""
    (tmp_path / "app.install").mkdir()

    assert not track_install(tmp_path, "app", never)
    assert not track_install(tmp_path / "gone", "app", never)
    assert not track_install(None, "app", never)


# --- on a tracker ----------------------------------------------------------------------------

CLICK = InstallReferrer(
    google_play_instant_param=True,
    install_referrer="utm_source=newsletter&gclid=CANARY",
    referrer_click_timestamp="2026-11-23T10:00:00Z",
    install_begin_timestamp="2026-11-23T10:00:05Z",
).self_describing()
EVENT = Structured(category="a", action="b")


def installing(**options: Any) -> TrackerConfiguration:  # noqa: ANN401 - options
    return TrackerConfiguration(
        platform_context=False,
        **{**STATELESS, "base64_encoding": False, "install_autotracking": True, **options},
    )


def kinds(events: list[dict[str, str]]) -> list[str]:
    return [
        event["e"] if event["e"] != "ue" else unstructured(event)["schema"].split("/")[1]
        for event in events
    ]


def test_g17_a_tracker_tracks_the_first_start_before_all_else_and_no_other(tmp_path: Path) -> None:
    with Collector() as collector:
        for _ in range(3):  # restarts
            with a_tracker(collector.url, tmp_path, installing()) as tracker:
                tracker.track(EVENT)
                with a_tracker(collector.url, tmp_path, installing()) as again:  # takes its place
                    assert again.flush(10)

        assert kinds(list(collector.events)) == ["application_install", "se", "se", "se"]
        assert unstructured(collector.events[0])["data"] == {}


def test_each_namespace_of_a_process_tracks_its_own(tmp_path: Path) -> None:
    wire = Wire()
    with (
        a_tracker(wire.network, tmp_path, installing(), namespace="one") as one,
        a_tracker(wire.network, tmp_path, installing(), namespace="two") as two,
    ):
        assert one.flush(10)
        assert two.flush(10)

    assert sorted(event["tna"] for event in wire.events) == ["one", "two"]


def test_switched_off_it_is_not_even_remembered(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path, installing(install_autotracking=False)) as tracker:
        assert tracker.flush(10)
    assert not list(tmp_path.glob("*.install"))
    with a_tracker(wire.network, tmp_path, installing()) as tracker:
        assert tracker.flush(10)

    assert kinds(wire.events) == ["application_install"]


def test_what_an_app_forgets_is_not_that_it_was_installed(tmp_path: Path) -> None:
    wire = Wire()
    with a_tracker(wire.network, tmp_path, installing()) as tracker:
        assert tracker.flush(10)
        assert tracker.forget()
    with a_tracker(wire.network, tmp_path, installing()) as tracker:
        assert tracker.flush(10)

    assert kinds(wire.events) == ["application_install"]


@pytest.mark.parametrize(
    ("level", "names"),
    [
        (
            Anonymisation.NONE,
            {
                "googlePlayInstantParam",
                "installReferrer",
                "referrerClickTimestamp",
                "installBeginTimestamp",
            },
        ),
        (Anonymisation.USER, {"googlePlayInstantParam"}),
        (Anonymisation.FULL, {"googlePlayInstantParam"}),
    ],
)
def test_L19_the_click_before_the_installation_is_no_hidden_users(  # noqa: N802 - the leak's id
    tmp_path: Path, level: Anonymisation, names: set[str]
) -> None:
    wire = Wire()
    configuration = installing(before_consent=level, install_referrer=lambda: CLICK)
    with a_tracker(wire.network, tmp_path, configuration) as tracker:
        tracker.emitter.pause()
        at_rest = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        tracker.emitter.resume()
        assert tracker.flush(10)

    (event,) = wire.events
    referrer = entity(event, "referrer_details")
    assert referrer is not None
    assert referrer.keys() == names
    assert (b"CANARY" in at_rest) is (level is Anonymisation.NONE)


@pytest.mark.parametrize("answer", ["text", InstallReferrer, object(), None])
def test_an_answer_that_cannot_be_sent_costs_the_entity_only(
    tmp_path: Path, answer: object
) -> None:
    wire = Wire()
    odd = SelfDescribingJson("iglu:com.acme/odd/jsonschema/1-0-0", {"a": object()})
    for namespace, given in (("one", answer), ("two", odd)):
        configuration = installing(install_referrer=lambda given=given: given)
        with a_tracker(wire.network, tmp_path, configuration, namespace=namespace) as tracker:
            assert tracker.flush(10)

    assert kinds(wire.events) == ["application_install"] * 2


def test_the_app_is_asked_under_no_lock(tmp_path: Path) -> None:
    """It may wait for another thread, which makes a tracker too."""
    made: list[bool] = []

    def ask() -> SelfDescribingJson | None:
        def make_another() -> None:
            whiteout.create_tracker(
                "other",
                Wire().network,
                installing(install_autotracking=False),
                EmitterConfiguration(storage_dir=tmp_path),
            ).close(0)

        thread = threading.Thread(target=make_another)
        thread.start()
        thread.join(10)
        made.append(not thread.is_alive())
        return None

    with a_tracker(Wire().network, tmp_path, installing(install_referrer=ask)):
        whiteout.remove_tracker("other")

    assert made == [True]


def test_a_tracker_that_is_paused_from_the_start_leaves_it_to_a_later_one(tmp_path: Path) -> None:
    """One that takes the place of a paused tracker is paused."""
    wire = Wire()
    with a_tracker(wire.network, tmp_path, installing(install_autotracking=False)) as tracker:
        tracker.pause()
        with a_tracker(wire.network, tmp_path, installing()) as again:
            assert not again.is_tracking
    with a_tracker(wire.network, tmp_path, installing()) as tracker:
        assert tracker.flush(10)

    assert kinds(wire.events) == ["application_install"]


@pytest.mark.parametrize("base64_encoding", [False, True])
@pytest.mark.parametrize("method", HttpMethod)
def test_g17_a_true_timestamp_takes_the_place_of_the_devices_time(
    tmp_path: Path, method: HttpMethod, *, base64_encoding: bool
) -> None:
    with Collector() as collector:
        network = NetworkConfiguration(endpoint=collector.url, method=method)
        configuration = installing(install_autotracking=False, base64_encoding=base64_encoding)
        with a_tracker(network, tmp_path, configuration) as tracker:
            tracker.track(Install(true_timestamp=dt.datetime(2024, 5, 1, tzinfo=dt.UTC)))
            tracker.track(
                Structured(
                    category="a",
                    action='"dtm":',  # what a page says is no parameter
                    true_timestamp=dt.datetime(2024, 5, 1, tzinfo=dt.UTC),
                )
            )
            assert tracker.flush(10)
        installed, other = sorted(collector.events, key=lambda event: event["e"], reverse=True)

    assert installed["dtm"] == "1714521600000"
    assert "ttm" not in installed
    assert other["ttm"] == "1714521600000"
    assert int(other["dtm"]) > 1_714_521_600_000
