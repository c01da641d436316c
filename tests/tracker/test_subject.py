"""The subject: each property on the wire, changed and cleared while the tracker runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.trackers import CONTEXT_FREE, Wire, a_tracker

from whiteout import ConfigurationError, Structured, SubjectConfiguration

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout import Tracker

EVENT = Structured(category="a", action="b")
PROPERTIES = [
    ("user_id", "uid", "someone", "someone else"),
    ("network_user_id", "tnuid", "network-1", "network-2"),
    ("domain_user_id", "duid", "domain-1", "domain-2"),
    ("ip_address", "ip", "192.0.2.1", "2001:db8::1"),
    ("user_agent", "ua", "agent/1", "agent/2"),
    ("timezone", "tz", "Europe/London", "America/Lima"),
    ("language", "lang", "en-GB", "es-PE"),
    ("screen_resolution", "res", "1920x1080", "2560x1440"),
    ("screen_view_port", "vp", "800x600", "640x480"),
    ("color_depth", "cd", 24, 30),
]


@pytest.mark.parametrize(("name", "parameter", "first", "second"), PROPERTIES)
def test_a_property_is_configured_changed_and_cleared(
    tmp_path: Path, name: str, parameter: str, first: str | int, second: str | int
) -> None:
    """Reference 6; None clears, which the Android tracker ignores (L25)."""
    wire = Wire()
    configuration = SubjectConfiguration(**{name: first})  # type: ignore[arg-type] # by its name
    with a_tracker(wire.network, tmp_path, CONTEXT_FREE, configuration) as tracker:
        tracker.track(EVENT)
        setattr(tracker.subject, name, second)
        tracker.track(EVENT)
        setattr(tracker.subject, name, None)
        tracker.track(EVENT)
        assert tracker.flush(10)

        assert getattr(tracker.subject, name) is None
    assert [payload.get(parameter) for payload in wire.events] == [str(first), str(second), None]


def test_nothing_of_a_subject_that_was_not_given_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time zone and language come from the system."""
    monkeypatch.setenv("TZ", "Europe/Vaduz")
    monkeypatch.setenv("LC_ALL", "de_LI.UTF-8")
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.track(EVENT)
        assert tracker.flush(10)

    parameters = {parameter for _, parameter, _, _ in PROPERTIES}
    found = {key: value for key, value in wire.events[0].items() if key in parameters}
    assert found == {"tz": "Europe/Vaduz", "lang": "de-LI"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_id", "x" * 256),
        ("user_id", 5),
        ("ip_address", "x" * 129),
        ("screen_resolution", "wide"),
        ("screen_view_port", "1x"),
        ("color_depth", -1),
        ("color_depth", "24"),
        ("color_depth", True),
    ],
)
def test_a_wrong_value_is_refused_and_changes_nothing(
    tmp_path: Path,
    name: str,
    value: Any,  # noqa: ANN401 - wrong on purpose
) -> None:
    with a_tracker("http://collector.invalid", tmp_path) as tracker:
        with pytest.raises(ConfigurationError, match=name):
            setattr(tracker.subject, name, value)

        assert getattr(tracker.subject, name) is None


def test_forget_clears_who_the_user_is_and_keeps_the_device(tmp_path: Path) -> None:
    configuration = SubjectConfiguration(
        **{name: first for name, _, first, _ in PROPERTIES}  # type: ignore[arg-type] # by name
    )
    with a_tracker("http://collector.invalid", tmp_path, configuration) as tracker:
        tracker.forget()

        assert read(tracker) == [None] * 4 + [first for _, _, first, _ in PROPERTIES[4:]]


def read(tracker: Tracker) -> list[object]:
    return [getattr(tracker.subject, name) for name, _, _, _ in PROPERTIES]


def test_there_is_no_property_but_those_of_the_configuration(tmp_path: Path) -> None:
    with a_tracker(Wire().network, tmp_path) as tracker:
        for name in ("nickname", "_values", "close"):
            with pytest.raises(ConfigurationError, match="name must be one of user_id"):
                tracker.subject.change(name, None)
