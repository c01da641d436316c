"""Parameters become columns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.enrich.conftest import COOKIE, MINIMAL, Bench, get, messages, post, query_of

from whiteout.enrich import conversions
from whiteout.enrich.adapter import SNOWPLOW
from whiteout.enrich.conversions import ConversionError
from whiteout.enrich.mapping import MAPPED_PARAMETERS
from whiteout.protocol.parameters import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable

ALL: dict[str, tuple[str, dict[str, str | None]]] = {
    "e": ("se", {"event": "struct"}),
    "p": ("mob", {"platform": "mob"}),
    "aid": ("shop", {"app_id": "shop"}),
    "uid": ("jon", {"user_id": "jon"}),
    "duid": ("abc", {"domain_userid": "abc"}),
    "fp": ("2161814971", {"user_fingerprint": "2161814971"}),
    "ua": ("Agent/1", {"useragent": "Agent/1"}),
    "tna": ("cf", {"name_tracker": "cf"}),
    "tv": ("py-1", {"v_tracker": "py-1"}),
    "cv": ("c-1", {"v_collector": "c-1"}),
    "lang": ("de", {"br_lang": "de"}),
    "tz": ("Europe/Berlin", {"os_timezone": "Europe/Berlin"}),
    "cs": ("utf-8", {"doc_charset": "utf-8"}),
    "cd": ("24", {"br_colordepth": "24"}),
    "nuid": ("n", {"network_userid": "t"}),
    "tnuid": ("t", {"network_userid": "t"}),
    "ip": ("192.0.2.9", {"user_ipaddress": "192.0.2.9"}),
    "url": ("https://a.example/", {"page_url": "https://a.example/"}),
    "refr": ("http://b.example/", {"page_referrer": "http://b.example/"}),
    "page": ("Title", {"page_title": "Title"}),
    "eid": (COOKIE.upper(), {"event_id": COOKIE}),
    "sid": (COOKIE, {"domain_sessionid": COOKIE}),
    "tid": ("101", {"txn_id": "101"}),
    "vid": ("4", {"domain_sessionidx": "4"}),
    "pp_mix": ("1", {"pp_xoffset_min": "1"}),
    "pp_max": ("2", {"pp_xoffset_max": "2"}),
    "pp_miy": ("3", {"pp_yoffset_min": "3"}),
    "pp_may": ("4", {"pp_yoffset_max": "4"}),
    "ti_qu": ("5", {"ti_quantity": "5"}),
    "dtm": ("1", {"dvce_created_tstamp": "1970-01-01 00:00:00.001"}),
    "stm": ("1000", {"dvce_sent_tstamp": "1970-01-01 00:00:01.000"}),
    "ttm": ("1", {"true_tstamp": "1970-01-01 00:00:00.001"}),
    "res": ("10x20", {"dvce_screenwidth": "10", "dvce_screenheight": "20"}),
    "vp": ("30x40", {"br_viewwidth": "30", "br_viewheight": "40"}),
    "ds": ("50x60", {"doc_width": "50", "doc_height": "60"}),
    "f_pdf": ("1", {"br_features_pdf": "1"}),
    "f_fla": ("0", {"br_features_flash": "0"}),
    "f_java": ("1", {"br_features_java": "1"}),
    "f_dir": ("0", {"br_features_director": "0"}),
    "f_qt": ("1", {"br_features_quicktime": "1"}),
    "f_realp": ("0", {"br_features_realplayer": "0"}),
    "f_wma": ("1", {"br_features_windowsmedia": "1"}),
    "f_gears": ("0", {"br_features_gears": "0"}),
    "f_ag": ("1", {"br_features_silverlight": "1"}),
    "cookie": ("1", {"br_cookies": "1"}),
    "se_ca": ("shop", {"se_category": "shop"}),
    "se_ac": ("buy", {"se_action": "buy"}),
    "se_la": ("label", {"se_label": "label"}),
    "se_pr": ("property", {"se_property": "property"}),
    "se_va": ("1E3", {"se_value": "1000"}),
    "tr_id": ("o", {"tr_orderid": "o"}),
    "tr_af": ("a", {"tr_affiliation": "a"}),
    "tr_tt": ("1.5", {"tr_total": "1.5"}),
    "tr_tx": ("2.5", {"tr_tax": "2.5"}),
    "tr_sh": ("3.5", {"tr_shipping": "3.5"}),
    "tr_ci": ("c", {"tr_city": "c"}),
    "tr_st": ("s", {"tr_state": "s"}),
    "tr_co": ("DE", {"tr_country": "DE"}),
    "tr_cu": ("EUR", {"tr_currency": "EUR"}),
    "ti_id": ("o", {"ti_orderid": "o"}),
    "ti_sk": ("sku", {"ti_sku": "sku"}),
    "ti_nm": ("name", {"ti_name": "name"}),
    "ti_ca": ("cat", {"ti_category": "cat"}),
    "ti_pr": ("4.5", {"ti_price": "4.5"}),
    "ti_cu": ("USD", {"ti_currency": "USD"}),
}
WITHOUT_COLUMN = {"ctype", "mac", "ad_ba", "ad_ca", "ad_ad", "ad_uid", "ue_na"} | {
    "sa", "sn", "st", "sp"
}  # fmt: skip
JSON_PARAMETERS = {"ue_pr", "ue_px", "co", "cx"}
LEGACY = {"ev_ca", "ev_ac", "ev_la", "ev_pr", "ev_va", "ti_na"}


def test_every_parameter_sets_its_column(bench: Bench) -> None:
    """BE7: one event with all of them."""
    query = query_of({name: value for name, (value, _) in ALL.items()})

    event = bench.event(get(query))

    expected = {column: text for _, columns in ALL.values() for column, text in columns.items()}
    assert {column: event[column] for column in expected} == expected


def test_every_parameter_of_the_protocol_is_mapped_or_known_to_have_no_column() -> None:
    known = frozenset(ALL) | LEGACY
    assert known == MAPPED_PARAMETERS
    assert PARAMETERS - MAPPED_PARAMETERS == WITHOUT_COLUMN | JSON_PARAMETERS


def test_what_the_request_says_is_there_without_any_parameter(bench: Bench) -> None:
    event = bench.event(post(MINIMAL, user_agent="Agent\t1\r\n"))

    filled = {
        column: event[column]
        for column in (
            "etl_tstamp",
            "collector_tstamp",
            "event_id",
            "v_collector",
            "v_etl",
            "user_ipaddress",
            "network_userid",
            "useragent",
        )
    }
    assert filled == {
        "etl_tstamp": "2023-11-14 22:13:23.000",
        "collector_tstamp": "2023-11-14 22:13:22.000",
        "event_id": "11111111-2222-4333-8444-555555555555",
        "v_collector": "whiteout-0.1.0",
        "v_etl": "whiteout-enrich-0.1.0",
        "user_ipaddress": "192.0.2.7",
        "network_userid": COOKIE,
        "useragent": "Agent    1",
    }


def test_the_legacy_names_of_structured_events_and_items_count_too(bench: Bench) -> None:
    event = bench.mapped(e="ev", ev_ca="a", ev_ac="b", ev_la="c", ev_pr="d", ev_va="1", ti_na="n")

    columns = ("event", "se_category", "se_action", "se_label", "se_property", "se_value")
    assert [event[column] for column in columns] == ["struct", "a", "b", "c", "d", "1"]
    assert event["ti_name"] == "n"


@pytest.mark.parametrize("query", ["nuid=n&tnuid=t", "tnuid=t&nuid=n"])
def test_the_trackers_network_user_id_beats_all_others_in_any_order(
    bench: Bench, query: str
) -> None:
    assert bench.event(get(f"e=pv&p=web&{query}"))["network_userid"] == "t"
    assert bench.event(get("e=pv&p=web&nuid=n"))["network_userid"] == "n"


def test_the_ua_parameter_beats_the_header_and_neither_is_decoded_again(bench: Bench) -> None:
    """BE8."""
    header = bench.event(post(MINIMAL, user_agent="a%zz%41"))
    parameter = bench.event(post({**MINIMAL, "ua": "b%zz%41"}, user_agent="a"))

    assert (header["useragent"], parameter["useragent"]) == ("a%zz%41", "b%zz%41")


@pytest.mark.parametrize("name", ["tid", "vid", "pp_mix", "pp_max", "pp_miy", "pp_may", "ti_qu"])
def test_whole_numbers(bench: Bench, name: str) -> None:
    """BE9."""
    (column,) = ALL[name][1]
    given = ["42", "-42", "null", "NULL", "+7", "007", "2147483647", "-2147483648"]

    found = [bench.mapped(**{name: value})[column] for value in given]

    assert found == ["42", "-42", None, None, "7", "7", "2147483647", "-2147483648"]
    for value in ("4.2", "x", "", "2147483648", "-2147483649", "٤", "1" * 10_000, "1_0", " 1"):
        (message,) = bench.rejected(**{name: value})
        (report,) = message["error"]["dataReports"]
        assert (report["path"], report["keyword"]) == (column, "atomic_field_parse_error")


@pytest.mark.parametrize("name", ["se_va", "tr_tt", "tr_tx", "tr_sh", "ti_pr"])
def test_decimals_are_written_like_javas_without_negative_scale(bench: Bench, name: str) -> None:
    """BE9."""
    (column,) = ALL[name][1]
    expected = {
        "42": "42",
        "42.5": "42.5",
        "null": None,
        "137777104559": "137777104559",
        "1E7": "10000000",
        "1.2E9": "1200000000",
        "0.000001": "0.000001",
        "0.0000001": "1E-7",
        "1.50": "1.50",
        "-0": "0",
        "0E9": "0",
        ".5": "0.5",
        "1E308": "1" + "0" * 308,
    }

    assert {value: bench.mapped(**{name: value})[column] for value in expected} == expected


@pytest.mark.parametrize(
    "value",
    [
        "1E999999999",
        "1E309",
        "1E-309",
        "1E99999",
        "x",
        "",
        "NaN",
        "Infinity",
        "1_000",
        "٤",
        "1" * 500,
    ],
)
def test_a_decimal_cannot_explode(bench: Bench, value: str) -> None:
    started = time.monotonic()

    (message,) = bench.rejected(se_va=value)

    assert message["error"]["dataReports"][0]["path"] == "se_value"
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "regular expression"),
        ("76xEE", "regular expression"),
        ("1200x-17", "regular expression"),
        ("\u0664\u0665x680", "regular expression"),
        ("760x3389336768", "integer"),
        ("9989336768x1200", "integer"),
        ("1" * 10_000 + "x1", "integer"),
    ],
)
def test_dimensions_that_are_none(bench: Bench, value: str, reason: str) -> None:
    """BE10."""
    (message,) = bench.rejected(res=value)

    assert reason in message["error"]["dataReports"][0]["message"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1", "1970-01-01 00:00:00.001"),
        ("-1", "1969-12-31 23:59:59.999"),
        ("1582934400000", "2020-02-29 00:00:00.000"),
        ("253402300799999", "9999-12-31 23:59:59.999"),
        ("-62135596800000", "0001-01-01 00:00:00.000"),
        ("1111111111111111", None),
        ("v", None),
        ("", None),
        ("9" * 100_000, None),
        ("-62135596800001", None),
    ],
)
def test_timestamps(bench: Bench, value: str, text: str | None) -> None:
    """BE11."""
    if text is None:
        (message,) = bench.rejected(dtm=value)
        assert message["error"]["dataReports"][0]["path"] == "dvce_created_tstamp"
    else:
        assert bench.mapped(dtm=value)["dvce_created_tstamp"] == text


@pytest.mark.parametrize("timestamp", [-63_082_281_600_000, 315_569_520_000_000, 2**63 - 1])
def test_a_collector_clock_beyond_the_calendar_is_a_violation(bench: Bench, timestamp: int) -> None:
    """BE11: years -30 and 11970."""
    row = bench.bad(post(MINIMAL, timestamp=timestamp))

    (message,) = messages(row)
    assert message["error"]["dataReports"][0]["path"] == "collector_tstamp"
    assert row.data["payload"]["raw"]["timestamp"] is None


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("eid", "not-a-uuid"),
        ("eid", COOKIE + "0"),
        ("eid", "{" + COOKIE + "}"),
        ("sid", "1"),
        ("p", "toaster"),
        ("e", "xx"),
        ("f_pdf", "2"),
        ("f_pdf", "true"),
        ("cookie", ""),
    ],
)
def test_values_outside_their_set_are_violations(bench: Bench, parameter: str, value: str) -> None:
    """BE13."""
    (message,) = bench.rejected(**{parameter: value})

    assert message["schemaKey"] == f"iglu:{SNOWPLOW}/atomic/jsonschema/1-0-0"
    assert message["error"]["dataReports"][0]["path"] in ALL[parameter][1]


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("192.0.2.1, 192.0.2.2", "192.0.2.1"),
        ("192.0.2.1|192.0.2.2", "192.0.2.1"),
        ("192.0.2.1 x", "192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("2001:0db8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("unknown", None),
        ("localhost", None),
        ("name.example", None),
        ("777.2", None),
        ("192.0.2.01", None),
        ("192.0.2.1:80", None),
        ("fe80::1%eth0", None),
        ("192.0.2.1\x00", None),
        ("", None),
        ("a" * 1_000_000, None),
    ],
)
def test_what_is_no_address_becomes_null_without_asking_anybody(
    bench: Bench, value: str, address: str | None
) -> None:
    """BE13, W8, W9."""
    assert bench.event(post({**MINIMAL, "ip": value}))["user_ipaddress"] == address
    assert bench.event(post(MINIMAL, ip_address=value))["user_ipaddress"] == address


def test_headers_never_decide_the_address(bench: Bench) -> None:
    """W2; the official pipeline reads them again (BE2)."""
    headers = ("X-Forwarded-For: 198.51.100.1", "Forwarded: for=198.51.100.2")

    assert bench.event(post(MINIMAL, headers=headers))["user_ipaddress"] == "192.0.2.7"


def test_texts_lose_tabs_and_controls_and_empty_ones_are_null(bench: Bench) -> None:
    event = bench.event(post({**MINIMAL, "aid": "a\tb\nc\x00\x85d", "uid": "", "page": "\n"}))

    assert (event["app_id"], event["user_id"], event["page_title"]) == ("a    bcd", None, None)


def test_unknown_parameters_and_names_without_a_value_are_passed_over(bench: Bench) -> None:
    event = bench.event(get("e=pv&p=web&nobody=knows&aid&uid=u&&=x"))

    assert (event["app_id"], event["user_id"]) == (None, "u")


def test_all_conversion_errors_are_gathered_in_one_message_without_the_values(
    bench: Bench,
) -> None:
    (message,) = bench.rejected(eid="SECRET", tid="SECRET", dtm="SECRET", res="SECRET")

    reports = message["error"]["dataReports"]
    assert [report["path"] for report in reports] == [
        "event_id",
        "txn_id",
        "dvce_created_tstamp",
        "dvce_screenwidth",
    ]
    assert "SECRET" not in str(message)


CONVERSIONS: list[Callable[[str], object]] = [
    conversions.text,
    conversions.event_type,
    conversions.platform,
    conversions.uuid,
    conversions.integer,
    conversions.decimal,
    conversions.boolean,
    conversions.dimensions,
    conversions.epoch_ms,
    conversions.ip_address,
]


@given(st.text() | st.from_regex(r"[-+]?[0-9]*\.?[0-9]*([eE][-+]?[0-9]{1,12})?", fullmatch=True))
def test_no_conversion_raises_anything_but_its_error_or_leaks_a_control(value: str) -> None:
    for convert in CONVERSIONS:
        try:
            result = convert(value)
        except ConversionError as error:
            assert len(str(error)) < 100  # noqa: PT017 - that it is short is the point
            continue
        if isinstance(result, str):
            assert result.isprintable() or not any(c in result for c in "\t\n\r\x00")
            result.encode()


@given(st.integers(-(2**31), 2**31 - 1))
def test_whole_numbers_of_32_bits_come_back_as_they_went(number: int) -> None:
    assert conversions.integer(str(number)) == str(number)
