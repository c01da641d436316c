"""What makes two deliveries the same event: content that a tracker sends again unchanged.

A tracker that stamps its events (`dvce_created_tstamp`) gives an id to one moment, and that is
enough: what else is in the event may change until it is sent again, as when anonymity was switched
on meanwhile. Where there is no stamp (pixels, links, webhooks) an id alone proves little, so what
the event says is hashed, without what the network, the clock or the person add to it. The hash is
kept in `event_fingerprint`, so that rows of the lake have the key that they were loaded under.
Where enrich has filled that column, it counts as it is, stamp or not.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pyarrow as pa

from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.lake.atomic import microseconds_to_text
from whiteout.lake.casting import clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.enrich.event import EnrichedEvent

KEY_COLUMNS = (
    "event_id",
    "dvce_created_tstamp",
    "event_name",
    "app_id",
    "name_tracker",
    "event_fingerprint",
)
"""The columns whose TSV texts are the key."""

_CREATED, _FINGERPRINT = (
    COLUMN_INDEX[name] for name in ("dvce_created_tstamp", "event_fingerprint")
)
_CREATED_OF_KEY = KEY_COLUMNS.index("dvce_created_tstamp")
_KEY_POSITIONS = tuple(COLUMN_INDEX[name] for name in KEY_COLUMNS)
_CONTENT_POSITIONS = tuple(
    COLUMN_INDEX[name]
    for name in (
        "platform event event_vendor event_format event_version txn_id v_tracker true_tstamp"
        " page_url page_title page_referrer"
        " se_category se_action se_label se_property se_value"
        " tr_orderid tr_affiliation tr_total tr_tax tr_shipping tr_city tr_state tr_country"
        " tr_currency ti_orderid ti_sku ti_name ti_category ti_price ti_quantity ti_currency"
        " pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max"
    ).split()
)


def key_of(event: EnrichedEvent) -> bytes:
    """The key of an event, 16 bytes; fills `event_fingerprint` where that is part of it."""
    fields = event.fields
    if fields[_CREATED] is None and fields[_FINGERPRINT] is None:
        fields[_FINGERPRINT] = _content(event)
    return event_key([fields[at] for at in _KEY_POSITIONS])


def _content(event: EnrichedEvent) -> str:
    own = event.unstruct_event
    said = (
        [event.fields[at] for at in _CONTENT_POSITIONS],
        None if own is None else (own.schema, own.data),
        [(entity.schema, entity.data) for entity in event.contexts],
    )
    data = json.dumps(said, sort_keys=True)  # in ASCII: text may hold half a character
    return hashlib.blake2b(data.encode(), digest_size=16).hexdigest()


def event_key(texts: Sequence[str | None]) -> bytes:
    """16 bytes that stand for the TSV texts of `KEY_COLUMNS`.

    The first five are the minute of `dvce_created_tstamp`, the others a hash: what comes together
    stands together in an index, which has 4,000 keys more in 18 ms however large it is. Where they
    fell anywhere it took 100 ms once there were a million.
    """
    digest = hashlib.blake2b(digest_size=11)
    for text in texts:
        # The length keeps ("ab", "c") and ("a", "bc") apart, -1 a null from an empty text.
        data = b"" if text is None else clean_text(text).encode()
        digest.update(f"{-1 if text is None else len(data)}:".encode())
        digest.update(data)
    return _minute(texts[_CREATED_OF_KEY]) + digest.digest()


def _minute(created: str | None) -> bytes:
    """Five bytes that rise with the minute of a timestamp's text; zeros where there is none."""
    text = created or ""
    digits = f"{text[:4]}{text[5:7]}{text[8:10]}{text[11:13]}{text[14:16]}"
    is_number = digits.isascii() and digits.isdigit()
    return (int(digits) if is_number else 0).to_bytes(5, "big")


def keys_of(batch: pa.RecordBatch) -> list[bytes]:
    """The keys of rows in the lake, as they were when the rows were loaded."""
    created = batch["dvce_created_tstamp"].cast(pa.int64()).to_pylist()
    texts = {name: batch[name].to_pylist() for name in KEY_COLUMNS if name != "dvce_created_tstamp"}
    texts["dvce_created_tstamp"] = [
        None if value is None else microseconds_to_text(value) for value in created
    ]
    return [event_key(row) for row in zip(*(texts[name] for name in KEY_COLUMNS), strict=True)]
