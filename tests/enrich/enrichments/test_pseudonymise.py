"""Pseudonyms in columns and in self-describing JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.conftest import (
    JSON_TYPE,
    MINIMAL,
    THING,
    Bench,
    contexts,
    kind,
    messages,
    post,
    thing,
)
from tests.enrich.enrichments.support import ENRICHMENTS, SNOWPLOW, bench_of, configure

from whiteout.enrich import EnrichedEvent, read_folder
from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.enrichments.pseudonymise import COLUMNS, Pseudonymise
from whiteout.enrich.md2 import md2_hexdigest
from whiteout.enrich.pseudonyms import HashFunction, KeyedPseudonyms, SaltedPseudonyms
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.iglu import Resolver

VECTORS = {
    "john@acme.com": "7d8a4beae5bc9d314600667d2f410918f9af265017a6ade99f60a9c8f3aac6e9",
    "70.46.123.145": "dd9720903c89ae891ed5c74bb7a9f2f90f6487927ac99afe73b096ad0287f3f5",
    "jim@acme.com": "72f323d5359eabefc69836369e4cabc6257c43ab6419b05dfb2211d0e44284c6",
    "bob@acme.com": "1c6660411341411d5431669699149283d10e070224be4339d52bbc4b007e78c5",
    "50.56.129.169": "269c433d0cc00395e3bc5fe7f06c5ad822096a38bec2d8a005367b52c0dfb428",
}
SALTED = {"pseudonymize": {"hashFunction": "SHA-256", "salt": "pepper123"}}
ANY_THING = "iglu:com.acme/thing/jsonschema/1-*-*"
HEADERS = ("SP-Anonymous: *", JSON_TYPE)


def column(name: str) -> dict[str, Any]:
    return {"pojo": {"field": name}}


def place(path: str, criterion: str = ANY_THING, field: str = "contexts") -> dict[str, Any]:
    return {"json": {"field": field, "schemaCriterion": criterion, "jsonPath": path}}


def pseudonymising(
    folder: Path,
    resolver: Resolver,
    *pii: dict[str, Any],
    strategy: dict[str, Any] | None = None,
    **data: Any,  # noqa: ANN401 - passed on
) -> Bench:
    configure(
        folder,
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-1",
        {"pii": list(pii), "strategy": strategy or SALTED},
        **{"emitEvent": False, **data},
    )
    return bench_of(folder, resolver)


@pytest.mark.parametrize(("value", "expected"), VECTORS.items())
def test_BE32_the_official_vectors(value: str, expected: str) -> None:
    assert SaltedPseudonyms("SHA-256", "pepper123").at(0)(value) == expected


@pytest.mark.parametrize(
    ("function", "length"),
    [("MD2", 32), ("MD5", 32), ("SHA-1", 40), ("SHA-256", 64), ("SHA-384", 96), ("SHA-512", 128)],
)
def test_each_hash_function_makes_hexadecimal_of_its_length(
    function: HashFunction, length: int
) -> None:
    make = SaltedPseudonyms(function, "s").at(0)

    assert len(make("a")) == length
    assert int(make("a"), 16) >= 0
    assert make("a") != make("b")
    assert make("a") != SaltedPseudonyms(function, "t").at(0)("a")


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", "8350e5a3e24c153df2275c9f80692773"),
        ("a", "32ec01ec4a6dac72c0ab96fb34c0b5d1"),
        ("abc", "da853b0d3f88d99b30283a69e6ded6bb"),
        ("message digest", "ab4f496bfb2a530b219ff33031fe06b0"),
        ("1234567890" * 8, "d5976f79d83d3a0dc9806c3c66f3efd8"),
    ],
)
def test_md2_is_that_of_its_specification(text: str, digest: str) -> None:
    """The test suite of RFC 1319."""
    assert md2_hexdigest(text.encode()) == digest


def test_BE32_all_eighteen_columns_are_hashed_and_no_other(
    tmp_path: Path, resolver: Resolver
) -> None:
    configure(
        tmp_path,
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-1",
        {"pii": [column(name) for name in sorted(COLUMNS)], "strategy": SALTED},
        emitEvent=True,
    )
    (enrichment,) = read_folder(tmp_path).enrichments
    assert isinstance(enrichment, Pseudonymise)
    event = EnrichedEvent(
        fields=["bob@acme.com"] * len(COLUMN_INDEX),
        unstruct_event=None,
        contexts=[],
        derived_contexts=[],
    )
    masked = {name: enrichment.mask(at, "bob@acme.com") for name, at in COLUMN_INDEX.items()}

    hashed = {name for name, text in masked.items() if text == VECTORS["bob@acme.com"]}
    assert hashed == COLUMNS
    assert len(COLUMNS) == 18
    assert {text for name, text in masked.items() if name not in COLUMNS} == {"bob@acme.com"}
    assert event["user_id"] == "bob@acme.com"


def test_a_column_is_hashed_after_ip_anonymisation_and_null_stays_null(
    tmp_path: Path, resolver: Resolver
) -> None:
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 2})
    bench = pseudonymising(tmp_path, resolver, column("user_ipaddress"), column("user_id"))

    event = bench.event(post(MINIMAL))

    masked = SaltedPseudonyms("SHA-256", "pepper123").at(0)("192.0.x.x")
    assert (event["user_ipaddress"], event["user_id"]) == (masked, None)


def test_BE33_one_path_in_one_schema_changes_that_value_only(
    tmp_path: Path, resolver: Resolver
) -> None:
    bench = pseudonymising(tmp_path, resolver, place("$.name"))
    other = {"schema": "iglu:com.acme/nullable/jsonschema/1-0-0", "data": {"maybe": "jim@acme.com"}}

    event = bench.event(
        post({**MINIMAL, "co": contexts(thing(name="jim@acme.com", maybe="jim@acme.com"), other)})
    )

    expected = [thing(name=VECTORS["jim@acme.com"], maybe="jim@acme.com"), other]
    assert [entity.as_dict() for entity in event.contexts] == expected
    assert json.loads(event["contexts"] or "")["data"] == expected


@pytest.mark.parametrize(
    "path", ["$.['name','nothing']", "$.nothing", "$.name.inner", "$..nothing"]
)
def test_BE34_a_path_makes_no_keys(path: str, tmp_path: Path, resolver: Resolver) -> None:
    bench = pseudonymising(tmp_path, resolver, place(path))

    event = bench.event(post({**MINIMAL, "co": contexts(thing(name="n"))}))

    assert event.contexts[0].data.keys() == {"name"}


@pytest.mark.parametrize(("path", "names"), [("$.*", {"name", "maybe"}), ("$..maybe", {"maybe"})])
def test_BE33_a_path_over_many_keys_hashes_all_and_leaves_null(
    path: str, names: set[str], tmp_path: Path, resolver: Resolver
) -> None:
    bench = pseudonymising(tmp_path, resolver, place(path))

    data = (
        bench.event(
            post({**MINIMAL, "co": contexts(thing(name="bob@acme.com", maybe="bob@acme.com"))})
        )
        .contexts[0]
        .data
    )
    null = bench.event(post({**MINIMAL, "co": contexts(thing(name="n", maybe=None))}))

    assert {name for name in data if data[name] == VECTORS["bob@acme.com"]} == names
    assert null.contexts[0].data["maybe"] is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            ["bob@acme.com", 5, {"a": "bob@acme.com"}],
            [VECTORS["bob@acme.com"], 5, {"a": "bob@acme.com"}],
        ),
        (7, 7),
        (True, True),
        ({"a": "bob@acme.com"}, {"a": "bob@acme.com"}),
        ("", SaltedPseudonyms("SHA-256", "pepper123").at(0)("")),
    ],
)
def test_BE33_texts_and_texts_in_a_list_are_hashed_and_nothing_else(
    value: object, expected: object, tmp_path: Path
) -> None:
    configure(
        tmp_path,
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-0",
        {"pii": [place("$.value")], "strategy": SALTED},
        emitEvent=False,
    )
    (enrichment,) = read_folder(tmp_path).enrichments
    assert isinstance(enrichment, Pseudonymise)
    from whiteout.protocol.self_describing import SelfDescribingJson  # noqa: PLC0415 - only here

    event = EnrichedEvent(
        fields=[None] * len(COLUMN_INDEX),
        unstruct_event=None,
        contexts=[SelfDescribingJson(THING, {"value": value})],
        derived_contexts=[],
    )

    enrichment.mask_parts(event)

    assert event.contexts[0].data == {"value": expected}


@pytest.mark.parametrize("data", [{"name": ""}, {"name": "x", "maybe": None}, {"name": "x"}])
def test_BE35_an_empty_text_a_null_or_nothing_at_the_path_is_no_fault_of_the_event(
    data: dict[str, Any], tmp_path: Path, resolver: Resolver
) -> None:
    bench = pseudonymising(tmp_path, resolver, place("$.['name','maybe']"))

    event = bench.event(post({**MINIMAL, "co": contexts(thing(**data))}))

    pseudonym = SaltedPseudonyms("SHA-256", "pepper123").at(0)
    expected = {**data, "name": pseudonym(str(data["name"]))}
    assert [entity.data for entity in event.contexts] == [expected]


def test_BE35_an_object_where_a_text_is_required_is_the_violation_it_is_without_pii(
    tmp_path: Path, resolver: Resolver, bench: Bench
) -> None:
    record = post({**MINIMAL, "co": contexts(thing(name={"first": "Jim"}))})

    row = pseudonymising(tmp_path, resolver, place("$.name")).bad(record)

    assert kind(row) == kind(bench.bad(record)) == "schema_violations"
    assert messages(row) == messages(bench.bad(record))


@pytest.mark.parametrize(
    ("anonymous_only", "headers", "hashed"),
    [
        (True, HEADERS, True),
        (True, ("sp-anonymous: x",), True),
        (True, (), False),
        (False, HEADERS, True),
        (False, (), True),
    ],
)
def test_BE36_anonymous_only(
    anonymous_only: bool,  # noqa: FBT001 - parametrised
    headers: tuple[str, ...],
    hashed: bool,  # noqa: FBT001 - parametrised
    tmp_path: Path,
    resolver: Resolver,
) -> None:
    bench = pseudonymising(tmp_path, resolver, column("user_id"), anonymousOnly=anonymous_only)

    event = bench.event(post({**MINIMAL, "uid": "bob@acme.com"}, headers=headers))

    assert event["user_id"] == (VECTORS["bob@acme.com"] if hashed else "bob@acme.com")


def test_the_entities_of_enrichments_are_not_changed_for_other_events(
    tmp_path: Path, resolver: Resolver
) -> None:
    """The one of user agents is kept and shared."""
    configure(tmp_path, SNOWPLOW, "ua_parser_config", "1-0-1", {})
    criterion = "iglu:com.snowplowanalytics.snowplow/ua_parser_context/jsonschema/1-0-*"
    bench = pseudonymising(
        tmp_path, resolver, place("$.useragentFamily", criterion, "derived_contexts")
    )

    first = bench.event(post({**MINIMAL, "ua": "zzz"})).derived_contexts[0].data
    again = bench.event(post({**MINIMAL, "ua": "zzz"})).derived_contexts[0].data

    assert first["useragentFamily"] == SaltedPseudonyms("SHA-256", "pepper123").at(0)("Other")
    assert again == first


def test_W7_a_key_in_a_file_makes_other_pseudonyms_in_each_period(
    tmp_path: Path, resolver: Resolver
) -> None:
    (tmp_path / "pii.key").write_bytes(b"k" * 32)
    strategy = {"hmac": {"hashFunction": "SHA-256", "keyFile": "pii.key", "periodDays": 1}}
    bench = pseudonymising(tmp_path, resolver, column("user_id"), strategy=strategy)
    day = 86_400_000

    def pseudonym(collected_ms: int) -> str | None:
        return bench.event(post({**MINIMAL, "uid": "bob"}, timestamp=collected_ms))["user_id"]

    assert pseudonym(day) == pseudonym(2 * day - 1)
    assert pseudonym(day) != pseudonym(2 * day)
    assert pseudonym(day) != SaltedPseudonyms("SHA-256", "k" * 32).at(0)("bob")


def test_a_key_that_is_too_short_or_missing_is_refused(tmp_path: Path, resolver: Resolver) -> None:
    strategy = {"hmac": {"hashFunction": "SHA-256", "keyFile": "pii.key"}}
    with pytest.raises(ConfigurationError, match="openssl rand"):
        pseudonymising(tmp_path, resolver, strategy=strategy)
    (tmp_path / "pii.key").write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="at least 16 bytes"):
        bench_of(tmp_path, resolver)
    with pytest.raises(ConfigurationError, match="MD2"):
        KeyedPseudonyms("MD2", b"k" * 32)


def test_what_was_replaced_goes_to_the_sink_as_a_valid_event_and_nowhere_without(
    tmp_path: Path, resolver: Resolver
) -> None:
    configure(
        tmp_path,
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-1",
        {"pii": [column("user_id"), place("$.name")], "strategy": SALTED},
        emitEvent=True,
    )
    configured = read_folder(tmp_path)
    assert configured.emits_pii
    assert configured.pseudonyms is not None
    vault: list[EnrichedEvent] = []
    bench = bench_of(tmp_path, resolver)
    (enrichment,) = bench.enricher._enrichments
    assert isinstance(enrichment, Pseudonymise)
    record = post({**MINIMAL, "uid": "bob@acme.com", "co": contexts(thing(name="jim@acme.com"))})
    bench.event(record)
    enrichment.emit = vault.append

    parent = bench.event(record)

    (event,) = vault
    assert event.unstruct_event is not None
    assert resolver.validator(event.unstruct_event.key).is_valid(event.unstruct_event.data)
    assert event.unstruct_event.data == {
        "pii": {
            "pojo": [
                {
                    "fieldName": "user_id",
                    "originalValue": "bob@acme.com",
                    "modifiedValue": VECTORS["bob@acme.com"],
                }
            ],
            "json": [
                {
                    "fieldMapping": {
                        "fieldName": "contexts",
                        "originalValue": "jim@acme.com",
                        "modifiedValue": VECTORS["jim@acme.com"],
                        "jsonPath": "$.name",
                        "schema": THING,
                    }
                }
            ],
        },
        "strategy": {"pseudonymize": {"hashFunction": "SHA-256"}},
    }
    assert event.contexts[0].data == {"parentEventId": parent["event_id"]}
    assert (event["event_name"], event["platform"]) == ("pii_transformation", "srv")
    assert event["event_id"] != parent["event_id"]
    assert len(event.tsv().split("\t")) == 131


@pytest.mark.parametrize(
    ("pii", "problem"),
    [
        (column("app_id"), "pojo.field must be one of"),
        (place("name"), "must begin with"),
        (place("$.length()"), "cannot be read"),
        (place("$.name", "com.acme/thing"), "schemaCriterion must look like"),
        (place("$.name", field="page_url"), "field must be '.*contexts', .*, got 'page_url'"),
        ({}, "either pojo or json"),
        ({**column("user_id"), **place("$.name")}, "either pojo or json"),
        ({"else": 1}, "else is not known"),
    ],
)
def test_a_place_that_cannot_be_is_refused(
    pii: dict[str, Any], problem: str, tmp_path: Path, resolver: Resolver
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        pseudonymising(tmp_path, resolver, pii)
