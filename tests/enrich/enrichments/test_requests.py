"""What is taken from the request itself: cookies, headers, a fingerprint."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import COOKIE, JSON_TYPE, MINIMAL, Bench, contexts, get, post, thing
from tests.enrich.enrichments.support import (
    ENRICHMENTS,
    SNOWPLOW,
    as_pairs,
    bench_of,
    configure,
)

from whiteout.enrich.enrichments.fingerprint_event import HARMLESS
from whiteout.errors import ConfigurationError
from whiteout.identifiers import IDENTIFIERS, Parameter

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.iglu import Resolver

ANONYMOUS = "SP-Anonymous: *"


def extractor(folder: Path, resolver: Resolver, pattern: str) -> Bench:
    parameters = {"headersPattern": pattern}
    configure(folder, ENRICHMENTS, "http_header_extractor_config", "1-0-0", parameters)
    return bench_of(folder, resolver)


@pytest.fixture
def cookies(tmp_path: Path, resolver: Resolver) -> Bench:
    parameters = {"cookies": ["ck1", "", "ck3", "ck4", "ck5"]}
    configure(tmp_path, SNOWPLOW, "cookie_extractor_config", "1-0-0", parameters)
    return bench_of(tmp_path, resolver)


@pytest.mark.parametrize("headers", [(), ("Accept: ck1=1",), ("Cookie: other=1",), ("Cookie:",)])
def test_BE37_without_such_a_cookie_there_is_no_entity(
    headers: tuple[str, ...], cookies: Bench
) -> None:
    assert cookies.event(post(MINIMAL, headers=headers)).derived_contexts == []


def test_BE37_all_forms_of_cookies_are_read(cookies: Bench) -> None:
    headers = ("Cookie: ck1;=cv2;ck3=", 'cookie: ck4=cv4;ck5="cv5"')

    event = cookies.event(post(MINIMAL, headers=headers))

    assert as_pairs(event.derived_contexts) == [
        ("http_cookie", {"name": name, "value": value})
        for name, value in [("ck1", None), ("", "cv2"), ("ck3", ""), ("ck4", "cv4"), ("ck5", "cv5")]
    ]


def test_a_cookie_of_an_anonymous_request_is_not_taken(cookies: Bench) -> None:
    """Other collectors may have left it in the record."""
    event = cookies.event(post(MINIMAL, headers=("Cookie: ck4=cv4", ANONYMOUS, JSON_TYPE)))

    assert event.derived_contexts == []


def test_BE38_headers_are_taken_by_pattern_in_their_case(
    tmp_path: Path, resolver: Resolver
) -> None:
    bench = extractor(tmp_path, resolver, "Accept.*|DNT")
    headers = ("Accept: */*", "accept-language: de", "Accept-Encoding:  gzip ", "DNT: 1", JSON_TYPE)

    event = bench.event(post(MINIMAL, headers=headers))

    assert as_pairs(event.derived_contexts) == [
        ("http_header", {"name": "Accept", "value": "*/*"}),
        ("http_header", {"name": "Accept-Encoding", "value": "gzip"}),
        ("http_header", {"name": "DNT", "value": "1"}),
    ]
    assert bench.event(post(MINIMAL)).derived_contexts == []


IDENTIFYING_HEADERS = (
    "X-Forwarded-For Forwarded True-Client-IP CF-Connecting-IP X-Client-IP Fastly-Client-IP"
    " X-Cluster-Client-IP X-Original-Forwarded-For X-Real-IP Via Authorization Proxy-Authorization"
    " Cookie Set-Cookie X-Api-Key X-Auth-Token X-Csrf-Token X-User-Id X-Request-Id X-Amzn-Trace-Id"
    " CF-Ray Referer X-Session-Token X-Azure-ClientIP X-Envoy-External-Address X-Goog-Iap-Jwt-X"
    " Client-IP X-ClientIP IP Remote-Addr X-Remote-IP CloudFront-Viewer-Address X-Device-Id"
    " traceparent"
).split()


@pytest.mark.parametrize("name", IDENTIFYING_HEADERS)
def test_W13_a_header_that_identifies_is_never_taken(
    name: str, tmp_path: Path, resolver: Resolver
) -> None:
    bench = extractor(tmp_path, resolver, ".*")

    event = bench.event(post(MINIMAL, headers=(f"{name}: secret", f"{name.lower()}: secret")))

    assert event.derived_contexts == []


def test_W1_no_header_of_an_anonymous_request_is_taken(tmp_path: Path, resolver: Resolver) -> None:
    bench = extractor(tmp_path, resolver, ".*")
    headers = ("Accept-Language: de", "User-Agent: A", ANONYMOUS, JSON_TYPE)

    assert bench.event(post(MINIMAL, headers=headers)).derived_contexts == []
    identified = bench.event(post(MINIMAL, headers=headers[:2])).derived_contexts
    assert len(identified) == 2


def test_a_pattern_that_is_none_is_refused(tmp_path: Path, resolver: Resolver) -> None:
    with pytest.raises(ConfigurationError, match="headersPattern must be a regular expression"):
        extractor(tmp_path, resolver, "(")


# --- fingerprint -----------------------------------------------------------------------------


def fingerprinting(
    folder: Path, resolver: Resolver, algorithm: str = "MD5", exclude: tuple[str, ...] = ()
) -> Bench:
    parameters = {"hashAlgorithm": algorithm, "excludeParameters": list(exclude)}
    configure(folder, SNOWPLOW, "event_fingerprint_config", "1-0-1", parameters)
    return bench_of(folder, resolver)


def test_BE39_the_hash_is_over_the_sorted_parameters(tmp_path: Path, resolver: Resolver) -> None:
    bench = fingerprinting(tmp_path, resolver, "SHA256", ("stm", "p", "tv"))

    event = bench.event(get("se_ac=buy&e=se&p=web&tv=t&stm=1700000000000"))

    # 15 characters, as the official test says: e se se_ac buy and four separators.
    text = "e\x1fse\x1fse_ac\x1fbuy\x1f"
    assert len(text) == 15
    assert event["event_fingerprint"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("algorithm", "length"),
    [("MD5", 32), ("SHA1", 40), ("SHA256", 64), ("SHA384", 96), ("SHA512", 128)],
)
def test_BE39_hexadecimal_of_each_algorithm_has_its_length(
    algorithm: str, length: int, tmp_path: Path, resolver: Resolver
) -> None:
    event = fingerprinting(tmp_path, resolver, algorithm).event(post(MINIMAL))

    assert len(event["event_fingerprint"] or "") == length


def test_BE39_order_and_excluded_parameters_do_not_matter(
    tmp_path: Path, resolver: Resolver
) -> None:
    bench = fingerprinting(tmp_path, resolver, exclude=("stm", "eid"))
    queries = ("e=pv&p=web&tv=t&stm=1700000000000", "tv=t&p=web&e=pv&stm=1700000000001")

    first, second = (bench.event(get(query))["event_fingerprint"] for query in queries)

    assert first == second
    assert bench.event(get("e=pv&p=web&tv=u"))["event_fingerprint"] != first


IDENTIFYING: list[Any] = sorted(
    row.location.name for row in IDENTIFIERS if isinstance(row.location, Parameter)
)


@pytest.mark.parametrize("name", IDENTIFYING)
def test_W12_the_fingerprint_of_an_anonymous_event_says_nothing_of_who_it_was(
    name: str, tmp_path: Path, resolver: Resolver
) -> None:
    bench = fingerprinting(tmp_path, resolver)
    value = {"vid": "7", "sid": COOKIE}.get(name, "192.0.2.9")

    def fingerprint(**parameters: str) -> str | None:
        record = post(
            {**MINIMAL, "dtm": "1700000000000", **parameters}, headers=(ANONYMOUS, JSON_TYPE)
        )
        event = bench.all(record)[0]
        return event["event_fingerprint"]  # type: ignore[index]

    plain = fingerprint()
    assert fingerprint(**{name: value}) == plain
    assert fingerprint(co=contexts(thing(name="somebody"))) == plain
    assert fingerprint(url="https://a.example/?mail=me") == plain
    assert fingerprint(dtm="1700000000001") != plain
    assert name not in HARMLESS


def test_W12_where_columns_are_pseudonymised_the_fingerprint_is_keyed(
    tmp_path: Path, resolver: Resolver
) -> None:
    """A guess at the user id could be confirmed by hashing it with the other parameters."""
    event = {**MINIMAL, "uid": "bob@acme.com"}
    plain = fingerprinting(tmp_path, resolver).event(post(event))["event_fingerprint"]

    def keyed(salt: str) -> str | None:
        strategy = {"pseudonymize": {"hashFunction": "SHA-256", "salt": salt}}
        pii = [{"pojo": {"field": "user_id"}}]
        parameters = {"pii": pii, "strategy": strategy}
        name = "pii_enrichment_config"
        configure(tmp_path, ENRICHMENTS, name, "2-0-1", parameters, emitEvent=False)
        return bench_of(tmp_path, resolver).event(post(event))["event_fingerprint"]

    assert len({plain, keyed("a"), keyed("b")}) == 3
    assert keyed("a") == keyed("a")


@pytest.mark.parametrize(
    ("vendor", "name", "version", "parameters", "first", "second"),
    [
        (SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1}, {"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}),
        ("whiteout", "url_scrubbing_config", "1-0-0", {"keep": []},
         {"url": "http://a/?m=me"}, {"url": "http://a/?m=you"}),
        ("whiteout", "value_erasure_config", "1-0-0", {"columns": ["page_title"]},
         {"page": "me"}, {"page": "you"}),
        ("whiteout", "value_erasure_config", "1-0-0", {"json": [{
            "field": "contexts", "schemaCriterion": "iglu:com.acme/thing/jsonschema/1-*-*",
            "jsonPath": "$.maybe"}]},
         {"co": contexts(thing(name="a", maybe="me"))},
         {"co": contexts(thing(name="a", maybe="you"))}),
    ],
)  # fmt: skip
def test_W12_without_a_key_the_fingerprint_holds_nothing_that_is_taken_away(  # noqa: PLR0913, PLR0917 - parts of a file
    vendor: str,
    name: str,
    version: str,
    parameters: dict[str, Any],
    first: dict[str, str],
    second: dict[str, str],
    tmp_path: Path,
    resolver: Resolver,
) -> None:
    def prints(bench: Bench) -> set[str | None]:
        events = ({**MINIMAL, **first}, {**MINIMAL, **second}, {**MINIMAL, "aid": "b", **first})
        return {bench.event(post(event))["event_fingerprint"] for event in events}

    assert len(prints(fingerprinting(tmp_path, resolver))) == 3
    configure(tmp_path, vendor, name, version, parameters)
    assert len(prints(bench_of(tmp_path, resolver))) == 2
