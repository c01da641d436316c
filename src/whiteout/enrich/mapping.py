"""From the parameters of one event to its columns.

Source: reference section 2.4. Parameters without a column (`ctype`, `mac`, `ad_*`, …) and unknown
ones are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteout.enrich import conversions, timestamps
from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.conversions import ConversionError, text
from whiteout.enrich.failure import ColumnFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.load import Request

PARSE_ERROR = "atomic_field_parse_error"

_CONVERSIONS: Mapping[Callable[[str], str | None], str] = {
    conversions.event_type: "e>event",
    conversions.platform: "p>platform",
    conversions.uuid: "eid>event_id sid>domain_sessionid",
    conversions.ip_address: "ip>user_ipaddress",
    conversions.text: (
        "aid>app_id uid>user_id duid>domain_userid fp>user_fingerprint ua>useragent"
        " tna>name_tracker tv>v_tracker cv>v_collector lang>br_lang tz>os_timezone cs>doc_charset"
        " cd>br_colordepth nuid>network_userid url>page_url refr>page_referrer page>page_title"
        " se_ca>se_category se_ac>se_action se_la>se_label se_pr>se_property"
        " ev_ca>se_category ev_ac>se_action ev_la>se_label ev_pr>se_property"
        " tr_id>tr_orderid tr_af>tr_affiliation tr_ci>tr_city tr_st>tr_state tr_co>tr_country"
        " tr_cu>tr_currency ti_id>ti_orderid ti_sk>ti_sku ti_na>ti_name ti_nm>ti_name"
        " ti_ca>ti_category ti_cu>ti_currency"
    ),
    conversions.integer: (
        "tid>txn_id vid>domain_sessionidx pp_mix>pp_xoffset_min pp_max>pp_xoffset_max"
        " pp_miy>pp_yoffset_min pp_may>pp_yoffset_max ti_qu>ti_quantity"
    ),
    conversions.decimal: (
        "se_va>se_value ev_va>se_value tr_tt>tr_total tr_tx>tr_tax tr_sh>tr_shipping ti_pr>ti_price"
    ),
    conversions.boolean: (
        "f_pdf>br_features_pdf f_fla>br_features_flash f_java>br_features_java"
        " f_dir>br_features_director f_qt>br_features_quicktime f_realp>br_features_realplayer"
        " f_wma>br_features_windowsmedia f_gears>br_features_gears f_ag>br_features_silverlight"
        " cookie>br_cookies"
    ),
}
_RULES: Mapping[str, tuple[int, Callable[[str], str | None]]] = {
    parameter: (COLUMN_INDEX[column], convert)
    for convert, pairs in _CONVERSIONS.items()
    for parameter, column in (pair.split(">") for pair in pairs.split())
}
_DIMENSIONS: Mapping[str, tuple[int, int]] = {
    parameter: (COLUMN_INDEX[f"{prefix}width"], COLUMN_INDEX[f"{prefix}height"])
    for parameter, prefix in (("res", "dvce_screen"), ("vp", "br_view"), ("ds", "doc_"))
}
_TIMESTAMPS: Mapping[str, int] = {
    "dtm": COLUMN_INDEX["dvce_created_tstamp"],
    "stm": COLUMN_INDEX["dvce_sent_tstamp"],
    "ttm": COLUMN_INDEX["true_tstamp"],
}
_COMPOSITES = frozenset(_DIMENSIONS) | frozenset(_TIMESTAMPS)
COLUMN_OF_PARAMETER: Mapping[str, int] = {
    **{parameter: column for parameter, (column, _) in _RULES.items()},
    **{parameter: columns[0] for parameter, columns in _DIMENSIONS.items()},
    **_TIMESTAMPS,
    "tnuid": COLUMN_INDEX["network_userid"],
}
"""The column that each parameter fills, or the first of two."""


def is_convertible(name: str, value: str) -> bool:
    """Whether the text of a parameter is what its column holds; True where it has no column."""
    converts: dict[str, Callable[[str], object]] = {
        **{parameter: convert for parameter, (_, convert) in _RULES.items()},
        **dict.fromkeys(_DIMENSIONS, conversions.dimensions),
        **dict.fromkeys(_TIMESTAMPS, conversions.epoch_ms),
    }
    try:
        converts.get(name, str)(value)
    except ConversionError:
        return False
    return True


MAPPED_PARAMETERS = frozenset(_RULES) | _COMPOSITES | {"tnuid"}
"""Every parameter that fills a column here; the JSON ones do so in `schemas`."""

_ETL_TSTAMP = COLUMN_INDEX["etl_tstamp"]
_COLLECTOR_TSTAMP = COLUMN_INDEX["collector_tstamp"]
_EVENT_ID = COLUMN_INDEX["event_id"]
_V_COLLECTOR = COLUMN_INDEX["v_collector"]
_V_ETL = COLUMN_INDEX["v_etl"]
_USER_IPADDRESS = COLUMN_INDEX["user_ipaddress"]
_NETWORK_USERID = COLUMN_INDEX["network_userid"]
_USERAGENT = COLUMN_INDEX["useragent"]
_EMPTY: list[str | None] = [None] * len(ATOMIC_COLUMNS)


@dataclass(slots=True, repr=False)
class Mapped:
    """One event, as far as its own parameters and its request tell it.

    Attributes:
        fields: the columns, in order.
        faults: columns whose text could not be converted; they are null.
        times: `dtm`, `stm` and `ttm` where they are good, Unix epoch milliseconds.
    """

    fields: list[str | None]
    faults: list[ColumnFault]
    times: dict[str, int]


def map_parameters(
    request: Request,
    parameters: Parameters,
    *,
    now_ms: int,
    v_etl: str,
    new_uuid: Callable[[], UUID],
) -> Mapped:
    """Fill the columns from the request, then from the event's parameters, which count more."""
    fields = _EMPTY.copy()
    mapped = Mapped(fields, [], {})
    _map_request(request, mapped)
    fields[_ETL_TSTAMP] = timestamps.to_text(now_ms)
    fields[_V_ETL] = v_etl
    find_rule = _RULES.get
    for name, value in parameters.items():
        if value is None:
            continue
        rule = find_rule(name)
        if rule is not None:
            column, convert = rule
            if convert is text and value.isprintable():  # without a call: half of all columns
                fields[column] = value or None
                continue
            try:
                fields[column] = convert(value)
            except ConversionError as error:
                mapped.faults.append(_fault(column, error, value))
        elif name in _COMPOSITES:
            _map_composite(mapped, name, value)
    network_user_id = parameters.get("tnuid")
    if network_user_id is not None:  # beats `nuid`, wherever it stands
        fields[_NETWORK_USERID] = conversions.text(network_user_id)
    if fields[_EVENT_ID] is None:
        fields[_EVENT_ID] = str(new_uuid())
    return mapped


