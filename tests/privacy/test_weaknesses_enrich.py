"""The weaknesses of the official pipeline that enrich can close, one test or more for each.

The names carry the ids of the table in `docs/privacy.md`.
"""

from __future__ import annotations

import base64
import json
import socket
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.enrich.conftest import (
    ACME_SCHEMAS,
    JSON_TYPE,
    MINIMAL,
    THING,
    TP2,
    Bench,
    body_of,
    contexts,
    encode_base64,
    get,
    kind,
    post,
    thing,
    unstruct_event,
)
from tests.enrich.enrichments.support import ENRICHMENTS, SNOWPLOW, bench_of, configure

from whiteout.enrich import BadRow, EnrichedEvent, Enricher
from whiteout.enrich.enrichments import CURES
from whiteout.identifiers import NULL_UUID
from whiteout.iglu import EmbeddedRegistry, Resolver
from whiteout.protocol.self_describing import CONTEXTS

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "203.0.113.77"
COOKIE = "c00c1e00-0000-4000-8000-000000000001"
USER, MAIL = "canary-user", "canary-mail"
SECRETS = (ADDRESS, "203.0.113", COOKIE, USER, MAIL)
ANONYMOUS = ("SP-Anonymous: *", JSON_TYPE)
HEADERS = (
    f"X-Forwarded-For: {ADDRESS}",
    f"Forwarded: for={ADDRESS}",
    f"True-Client-IP: {ADDRESS}",
    f"Cookie: sp={COOKIE}",
    f"Referer: https://a.example/?mail={MAIL}",
    f"Authorization: Bearer {MAIL}",
)
URL = f"https://{MAIL}:pw@a.example/?mail={MAIL}&utm_source=s#{MAIL}"
PERSON = {
    "uid": USER,
    "duid": USER,
    "tnuid": COOKIE,
    "ip": ADDRESS,
    "url": URL,
    "refr": URL,
    "mac": USER,
    "se_pr": USER,
}


@pytest.fixture(scope="module")
def acme() -> Resolver:
    schemas = {f"iglu:com.acme/{name}/jsonschema/1-0-0": s for name, s in ACME_SCHEMAS.items()}
    return Resolver([EmbeddedRegistry(), EmbeddedRegistry(schemas, name="acme")])


@pytest.fixture
def masking(tmp_path: Path, acme: Resolver) -> Bench:
    """All privacy enrichments at once."""
    return masking_in(tmp_path, acme)


def masking_in(folder: Path, resolver: Resolver, **settings: Any) -> Bench:  # noqa: ANN401
    columns = ("user_id", "domain_userid", "network_userid", "user_ipaddress", "se_property")
    pii = [{"pojo": {"field": name}} for name in columns]
    pii += [
        {
            "json": {
                "field": field,
                "schemaCriterion": "iglu:com.acme/thing/jsonschema/1-*-*",
                "jsonPath": "$.name",
            }
        }
        for field in ("contexts", "unstruct_event")
    ]
    strategy = {"pseudonymize": {"hashFunction": "SHA-256", "salt": "s"}}
    configure(folder, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 2})
    configure(folder, "whiteout", "url_scrubbing_config", "1-0-0", {"keep": ["utm_source"]})
    configure(
        folder,
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-1",
        {"pii": pii, "strategy": strategy},
        emitEvent=True,
    )
    return bench_of(folder, resolver, **settings)


def identified(*events: dict[str, str], **fields: Any) -> bytes:  # noqa: ANN401 - different types
    full = ({**MINIMAL, **PERSON, **event} for event in events or ({},))
    return post(
        *full,
        **{
            "ip_address": ADDRESS,
            "network_user_id": COOKIE,
            "referer_uri": URL,
            "headers": (*HEADERS, JSON_TYPE),
            **fields,
        },
    )


def text_of(result: EnrichedEvent | BadRow) -> str:
    """All that a result says, Base64 opened."""
    if isinstance(result, EnrichedEvent):
        return result.tsv() + json.dumps(result.json_object())
    text = result.json()
    incomplete = result.incomplete.tsv() if result.incomplete else ""
    words = text.replace('\\"', '"').split('"')
    return "\n".join([text, incomplete, *map(opened, words)])


