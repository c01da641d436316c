"""A folder in which every enrichment is switched on, each with a list that knows what is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet
from tests.enrich.enrichments.support import ENRICHMENTS, SNOWPLOW, configure

if TYPE_CHECKING:
    from pathlib import Path

NETWORKS = ["203.0.113.0/24", "2001:db8::/32"]
"""Where visitors of tests come from; all of it is known to the databases."""

PRIVACY = ("anon_ip", "pii_enrichment_config", "url_scrubbing_config", "value_erasure_config")
"""The enrichments that take away."""

_DATABASES: dict[str, dict[str, Any]] = {
    "geo": {
        "country": {"iso_code": "DE"},
        "subdivisions": [{"iso_code": "BE", "names": {"en": "Berlin"}}],
        "city": {"names": {"en": "Berlin"}},
        "postal": {"code": "10115"},
        "location": {"latitude": 52.5, "longitude": 13.25, "time_zone": "Europe/Berlin"},
    },
    "isp": {"isp": "Example ISP", "organization": "Example Org"},
    "domain": {"domain": "isp.example"},
    "connectionType": {"connection_type": "Cable/DSL"},
    "asn": {"autonomous_system_number": 64_496, "autonomous_system_organization": "Example Net"},
}
_ECHO = """
def enrich(event, headers, config):
    said = " ".join(headers) + str(event.get("user_ipaddress"))
    event["etl_tags"] = said[:500]
"""


def configure_all(folder: Path, *, privacy: bool) -> None:
    """Write the configurations.

    Args:
        folder: where to.
        privacy: those that take away, too.
    """
    _lists(folder)
    asset = {"uri": "https://assets.example/"}
    files = {name: {"database": f"{name}.mmdb", **asset} for name in _DATABASES}
    configure(folder, SNOWPLOW, "ip_lookups", "2-0-1", files)
    lists = ("ipFile", "includeUseragentFile", "excludeUseragentFile")
    configure(
        folder,
        ENRICHMENTS,
        "iab_spiders_and_robots_enrichment",
        "1-0-1",
        {name: {"database": f"{name}.txt", **asset} for name in lists},
    )
    names = {f"mkt{name}": [f"utm_{name.lower()}"] for name in "Medium Source Term Content".split()}
    fields = {**names, "mktCampaign": ["utm_campaign"], "mktClickId": {}}
    sites = {"internalDomains": [], "database": "referers.json", **asset}
    configure(folder, SNOWPLOW, "ua_parser_config", "1-0-1", {})
    configure(folder, SNOWPLOW, "user_agent_utils_config", "1-0-0", {})
    configure(folder, SNOWPLOW, "referer_parser", "2-0-1", sites)
    configure(folder, SNOWPLOW, "campaign_attribution", "1-0-1", {"fields": fields})
    configure(folder, ENRICHMENTS, "cross_navigation_config", "1-0-0", {})
    configure(
        folder,
        SNOWPLOW,
        "event_fingerprint_config",
        "1-0-1",
        {"hashAlgorithm": "SHA256", "excludeParameters": []},
    )
    configure(folder, SNOWPLOW, "cookie_extractor_config", "1-0-0", {"cookies": ["sp", "id"]})
    configure(
        folder, ENRICHMENTS, "http_header_extractor_config", "1-0-0", {"headersPattern": ".*"}
    )
    configure(folder, ENRICHMENTS, "asn_lookups", "1-0-0", {"botAsns": [{"asn": 64_496}]})
    configure(
        folder,
        ENRICHMENTS,
        "bot_detection_enrichment_config",
        "1-0-1",
        {"useIab": True, "useAsnLookups": True, "useClientSideDetection": True},
    )
    (folder / "enrich.py").write_text(_ECHO)
    script = {"script": "enrich.py", "timeLimitMs": 5_000}
    configure(folder, "whiteout", "python_script_config", "1-0-0", script)
    if privacy:
        configure_privacy(folder)


def configure_privacy(folder: Path) -> None:
    """Write the configurations of those that take away, and no others."""
    configure(folder, SNOWPLOW, "anon_ip", "1-0-1", {"anonOctets": 1, "anonSegments": 4})
    columns = ("user_id", "domain_userid", "network_userid", "user_ipaddress", "domain_sessionid")
    (folder / "pii.key").write_bytes(bytes(range(32)))
    configure(
        folder,
        ENRICHMENTS,
        "pii_enrichment_config",
        "2-0-1",
        {
            "pii": [{"pojo": {"field": name}} for name in columns],
            "strategy": {"hmac": {"hashFunction": "SHA-256", "keyFile": "pii.key"}},
        },
        emitEvent=False,
    )
    configure(folder, "whiteout", "url_scrubbing_config", "1-0-0", {"keep": ["utm_source", "q"]})
    configure(folder, "whiteout", "value_erasure_config", "1-0-0", {"columns": ["geo_zipcode"]})


def _lists(folder: Path) -> None:
    for name, record in _DATABASES.items():
        writer = MMDBWriter(
            ip_version=6, ipv4_compatible=True, database_type="Test", float_type="f64"
        )
        writer.insert_network(IPSet(NETWORKS), record)
        writer.to_db_file(str(folder / f"{name}.mmdb"))
    (folder / "ipFile.txt").write_text("\n".join(NETWORKS))
    (folder / "includeUseragentFile.txt").write_text("mozilla|1|0|\n")
    (folder / "excludeUseragentFile.txt").write_text("bot|1||1|1|0|\n")
    sites = {"search": {"Finder": {"domains": ["find.example"], "parameters": ["q"]}}}
    (folder / "referers.json").write_text(json.dumps(sites))
