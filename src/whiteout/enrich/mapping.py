"""From the parameters of one event to its columns.

Source: reference section 2.4. Parameters without a column (`ctype`, `mac`, `ad_*`, …) and unknown
ones are passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich import conversions, timestamps
from whiteout.enrich.atomic import ATOMIC_COLUMNS, COLUMN_INDEX
from whiteout.enrich.conversions import ConversionError, dimensions, epoch_ms, text
from whiteout.enrich.failure import ColumnFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.load import Request

PARSE_ERROR = "atomic_field_parse_error"

# The columns of width and height stand side by side; here is the first of them.
_CONVERSIONS: Mapping[Callable[[str], Any], str] = {
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
    conversions.epoch_ms: ("dtm>dvce_created_tstamp stm>dvce_sent_tstamp ttm>true_tstamp"),
    conversions.dimensions: "res>dvce_screenwidth vp>br_viewwidth ds>doc_width",
}
_RULES: Mapping[str, tuple[int, Callable[[str], Any]]] = {
    parameter: (COLUMN_INDEX[column], convert)
    for convert, pairs in _CONVERSIONS.items()
    for parameter, column in (pair.split(">") for pair in pairs.split())
}
COLUMN_OF_PARAMETER: Mapping[str, int] = {
    **{parameter: column for parameter, (column, _) in _RULES.items()},
    "tnuid": COLUMN_INDEX["network_userid"],
}
"""The column that each parameter fills, or the first of two."""


def is_convertible(name: str, value: str) -> bool:
    """Whether the text of a parameter is what its column holds; True where it has no column."""
    _, convert = _RULES.get(name, (0, str))
    try:
        convert(value)
    except ConversionError:
        return False
    return True


MAPPED_PARAMETERS = frozenset(COLUMN_OF_PARAMETER)
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


class Mapped(msgspec.Struct):  # a dataclass takes three times as long to make
    """One event, as far as its own parameters and its request tell it.

    Attributes:
        fields: the columns, in order.
        faults: columns whose text could not be converted; they are null.
        times: `dtm`, `stm` and `ttm` where they are good, Unix epoch milliseconds.
    """

    fields: list[str | None]
    faults: list[ColumnFault]
    times: dict[str, int]

    __repr__ = object.__repr__


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
        if rule is None:
            continue
        column, convert = rule
        try:
            if convert is text:
                # Without a call: half of all columns.
                fields[column] = (value if value.isprintable() else text(value)) or None
            elif convert is epoch_ms:
                mapped.times[name] = time_ms = epoch_ms(value)
                fields[column] = timestamps.to_text(time_ms)
            elif convert is dimensions:
                fields[column], fields[column + 1] = dimensions(value)
            else:
                fields[column] = convert(value)
        except ConversionError as error:
            mapped.faults.append(_fault(column, error, value))
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


def _fault(column: int, error: ConversionError, value: str) -> ColumnFault:
    return ColumnFault(ATOMIC_COLUMNS[column].name, str(error), PARSE_ERROR, value)
