"""The core with every option on, asked whatever comes to a client's mind."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from tests.collector.conftest import FRESH, NOW_MS, TP2, make_request

from whiteout.collector.core import Core
from whiteout.collector.settings import (
    CollectorSettings,
    CookieBounce,
    CrossDomain,
    RootResponse,
)

CANARY = "c4n4ry"
SETTINGS = CollectorSettings(
    client_cookie_name="spc",
    cookie_domains=("shop.example",),
    stored_cookies=("theme",),
    cookie_bounce=CookieBounce(),
    do_not_track_cookie=("dnt", "1"),
    honour_global_privacy_control=True,
    trusted_proxies=1,
    trusted_networks=("198.51.100.0/24",),
    forwarded_header="Forwarded",
    cors_origins=("https://shop.example",),
    paths={"/acme/go": "/r/tp2"},
    redirect_domains=("shop.example",),
    default_redirect=True,
    root_response=RootResponse(),
    cross_domain=CrossDomain(),
    hsts_max_age_s=60,
    max_bytes=600,
)
_targets = st.sampled_from(
    [TP2, "/i", "/acme/go", "/r/tp2", "/r/x", "/", "/a", "/health", "*", "a"]
)
_pieces = st.sampled_from(
    "u= https://shop.example/ https%3A%2F%2Fshop.example n3pc=true sp-anonymous & ; = % %0d%0a "
    f"nuid= ip={CANARY} url={CANARY} {FRESH} e=pv @ \\ \xff # ? x".split()
)
_names = st.sampled_from(
    "Cookie Origin Forwarded X-Forwarded-For Sec-GPC SP-Anonymous Content-Type".split()
)
_values = st.one_of(
    st.sampled_from(
        [
            "1",
            "dnt=1",
            f"sp={FRESH}",
            "theme=a; sp=b",
            "https://shop.example",
            "for=1.2.3.4",
            CANARY,
        ]
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30),
)
_bodies = st.sampled_from(
    [b"", b"{}", b"\xff", b'{"schema":"iglu:a","data":[{"ip":"c4n4ry"},{}]}', b"x" * 700]
)


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT"]),
    path=_targets,
    query=st.lists(_pieces, max_size=8).map("".join),
    headers=st.lists(st.tuples(_names, _values), max_size=5),
    body=_bodies,
)
def test_every_request_has_an_answer_of_whole_lines(
    method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    request = make_request(method, f"{path}?{query}", headers, body)

    response, records, bad_rows = Core(SETTINGS).handle(request, NOW_MS, lambda: UUID(FRESH))

    assert response.status in {200, 302, 400, 404}
    lines = response.lines.split(b"\r\n")
    assert lines.pop() == b""
    assert all(b": " in line and not set(line) & set(b"\r\n\0") for line in lines)
    places = [line for line in lines if line.startswith(b"Location: ")]
    assert len(places) == (1 if response.status == 302 and path != "/" else 0)
    for place in places:
        target = place.removeprefix(b"Location: ").lower()
        assert target.startswith((b"https://shop.example", b"/"))
        assert not target.startswith(b"//")
    assert not (records or bad_rows) or response.status != 404


@given(
    path=st.sampled_from([TP2, "/i", "/acme/go"]),
    method=st.sampled_from(["GET", "POST"]),
    names=st.lists(_names, max_size=4),
    body=st.sampled_from(
        [b"", b'{"schema":"iglu:a","data":[{"ip":"c4n4ry","nuid":"c4n4ry"}]}', b"c4n4ry" * 200]
    ),
    mark=st.sampled_from(["sp-anonymous", "SP-ANONYMOUS=0", "header", "gpc"]),
)
def test_however_anonymity_is_asked_for_nothing_is_left(
    path: str, method: str, names: list[str], body: bytes, mark: str
) -> None:
    headers = [(name, CANARY) for name in names if name not in ("SP-Anonymous", "Sec-GPC")]
    query = f"ip={CANARY}&tnuid={CANARY}&u=https://shop.example/?_sp={CANARY}"
    if mark == "header":
        headers.append(("SP-Anonymous", ""))
    elif mark == "gpc":
        headers.append(("Sec-GPC", "1"))
    else:
        query += f"&{mark}"
    request = make_request(method, f"{path}?{query}", headers, body)

    outcome = Core(SETTINGS).handle(request, NOW_MS, lambda: UUID(FRESH))

    kept = b"".join([*outcome.records, *outcome.bad_rows])
    assert CANARY.encode() not in kept
    assert FRESH.encode() not in kept
    assert b"198.51.100.7" not in kept
    assert FRESH.encode() not in outcome.response.lines
