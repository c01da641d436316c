"""Enrichments: one module each, found by the names of their configurations, run in this order.

The order is Snowplow's, with two differences for the sake of privacy: URLs are scrubbed before
anything reads them, and addresses are looked up as IP anonymisation leaves them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.enrich.enrichments import (
    anonymise_ip,
    attribute_campaign,
    detect_bots,
    detect_spiders,
    erase_values,
    extract_cookies,
    extract_headers,
    fill_user_agent_columns,
    fingerprint_event,
    follow_cross_navigation,
    look_up_addresses,
    look_up_networks,
    parse_referrer,
    parse_user_agent,
    pseudonymise,
    run_python,
    scrub_urls,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.enrich.enrichments.interface import Kind

KINDS: tuple[Kind, ...] = (
    scrub_urls.KIND,
    detect_spiders.KIND,
    fill_user_agent_columns.KIND,
    parse_user_agent.KIND,
    parse_referrer.KIND,
    attribute_campaign.KIND,
    follow_cross_navigation.KIND,
    fingerprint_event.KIND,
    extract_cookies.KIND,
    extract_headers.KIND,
    look_up_addresses.KIND,
    look_up_networks.KIND,
    detect_bots.KIND,
    run_python.KIND,
    erase_values.KIND,
    anonymise_ip.KIND,
    pseudonymise.KIND,
)
"""All enrichments, in the order in which they run."""

PYTHON = "write it as a Python enrichment (python_script_config)"
_OUTSIDE = f"it asks an outside service, which Whiteout never does; {PYTHON}"
CURES: Mapping[str, str] = {
    "javascript_script_config": f"JavaScript is not run; {PYTHON}",
    "yauaa_enrichment_config": "there is no YAUAA in Python; use ua_parser_config or"
    " user_agent_utils_config",
    "currency_conversion_config": _OUTSIDE,
    "weather_enrichment_config": _OUTSIDE,
    "sql_query_enrichment_config": _OUTSIDE,
    "api_request_enrichment_config": _OUTSIDE,
    "event_spec_enrichment_config": f"its list comes from an outside service; {PYTHON}",
}
"""What to do instead, for enrichments of Snowplow's that are not here, by name."""