def opened(word: str) -> str:
    """What a word says in Base64, if it is any."""
    try:
        data = base64.urlsafe_b64decode(word.replace("+", "-").replace("/", "_") + "===")
    except ValueError:
        return ""
    return data.decode("utf-8", "replace")


def told(results: list[EnrichedEvent | BadRow]) -> list[str]:
    """The secrets that are in the results."""
    text = "\n".join(map(text_of, results))
    return [secret for secret in SECRETS if secret in text]


THINGS = contexts(thing(name=USER), thing(wrong=1))
FAILING = [
    pytest.param(identified({"tid": "x"}), "schema_violations", id="column"),
    pytest.param(identified({"aid": "x" * 999}), "schema_violations", id="long column"),
    pytest.param(identified({"se_pr": USER, "eid": MAIL}), "schema_violations", id="event id"),
    pytest.param(identified({"e": "ad"}), "enrichment_failures", id="no schema"),
    pytest.param(identified({"url": f"{URL}:99999"}), None, id="url"),
    pytest.param(identified({"co": THINGS}), "schema_violations", id="entity"),
    pytest.param(
        identified({"cx": encode_base64(json.loads(THINGS))}), "schema_violations", id="base64"
    ),
    pytest.param(
        identified(
            {"e": "ue", "ue_pr": unstruct_event({"schema": THING, "data": {"name": [USER]}})}
        ),
        "schema_violations",
        id="event",
    ),
    pytest.param(identified({"co": f"no json {USER}"}), "schema_violations", id="no json"),
    pytest.param(
        identified({"co": json.dumps({"schema": CONTEXTS, "data": [{"name": USER}]})}),
        "schema_violations",
        id="no iglu",
    ),
    pytest.param(identified(body=f"no json {USER}"), "tracker_protocol_violations", id="body"),
    pytest.param(
        identified(body=json.dumps({"a": [USER, {"b": MAIL}]})),
        "tracker_protocol_violations",
        id="body without schema",
    ),
    pytest.param(
        identified(body=body_of({**MINIMAL, **PERSON, "unknown": USER})),
        "tracker_protocol_violations",
        id="body against its schema",
    ),
    pytest.param(
        identified(body=body_of({"uid": {"deep": USER}})),
        "tracker_protocol_violations",
        id="body of other types",
    ),
    pytest.param(identified(content_type="text/plain"), "tracker_protocol_violations", id="type"),
    pytest.param(identified(path="/com.acme/v1"), "adapter_failures", id="other vendor"),
    pytest.param(identified(path="/nowhere"), "collector_payload_format_violation", id="path"),
    pytest.param(
        identified(network_user_id=USER), "collector_payload_format_violation", id="no uuid"
    ),
    pytest.param(
        get(f"e=pv&uid={USER}&ip={ADDRESS}&url={URL}&%{USER}", ip_address=ADDRESS, headers=HEADERS),
        None,
        id="get",
    ),
    pytest.param(
        get(f"uid={USER}&ip={ADDRESS}", ip_address=ADDRESS, headers=HEADERS, path="/a/b"),
        "adapter_failures",
        id="query",
    ),
]


@pytest.mark.parametrize(("record", "expected"), FAILING)
def test_W6_a_bad_row_is_masked_as_its_event_would_have_been(
    record: bytes, expected: str | None, masking: Bench
) -> None:
    results = masking.all(record)

    assert told(results) == []
    if expected is not None:
        (row,) = results
        assert isinstance(row, BadRow)
        assert kind(row) == expected


@pytest.mark.parametrize(("record", "expected"), FAILING)
def test_W6_without_privacy_enrichments_a_bad_row_does_hold_them(
    record: bytes, expected: str | None, tmp_path: Path, acme: Resolver
) -> None:
    """Else the test before would prove nothing."""
    results = bench_of(tmp_path, acme).all(record)

    assert told(results) != []


@pytest.mark.parametrize(("record", "expected"), FAILING)
def test_W6_the_rest_of_a_failed_event_says_no_more(
    record: bytes, expected: str | None, tmp_path: Path, acme: Resolver
) -> None:
    bench = masking_in(tmp_path, acme, incomplete_events=True)

    assert told(bench.all(record)) == []


