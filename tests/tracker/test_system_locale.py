"""Language and time zone, as the system says: absent rather than wrong."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.trackers import Wire, a_tracker

from whiteout import Structured
from whiteout.tracker.platform_reader import SystemPlatformReader
from whiteout.tracker.system_locale import language_tag, system_language, system_timezone

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "en_GB.UTF-8"}, "en-GB"),
        ({"LANG": "de_AT@euro"}, "de-AT"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "fr_FR.UTF-8"}, "fr-FR"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "nl_NL"}, "nl-NL"),
        ({"LANG": "en_GB.UTF-8", "LANGUAGE": "sv:nb:en"}, "sv"),
        ({"LANG": "C.UTF-8"}, None),
        ({"LANG": "POSIX"}, None),
        ({"LANG": ""}, None),
        ({}, None),
    ],
)
def test_the_language_is_that_of_the_environment(
    environment: dict[str, str], language: str | None
) -> None:
    assert system_language(environment, os_type="linux") == language


def test_a_locale_becomes_a_language_tag() -> None:
    assert language_tag("zh_Hant_TW.UTF-8") == "zh-Hant-TW"
    assert language_tag("x" * 1000) == "x" * 255


@pytest.mark.parametrize("environment", [{}, {"LANG": ""}])
def test_windows_is_asked_where_the_environment_says_nothing(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setattr("whiteout.tracker.system_locale._windows_language", lambda: "pt-BR")

    assert system_language(environment, os_type="windows") == "pt-BR"
    assert system_language({"LANG": "en_GB"}, os_type="windows") == "en-GB"
    assert system_language(environment, os_type="osx") is None


@pytest.mark.skipif(sys.platform == "win32", reason="it has a language there")
def test_elsewhere_no_window_of_windows_is_opened() -> None:
    assert system_language({}, os_type="windows") is None


def test_subject_and_platform_entity_say_the_same_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "sv:en")
    wire = Wire()
    with a_tracker(wire.network, tmp_path) as tracker:
        tracker.track(Structured(category="c", action="a"))
        assert tracker.flush(10)

    assert wire.events[0]["lang"] == SystemPlatformReader().read("language") == "sv"


@pytest.mark.parametrize(
    ("variable", "zone"),
    [
        ("Europe/London", "Europe/London"),
        (":America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("UTC", "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", None),
        ("/usr/share/zoneinfo/Europe/London", None),
        ("Mitteleuropäische Zeit", None),
        ("x" * 256, None),
    ],
)
def test_tz_names_the_zone_if_it_is_a_name(tmp_path: Path, variable: str, zone: str | None) -> None:
    assert system_timezone({"TZ": variable}, root=tmp_path) == zone


@pytest.mark.parametrize("folder", ["usr/share/zoneinfo", "usr/share/zoneinfo/posix"])
def test_else_the_zone_is_what_localtime_links_to(tmp_path: Path, folder: str) -> None:
    zone = tmp_path / folder / "Europe/Vaduz"
    zone.parent.mkdir(parents=True)
    zone.touch()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/localtime").symlink_to(zone)

    assert system_timezone({}, root=tmp_path) == "Europe/Vaduz"


@pytest.mark.parametrize(
    ("name", "zone"),
    [("UTC", "UTC"), ("CET", None), ("W. Europe Standard Time", None), ("", None)],
)
def test_without_a_name_there_is_no_zone_but_utc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, zone: str | None
) -> None:
    """Windows says `W. Europe Standard Time`, in its own language, and `EST` is not New York."""
    monkeypatch.setattr(time, "tzname", (name, name))

    assert system_timezone({}, root=tmp_path) == zone
