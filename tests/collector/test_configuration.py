"""Settings from a file, the environment and the command line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from whiteout.collector.configuration import collector_settings
from whiteout.collector.settings import CollectorSettings, CookieBounce, Limits, Tls
from whiteout.errors import ConfigurationError

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "collector.md"


def test_nothing_said_is_the_defaults() -> None:
    assert collector_settings({}, {"HOME": "/"}, []) == CollectorSettings()


def test_the_command_line_wins_over_the_environment_and_that_over_the_file() -> None:
    table = {"cookie_name": "file", "limits": {"connections": 1, "pipelined": 1, "drain_s": 1}}
    environment = {
        "WHITEOUT_COLLECTOR_LIMITS_CONNECTIONS": "2",
        "WHITEOUT_COLLECTOR_LIMITS_PIPELINED": "2",
    }

    settings = collector_settings(table, environment, ["limits.connections=3"])

    assert settings == CollectorSettings(
        cookie_name="file", limits=Limits(connections=3, pipelined=2, drain_s=1)
    )


def test_every_kind_of_value_can_be_given_on_the_command_line() -> None:
    settings = collector_settings(
        {},
        {},
        [
            "cookie_enabled=false",
            "cookie_name=1",
            "cookie_same_site=",
            "cookie_domains=a.example, b.example",
            'stored_cookies=["a"]',
            'do_not_track_cookie=["dnt", "1|yes"]',
            "trusted_proxies = 2",
            "forwarded_header=Forwarded",
            'paths={"/a/b" = "/c/d"}',
            "hsts_max_age_s=60",
            "anonymous_parameter=",
            "tls.certificate=a.pem",
            "cookie_bounce.name=b",
            "limits.drain_s=2.5",
        ],
    )

    assert settings == CollectorSettings(
        cookie_enabled=False,
        cookie_name="1",
        cookie_same_site=None,
        cookie_domains=("a.example", "b.example"),
        stored_cookies=("a",),
        do_not_track_cookie=("dnt", "1|yes"),
        trusted_proxies=2,
        forwarded_header="Forwarded",
        paths={"/a/b": "/c/d"},
        hsts_max_age_s=60,
        anonymous_parameter=None,
        tls=Tls(certificate="a.pem"),
        cookie_bounce=CookieBounce(name="b"),
        limits=Limits(drain_s=2.5),
    )


def test_an_empty_table_asks_for_a_part_with_its_defaults() -> None:
    assert collector_settings({"cookie_bounce": {}}, {}, []).cookie_bounce == CookieBounce()


@pytest.mark.parametrize(
    ("table", "environment", "assignments", "named"),
    [
        ({"cookie": "sp"}, {}, [], "'cookie' is not an option .* cookie_name "),
        ({"limits": {"x": 1}}, {}, [], r"'limits\.x' is not .* whiteout settings"),
        ({"limits": 3}, {}, [], "limits must be a table"),
        ({"trusted_proxies": "1"}, {}, [], "trusted_proxies"),
        ({}, {"WHITEOUT_COLLECTOR_X": "1"}, [], "WHITEOUT_COLLECTOR_X.*WHITEOUT_COLLECTOR_PATHS"),
        ({}, {}, ["x=1"], "'x' .* whiteout settings lists them"),
        ({}, {}, ["cookie_name"], "option=value"),
        ({}, {}, ["trusted_proxies=many"], "trusted_proxies .* 'many'"),
        ({}, {}, ["trusted_proxies=1\nx=2"], "trusted_proxies"),
        ({}, {}, ["trusted_proxies=-1"], "trusted_proxies must be 0 or more"),
        ({}, {}, ["limits.connections=0"], "connections must be more than 0"),
        ({}, {}, ["tls.key=a"], "certificate"),
    ],
)
def test_what_is_unknown_or_wrong_is_named_with_what_there_is(
    table: dict[str, Any], environment: dict[str, str], assignments: list[str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        collector_settings(table, environment, assignments)


def test_the_documented_file_is_accepted() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)

    settings = collector_settings(tomllib.loads(text)["collector"], {}, [])

    assert settings.limits.notice_s == 10
    assert settings.metrics_path == "/metrics"


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("cookie_same_site=lax", "cookie_same_site must be 'Lax', 'None' or 'Strict', got 'lax'"),
        ('limits.connections="10"', "limits.connections must be a whole number, got '10'"),
        ("limits.drain_s=true", "limits.drain_s must be a number, got True"),
        ("limits.log_bytes=-1", "limits.log_bytes must be more than 0, got -1"),
        ("cookie_enabled=1", "cookie_enabled must be true or false, got 1"),
        ("cookie_domains=3", "cookie_domains must be a list of texts, got 3"),
        ("do_not_track_cookie=dnt", "do_not_track_cookie must be a list of 2 texts, got ['dnt']"),
        ("paths={a=1}", "paths must be a mapping of names to texts, got {'a': 1}"),
        ("root_response.status=1", "root_response.status must be one of"),
        ("tls.key=key.pem", "tls.certificate is missing; it must be a text"),
    ],
)
def test_a_wrong_value_is_told_with_the_options_name_and_what_it_must_be(
    assignment: str, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"[collector]: {complaint}")):
        collector_settings({}, {}, [assignment])