@pytest.mark.parametrize(("record", "expected"), FAILING)
def test_W6_a_record_that_meets_a_fault_of_ours_is_masked_too(
    record: bytes, expected: str | None, masking: Bench
) -> None:
    """Whatever it is that could not be enriched or stored."""
    del expected

    row = masking.enricher.fault(record, "OSError")

    assert kind(row) == "generic_error"
    assert row.data["failure"]["errors"] == ["OSError"]
    assert told([row]) == []


def test_W6_a_fault_leaves_nothing_identifying_of_an_anonymous_record(
    tmp_path: Path, acme: Resolver
) -> None:
    """Of one that cannot be read nobody knows whether it is anonymous."""
    enricher = bench_of(tmp_path, acme).enricher
    anonymous = post(
        {**MINIMAL, "ip": ADDRESS, "tnuid": COOKIE},
        ip_address=ADDRESS,
        network_user_id=COOKIE,
        headers=(*HEADERS, *ANONYMOUS),
    )
    whole = identified()

    clean = enricher.fault(anonymous, "OSError")
    unreadable = [enricher.fault(record, "OSError") for record in (anonymous[:-3], b"\xff")]
    kept = enricher.fault(whole, "OSError")

    assert told([clean, *unreadable]) == []
    assert clean.data["payload"] != ""
    assert [row.data["payload"] for row in unreadable] == ["", ""]
    assert base64.b64decode(kept.data["payload"]) == whole


TEXTS = st.sampled_from([USER, MAIL, ADDRESS, f"{MAIL}@{USER}", json.dumps({"a": USER})])
SHAPES = st.recursive(
    TEXTS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["schema", "data", "uid", "co", "name"]), inner)
    ),
    max_leaves=6,
)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(shape=SHAPES, where=st.sampled_from(["body", "events", "co", "cx", "ue_pr", "ue_px"]))
def test_W6_no_shape_of_a_failing_request_is_told(
    shape: object, where: str, masking: Bench
) -> None:
    if where == "body":
        record = identified(body=json.dumps(shape))
    elif where == "events":
        record = identified(body=body_of(shape, shape))
    elif where in ("cx", "ue_px"):
        record = identified({where: encode_base64(shape), "tid": "x"})
    else:
        record = identified({where: json.dumps(shape), "tid": "x"})

    assert told(masking.all(record)) == []


def test_W6_an_event_that_fails_can_still_be_replayed(masking: Bench) -> None:
    """Masked, but of the same shape."""
    row = masking.bad(identified({"tid": "x", "cx": encode_base64(json.loads(THINGS))}))

    raw = row.data["payload"]["raw"]
    names = {pair["name"]: pair["value"] for pair in raw["parameters"]}
    assert names["url"] == "https://a.example/?utm_source=s"
    assert names["aid" if "aid" in names else "tv"] == "test-1"
    assert len(names["uid"]) == 64
    entities = json.loads(base64.urlsafe_b64decode(names["cx"]))["data"]
    assert [entity["schema"] for entity in entities] == [THING, THING]
    assert entities[1] == thing(wrong=1)
    assert raw["headers"] == [JSON_TYPE]


# --- the others ------------------------------------------------------------------------------


@pytest.mark.parametrize("header", HEADERS)
def test_W1_headers_of_an_anonymous_record_reach_no_enrichment(
    header: str, tmp_path: Path, acme: Resolver
) -> None:
    parameters = {"headersPattern": ".*"}
    configure(tmp_path, ENRICHMENTS, "http_header_extractor_config", "1-0-0", parameters)
    configure(tmp_path, SNOWPLOW, "cookie_extractor_config", "1-0-0", {"cookies": ["sp"]})

    event = bench_of(tmp_path, acme).event(post(MINIMAL, headers=(header, *ANONYMOUS)))

    assert event.derived_contexts == []
    assert told([event]) == []


@pytest.mark.parametrize("mark", [(), ("SP-Anonymous: *",)])
def test_W2_no_header_becomes_the_address(
    mark: tuple[str, ...], tmp_path: Path, acme: Resolver
) -> None:
    event = bench_of(tmp_path, acme).event(
        get("e=pv&p=web&tv=t", headers=(*mark, *HEADERS[:3]), ip_address="192.0.2.7")
    )

    assert event["user_ipaddress"] == (None if mark else "192.0.2.7")


