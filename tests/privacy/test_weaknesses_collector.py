"""The weaknesses of the official pipeline that a collector can close, one test or more for each.

The names carry the ids of the table in `docs/privacy.md`.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collector.conftest import FRESH, TP2, make_request

from whiteout.collector.address import Proxies, normalise
from whiteout.collector.core import Core
from whiteout.collector.door import anonymity_asked_by, strip_query
from whiteout.collector.settings import CollectorSettings, CookieBounce
from whiteout.identifiers import NULL_UUID
from whiteout.log import open_log
from whiteout.protocol.collector_payload import decode

if TYPE_CHECKING:
    from pathlib import Path

Ask = Callable[..., Any]

ANONYMOUS = ("SP-Anonymous", "*")
ID = "de305d54-75b4-431b-adb2-eb6b9e546014"
CANARY = "203.0.113.77"
PAYLOAD = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
FORWARDING = (
    "X-Forwarded-For Forwarded X-Real-IP True-Client-IP CF-Connecting-IP X-Client-IP "
    "Fastly-Client-IP X-Cluster-Client-IP X-Original-Forwarded-For Via Authorization Cookie "
    "Referer Origin Host Accept-Language Sec-CH-UA X-Appengine-User-IP X-Azure-ClientIP"
).split()


def left_by(answer: Any) -> str:  # noqa: ANN401 - an answer of the fixture
    """All bytes that one request leaves at rest."""
    outcome = answer.outcome
    return b"\n".join([*outcome.records, *outcome.bad_rows]).decode("latin-1")


@pytest.mark.parametrize("name", FORWARDING)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("asked_by", ["header", "parameter"])
def test_W1_no_header_of_an_anonymous_request_carries_its_address_on(
    ask: Ask,
    name: str,
    method: str,
    asked_by: str,
) -> None:
    mark, query = ([ANONYMOUS], "") if asked_by == "header" else ([], "?sp-anonymous=1")

    answer = ask(method, TP2 + query, [*mark, (name, CANARY)], b"{}", CANARY, trusted_proxies=1)

    assert len(answer.outcome.records) == 1
    assert CANARY not in left_by(answer)


def test_W2_the_forwarded_header_of_an_anonymous_pixel_is_not_there_to_be_read(ask: Ask) -> None:
    answer = ask("GET", "/i?e=pv", [ANONYMOUS, ("Forwarded", f"for={CANARY}")])

    assert answer.payload.headers == ("SP-Anonymous: *",)
    assert answer.payload.ip_address == "unknown"


@pytest.mark.parametrize("key", ["ip", "nuid", "tnuid", "IP", "%6Euid", "_sp"])
def test_W3_parameters_that_fill_the_blanks_again_are_dropped_from_query_and_body(
    ask: Ask,
    key: str,
) -> None:
    body = json.dumps({"schema": PAYLOAD, "data": [{"e": "pv", key: CANARY}]}).encode()

    answer = ask("POST", f"{TP2}?{key}={CANARY}&e=pv", [ANONYMOUS], body)

    assert CANARY not in left_by(answer)
    assert answer.payload.querystring == "e=pv"


def test_W5_pixels_links_and_beacons_can_ask_for_anonymity(ask: Ask) -> None:
    cookie = ("Cookie", f"sp={ID}")
    for method, target, status in (
        ("GET", "/i?e=pv&sp-anonymous=*", 200),
        ("POST", f"{TP2}?sp-anonymous", 200),
        ("GET", "/r/tp2?u=https://shop.example/&sp-anonymous=1", 302),
    ):
        answer = ask(
            method,
            target,
            [cookie, ("X-Forwarded-For", CANARY)],
            b"",
            CANARY,
            redirect_domains=("shop.example",),
            default_redirect=True,
        )

        assert answer.status == status
        assert answer.payload.network_user_id == NULL_UUID
        assert answer.payload.ip_address == "unknown"
        assert answer.payload.headers == ("SP-Anonymous: *",)  # one flag, for all that comes after
        assert [line[:4] for line in answer.headers("Set-Cookie")] == ["sp=;"]  # cleared
        assert CANARY not in left_by(answer)


@pytest.mark.parametrize(
    "query",
    [
        "sp-anonymous",
        "sp-anonymous=",
        "sp-anonymous=false",
        "e=pv&SP-Anonymous=*",
        "e=pv;sp_anonymous=1",
        "spanonymous=1",
        "%73p-anonymous=1",
        "sp%252danonymous=1",
        "+sp-anonymous=1",
        "e=%ff&sp-anonymous=1",
    ],
)
def test_W5_however_the_parameter_is_written_it_counts(query: str) -> None:
    assert anonymity_asked_by("sp-anonymous")(query.encode())


@pytest.mark.parametrize(
    "query",
    [
        "",
        "e=pv",
        "url=https://a.example/?sp-anonymous",
        "xsp-anonymous=1",
        "sp-anonymousx=1",
        "sp=",
    ],
)
def test_W5_nothing_else_is_taken_for_the_parameter(query: str) -> None:
    assert not anonymity_asked_by("sp-anonymous")(query.encode())
    assert not anonymity_asked_by(None)(b"sp-anonymous=1")


def test_W6_a_bad_row_of_the_collector_holds_no_address_id_or_header(ask: Ask) -> None:
    headers = [(name, CANARY) for name in FORWARDING if name not in ("Cookie", "Origin")]
    for mark in ([], [ANONYMOUS]):
        answer = ask(
            "GET",
            "/i?e=pv&" + "x" * 500,
            [*headers, *mark, ("Cookie", f"sp={ID}"), ("User-Agent", CANARY)],
            b"",
            CANARY,
            max_bytes=500,
        )

        assert len(answer.outcome.bad_rows) == 1
        assert CANARY not in left_by(answer)
        assert ID not in left_by(answer)


@pytest.mark.parametrize("key", ["uid", "ip", "duid", "url"])
@pytest.mark.parametrize("mark", [[], [ANONYMOUS]], ids=["identified", "anonymous"])
@pytest.mark.parametrize(
    "fault", ["pixel", "no json", "not self-describing", "no array", "one event", "all"]
)
def test_W6_a_size_violation_holds_nothing_of_query_and_body(
    ask: Ask, key: str, mark: list[tuple[str, str]], fault: str
) -> None:
    event = {"e": "pv", key: CANARY, "x": "x" * 20_000}
    body = {
        "pixel": "",
        "no json": f"{key}={CANARY}" + "x" * 20_000,
        "not self-describing": json.dumps(event),
        "no array": json.dumps({"schema": PAYLOAD, "data": event}),
    }.get(fault, json.dumps({"schema": PAYLOAD, "data": [event]}))
    limits = {"max_bytes": 9_000, "max_payload_bytes": 9_001 if fault == "all" else 100_000}
    headers = [*mark, ("Content-Type", f"application/json; for={CANARY}")]
    query = f"?e=pv&{key}={CANARY}" + ("&x=" + "x" * 20_000) * (not body)

    answer = ask("POST" if body else "GET", TP2 + query, headers, body.encode(), **limits)

    is_withheld = bool(mark) and fault.startswith("no") and fault != "no array"
    assert len(answer.outcome.bad_rows) == (0 if is_withheld else 1)
    assert CANARY not in b"".join(answer.outcome.bad_rows).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:9810:187b", "152.16.24.123"),
        ("777.2", "unknown"),
        ("host.example", "unknown"),
    ],
)
def test_W9_an_address_is_canonical_or_unknown(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_W10_a_fault_is_logged_without_anything_of_the_request(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise ValueError(CANARY)

    collector = start()
    monkeypatch.setattr("whiteout.collector.core.Core.decide", faulty)
    with (
        caplog.at_level(logging.DEBUG),
        socket.create_connection(("127.0.0.1", collector.port), timeout=10) as client,
    ):
        client.sendall(f"GET /i?uid={CANARY} HTTP/1.1\r\nHost: a\r\nX: {CANARY}\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 500 ")

    assert CANARY not in caplog.text
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "a request failed: ValueError at line " + str(faulty.__code__.co_firstlineno + 1)
    ]


@pytest.mark.parametrize(
    ("name", "value", "proxies", "expected"),
    [
        ("X-Forwarded-For", "6.6.6.6", 0, "198.51.100.7"),
        ("X-Forwarded-For", "6.6.6.6, 192.0.2.3", 1, "192.0.2.3"),
        ("Forwarded", "for=192.0.2.3", 1, "192.0.2.3"),
        ("Forwarded", "for=6.6.6.6, FOR=192.0.2.3;proto=https", 1, "192.0.2.3"),
        ("Forwarded", 'for=6.6.6.6, for="[2001:DB8::1]:443"', 1, "2001:db8::1"),
        ("Forwarded", 'proto=https; for="192.0.2.3:80", for=10.0.0.1', 2, "192.0.2.3"),
        ("Forwarded", 'for=6.6.6.6, for=", for=192.0.2.3, for="10.0.0.1"', 2, "192.0.2.3"),
        ("Forwarded", 'for=192.0.2.3;host="a;for=6.6.6.6"', 1, "unknown"),
        ("Forwarded", "for=_hidden", 1, "unknown"),
        ("Forwarded", "for=unknown", 1, "unknown"),
        ("Forwarded", "by=10.0.0.1", 1, "unknown"),
        ("Forwarded", "", 1, "unknown"),
    ],
)
def test_W11_only_what_trusted_proxies_appended_is_believed(
    name: str, value: str, proxies: int, expected: str
) -> None:
    settings = CollectorSettings(
        trusted_proxies=proxies,
        forwarded_header=name,  # type: ignore[arg-type]  # one of the two
    )

    assert Proxies(settings).client(make_request(headers=[(name, value)])) == expected


@pytest.mark.parametrize(
    ("peer", "expected"),
    [("10.1.2.3", "192.0.2.3"), ("2001:db8::5", "192.0.2.3"), ("198.51.100.7", "198.51.100.7")],
)
def test_W11_a_client_that_goes_round_the_proxies_is_not_believed(peer: str, expected: str) -> None:
    settings = CollectorSettings(
        trusted_proxies=1, trusted_networks=("10.0.0.0/8", "2001:db8::/32")
    )
    request = make_request(headers=[("X-Forwarded-For", "192.0.2.3")], peer=peer)

    assert Proxies(settings).client(request) == expected


@given(st.text(st.sampled_from('for="=;,\\ 6.[]:'), max_size=40))
def test_W11_whatever_a_client_sends_its_proxys_word_stands(sent: str) -> None:
    """Appended with a comma, as proxies do."""
    settings = CollectorSettings(trusted_proxies=1, forwarded_header="Forwarded")
    request = make_request(headers=[("Forwarded", f"{sent},for=192.0.2.3")])

    assert Proxies(settings).client(request) == "192.0.2.3"


@pytest.mark.parametrize("key", ["url", "refr", "u"])
def test_W14_links_of_an_anonymous_request_lose_their_decoration(
    ask: Ask,
    key: str,
) -> None:
    link = f"https://shop.example/a?b=c&_sp={ID}.1697175843762"
    body = json.dumps({"schema": PAYLOAD, "data": [{"e": "pv", key: link}]}).encode()

    answer = ask("POST", f"{TP2}?e=pv&{key}={quote(link, safe='')}", [ANONYMOUS], body)

    assert ID not in left_by(answer)
    assert answer.payload.querystring == f"e=pv&{key}=https%3A%2F%2Fshop.example%2Fa%3Fb%3Dc"
    assert json.loads(answer.payload.body)["data"] == [
        {"e": "pv", key: "https://shop.example/a?b=c"}
    ]
    assert strip_query(b"url=https://a.example/%3Fb=c&x") == b"url=https://a.example/%3Fb=c&x"


def test_W15_only_configured_cookies_and_no_credentials_are_stored(ask: Ask) -> None:
    headers = [
        ("Cookie", f"session=secret; theme=dark ;sp={ID}; theme=\x01bad"),
        ("Authorization", "Basic c2VjcmV0"),
    ]

    assert ask("GET", "/i", headers).payload.headers == (f"Cookie: sp={ID}",)
    configured = ask("GET", "/i", headers, stored_cookies=("theme",))
    assert configured.payload.headers == (f"Cookie: sp={ID};theme=dark",)
    anonymous = ask("GET", "/i", [ANONYMOUS, *headers], stored_cookies=("theme",))
    assert anonymous.payload.headers == ("SP-Anonymous: *",)


def test_W16_cookie_bounce_is_off_and_never_gives_two_browsers_one_cookie(ask: Ask) -> None:
    assert ask("GET", "/i?e=pv").status == 200
    bounce = CookieBounce()

    second = ask("GET", "/i?e=pv&n3pc=true", cookie_bounce=bounce)

    assert second.payload.network_user_id == bounce.fallback_network_user_id
    assert second.headers("Set-Cookie") == []
    # The parameter's name elsewhere in the query means nothing.
    assert ask("GET", "/i?url=https://a.example/n3pc", cookie_bounce=bounce).status == 302


def test_W17_every_cookie_is_cleared_wherever_it_may_have_been_set(ask: Ask) -> None:
    answer = ask(
        "GET",
        "/i",
        [ANONYMOUS, ("Cookie", f"spc={ID}")],
        client_cookie_name="spc",
        cookie_domains=("a.example",),
    )

    cleared = [line.split("; ") for line in answer.headers("Set-Cookie")]
    assert [(parts[0], "Domain=a.example" in parts) for parts in cleared] == [
        ("sp=", False),
        ("sp=", True),
        ("spc=", False),
        ("spc=", True),
    ]


def test_W18_global_privacy_control_can_be_honoured(ask: Ask) -> None:
    headers = [("Sec-GPC", "1"), ("Cookie", f"sp={ID}"), ("X-Forwarded-For", CANARY)]

    answer = ask("GET", "/i", headers, b"", CANARY, honour_global_privacy_control=True)

    assert answer.payload.network_user_id == NULL_UUID
    assert CANARY not in left_by(answer)


@pytest.mark.parametrize(
    ("values", "objects"),
    [
        (["1"], True),
        (["1 "], True),
        (["1, 1"], True),
        (["0, 1"], True),
        (["0", "1"], True),
        (['"1"'], True),
        (["true"], True),
        (["0"], False),
        ([""], False),
    ],
)
def test_W18_an_objection_that_is_written_oddly_counts(
    ask: Ask,
    values: list[str],
    objects: bool,  # noqa: FBT001 - parametrised
) -> None:
    headers = [("Sec-GPC", value) for value in values]

    answer = ask("GET", "/i", headers, b"", CANARY, honour_global_privacy_control=True)

    assert (answer.payload.ip_address == "unknown") is objects


@pytest.mark.parametrize("path", [r"/\evil.example/x", r"/x\y/i", "/a b/c"])
def test_W19_a_bounce_leads_to_no_other_site(ask: Ask, path: str) -> None:
    """Browsers read a backslash as a slash, and two slashes as another host."""
    answer = ask("GET", path, cookie_bounce=CookieBounce())

    assert answer.header("Location") is None
    assert answer.status == 200
    assert len(answer.outcome.records) == 1


def test_W19_there_is_no_open_redirect_and_origins_can_be_listed(ask: Ask) -> None:
    assert ask("GET", "/r/tp2?u=https://evil.example/").status == 404
    allowed = {"redirect_domains": ("shop.example",), "default_redirect": True}
    assert ask("GET", "/r/tp2?u=https://evil.example/", **allowed).status == 400

    origins = {"cors_origins": ("https://shop.example",)}
    for method, target in (("OPTIONS", TP2), ("POST", TP2), ("GET", "/i")):
        foreign = ask(method, target, [("Origin", "https://evil.example")], **origins)
        own = ask(method, target, [("Origin", "https://shop.example")], **origins)
        assert not [line for line in foreign.lines if line.startswith("Access-Control")]
        assert own.header("Access-Control-Allow-Origin") == "https://shop.example"
        assert foreign.header("Vary") == own.header("Vary") == "Origin"


class SlowLog:
    """A log that is durable only when the test says so."""

    def __init__(self, log: Any) -> None:  # noqa: ANN401 - any log
        self._log = log
        self.asked, self.may_finish = threading.Event(), threading.Event()

    def append(self, records: Sequence[bytes]) -> int:
        self.asked.set()
        assert self.may_finish.wait(10)
        offset: int = self._log.append(records)
        return offset

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else as it is
        return getattr(self._log, name)


def test_W20_an_event_is_answered_only_when_the_log_has_it(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    log = SlowLog(open_log(tmp_path / "raw", writer=True))
    collector = start(durability="disk", raw=log)
    with socket.create_connection(("127.0.0.1", collector.port), timeout=10) as client:
        client.sendall(f"POST {TP2} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        assert log.asked.wait(10)
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(4096)
        log.may_finish.set()
        client.settimeout(10)

        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert len(collector.records()) == 1


def test_W21_an_id_that_is_no_uuid_is_replaced_at_the_door(ask: Ask) -> None:
    answer = ask("GET", "/i?nuid=x", [("Cookie", "sp=garbage")])

    assert answer.payload.network_user_id == FRESH


def test_W22_a_parameter_never_reaches_a_cookie(ask: Ask) -> None:
    for query in (f"nuid={ID}", "nuid=x;%20Domain=evil.example"):
        (line,) = ask("GET", f"/i?{query}").headers("Set-Cookie")
        assert line.startswith(f"sp={FRESH}; Expires=")


def test_W23_the_time_of_an_anonymous_request_tells_not_what_came_with_it() -> None:
    """Requests of one second cannot be told apart by it; nor can their bad rows."""

    def timestamps(step_s: int, *times: int, target: str = "/i") -> set[int]:
        core = Core(CollectorSettings(anonymous_time_step_s=step_s, max_bytes=9_000))
        request = make_request("GET", target, [ANONYMOUS])
        outcomes = [core.handle(request, now_ms, uuid4) for now_ms in times]
        rows = [json.loads(row) for outcome in outcomes for row in outcome.bad_rows]
        assert len({row["data"]["failure"]["timestamp"] for row in rows}) < 2
        return {decode(record).timestamp for outcome in outcomes for record in outcome.records}

    assert timestamps(1, 1_700_000_000_123, 1_700_000_000_999) == {1_700_000_000_000}
    assert timestamps(60, 1_700_000_000_123, 1_700_000_009_000) == {1_699_999_980_000}
    too_large = f"/i?x={'x' * 20_000}"
    assert timestamps(1, 1_700_000_000_123, 1_700_000_000_999, target=too_large) == set()


def test_W23_an_identified_request_keeps_its_time(ask: Ask) -> None:
    assert ask("GET", "/i").payload.timestamp == 1_700_000_000_123


def test_L15_an_operator_may_let_the_trackers_own_identifiers_pass(ask: Ask) -> None:
    """`ip` and `tnuid`, and nothing that is not the tracker's: `nuid`, `_sp`."""
    event = {"e": "pv", "ip": CANARY, "tnuid": ID, "nuid": "other", "_sp": "other"}
    body = json.dumps({"schema": PAYLOAD, "data": [event]}).encode()
    target = f"{TP2}?ip={CANARY}&tnuid={ID}&nuid=other&_sp=other"

    kept = ask("POST", target, [ANONYMOUS], body, keep_tracker_identifiers=True).payload

    assert kept.querystring == f"ip={CANARY}&tnuid={ID}"
    assert json.loads(kept.body)["data"] == [{"e": "pv", "ip": CANARY, "tnuid": ID}]
    assert (kept.ip_address, kept.network_user_id) == ("unknown", NULL_UUID)


def test_W24_W25_a_collector_has_nothing_to_call_anybody_with() -> None:
    """No HTTP client is so much as loaded: neither telemetry nor look-ups."""
    code = (
        "import sys, whiteout.collector.process, whiteout.collector.settings\n"
        "clients = {'http.client', 'urllib.request', 'urllib3', 'httpx', 'requests', 'smtplib'}\n"
        "print(sorted(clients & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_W26_one_mark_makes_the_whole_request_anonymous(ask: Ask) -> None:
    events = [{"e": "pv", "tnuid": ID, "ip": CANARY}, {"e": "pp", "nuid": ID}]
    body = json.dumps({"schema": PAYLOAD, "data": events}).encode()

    answer = ask("POST", TP2, [ANONYMOUS], body, CANARY)

    assert json.loads(answer.payload.body)["data"] == [{"e": "pv"}, {"e": "pp"}]
