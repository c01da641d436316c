"""What `SP-Anonymous` means for a request that is already in the log.

The collector has stripped it at the door. Enrich does it again, before anything can fail: records
also come from other collectors, and a failed event must hold no more than a good one.

Sources: reference section 6, W1 (headers), W3 (parameters), W6 (bad rows), W14 (link decoration).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from whiteout.enrich.envelopes import usual_payload
from whiteout.errors import ProtocolError
from whiteout.identifiers import NULL_UUID
from whiteout.iglu import bounded_json
from whiteout.protocol.anonymous import (
    DROPPED_PARAMETERS,
    TIME_STEP_MS,
    UNTOUCHED,
    WITHHELD,
    clean_value,
    fold,
)
from whiteout.protocol.collector_payload import CollectorPayload
from whiteout.protocol.parameters import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN_ADDRESS = "unknown"
_HEADER, _USUAL_HEADER = "sp-anonymous", "SP-Anonymous: *"
_MEDIA_TYPE = re.compile(
    r"[a-z]{1,30}/[a-z.+-]{1,60}(?:; ?charset=[a-z0-9-]{1,20})?", re.IGNORECASE
)

Pairs = list[tuple[str, str | None]]


def is_anonymous(headers: Sequence[str]) -> bool:
    """Tell whether the header `SP-Anonymous` is there; its value does not matter (W5)."""
    if _USUAL_HEADER in headers:
        return True
    if _HEADER not in "\n".join(headers).lower():
        return False
    return any(header.partition(":")[0].strip().lower() == _HEADER for header in headers)


def clean_parameters(pairs: Pairs, dropped: frozenset[str] = DROPPED_PARAMETERS) -> Pairs:
    """The parameters of a query string without those in `dropped`, and with clean links."""
    clean: Pairs = []
    for name, value in pairs:
        if name in UNTOUCHED:  # nearly all: their names are folded already
            clean.append((name, value))
            continue
        folded = fold(name.encode("utf-8", "replace"))
        if folded not in dropped:
            clean.append((name, None if value is None else clean_value(folded, value)))
    return clean


def clean_payload(
    payload: CollectorPayload,
    parameters: Pairs,
    dropped: frozenset[str] = DROPPED_PARAMETERS,
) -> tuple[CollectorPayload, object | None]:
    """The request without address, cookie, referrer, identifying parameters and needless headers.

    Args:
        payload: the request as logged.
        parameters: those of its query string, clean already.
        dropped: the parameters that identify.

    Returns:
        The clean request, whose body is withheld, and that body as clean data; None where there
        is none, or it is not JSON.
    """
    content_type = payload.content_type
    if content_type is not None and _MEDIA_TYPE.fullmatch(content_type) is None:
        content_type = None
    # Field by field: what a payload may carry one day does not get through by itself.
    clean = CollectorPayload(
        ip_address=UNKNOWN_ADDRESS,
        timestamp=payload.timestamp - payload.timestamp % TIME_STEP_MS,
        encoding=payload.encoding,
        collector=payload.collector,
        user_agent=payload.user_agent,
        referer_uri=None,
        path=payload.path,
        querystring=query_text(parameters),
        body=None if payload.body is None else WITHHELD,
        headers=("SP-Anonymous: *", content_type) if content_type else ("SP-Anonymous: *",),
        content_type=content_type,
        hostname=payload.hostname,
        network_user_id=NULL_UUID,
    )
    return clean, None if payload.body is None else _clean_body(payload.body, dropped)


def query_text(parameters: Pairs) -> str:
    """The query string that has these parameters."""
    return "&".join(
        quote_plus(name) if value is None else f"{quote_plus(name)}={quote_plus(value)}"
        for name, value in parameters
    )


def _clean_body(body: str, dropped: frozenset[str]) -> object | None:
    usual = usual_payload(body)
    if usual is not None:
        schema, events = usual
        for event in events:
            _clean_event(event, dropped)
        return {"schema": schema, "data": events}
    try:
        return _clean_json(bounded_json.decode(body), dropped)
    except ProtocolError:
        return None


def _clean_event(event: dict[str, str], dropped: frozenset[str]) -> None:
    """What `_clean_json` does, in place: in most events two names are not untouched."""
    for name in [name for name in event if name not in UNTOUCHED]:
        # Those of the protocol are folded already.
        folded = name if name in PARAMETERS else fold(name.encode("utf-8", "replace"))
        if folded in dropped:
            del event[name]
        else:
            event[name] = clean_value(folded, event[name])


def _clean_json(value: object, dropped: frozenset[str]) -> object:
    """Any JSON without identifying keys, at whatever depth: a body may have any shape."""
    if type(value) is dict:
        clean = {}
        for name, inner in value.items():
            folded = fold(name.encode("utf-8", "replace"))
            if folded not in dropped:
                is_text = type(inner) is str and name not in UNTOUCHED
                clean[name] = clean_value(folded, inner) if is_text else _clean_json(inner, dropped)
        return clean
    if type(value) is list:
        return [
            clean_value("", item) if type(item) is str else _clean_json(item, dropped)
            for item in value
        ]
    return value
