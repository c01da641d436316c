"""The core, which is written for speed, against a model, which is written for the eye."""

from __future__ import annotations

from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st
from tests.collector.conftest import FRESH, NOW_MS, TP2, make_request

from whiteout.collector.core import Core, collector_name
from whiteout.collector.header_names import LOWER
from whiteout.collector.settings import CollectorSettings
from whiteout.protocol.collector_payload import CollectorPayload, decode

OWN = "de305d54-75b4-431b-adb2-eb6b9e546014"

_names = st.sampled_from(
    [
        *("Accept", "accept", "Authorization", "Cookie", "COOKIE", "Host", "Proxy-Authorization"),
        *("Referer", "User-Agent", "USER-agent", "X-Forwarded-For", "X-Other", "Content-Type"),
    ]
)
_cookies = st.sampled_from(
    [f"sp={OWN}", f"a=b; sp={OWN.upper()} ;c", "sp=x", f"sp=x; sp={OWN}", f"xsp={OWN}", "", ";;="]
)
_values = st.one_of(
    _cookies,
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=20),
    st.just("v" * 600),
    st.sampled_from(["application/json;  charset=UTF-8", "Text/Plain;charset=iso-8859-1"]),
)


def _utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _own_id(headers: list[tuple[str, str]]) -> str | None:
    for name, value in headers:
        if name.lower() == "cookie":
            for part in value.split(";"):
                key, _, content = part.strip(" ").partition("=")
                if key == "sp":
                    try:
                        canonical = str(UUID(content)) == content.lower()
                    except ValueError:
                        return None
                    return content if canonical else None
    return None


def _model(
    method: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> CollectorPayload:
    own = _own_id(headers)
    raw = [(name, value.encode("latin-1")) for name, value in headers]
    last = {name.lower(): value for name, value in raw}
    lines: list[str] = []
    for name, value in raw:
        if name.lower() == "cookie":
            if own is not None and f"Cookie: sp={own}" not in lines:
                lines.append(f"Cookie: sp={own}")
        elif name.lower() not in ("authorization", "proxy-authorization"):
            lines.append(f"{name}: {_utf8(value)}")
    content_type = None
    if method == "POST" and "content-type" in last:
        parts = _utf8(last["content-type"]).lower().split(";")
        content_type = "; ".join(part.strip() for part in parts)
        lines.append(content_type)
    latin = content_type is not None and "charset=iso-8859-1" in content_type
    text = body.decode("latin-1") if latin else _utf8(body)
    return CollectorPayload(
        ip_address="198.51.100.7",
        timestamp=NOW_MS,
        collector=collector_name("spool"),
        user_agent=_utf8(last["user-agent"]) if "user-agent" in last else None,
        referer_uri=_utf8(last["referer"]) if "referer" in last else None,
        path=TP2,
        querystring=query,
        body=text if method == "POST" and body else None,
        headers=tuple(lines),
        content_type=content_type,
        network_user_id=own or FRESH,
    )


@given(
    method=st.sampled_from(["GET", "POST"]),
    query=st.sampled_from(["", "e=pv&nuid=1"]),
    headers=st.lists(st.tuples(_names, _values), max_size=6),
    body=st.sampled_from([b"", b"{}", "\N{SNOWMAN}".encode(), b"\xe9"]),
)
@example("POST", "", [("Host", "a"), ("Cookie", f"sp={OWN}"), ("Accept", "*/*")], b"{}")
@example("POST", "", [("Cookie", "a=b"), ("Accept", "*/*")], b"{}")
@example("POST", "", [("Host", "a"), ("Cookie", f"a=b; sp={OWN}; c"), ("Accept", "*/*")], b"{}")
@example("POST", "", [("Cookie", f"sp={OWN}"), ("Authorization", "secret")], b"{}")
def test_a_record_holds_what_the_model_says(
    method: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    target = f"{TP2}?{query}" if query else TP2
    request = make_request(method, target, headers, body)

    outcome = Core(CollectorSettings()).handle(request, NOW_MS, lambda: UUID(FRESH))

    (record,) = outcome.records
    assert decode(record) == _model(method, query, headers, body)
    set_to = (_own_id(headers) or FRESH).encode()
    assert b"Set-Cookie: sp=%b; " % set_to in outcome.response.lines


def test_the_table_of_names_agrees_with_lower() -> None:
    assert len(LOWER) > 40
    assert all(lower == name.lower() for name, lower in LOWER.items())


def test_a_name_that_is_not_in_the_table_is_not_remembered() -> None:
    before = len(LOWER)

    assert LOWER[b"X-One-Of-Any-Number"] == b"x-one-of-any-number"
    assert len(LOWER) == before
