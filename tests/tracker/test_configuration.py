"""Configurations refuse what cannot be, when they are made, and say what to write instead."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

import whiteout
from whiteout import (
    BufferOption,
    ConfigurationError,
    EmitterConfiguration,
    HttpMethod,
    NetworkConfiguration,
    PlatformContextRetriever,
    SessionConfiguration,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.tracker.unsaid import settled

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://collector.example"


async def an_async_one(*_: object) -> None:
    """What nobody would await."""


class Deaf:
    """A connection that does not say that it sends headers."""


@pytest.mark.parametrize(
    ("kind", "field", "value", "parts"),
    [
        (TrackerConfiguration, "app_id", 5, ["app_id", "text", "int"]),
        (TrackerConfiguration, "app_id", "x" * 256, ["app_id", "255", "256"]),
        (TrackerConfiguration, "application_version", 2.4, ["application_version", "text"]),
        (TrackerConfiguration, "application_build", "x" * 256, ["application_build", "255"]),
        (TrackerConfiguration, "tracker_version_suffix", "x" * 65, ["suffix", "64", "65"]),
        (TrackerConfiguration, "device_platform", "mob", ["DevicePlatform.MOBILE", "'mob'"]),
        (TrackerConfiguration, "base64_encoding", 1, ["base64_encoding", "True or False", "1"]),
        (TrackerConfiguration, "platform_context", 1, ["platform_context", "True or False"]),
        (TrackerConfiguration, "application_context", "no", ["application_context", "'no'"]),
        (TrackerConfiguration, "user_anonymisation", "yes", ["user_anonymisation", "'yes'"]),
        (TrackerConfiguration, "session_context", 0, ["session_context", "0"]),
        (NetworkConfiguration, "endpoint", "", ["endpoint", "https://", "''"]),
        (NetworkConfiguration, "endpoint", None, ["endpoint", "None"]),
        (NetworkConfiguration, "endpoint", "///", ["endpoint"]),
        (NetworkConfiguration, "endpoint", "https://", ["endpoint"]),
        (NetworkConfiguration, "endpoint", "https://user:pass@host", ["without user name"]),
        (NetworkConfiguration, "endpoint", "https://host/?key=1", ["query"]),
        (NetworkConfiguration, "endpoint", "https://host/#a", ["fragment"]),
        (NetworkConfiguration, "endpoint", "https://ho st", ["endpoint"]),
        (NetworkConfiguration, "endpoint", "https://host/\r\nX: y", ["endpoint"]),
        (NetworkConfiguration, "method", "POST", ["HttpMethod.POST", "'POST'"]),
        (NetworkConfiguration, "timeout", 0, ["timeout", "1 to 300", "0"]),
        (NetworkConfiguration, "timeout", float("nan"), ["timeout", "nan"]),
        (NetworkConfiguration, "timeout", "30", ["timeout", "'30'"]),
        (NetworkConfiguration, "custom_post_path", "a b", ["custom_post_path", "'a b'"]),
        (NetworkConfiguration, "method", None, ["method", "HttpMethod.POST", "None"]),
        (NetworkConfiguration, "request_headers", "X: y", ["request_headers", "mapping", "str"]),
        (EmitterConfiguration, "buffer_option", None, ["buffer_option", "None"]),
        (EmitterConfiguration, "emit_range", 2.5, ["emit_range", "events", "2.5"]),
        (EmitterConfiguration, "request_callback", "print", ["request_callback", "str"]),
        (EmitterConfiguration, "request_callback", an_async_one, ["plain function", "async"]),
        (SessionConfiguration, "on_session_update", an_async_one, ["plain function", "async"]),
        (TrackerConfiguration, "install_referrer", an_async_one, ["plain function", "async"]),
        (PlatformContextRetriever, "carrier", an_async_one, ["plain function", "async"]),
        (EmitterConfiguration, "custom_retry_for_status_codes", [500], ["mapping", "list"]),
        (SessionConfiguration, "on_session_update", 5, ["on_session_update", "int"]),
        (TrackerConfiguration, "platform_context_properties", ["x"], ["battery_level"]),
        (TrackerConfiguration, "platform_context_properties", 5, ["platform_context_properties"]),
        (TrackerConfiguration, "platform_context_retriever", {}, ["PlatformContextRetriever"]),
        (NetworkConfiguration, "custom_post_path", "a?b=c", ["custom_post_path"]),
        (NetworkConfiguration, "request_headers", {"SP-Anonymous": "x"}, ["SP-Anonymous"]),
        (NetworkConfiguration, "request_headers", {"sp-anonymous": "x"}, ["tracker itself"]),
        (NetworkConfiguration, "request_headers", {"Cookie": "x"}, ["Cookie"]),
        (NetworkConfiguration, "request_headers", {"Content-Type": "x"}, ["Content-Type"]),
        (NetworkConfiguration, "request_headers", {"bad name": "x"}, ["'bad name'"]),
        (NetworkConfiguration, "request_headers", {"X": "a\r\nY: b"}, ["one line"]),
        (NetworkConfiguration, "request_headers", {"X": 5}, ["X"]),
        (NetworkConfiguration, "request_headers", {"X": "\N{SNOWMAN}"}, ["cannot carry"]),
        (NetworkConfiguration, "network_connection", Deaf(), ["sends_headers", "SP-Anonymous"]),
        (EmitterConfiguration, "buffer_option", 10, ["BufferOption.SMALL_GROUP", "10"]),
        (EmitterConfiguration, "emit_range", 0, ["emit_range", "1 to 1000", "0"]),
        (EmitterConfiguration, "emit_range", 1001, ["emit_range", "1001"]),
        (EmitterConfiguration, "byte_limit_post", 0, ["byte_limit_post", "bytes", "0"]),
        (EmitterConfiguration, "byte_limit_get", -1, ["byte_limit_get", "-1"]),
        (EmitterConfiguration, "max_event_store_size", 0, ["max_event_store_size", "events"]),
        (EmitterConfiguration, "max_event_store_size", True, ["max_event_store_size", "True"]),
        (EmitterConfiguration, "max_event_store_age", 0.5, ["max_event_store_age", "seconds"]),
        (EmitterConfiguration, "retry_failed_requests", None, ["retry_failed_requests"]),
        (EmitterConfiguration, "server_anonymisation", "on", ["server_anonymisation", "'on'"]),
        (EmitterConfiguration, "custom_retry_for_status_codes", {99: True}, ["300 to 599", "99"]),
        (EmitterConfiguration, "custom_retry_for_status_codes", {200: False}, ["300", "200"]),
        (EmitterConfiguration, "custom_retry_for_status_codes", {"500": True}, ["'500'"]),
        (EmitterConfiguration, "custom_retry_for_status_codes", {500: 1}, ["[500]", "1"]),
        (EmitterConfiguration, "storage_dir", 7, ["storage_dir", "path", "int"]),
        (SessionConfiguration, "foreground_timeout", 0, ["foreground_timeout", "seconds", "0"]),
        (SessionConfiguration, "foreground_timeout", 86_401, ["foreground_timeout", "86401"]),
        (SessionConfiguration, "background_timeout", "1800", ["background_timeout", "'1800'"]),
        (SessionConfiguration, "continue_session_on_restart", 1, ["continue_session", "1"]),
        (SubjectConfiguration, "user_id", 5, ["user_id", "text", "int"]),
        (SubjectConfiguration, "user_id", "x" * 256, ["user_id", "255", "256"]),
        (SubjectConfiguration, "network_user_id", "x" * 129, ["network_user_id", "128"]),
        (SubjectConfiguration, "domain_user_id", "x" * 129, ["domain_user_id", "128"]),
        (SubjectConfiguration, "ip_address", "x" * 129, ["ip_address", "128"]),
        (SubjectConfiguration, "user_agent", "x" * 1001, ["user_agent", "1000"]),
        (SubjectConfiguration, "timezone", 1, ["timezone", "text"]),
        (SubjectConfiguration, "language", 1, ["language", "text"]),
        (SubjectConfiguration, "screen_resolution", "wide", ["1920x1080", "'wide'"]),
        (SubjectConfiguration, "screen_resolution", "1x2\n", ["screen_resolution"]),
        (SubjectConfiguration, "screen_view_port", (800, 600), ["screen_view_port", "1920x1080"]),
        (SubjectConfiguration, "color_depth", 0, ["color_depth", "bits", "0"]),
        (SubjectConfiguration, "color_depth", "24", ["color_depth", "'24'"]),
    ],
)
def test_a_wrong_value_is_named_with_its_cure(
    kind: type[Any], field: str, value: object, parts: list[str]
) -> None:
    needed = {"endpoint": URL} if kind is NetworkConfiguration else {}

    with pytest.raises(ConfigurationError) as error:
        kind(**(needed | {field: value}))

    assert field in str(error.value)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("value", ["user:secret@host", "https://host/?token=secret"])
def test_what_may_be_secret_in_an_endpoint_is_not_repeated(value: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        NetworkConfiguration(endpoint=value)

    assert "secret" not in str(error.value)


@pytest.mark.parametrize("kind", [TrackerConfiguration, EmitterConfiguration, SubjectConfiguration])
def test_a_configuration_cannot_be_changed_afterwards(kind: type[Any]) -> None:
    configuration = kind()
    name = dataclasses.fields(configuration)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(configuration, name, None)


def test_what_is_changed_in_a_mapping_that_was_given_has_no_effect() -> None:
    headers = {"X-Tenant": "a"}
    rules = {500: False}
    network = NetworkConfiguration(endpoint=URL, request_headers=headers)
    emitter = EmitterConfiguration(custom_retry_for_status_codes=rules)

    headers["Y"] = "b"
    rules[503] = False

    assert network.request_headers == {"X-Tenant": "a"}
    assert emitter.custom_retry_for_status_codes == {500: False}


@pytest.mark.parametrize(
    ("endpoint", "post_url"),
    [
        ("collector.example", "https://collector.example/com.snowplowanalytics.snowplow/tp2"),
        ("http://localhost:9090", "http://localhost:9090/com.snowplowanalytics.snowplow/tp2"),
        ("HTTPS://Host", "https://Host/com.snowplowanalytics.snowplow/tp2"),
        ("https://host/", "https://host/com.snowplowanalytics.snowplow/tp2"),
        (" https://host// ", "https://host/com.snowplowanalytics.snowplow/tp2"),
        ("host/path", "https://host/path/com.snowplowanalytics.snowplow/tp2"),
        ("wrong://x", "https://wrong://x/com.snowplowanalytics.snowplow/tp2"),
        ("[::1]:9090", "https://[::1]:9090/com.snowplowanalytics.snowplow/tp2"),
    ],
)
def test_e1_e25_the_scheme_is_added_and_slashes_are_not_doubled(
    endpoint: str, post_url: str
) -> None:
    assert NetworkConfiguration(endpoint=endpoint).post_url == post_url


@pytest.mark.parametrize("path", ["com.acme/track", "/com.acme/track", "/com.acme/track/"])
def test_e1_a_path_of_the_apps_own_serves_for_post(path: str) -> None:
    network = NetworkConfiguration(endpoint=URL, custom_post_path=path, method=HttpMethod.GET)

    assert network.post_url == f"{URL}/com.acme/track"
    assert network.get_url == f"{URL}/i"


def test_the_defaults_are_those_of_the_reference_where_nothing_else_is_said() -> None:
    """Reference 2.1 to 2.4; the exceptions give their reason in the docstring."""
    assert settled(TrackerConfiguration(), None) == TrackerConfiguration(
        exception_autotracking=True,
        install_autotracking=True,
        app_id=None,
        base64_encoding=True,
        platform_context=True,
        application_context=True,
        screen_context=True,
        screen_engagement_autotracking=True,
        lifecycle_autotracking=True,
        deep_link_context=True,
    )
    network = NetworkConfiguration(endpoint=URL)
    assert (network.method, network.timeout) == (HttpMethod.POST, 30)
    emitter = EmitterConfiguration()
    assert emitter.buffer_option is BufferOption.SINGLE
    assert emitter.byte_limit_get == 40_000
    # Not those of the reference: 25, 40,000 and 1,000 (`docs/tracker/differences.md`).
    assert emitter.emit_range == 200
    assert emitter.byte_limit_post == 500_000
    assert emitter.max_event_store_size == 100_000
    assert emitter.retry_failed_requests
    assert emitter.max_event_store_age == 30 * 86_400
    session = SessionConfiguration()
    assert (session.foreground_timeout, session.background_timeout) == (1800, 1800)
    assert not session.continue_session_on_restart


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("", URL), "namespace"),
        (("x" * 129, URL), "128"),
        ((5, URL), "namespace"),
        (("app", 5), "network"),
        (("app", URL, URL), "str"),
        (("app", URL, NetworkConfiguration(endpoint=URL)), "NetworkConfiguration"),
        (("app", URL, SessionConfiguration(), SessionConfiguration()), "got two"),
    ],
)
def test_wrong_arguments_make_no_tracker(arguments: tuple[Any, ...], part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        whiteout.create_tracker(*arguments)

    assert whiteout.get_tracker("app") is None


@pytest.mark.parametrize("level", ["full", 7, None])
def test_a_level_that_is_none_is_refused(tmp_path: Path, level: Any) -> None:  # noqa: ANN401 - wrong on purpose
    tracker = whiteout.create_tracker("app", URL, EmitterConfiguration(storage_dir=tmp_path))
    try:
        with pytest.raises(ConfigurationError, match=r"Anonymisation\.FULL"):
            tracker.anonymisation = level
        with pytest.raises(ConfigurationError, match="'keep', 'anonymise' or 'drop'"):
            tracker.set_anonymisation(whiteout.Anonymisation.FULL, pending="forget")
        assert tracker.anonymisation is whiteout.Anonymisation.NONE
    finally:
        whiteout.remove_tracker("app", timeout=0)
