"""A folder of official configurations, read as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.enrich.enrichments.support import ENRICHMENTS, SNOWPLOW, configure

from whiteout.enrich import read_folder
from whiteout.enrich.enrichments import CURES, KINDS
from whiteout.errors import ConfigurationError
from whiteout.iglu.validator import compile_schema
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from whiteout.enrich.enrichments.interface import Kind

REPOSITORY = Path(__file__).resolve().parents[3]
CENTRAL = REPOSITORY.parent / "shared" / "iglu-central" / "schemas"


def write(folder: Path, text: str, name: str = "one.json") -> Path:
    (folder / name).write_text(text)
    return folder


def test_an_empty_folder_switches_nothing_on(tmp_path: Path) -> None:
    assert read_folder(tmp_path).enrichments == ()


def test_they_run_in_the_official_order_whatever_their_files_are_called(tmp_path: Path) -> None:
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1}, file="a.json")
    configure(tmp_path, ENRICHMENTS, "cross_navigation_config", "1-0-0", {}, file="c.json")
    configure(tmp_path, SNOWPLOW, "ua_parser_config", "1-0-0", {}, file="z.json")

    found = [one.identifier for one in read_folder(tmp_path).enrichments]

    assert found == ["ua-parser", "cross-navigation", "anon-ip"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_enrichment_stands_in_the_table_in_its_place(kind: Kind) -> None:
    page = (REPOSITORY / "docs/enrich.md").read_text("utf-8")
    table = page.partition("<!-- enrichments -->")[2].partition("<!-- /enrichments -->")[0]
    names = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]

    assert names.index(kind.name) == KINDS.index(kind)
    assert len(names) == len(KINDS)


@pytest.mark.skipif(not CENTRAL.is_dir(), reason="no copy of Iglu Central beside the repository")
@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.vendor != "whiteout"], ids=lambda kind: kind.name
)
def test_each_official_configuration_is_of_a_version_that_there_is(kind: Kind) -> None:
    for version in (kind.version, *kind.older):
        assert (CENTRAL / kind.vendor / kind.name / "jsonschema" / version).is_file()


LIST = {"uri": "http://a/", "note": "the schema allows it"}


def official(name: str, vendor: str, version: str) -> Any:  # noqa: ANN401 - a JSON schema
    return json.loads((CENTRAL / vendor / name / "jsonschema" / version).read_text())


@pytest.mark.skipif(not CENTRAL.is_dir(), reason="no copy of Iglu Central beside the repository")
@pytest.mark.parametrize(
    ("vendor", "name", "version", "parameters", "data"),
    [
        (SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1, "anonSegments": 2}, {}),
        (SNOWPLOW, "cookie_extractor_config", "1-0-0", {"cookies": ["a"]}, {}),
        (SNOWPLOW, "ua_parser_config", "1-0-1", {"uri": "http://a/", "database": "r.yaml"}, {}),
        (
            SNOWPLOW,
            "event_fingerprint_config",
            "1-0-1",
            {"excludeParameters": ["eid"], "hashAlgorithm": "SHA1"},
            {},
        ),
        (
            ENRICHMENTS,
            "http_header_extractor_config",
            "1-0-0",
            {"headersPattern": "Accept"},
            {},
        ),
        (
            ENRICHMENTS,
            "pii_enrichment_config",
            "2-0-0",
            {
                "pii": [{"pojo": {"field": "user_id"}}],
                "strategy": {"pseudonymize": {"hashFunction": "SHA-1", "salt": "s"}},
            },
            {"emitEvent": True},
        ),
        (
            ENRICHMENTS,
            "pii_enrichment_config",
            "1-0-0",
            {
                "pii": [{"pojo": {"field": "user_id"}}],
                "strategy": {"pseudonymize": {"hashFunction": "SHA-1"}},
            },
            {},
        ),
        (
            SNOWPLOW,
            "campaign_attribution",
            "1-0-1",
            {
                "mapping": "static",
                "fields": {
                    "mktMedium": ["utm_medium"],
                    "mktSource": ["utm_source"],
                    "mktTerm": [],
                    "mktContent": [],
                    "mktCampaign": ["utm_campaign"],
                    "mktClickId": {"gclid": "Google"},
                },
            },
            {},
        ),
        (SNOWPLOW, "referer_parser", "1-0-0", {"internalDomains": ["a.example"]}, {}),
        (
            SNOWPLOW,
            "referer_parser",
            "2-0-1",
            {
                "internalDomains": [],
                "database": "referers.json",
                "uri": "http://a/",
                "referrers": {"search": {"A": {"domains": ["a.example"], "parameters": ["q"]}}},
            },
            {},
        ),
        (SNOWPLOW, "ip_lookups", "1-0-0", {}, {}),
        (SNOWPLOW, "ip_lookups", "2-0-1", {}, {}),
        (
            ENRICHMENTS,
            "asn_lookups",
            "1-0-0",
            {
                "botAsnsFile": {"database": "asns.csv", "uri": "http://a/"},
                "botAsns": [{"asn": 64496, "name": "A"}],
                "bypassPlatforms": ["srv"],
            },
            {},
        ),
        (
            ENRICHMENTS,
            "iab_spiders_and_robots_enrichment",
            "1-0-1",
            {
                "ipFile": {**LIST, "database": "ip_exclude_current_cidr.txt"},
                "excludeUseragentFile": {**LIST, "database": "exclude_current.txt"},
                "includeUseragentFile": {**LIST, "database": "include_current.txt"},
                "includeUseragents": ["us"],
                "excludeUseragents": ["them"],
            },
            {},
        ),
        (ENRICHMENTS, "cross_navigation_config", "1-0-0", None, {}),
        (SNOWPLOW, "user_agent_utils_config", "1-0-0", {}, {}),
        (
            ENRICHMENTS,
            "bot_detection_enrichment_config",
            "1-0-1",
            {
                "useIab": True,
                "useYauaa": False,
                "useAsnLookups": True,
                "useClientSideDetection": True,
            },
            {},
        ),
    ],
)
def test_what_the_official_schema_allows_is_read(  # noqa: PLR0913, PLR0917 - parts of a file
    vendor: str,
    name: str,
    version: str,
    parameters: dict[str, Any] | None,
    data: dict[str, Any],
    tmp_path: Path,
) -> None:
    for file in ("asns.csv", *(f"{one}_current.txt" for one in ("exclude", "include"))):
        write(tmp_path, "", file)
    write(tmp_path, "", "ip_exclude_current_cidr.txt")
    write(tmp_path, "{}", "referers.json")
    configure(tmp_path, vendor, name, version, parameters, **data)
    document = json.loads((tmp_path / f"{name}.json").read_text())
    schema = compile_schema(parse_schema_key(document["schema"]), official(name, vendor, version))
    assert schema.is_valid(document["data"])

    assert len(read_folder(tmp_path).enrichments) == 1


@pytest.mark.parametrize("name", CURES)
def test_an_enrichment_that_is_not_here_is_an_error_that_names_the_cure(
    name: str, tmp_path: Path
) -> None:
    configure(tmp_path, SNOWPLOW, name, "1-0-0", {"anything": 1})

    with pytest.raises(ConfigurationError) as caught:
        read_folder(tmp_path)

    said = f"{name}.json: {name}: {CURES[name]}; or leave it out with --set enrich.unsupported=warn"
    assert str(caught.value) == said


@pytest.mark.parametrize("name", CURES)
def test_one_that_is_not_here_is_left_out_with_a_warning_where_that_is_asked_for(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configure(tmp_path, SNOWPLOW, name, "1-0-0", {"anything": 1}, surprise=1)
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1})

    (enrichment,) = read_folder(tmp_path, unsupported="warn").enrichments

    assert enrichment.identifier == "anon-ip"
    assert [record.getMessage() for record in caplog.records] == [
        f"{name}.json is left out: {name}: {CURES[name]}"
    ]


def test_what_takes_away_is_never_left_out(tmp_path: Path) -> None:
    """Not one that is misspelt, nor one in a format that nobody reads."""
    assert not {kind.name for kind in KINDS if kind.is_privacy} & CURES.keys()
    configure(tmp_path / "a", SNOWPLOW, "anon_ip", "9-0-0", {"anonOctets": 1})
    with pytest.raises(ConfigurationError, match="anon_ip is read up to version"):
        read_folder(tmp_path / "a", unsupported="warn")
    (tmp_path / "b").mkdir()
    with pytest.raises(ConfigurationError, match=r"pii\.hocon: only \.json files are read"):
        read_folder(write(tmp_path / "b", "", "pii.hocon"), unsupported="warn")


def test_bots_are_told_without_yauaa_where_that_is_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parameters = {"useYauaa": True, "useIab": True, "useAsnLookups": False}
    configure(tmp_path, ENRICHMENTS, "bot_detection_enrichment_config", "1-0-0", parameters)
    with pytest.raises(
        ConfigurationError, match=r"leave it out with --set enrich\.unsupported=warn"
    ):
        read_folder(tmp_path)

    assert len(read_folder(tmp_path, unsupported="warn").enrichments) == 1
    assert "useYauaa is left out" in caplog.text


def test_a_salt_is_left_out_only_where_the_official_configuration_has_none(tmp_path: Path) -> None:
    parameters = {
        "pii": [{"pojo": {"field": "user_id"}}],
        "strategy": {"pseudonymize": {"hashFunction": "SHA-1"}},
    }
    name = "pii_enrichment_config"
    configure(tmp_path, ENRICHMENTS, name, "2-0-1", parameters, emitEvent=False)

    with pytest.raises(ConfigurationError, match="pseudonymize needs a salt"):
        read_folder(tmp_path)


def test_the_files_of_old_address_lookups_are_those_that_maxmind_has_now(tmp_path: Path) -> None:
    """It gave up the format of the ones that 1-0-0 names."""
    geo = {"database": "GeoLiteCity.dat", "uri": "http://a/"}
    configure(tmp_path, SNOWPLOW, "ip_lookups", "1-0-0", {"geo": geo})

    with pytest.raises(ConfigurationError, match=r"put the file GeoLite2-City\.mmdb into"):
        read_folder(tmp_path)


def test_one_that_is_switched_off_is_passed_over_even_if_it_is_not_here(tmp_path: Path) -> None:
    configure(tmp_path, SNOWPLOW, "javascript_script_config", "1-0-0", {}, enabled=False)

    assert read_folder(tmp_path).enrichments == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "one.json: not JSON"),
        ('{"schema": "x", "data": {}}', r"one.json: .*data.vendor is missing; it must be a text"),
        (
            '{"schema": "nonsense", "data": {"vendor": "a", "name": "b", "enabled": true}}',
            "one.json: a schema must look like",
        ),
        (
            (
                '{"schema": "iglu:com.acme/new_one/jsonschema/1-0-0",'
                ' "data": {"vendor": "a", "name": "b", "enabled": true}}'
            ),
            "one.json: there is no enrichment com.acme/new_one; remove the file",
        ),
        (
            (
                '{"schema": "iglu:com.snowplowanalytics.snowplow/anon_ip/jsonschema/2-0-0",'
                ' "data": {"vendor": "a", "name": "b", "enabled": true}}'
            ),
            "one.json: anon_ip is read up to version 1-0-1",
        ),
        (
            (
                '{"schema": "iglu:com.snowplowanalytics.snowplow/anon_ip/jsonschema/1-0-1", "data":'
                ' {"vendor": "a", "name": "b", "enabled": true, "parameters": {"anonOctet": 1}}}'
            ),
            "one.json: anonOctet",
        ),
        (
            (
                '{"schema": "iglu:com.snowplowanalytics.snowplow/anon_ip/jsonschema/1-0-1", "data":'
                ' {"vendor": "a", "name": "b", "enabled": true, "surprise": 1}}'
            ),
            "one.json: .*surprise",
        ),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start(
    text: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        read_folder(write(tmp_path, text))


def test_other_formats_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"enrich\.js: JavaScript is not run; write it as"):
        read_folder(write(tmp_path, "", "enrich.js"))
    assert read_folder(tmp_path, unsupported="warn").enrichments == ()


def test_the_same_enrichment_twice_is_refused_and_scripts_are_not(tmp_path: Path) -> None:
    for file in ("a.json", "b.json"):
        configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1}, file=file)
    with pytest.raises(ConfigurationError, match=r"b\.json: anon_ip is configured twice"):
        read_folder(tmp_path)


def test_a_file_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    folder = tmp_path / "inside"
    parameters = {"internalDomains": [], "database": "../outside.json", "uri": "http://a/"}
    configure(folder, SNOWPLOW, "referer_parser", "2-0-1", parameters)

    with pytest.raises(ConfigurationError, match="database must be a file's name"):
        read_folder(folder)


def test_there_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--enrichments must be a folder that exists"):
        read_folder(tmp_path / "nowhere")


def test_what_is_not_configured_here_is_left_to_the_defaults(tmp_path: Path) -> None:
    anonymity = read_folder(tmp_path).anonymity

    assert (anonymity.keep_tracker_identifiers, anonymity.geo_level) == (False, "none")
    configure(tmp_path, "whiteout", "anonymity_config", "1-0-0", {"geoLevel": "street"})
    with pytest.raises(ConfigurationError, match=r"anonymity_config\.json: .*geoLevel"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"anonOctets": "4"}, "anonOctets must be a whole number, got '4'"),
        ({}, "anonOctets is missing; it must be a whole number"),
        ({"anonOctet": 2}, "anonOctet is not known; did you mean anonOctets?"),
        ([], "data.parameters must be a mapping of names to values, got []"),
    ],
)
def test_a_wrong_parameter_is_told_with_its_name_and_what_it_must_be(
    tmp_path: Path, parameters: dict[str, Any], complaint: str
) -> None:
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", parameters)

    with pytest.raises(ConfigurationError, match=re.escape(f"anon_ip.json: {complaint}")):
        read_folder(tmp_path)