@pytest.mark.parametrize("name", ["ip", "nuid", "tnuid"])
def test_W3_parameters_do_not_undo_anonymity(name: str, tmp_path: Path, acme: Resolver) -> None:
    bench = bench_of(tmp_path, acme)
    by_body = post({**MINIMAL, name: ADDRESS}, headers=ANONYMOUS)
    by_query = get(f"e=pv&p=web&tv=t&{name}={ADDRESS}", headers=ANONYMOUS)

    for event in map(bench.event, (by_body, by_query)):
        assert told([event]) == []
        assert (event["user_ipaddress"], event["network_userid"]) == (None, NULL_UUID)


def test_W4_nobody_gets_no_pseudonym_and_no_address(masking: Bench) -> None:
    """One hash for all anonymous visitors would look like a person."""
    event = masking.event(post(MINIMAL, headers=ANONYMOUS, ip_address="unknown"))

    assert (event["network_userid"], event["user_ipaddress"]) == (NULL_UUID, None)


@pytest.mark.parametrize("name", ["SP-Anonymous-Not", "SP-Anonymously"])
def test_W5_a_header_that_only_begins_so_is_none(name: str, tmp_path: Path, acme: Resolver) -> None:
    event = bench_of(tmp_path, acme).event(post(MINIMAL, headers=(f"{name}: *",)))

    assert event["network_userid"] != NULL_UUID


def test_W7_urls_are_scrubbed_and_keys_can_change(masking: Bench) -> None:
    """The key: test_W7_a_key_in_a_file_makes_other_pseudonyms_in_each_period."""
    assert told([masking.event(identified())]) == []


def test_W7_what_pseudonyms_do_not_reach_can_be_erased(tmp_path: Path, acme: Resolver) -> None:
    """Titles, user agents, numbers: also in the bad row, and in what is left of a failed event."""
    erased = {"field": "contexts", "schemaCriterion": f"{THING[:-5]}1-*-*", "jsonPath": "$.maybe"}
    parameters = {"columns": ["page_title", "useragent", "txn_id"], "json": [erased]}
    configure(tmp_path, "whiteout", "value_erasure_config", "1-0-0", parameters)
    bench = bench_of(tmp_path, acme, incomplete_events=True)
    sent = {
        **MINIMAL,
        "page": USER,
        "tid": "424242",
        "co": contexts(thing(name="good", maybe=MAIL)),
    }

    good = bench.event(post(sent, user_agent=USER))
    row = bench.bad(post({**sent, "dtm": "x"}, user_agent=USER))

    assert row.incomplete is not None
    for result in (good, row):
        assert told([result]) == []
        assert "424242" not in text_of(result)
    assert (good.contexts[0].data, row.incomplete.contexts[0].data) == ({"name": "good"},) * 2


def test_W8_a_function_of_the_operator_s_sees_the_masked_address(
    tmp_path: Path, acme: Resolver
) -> None:
    body = "event['se_label'] = repr([event, headers])"
    (tmp_path / "enrich.py").write_text(f"def enrich(event, headers, config):\n    {body}\n")
    parameters = {"script": "enrich.py", "timeLimitMs": 5_000}
    configure(tmp_path, "whiteout", "python_script_config", "1-0-0", parameters)
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 2})
    record = post(MINIMAL, ip_address=ADDRESS, headers=(*HEADERS[:4], JSON_TYPE))

    event = bench_of(tmp_path, acme).event(record)

    assert "203.0.x.x" in (event["se_label"] or "")
    assert ADDRESS not in event.tsv()
    assert f"sp={COOKIE}" not in event.tsv()


