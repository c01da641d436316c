"""The 131 columns of an enriched event, in the order of the enriched TSV.

Source: the canonical event model; lengths are the defaults of Snowplow's own enrich, where
`page_url`, `page_referrer` and `mkt_clickid` are longer than in Iglu Central's `atomic` schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ColumnType = Literal["string", "timestamp", "integer", "double", "decimal", "boolean", "json"]

ATOMIC_SCHEMA = "iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0"
"""What the failures of single columns name as their schema."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the enriched event.

    Attributes:
        name: Snowplow's name of it.
        type: how its text in the TSV is to be read: a timestamp is `yyyy-MM-dd HH:mm:ss.SSS` in
            UTC, a boolean `0` or `1`, json a self-describing envelope.
        max_length: the most characters it may have; None where the type bounds it.
        required: an event without it is not readable for Snowplow's own readers.
    """

    name: str
    type: ColumnType
    max_length: int | None = None
    required: bool = False


ATOMIC_COLUMNS: tuple[Column, ...] = (
    Column("app_id", "string", 255),
    Column("platform", "string", 255),
    Column("etl_tstamp", "timestamp"),
    Column("collector_tstamp", "timestamp", required=True),
    Column("dvce_created_tstamp", "timestamp"),
    Column("event", "string", 128),
    Column("event_id", "string", 36, required=True),
    Column("txn_id", "integer"),
    Column("name_tracker", "string", 128),
    Column("v_tracker", "string", 100),
    Column("v_collector", "string", 100, required=True),
    Column("v_etl", "string", 100, required=True),
    Column("user_id", "string", 255),
    Column("user_ipaddress", "string", 128),
    Column("user_fingerprint", "string", 128),
    Column("domain_userid", "string", 128),
    Column("domain_sessionidx", "integer"),
    Column("network_userid", "string", 128),
    Column("geo_country", "string", 2),
    Column("geo_region", "string", 3),
    Column("geo_city", "string", 75),
    Column("geo_zipcode", "string", 15),
    Column("geo_latitude", "double"),
    Column("geo_longitude", "double"),
    Column("geo_region_name", "string", 100),
    Column("ip_isp", "string", 100),
    Column("ip_organization", "string", 128),
    Column("ip_domain", "string", 128),
    Column("ip_netspeed", "string", 100),
    Column("page_url", "string", 10000),
    Column("page_title", "string", 2000),
    Column("page_referrer", "string", 10000),
    Column("page_urlscheme", "string", 16),
    Column("page_urlhost", "string", 255),
    Column("page_urlport", "integer"),
    Column("page_urlpath", "string", 3000),
    Column("page_urlquery", "string", 6000),
    Column("page_urlfragment", "string", 3000),
    Column("refr_urlscheme", "string", 16),
    Column("refr_urlhost", "string", 255),
    Column("refr_urlport", "integer"),
    Column("refr_urlpath", "string", 6000),
    Column("refr_urlquery", "string", 6000),
    Column("refr_urlfragment", "string", 3000),
    Column("refr_medium", "string", 25),
    Column("refr_source", "string", 50),
    Column("refr_term", "string", 255),
    Column("mkt_medium", "string", 255),
    Column("mkt_source", "string", 255),
    Column("mkt_term", "string", 255),
    Column("mkt_content", "string", 500),
    Column("mkt_campaign", "string", 255),
    Column("contexts", "json"),
    Column("se_category", "string", 1000),
    Column("se_action", "string", 1000),
    Column("se_label", "string", 4096),
    Column("se_property", "string", 1000),
    Column("se_value", "decimal"),
    Column("unstruct_event", "json"),
    Column("tr_orderid", "string", 255),
    Column("tr_affiliation", "string", 255),
    Column("tr_total", "decimal"),
    Column("tr_tax", "decimal"),
    Column("tr_shipping", "decimal"),
    Column("tr_city", "string", 255),
    Column("tr_state", "string", 255),
    Column("tr_country", "string", 255),
    Column("ti_orderid", "string", 255),
    Column("ti_sku", "string", 255),
    Column("ti_name", "string", 255),
    Column("ti_category", "string", 255),
    Column("ti_price", "decimal"),
    Column("ti_quantity", "integer"),
    Column("pp_xoffset_min", "integer"),
    Column("pp_xoffset_max", "integer"),
    Column("pp_yoffset_min", "integer"),
    Column("pp_yoffset_max", "integer"),
    Column("useragent", "string", 1000),
    Column("br_name", "string", 50),
    Column("br_family", "string", 50),
    Column("br_version", "string", 50),
    Column("br_type", "string", 50),
    Column("br_renderengine", "string", 50),
    Column("br_lang", "string", 255),
    Column("br_features_pdf", "boolean"),
    Column("br_features_flash", "boolean"),
    Column("br_features_java", "boolean"),
    Column("br_features_director", "boolean"),
    Column("br_features_quicktime", "boolean"),
    Column("br_features_realplayer", "boolean"),
    Column("br_features_windowsmedia", "boolean"),
    Column("br_features_gears", "boolean"),
    Column("br_features_silverlight", "boolean"),
    Column("br_cookies", "boolean"),
    Column("br_colordepth", "string", 12),
    Column("br_viewwidth", "integer"),
    Column("br_viewheight", "integer"),
    Column("os_name", "string", 50),
    Column("os_family", "string", 50),
    Column("os_manufacturer", "string", 50),
    Column("os_timezone", "string", 255),
    Column("dvce_type", "string", 50),
    Column("dvce_ismobile", "boolean"),
    Column("dvce_screenwidth", "integer"),
    Column("dvce_screenheight", "integer"),
    Column("doc_charset", "string", 128),
    Column("doc_width", "integer"),
    Column("doc_height", "integer"),
    Column("tr_currency", "string", 3),
    Column("tr_total_base", "decimal"),
    Column("tr_tax_base", "decimal"),
    Column("tr_shipping_base", "decimal"),
    Column("ti_currency", "string", 3),
    Column("ti_price_base", "decimal"),
    Column("base_currency", "string", 3),
    Column("geo_timezone", "string", 64),
    Column("mkt_clickid", "string", 1000),
    Column("mkt_network", "string", 64),
    Column("etl_tags", "string", 500),
    Column("dvce_sent_tstamp", "timestamp"),
    Column("refr_domain_userid", "string", 128),
    Column("refr_dvce_tstamp", "timestamp"),
    Column("derived_contexts", "json"),
    Column("domain_sessionid", "string", 128),
    Column("derived_tstamp", "timestamp"),
    Column("event_vendor", "string", 1000),
    Column("event_name", "string", 1000),
    Column("event_format", "string", 128),
    Column("event_version", "string", 128),
    Column("event_fingerprint", "string", 128),
    Column("true_tstamp", "timestamp"),
)
"""The columns, in TSV order."""

COLUMN_INDEX: Mapping[str, int] = {
    column.name: position for position, column in enumerate(ATOMIC_COLUMNS)
}
"""The position of each column by its name."""
