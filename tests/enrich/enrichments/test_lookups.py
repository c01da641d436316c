"""Where addresses are, who runs them, and who is a robot; from files of the operator's."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from tests.enrich.conftest import JSON_TYPE, MINIMAL, Bench, contexts, post
from tests.enrich.enrichments.support import (
    ENRICHMENTS,
    SNOWPLOW,
    as_pairs,
    bench_of,
    configure,
)

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.iglu import Resolver

CITY = {
    "country": {"iso_code": "CN"},
    "subdivisions": [{"iso_code": "22", "names": {"en": "Jilin Sheng"}}],
    "city": {"names": {"en": "Changchun", "de": "Tschangtschun"}},
    "postal": {"code": "130000"},
    "location": {"latitude": 43.88, "longitude": 125.3228, "time_zone": "Asia/Harbin"},
}
PLACE = {
    "geo_country": "CN",
    "geo_region": "22",
    "geo_region_name": "Jilin Sheng",
    "geo_timezone": "Asia/Harbin",
    "geo_city": "Changchun",
    "geo_zipcode": "130000",
    "geo_latitude": "43.88",
    "geo_longitude": "125.3228",
}
ISP = {
    "isp": "Example ISP",
    "organization": "Example Org",
    "autonomous_system_number": 64_500,
    "autonomous_system_organization": "Example AS",
}
NETWORKS = ["175.16.199.0/24", "2001:218::/32"]
DATABASES: dict[str, tuple[str, dict[str, Any]]] = {
    "geo": ("GeoLite2-City.mmdb", CITY),
    "isp": ("GeoIP2-ISP.mmdb", ISP),
    "domain": ("GeoIP2-Domain.mmdb", {"domain": "example.net"}),
    "connectionType": ("GeoIP2-Connection-Type.mmdb", {"connection_type": "Cable/DSL"}),
    "asn": (
        "GeoLite2-ASN.mmdb",
        {"autonomous_system_number": 64_496, "autonomous_system_organization": "Example Net"},
    ),
}
GEO = tuple(PLACE)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("mmdb")
    for name, record in DATABASES.values():
        writer = MMDBWriter(
            ip_version=6, ipv4_compatible=True, database_type="Test", float_type="f64"
        )
        writer.insert_network(IPSet(NETWORKS), record)
        writer.to_db_file(str(folder / name))
    return folder


def look_up(folder: Path, databases: Path, *kinds: str) -> None:
    parameters = {}
    for kind in kinds:
        name = DATABASES[kind][0]
        (folder / name).write_bytes((databases / name).read_bytes())
        parameters[kind] = {"database": name, "uri": "https://assets.example/"}
    configure(folder, SNOWPLOW, "ip_lookups", "2-0-1", parameters)


def place_of(bench: Bench, address: str, **fields: Any) -> dict[str, str]:  # noqa: ANN401 - passed
    event = bench.event(post(MINIMAL, ip_address=address, **fields))
    return {name: text for name in GEO if (text := event[name]) is not None}


@pytest.mark.parametrize("address", ["175.16.199.0", "175.16.199.77", "2001:218::1"])
def test_BE44_an_address_is_placed(
    address: str, tmp_path: Path, databases: Path, resolver: Resolver
) -> None:
    look_up(tmp_path, databases, "geo")

    assert place_of(bench_of(tmp_path, resolver), address) == PLACE


@pytest.mark.parametrize(
    "address", ["", "localhost", "hello", ":" * 15, "192.0.2.1", "unknown", "175.16.199.0.example"]
)
def test_BE44_W8_what_is_not_found_is_not_resolved_either(
    address: str,
    tmp_path: Path,
    databases: Path,
    resolver: Resolver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a name was looked up")

    look_up(tmp_path, databases, "geo")
    bench = bench_of(tmp_path, resolver)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "gethostbyname", refuse)

    assert place_of(bench, address) == {}
    assert bench.event(post({**MINIMAL, "ip": address or "name.example"}))["geo_city"] is None


def test_who_runs_the_network_is_told(tmp_path: Path, databases: Path, resolver: Resolver) -> None:
    look_up(tmp_path, databases, "isp", "domain", "connectionType", "asn")

    event = bench_of(tmp_path, resolver).event(post(MINIMAL, ip_address="175.16.199.1"))

    assert event["ip_isp"] == "Example ISP"
    assert event["ip_organization"] == "Example Org"
    assert event["ip_domain"] == "example.net"
    assert event["ip_netspeed"] == "Cable/DSL"
    assert as_pairs(event.derived_contexts) == [
        ("asn", {"number": 64_496, "organization": "Example Net"})
    ]


def test_W8_the_masked_address_is_looked_up_and_never_the_whole_one(
    tmp_path: Path, databases: Path, resolver: Resolver
) -> None:
    """The network of 24 bits is found with one octet masked, and not with two."""
    look_up(tmp_path, databases, "geo")
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1})
    assert place_of(bench_of(tmp_path, resolver), "175.16.199.77") == PLACE
    configure(tmp_path, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 2})
    assert place_of(bench_of(tmp_path, resolver), "175.16.199.77") == {}


LEVELS: dict[str, tuple[str, ...]] = {
    "none": (),
    "country": GEO[:1],
    "region": GEO[:4],
    "city": GEO[:5],
    "full": GEO,
}


@pytest.mark.parametrize(("level", "columns"), LEVELS.items())
def test_L15_an_anonymous_event_is_placed_no_finer_than_configured(
    level: str, columns: tuple[str, ...], tmp_path: Path, databases: Path, resolver: Resolver
) -> None:
    look_up(tmp_path, databases, "geo", "isp")
    configure(
        tmp_path,
        "whiteout",
        "anonymity_config",
        "1-0-0",
        {"keepTrackerIdentifiers": True, "geoLevel": level},
    )
    bench = bench_of(tmp_path, resolver)
    event = bench.event(
        post(
            {**MINIMAL, "ip": "175.16.199.1", "tnuid": "kept", "nuid": "dropped"},
            headers=("SP-Anonymous: *", JSON_TYPE),
        )
    )

    assert {name for name in GEO if event[name] is not None} == set(columns)
    assert (event["ip_isp"] is None) == (level != "full")
    assert (event["user_ipaddress"], event["network_userid"]) == ("175.16.199.1", "kept")


def test_L15_without_that_the_trackers_own_identifiers_are_dropped(
    tmp_path: Path, databases: Path, resolver: Resolver
) -> None:
    look_up(tmp_path, databases, "geo", "isp", "asn")
    parameters = {"ip": "175.16.199.1", "tnuid": "tracker"}

    event = bench_of(tmp_path, resolver).event(
        post({**MINIMAL, **parameters}, headers=("SP-Anonymous: *", JSON_TYPE))
    )

    assert (event["user_ipaddress"], event["geo_country"]) == (None, None)
    assert event["network_userid"] == "00000000-0000-0000-0000-000000000000"
    assert event.derived_contexts == []


def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path, resolver: Resolver) -> None:
    (tmp_path / "GeoLite2-City.mmdb").write_bytes(b"nonsense")
    parameters = {"geo": {"database": "GeoLite2-City.mmdb", "uri": "https://a.example/"}}
    configure(tmp_path, SNOWPLOW, "ip_lookups", "2-0-0", parameters)

    with pytest.raises(ConfigurationError, match="must be a MaxMind DB file"):
        bench_of(tmp_path, resolver)


# --- robots ----------------------------------------------------------------------------------


def networks(folder: Path, **more: object) -> None:
    (folder / "bad-asn-list.csv").write_text('ASN,Entity\n64497,"A, B"\nAS64496,C\n')
    parameters = {
        "botAsnsFile": {"database": "bad-asn-list.csv", "uri": "https://assets.example/"},
        "botAsns": [{"asn": 64_999, "name": "X"}],
        **more,
    }
    configure(folder, ENRICHMENTS, "asn_lookups", "1-0-0", parameters)


@pytest.mark.parametrize(
    ("kinds", "platform", "expected"),
    [
        (("asn",), "web", (64_496, True)),
        (("isp",), "web", (64_500, False)),
        (("isp", "asn"), "web", (64_496, True)),
        (("asn",), "srv", (64_496, None)),
    ],
)
def test_BE41_networks_on_the_list_are_likely_robots(  # noqa: PLR0913, PLR0917 - fixtures too
    kinds: tuple[str, ...],
    platform: str,
    expected: tuple[int, bool | None],
    tmp_path: Path,
    databases: Path,
    resolver: Resolver,
) -> None:
    look_up(tmp_path, databases, *kinds)
    networks(tmp_path, bypassPlatforms=["srv"])

    event = bench_of(tmp_path, resolver).event(
        post({**MINIMAL, "p": platform}, ip_address="175.16.199.1")
    )

    (entity,) = event.derived_contexts
    assert (entity.data["number"], entity.data.get("likelyBot")) == expected


INCLUDE = "# people\nmozilla|1|1\nopera|1|0\nold|0|0|06/01/2023\nolder|0|0|01/01/2024\n"
EXCLUDE = (
    "googlebot|1|goodbot, nicebot|1|0|0\nlibwww|1||1|2|1\nretired|1||1|1|0|06/01/2023\n"
    "gone|0||1|1|0\n"
)
PEOPLE = "Mozilla/5.0 Firefox"


@pytest.fixture
def iab(tmp_path: Path, resolver: Resolver) -> Bench:
    files = {"ip.txt": "198.51.100.0/25\n2001:db8:5::/48\n", "in.txt": INCLUDE, "ex.txt": EXCLUDE}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    asset = {"uri": "s3://bucket/iab"}
    configure(
        tmp_path,
        ENRICHMENTS,
        "iab_spiders_and_robots_enrichment",
        "1-0-1",
        {
            "ipFile": {"database": "ip.txt", **asset},
            "excludeUseragentFile": {"database": "ex.txt", **asset},
            "includeUseragentFile": {"database": "in.txt", **asset},
            "excludeUseragents": ["evilbrowser"],
            "includeUseragents": ["goodapp"],
        },
    )
    return bench_of(tmp_path, resolver)


@pytest.mark.parametrize(
    ("agent", "address", "verdict"),
    [
        (PEOPLE, "192.0.2.1", "BROWSER PASSED_ALL NONE"),
        (PEOPLE, "198.51.100.5", "SPIDER_OR_ROBOT FAILED_IP_EXCLUDE UNKNOWN"),
        (PEOPLE, "198.51.100.200", "BROWSER PASSED_ALL NONE"),
        (PEOPLE, "2001:db8:5:1::1", "SPIDER_OR_ROBOT FAILED_IP_EXCLUDE UNKNOWN"),
        ("curl/8", "192.0.2.1", "SPIDER_OR_ROBOT FAILED_UA_INCLUDE UNKNOWN"),
        ("x Mozilla", "192.0.2.1", "SPIDER_OR_ROBOT FAILED_UA_INCLUDE UNKNOWN"),
        ("x OPERA", "192.0.2.1", "BROWSER PASSED_ALL NONE"),
        ("old", "192.0.2.1", "SPIDER_OR_ROBOT FAILED_UA_INCLUDE UNKNOWN"),
        ("older", "192.0.2.1", "BROWSER PASSED_ALL NONE"),
        ("goodapp/1", "192.0.2.1", "BROWSER PASSED_ALL NONE"),
        (
            "Mozilla GoogleBot",
            "192.0.2.1",
            "ACTIVE_SPIDER_OR_ROBOT FAILED_UA_EXCLUDE PAGE_IMPRESSIONS",
        ),
        ("Mozilla GoogleBot NiceBot", "192.0.2.1", "BROWSER PASSED_ALL NONE"),
        ("Mozilla libwww", "192.0.2.1", "BROWSER PASSED_ALL NONE"),
        (
            "Mozilla retired",
            "192.0.2.1",
            "INACTIVE_SPIDER_OR_ROBOT FAILED_UA_EXCLUDE AD_IMPRESSIONS",
        ),
        ("Mozilla gone", "192.0.2.1", "BROWSER PASSED_ALL NONE"),
        (
            "Mozilla EvilBrowser",
            "192.0.2.1",
            "ACTIVE_SPIDER_OR_ROBOT FAILED_UA_EXCLUDE UNKNOWN",
        ),
        # BE40: without one of the two, or with an address that is none
        (None, "192.0.2.1", "BROWSER PASSED_ALL NONE"),
        (PEOPLE, "unknown", "BROWSER PASSED_ALL NONE"),
        (PEOPLE, "host.example", "BROWSER PASSED_ALL NONE"),
        (None, "unknown", None),
    ],
)
def test_BE40_robots_by_list(
    agent: str | None, address: str, verdict: str | None, iab: Bench
) -> None:
    event = iab.event(post(MINIMAL, user_agent=agent, ip_address=address))

    found = [
        f"{entity.data['category']} {entity.data['reason']} {entity.data['primaryImpact']}"
        for entity in event.derived_contexts
    ]
    assert found == ([] if verdict is None else [verdict])


def test_a_list_with_a_line_that_is_no_address_stops_the_start(
    iab: Bench, tmp_path: Path, resolver: Resolver
) -> None:
    (tmp_path / "ip.txt").write_text("somewhere\n")

    with pytest.raises(ConfigurationError, match="the list of addresses"):
        bench_of(tmp_path, resolver)


CLIENT_SIDE = {
    "schema": "iglu:com.snowplowanalytics.snowplow/client_side_bot_detection/jsonschema/1-0-0",
    "data": {"bot": True, "kind": "selenium"},
}
ALL = {"useIab": True, "useAsnLookups": True, "useClientSideDetection": True, "useYauaa": False}


@pytest.mark.parametrize(
    ("agent", "address", "entities", "used", "indicators"),
    [
        (PEOPLE, "192.0.2.1", [], ALL, []),
        ("curl", "192.0.2.1", [], ALL, ["iab"]),
        (PEOPLE, "175.16.199.1", [], ALL, ["asnLookups"]),
        (PEOPLE, "192.0.2.1", [CLIENT_SIDE], ALL, ["clientSideDetection"]),
        ("curl", "175.16.199.1", [CLIENT_SIDE], ALL, ["iab", "asnLookups", "clientSideDetection"]),
        ("curl", "175.16.199.1", [CLIENT_SIDE], dict.fromkeys(ALL, False), []),
    ],
)
def test_BE42_each_indicator_counts_if_it_is_enabled(  # noqa: PLR0913, PLR0917 - fixtures too
    agent: str,
    address: str,
    entities: list[object],
    used: dict[str, bool],
    indicators: list[str],
    iab: Bench,
    tmp_path: Path,
    databases: Path,
    resolver: Resolver,
) -> None:
    look_up(tmp_path, databases, "asn")
    networks(tmp_path)
    configure(tmp_path, ENRICHMENTS, "bot_detection_enrichment_config", "1-0-1", used)
    sent = {**MINIMAL, **({"co": contexts(*entities)} if entities else {})}

    event = bench_of(tmp_path, resolver).event(post(sent, user_agent=agent, ip_address=address))

    name, data = as_pairs(event.derived_contexts)[-1]
    assert name == "bot_detection"
    assert data == {"bot": bool(indicators), "indicators": indicators}


def test_a_tracker_cannot_say_what_only_enrichments_find(
    tmp_path: Path, resolver: Resolver
) -> None:
    forged = {
        "schema": "iglu:com.snowplowanalytics.snowplow/asn/jsonschema/1-0-1",
        "data": {"number": 1, "likelyBot": True},
    }
    configure(tmp_path, ENRICHMENTS, "bot_detection_enrichment_config", "1-0-1", ALL)

    event = bench_of(tmp_path, resolver).event(post({**MINIMAL, "co": contexts(forged)}))

    assert as_pairs(event.derived_contexts) == [("bot_detection", {"bot": False, "indicators": []})]