def test_W8_robots_are_looked_for_by_the_masked_address(tmp_path: Path, acme: Resolver) -> None:
    """A list that names the whole address does not match what is left of it."""
    files = {"ip.txt": ADDRESS, "browsers.txt": "mozilla|1|0|\n", "robots.txt": ""}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    parameters = {
        name: {"database": file, "uri": ""}
        for name, file in zip(
            ("ipFile", "includeUseragentFile", "excludeUseragentFile"), files, strict=True
        )
    }
    name = "iab_spiders_and_robots_enrichment"
    configure(tmp_path, ENRICHMENTS, name, "1-0-1", parameters)
    record = post(MINIMAL, ip_address=ADDRESS, user_agent="Mozilla/5.0")

    whole = bench_of(tmp_path, acme).event(record)
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1})
    masked = bench_of(tmp_path, acme).event(record)

    found = [event.derived_contexts[0].data["spiderOrRobot"] for event in (whole, masked)]
    assert found == [True, False]


def test_W8_no_enrichment_resolves_a_name(masking: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)

    event = masking.event(post({**MINIMAL, "ip": "host.example"}))

    assert event["user_ipaddress"] is None


@pytest.mark.parametrize(
    "address", ["[203.0.113.77]", "::ffff:cb00:714d", "::ffff:203.0.113.77", "203.0.113.77:80"]
)
def test_W9_no_form_of_an_address_escapes_the_mask(address: str, masking: Bench) -> None:
    for record in (post({**MINIMAL, "ip": address}), post(MINIMAL, ip_address=address)):
        event = masking.event(record)

        assert told([event]) == []
        assert "714d" not in event.tsv()


@pytest.mark.parametrize("algorithm", ["MD5", "SHA256"])
def test_W12_the_fingerprint_does_not_change_with_the_person(
    algorithm: str, tmp_path: Path, acme: Resolver
) -> None:
    parameters = {"hashAlgorithm": algorithm, "excludeParameters": []}
    configure(tmp_path, SNOWPLOW, "event_fingerprint_config", "1-0-1", parameters)
    bench = bench_of(tmp_path, acme)
    events = (MINIMAL, {**MINIMAL, **PERSON, "co": contexts(thing(name=USER))})

    first, second = (bench.event(post(event, headers=ANONYMOUS)) for event in events)

    assert first["event_fingerprint"] == second["event_fingerprint"]


def test_W12_the_fingerprint_does_not_confirm_a_guess_at_what_was_masked(
    tmp_path: Path, acme: Resolver
) -> None:
    parameters = {"hashAlgorithm": "SHA256", "excludeParameters": []}
    configure(tmp_path, SNOWPLOW, "event_fingerprint_config", "1-0-1", parameters)
    bench = masking_in(tmp_path, acme)
    guesses = [post({**MINIMAL, "url": URL, "ip": f"203.0.113.{last}"}) for last in (1, 2)]

    first, second = (bench.event(guess)["event_fingerprint"] for guess in guesses)
    (tmp_path / "pii_enrichment_config.json").unlink()
    keyless = bench_of(tmp_path, acme)
    third, fourth = (keyless.event(guess)["event_fingerprint"] for guess in guesses)

    assert first != second  # keyed: nobody without the key can try them out
    assert third == fourth  # without a key what is masked takes no part
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("header", HEADERS)
def test_W13_W15_no_address_cookie_or_credential_is_extracted(
    header: str, tmp_path: Path, acme: Resolver
) -> None:
    parameters = {"headersPattern": ".*"}
    configure(tmp_path, ENRICHMENTS, "http_header_extractor_config", "1-0-0", parameters)

    event = bench_of(tmp_path, acme).event(post(MINIMAL, headers=(header, "Accept: x")))

    assert [entity.data["name"] for entity in event.derived_contexts] == ["Accept"]


def test_W14_an_anonymous_event_has_no_referrer_and_no_other_site(
    tmp_path: Path, acme: Resolver
) -> None:
    configure(tmp_path, ENRICHMENTS, "cross_navigation_config", "1-0-0")
    url = f"https://a.example/?_sp={USER}.1697175843762"

    event = bench_of(tmp_path, acme).event(
        post({**MINIMAL, "url": url}, headers=ANONYMOUS, referer_uri=URL)
    )
    without = bench_of(tmp_path, acme).event(post(MINIMAL, headers=ANONYMOUS, referer_uri=URL))

    assert told([event, without]) == []
    assert (event["refr_domain_userid"], without["page_url"]) == (None, None)


