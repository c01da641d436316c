"""The named functions: what each leaves of a value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strict.instances import alike, anything, date_times

from whiteout.strict import coarsening as coarse
from whiteout.strict.coarsening import GONE, Treatment
from whiteout.strict.table import STRICT_TABLE
from whiteout.strict.urls import NO_URL, plain_url

if TYPE_CHECKING:
    from collections.abc import Callable

TREATMENTS = list({row.treatment.name: row.treatment for row in STRICT_TABLE}.values())
FUNCTIONS = [treatment for treatment in TREATMENTS if treatment.function is not None]

texts = (
    st.text(max_size=20)
    | date_times
    | st.text("0123456789x-_:/?&=#@;.%", max_size=30)
    | st.text("enEN-_", max_size=6)
)


def passed(treatment: Treatment, value: Any) -> Any:  # noqa: ANN401 - any JSON
    assert treatment.function is not None
    return treatment.function(value)


@pytest.mark.parametrize("treatment", FUNCTIONS, ids=lambda one: one.name)
@given(st.data())
def test_a_second_time_changes_nothing(treatment: Treatment, data: st.DataObject) -> None:
    once = passed(treatment, data.draw(anything | texts | st.integers() | st.floats()))

    if once is not GONE:
        again = passed(treatment, once)
        assert again == once or once != once  # noqa: PLR0124 - NaN


@pytest.mark.parametrize("treatment", FUNCTIONS, ids=lambda one: one.name)
@given(anything)
def test_nothing_hides_in_lists_and_objects(treatment: Treatment, value: Any) -> None:  # noqa: ANN401 - any JSON
    for hiding in ([value], {"a": value}):
        assert passed(treatment, hiding) not in ([value], {"a": value})


@pytest.mark.parametrize("treatment", TREATMENTS, ids=lambda one: one.name)
@given(st.data())
def test_values_that_differ_only_in_what_is_secret_become_the_same(
    treatment: Treatment, data: st.DataObject
) -> None:
    one, other = data.draw(alike(treatment))

    if treatment.function is not None:
        assert json.dumps(_shown(treatment, one)) == json.dumps(_shown(treatment, other))


def _shown(treatment: Treatment, value: Any) -> Any:  # noqa: ANN401 - any JSON
    result = passed(treatment, value)
    return "gone" if result is GONE else result


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        (coarse.to_minute, "1654496481346", "1654496460000"),
        (coarse.to_minute, "yesterday", GONE),
        (coarse.time_to_minute, "2022-06-06T06:21:21.346Z", "2022-06-06T06:21:00Z"),
        (coarse.time_to_minute, "2022-06-06T12:06:21+05:45", "2022-06-06T06:21:00Z"),
        (coarse.time_to_minute, "2022-06-06T06:21:21", GONE),
        (coarse.time_to_minute, "0001-01-01T00:00:00+14:00", GONE),
        (coarse.language, "en-GB", "en"),
        (coarse.language, "sr_Latn_RS", "sr"),
        (coarse.language, "English", GONE),
        (coarse.size_class, "360x800", "360x640"),
        (coarse.size_class, "1024x768", "768x1024"),
        (coarse.size_class, "1920x1080", "1080x1920"),
        (coarse.size_class, "3841x2161", "1440x2560"),
        (coarse.size_class, "wide", GONE),
        (coarse.os_family, "android", "android"),
        (coarse.os_family, "plan9", "unknown"),
        (coarse.major_version, "17.5.1", "17"),
        (coarse.major_version, "ubuntu 22.04", "22"),
        (coarse.major_version, "20240101", "unknown"),
        (coarse.major_version, "rolling", "unknown"),
        (coarse.code_name, "shop.errors.OutOfStock", "shop.errors.OutOfStock"),
        (coarse.code_name, "no order for Anna", GONE),
        (
            coarse.version,
            "whiteout-0.1.0.dev20260101 kiosk.2",
            "whiteout-0.1.0.dev20260101 kiosk.2",
        ),
        (coarse.version, "ada@example.com", "withheld"),
        (coarse.version, "x" * 65, "withheld"),
        (coarse.vocabulary, "Checkout", "Checkout"),
        (coarse.vocabulary, "Orders of anna@mail.example", "withheld"),
        (coarse.vocabulary, "Customer 1048576", "withheld"),
        (coarse.tens, 1234, 1230),
        (coarse.tens, -19, -10),
        (coarse.tens, 12.7, 10),
        (coarse.tens, True, 0),
        (coarse.hundreds, 10**400 + 1, 10**400),
        (coarse.two_digits, 1234, 1200),
        (coarse.two_digits, 0.01834, 0.018),
        (coarse.two_digits, float("inf"), 0),
        (coarse.two_digits, 10**400, 0),
    ],
)
def test_examples(function: Callable[[Any], Any], value: object, expected: object) -> None:
    assert function(value) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example/a/b", "https://shop.example/a/b"),
        ("https://anna:pw@shop.example:8443/a?q=1#/anna", "https://shop.example:8443/a"),
        (
            "https://h/?utm_content=anna&utm_campaign=autumn&UTM_Source=mail&gclid=1",
            "https://h/?utm_source=mail&utm_campaign=autumn",
        ),
        ("https://h/?utm_source=anna%40mail.example", "https://h/"),
        ("https://h/?utm_source=a&utm_source=b", "https://h/?utm_source=a"),
        ("https://h/a;jsessionid=1A2B/c;v=2?x", "https://h/a/c"),
        ("https://h/users/1048576/orders", "https://h/users/*/orders"),
        ("https://h/u/8d3f6a3e-1111-4c4c-8888-000000000001", "https://h/u/*"),
        ("https://h/u/anna%40mail.example/x", "https://h/u/*/x"),
        ("https://h/u/%31%30%34%38%35%37%36", "https://h/u/*"),
        ("app://screen/home?user=anna", "app://screen/home"),
        ("//h/a?b", "//h/a"),
        ("/a/b?c=d", "/a/b"),
        ("/;/h/x", "/h/x"),
        ("file:///home/anna/diary.html", "file:///"),
        ("content://contacts/people/42", "content:///"),
        ("mailto:anna@mail.example", NO_URL),
        ("data:text/plain,anna", NO_URL),
        ("C:\\Users\\anna", NO_URL),
        ("https://anna:pw\\@evil/a", "https://evil/a"),
        ("https://h\\anna/a", NO_URL),
        ("anna@mail.example", NO_URL),
        ("", NO_URL),
    ],
)
def test_a_url_says_where_and_not_who(url: str, expected: str) -> None:
    assert plain_url(url) == expected


def test_the_app_chooses_the_query_keys_that_stay() -> None:
    assert plain_url("https://h/?tab=new&utm_source=x", keys=("tab",)) == "https://h/?tab=new"
    assert plain_url("https://h/?tab=new&utm_source=x", keys=()) == "https://h/"


@given(
    st.sampled_from(["https://h", "app://x", "//h", ""]),
    st.sampled_from(["", "/", "/a/b", "/a;{0}"]),
    st.sampled_from(["?{0}", "?a={0}", "?gclid={0}&utm_source=x", "?utm_source=x&{0}=1", "#{0}"]),
)
def test_no_secret_in_login_query_or_fragment_passes(start: str, path: str, rest: str) -> None:
    url = start.replace("//h", "//CANARY:CANARY@h") + (path + rest).format("CANARY")

    assert "CANARY" not in plain_url(url)
