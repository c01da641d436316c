"""Deep links (core 8.3, events catalogue 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.collector import entity, unstructured
from tests.support.trackers import STATELESS, Wire, a_tracker

from whiteout import (
    ConfigurationError,
    DeepLinkReceived,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    Structured,
    TrackerConfiguration,
)
from whiteout.events.deep_link import attribution
from whiteout.events.schema import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from whiteout import Event

LONG = "someappwithaverylongscheme://the/path?a=b"
CUT = "someappwithavery://the/path?a=b"
SCREEN = ScreenView(name="home")
LINK = DeepLinkReceived(url=LONG, referrer=LONG)


def sent(folder: Path, events: Sequence[Event], **options: Any) -> list[dict[str, str]]:  # noqa: ANN401 - of the configuration
    wire = Wire()
    chosen = {**STATELESS, "deep_link_context": True, **options}
    configuration = TrackerConfiguration(platform_context=False, **chosen)
    with a_tracker(wire.network, folder, configuration) as tracker:
        for event in events:
            tracker.track(event)
        assert tracker.flush(10)
    return wire.events


def urls(event: dict[str, str]) -> tuple[str | None, str | None]:
    return event.get("url"), event.get("refr")


def test_g15_the_first_screen_view_after_a_link_carries_it(tmp_path: Path) -> None:
    link, plain, first, second = sent(
        tmp_path, [LINK, Structured(category="a", action="b"), SCREEN, SCREEN]
    )

    assert unstructured(link)["data"] == {"url": LONG, "referrer": LONG}
    assert urls(link) == urls(first) == (CUT, CUT)
    assert entity(first, "deep_link") == {"url": LONG, "referrer": LONG}
    for event in (link, plain, second):
        assert entity(event, "deep_link") is None
    assert urls(plain) == urls(second) == (None, None)


def test_a_new_link_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    links = [DeepLinkReceived(url=f"app://{number}") for number in range(3)]

    events = sent(tmp_path, [links[0], links[1], SCREEN, links[2], SCREEN, SCREEN])

    screens = [event for event in events if unstructured(event)["schema"] == ScreenView.SCHEMA]
    found = [entity(event, "deep_link") for event in screens]
    assert found == [{"url": "app://1"}, {"url": "app://2"}, None]


def test_an_app_that_attaches_a_link_itself_is_believed(tmp_path: Path) -> None:
    mine = SelfDescribingJson(
        "iglu:com.snowplowanalytics.mobile/deep_link/jsonschema/1-0-0", {"url": "mine://link"}
    )

    _, view = sent(tmp_path, [LINK, ScreenView(name="home", entities=[mine])])

    assert urls(view) == ("mine://link", None)


def test_switched_off_only_the_events_own_url_is_left(tmp_path: Path) -> None:
    link, view = sent(tmp_path, [LINK, SCREEN], deep_link_context=False)

    assert urls(link) == (CUT, CUT)
    assert urls(view) == (None, None)
    assert entity(view, "deep_link") is None


def test_a_generic_link_event_uses_up_the_link_as_a_screen_view_does(tmp_path: Path) -> None:
    generic = SelfDescribing(schema=DeepLinkReceived.SCHEMA, data={"url": "app://generic"})

    _, _, view = sent(tmp_path, [LINK, generic, SCREEN])

    assert entity(view, "deep_link") is None


def test_under_user_anonymity_click_ids_are_cut_from_all_copies(tmp_path: Path) -> None:
    link = DeepLinkReceived(
        url="https://a.example/p?gclid=SECRET&q=1&_sp=SECRET",
        referrer="https://b.example?fbclid=SECRET",
    )

    events = sent(tmp_path, [link, SCREEN], user_anonymisation=True)

    assert len(events) == 2
    for event in events:
        assert event["url"] == "https://a.example/p?q=1"
        assert event["refr"] == "https://b.example"
    assert "SECRET" not in str([unstructured(events[0]), entity(events[1], "deep_link")])


@pytest.mark.parametrize("text", ["", "no scheme", "://x", "http://a:b/", "1a://x", 5, None])
def test_what_is_no_url_is_refused_without_being_repeated(text: Any) -> None:  # noqa: ANN401 - anything
    with pytest.raises(ConfigurationError, match="url must be") as refused:
        DeepLinkReceived(url=text)

    assert not text or str(text) not in str(refused.value)


def test_a_url_may_have_4096_characters_and_no_more() -> None:
    DeepLinkReceived(url="app://" + "x" * 4090)
    with pytest.raises(ConfigurationError):
        DeepLinkReceived(url="app://" + "x" * 4091)


@pytest.mark.parametrize(
    ("given_url", "sent_url"),
    [
        ("app://käse/ä b", "app://k%C3%A4se/%C3%A4%20b"),
        ("https://x/a%2Fb%", "https://x/a%2Fb%25"),
        ("https://x/[a]#b#c", "https://x/%5Ba%5D#b%23c"),
        ("https://[::1]:8080/", "https://[::1]:8080/"),
        ("mailto:a@b.example", "mailto:a@b.example"),
    ],
)
def test_what_a_uri_cannot_hold_is_escaped(given_url: str, sent_url: str) -> None:
    assert DeepLinkReceived(url=given_url).url == sent_url


@given(st.from_regex(r"[a-z]{1,5}:(//)?.{0,30}", fullmatch=True) | st.text(max_size=20))
def test_what_is_taken_is_valid(text: str) -> None:
    schema = dict(SCHEMAS[DeepLinkReceived.SCHEMA])
    bare = {key: value for key, value in schema.items() if key not in {"$schema", "self"}}
    validator = jsonschema_rs.Draft4Validator(bare, validate_formats=True)

    try:
        event = DeepLinkReceived(url=text, referrer=text)
    except ConfigurationError:
        return

    data = event.self_describing(str).data
    assert validator.is_valid(data)
    for value in attribution(data).values():
        scheme, mark, _ = value.partition("://")
        assert not mark or len(scheme) <= 16