def test_W21_an_id_that_is_no_uuid_does_not_cost_an_anonymous_event(
    tmp_path: Path, acme: Resolver
) -> None:
    event = bench_of(tmp_path, acme).event(post(MINIMAL, headers=ANONYMOUS, network_user_id=USER))

    assert event["network_userid"] == NULL_UUID


@pytest.mark.parametrize(
    "name",
    ["api_request_enrichment_config", "sql_query_enrichment_config", "weather_enrichment_config"],
)
def test_W24_W25_there_is_nothing_that_asks_an_outside_service(name: str) -> None:
    """W8 shows the enrichments that there are without a network."""
    assert "outside service" in CURES[name]


def test_W23_the_times_of_an_anonymous_event_are_those_of_a_whole_second(acme: Resolver) -> None:
    """Times of collector and enrich, also of other collectors' records and in bad rows."""

    def results(record: bytes, now_ms: int) -> list[EnrichedEvent | BadRow]:
        clock = Enricher(acme, now_ms=lambda: now_ms, new_uuid=uuid4, enrichments=())
        return Bench(clock).all(record)

    def anonymous(milliseconds: int, **event: str) -> bytes:
        full = {**MINIMAL, "eid": COOKIE, **event}
        return post(full, timestamp=1_700_000_002_000 + milliseconds, headers=ANONYMOUS)

    for more in ({}, {"tid": "x"}):
        runs = [results(anonymous(ms, **more), 1_700_000_003_000 + ms) for ms in (1, 998)]

        assert repr_of(runs[0]) == repr_of(runs[1])
    (event,) = results(anonymous(1), 1_700_000_003_001)
    assert isinstance(event, EnrichedEvent)
    assert event["collector_tstamp"] == "2023-11-14 22:13:22.000"
    assert event["etl_tstamp"] == "2023-11-14 22:13:23.000"


def test_W23_a_record_that_meets_a_fault_of_ours_has_the_time_of_a_whole_second_too(
    acme: Resolver,
) -> None:
    record = post({**MINIMAL, "eid": COOKIE}, headers=ANONYMOUS)
    moments = iter((1_700_000_003_001, 1_700_000_003_998))
    enricher = Enricher(acme, now_ms=lambda: next(moments), new_uuid=uuid4, enrichments=())

    assert enricher.fault(record, "OSError").json() == enricher.fault(record, "OSError").json()


def repr_of(results: list[EnrichedEvent | BadRow]) -> list[str]:
    return [one.tsv() if isinstance(one, EnrichedEvent) else one.json() for one in results]


def test_W23_what_remains_can_be_erased_of_anonymous_events(tmp_path: Path, acme: Resolver) -> None:
    """Screens, languages, zones, agents and pages, as other trackers send them."""
    columns = {
        "dvce_screenwidth": "1920",
        "dvce_screenheight": "1080",
        "br_viewwidth": "1913",
        "br_viewheight": "937",
        "br_lang": "de-CH",
        "os_timezone": "Europe/Zurich",
        "useragent": "Agent/1.2.3",
        "page_url": "https://a.example/of/somebody",
    }
    configure(
        tmp_path,
        "whiteout",
        "value_erasure_config",
        "1-0-0",
        {"columns": list(columns)},
        anonymousOnly=True,
    )
    bench = bench_of(tmp_path, acme)
    event = {
        **MINIMAL,
        "res": "1920x1080",
        "vp": "1913x937",
        "lang": "de-CH",
        "tz": "Europe/Zurich",
        "ua": "Agent/1.2.3",
        "url": "https://a.example/of/somebody",
    }

    anonymous, identified = bench.event(post(event, headers=ANONYMOUS)), bench.event(post(event))

    assert {name: identified[name] for name in columns} == columns
    assert {anonymous[name] for name in columns} == {None}


def test_W26_the_mark_counts_for_every_event_of_a_request(tmp_path: Path, acme: Resolver) -> None:
    record = post(*({**MINIMAL, "ip": ADDRESS} for _ in range(3)), headers=ANONYMOUS, path=TP2)

    results = bench_of(tmp_path, acme).all(record)

    assert len(results) == 3
    assert told(results) == []