def _map_request(request: Request, mapped: Mapped) -> None:
    fields, payload = mapped.fields, request.payload
    if timestamps.is_writable(payload.timestamp):
        fields[_COLLECTOR_TSTAMP] = timestamps.to_text(payload.timestamp)
    else:
        error = ConversionError("not a timestamp between the years 1 and 9999")
        mapped.faults.append(_fault(_COLLECTOR_TSTAMP, error, str(payload.timestamp)))
    fields[_V_COLLECTOR] = conversions.text(payload.collector)
    fields[_USER_IPADDRESS] = conversions.ip_address(payload.ip_address)
    fields[_NETWORK_USERID] = payload.network_user_id
    if payload.user_agent is not None:
        fields[_USERAGENT] = conversions.text(payload.user_agent)


def _map_composite(mapped: Mapped, name: str, value: str) -> None:
    """Parameters that fill two columns, or are needed as numbers later."""
    fields = mapped.fields
    try:
        if name in _TIMESTAMPS:
            mapped.times[name] = epoch_ms = conversions.epoch_ms(value)
            fields[_TIMESTAMPS[name]] = timestamps.to_text(epoch_ms)
        else:
            width, height = _DIMENSIONS[name]
            fields[width], fields[height] = conversions.dimensions(value)
    except ConversionError as error:
        column = _TIMESTAMPS[name] if name in _TIMESTAMPS else _DIMENSIONS[name][0]
        mapped.faults.append(_fault(column, error, value))


def _fault(column: int, error: ConversionError, value: str) -> ColumnFault:
    return ColumnFault(ATOMIC_COLUMNS[column].name, str(error), PARSE_ERROR, value)
