"""What an app may say about its remote configuration."""

from __future__ import annotations

from typing import Any

import pytest

from whiteout import Anonymisation, ConfigurationError, HttpMethod
from whiteout.tracker.remote.settings import RemoteConfiguration


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("config.example.com/a.json", "https://config.example.com/a.json"),
        ("https://config.example.com/a.json?v=1", "https://config.example.com/a.json?v=1"),
        ("http://localhost:8080/a.json", "http://localhost:8080/a.json"),
        ("http://127.0.0.1:8080/a.json", "http://127.0.0.1:8080/a.json"),
        ("http://[::1]:8080/a.json", "http://[::1]:8080/a.json"),
    ],
)
def test_an_endpoint_is_https_or_this_machine(given: str, endpoint: str) -> None:
    assert RemoteConfiguration(endpoint=given).endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://config.example.com/a.json",
        "http://localhost.example.com/a.json",
        "http://127.0.0.1.example.com/a.json",
        "ftp://config.example.com/a.json",
        "file:///etc/passwd",
        "https://user:password@config.example.com/",
        "https://config.example.com/#a",
        "https://",
        "https://config.example.com:port/",
        "https://config.example.com/a b",
        "https://config.example.com/a\r\nX: y",
        "https://[::1/",
        "",
        None,
        7,
        "https://config.example.com/" + "a" * 2048,
    ],
)
def test_any_other_endpoint_is_refused_without_being_repeated(endpoint: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(ConfigurationError, match="https URL") as refusal:
        RemoteConfiguration(endpoint=endpoint)

    assert "password" not in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", HttpMethod.POST),
        ("timeout", 0.5),
        ("timeout", 61),
        ("timeout", True),
        ("before_fetch", "full"),
        ("storage_dir", 7),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(field: str, value: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(ConfigurationError, match=field):
        RemoteConfiguration(endpoint="https://config.example.com", **{field: value})


def test_the_defaults_are_fifteen_seconds_and_the_most_private_before_a_fetch() -> None:
    remote = RemoteConfiguration(endpoint="https://config.example.com/a.json?token=hidden")

    assert remote.timeout == 15
    assert remote.before_fetch is None
    assert "hidden" not in repr(remote)
    assert RemoteConfiguration(endpoint="h", before_fetch=Anonymisation.NONE).before_fetch == (
        Anonymisation.NONE
    )
