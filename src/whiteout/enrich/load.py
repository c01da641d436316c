"""From a record of the log to a request: Thrift, the checks of the payload, anonymity.

Source: reference section 2.2. Unlike Snowplow's enrich this one never reads an address from headers
(weakness W2): the collector has decided which one counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import msgspec
from msgspec.structs import replace

from whiteout.enrich import conversions
from whiteout.enrich.anonymity import (
    Pairs,
    clean_parameters,
    clean_payload,
    is_anonymous,
)
from whiteout.enrich.failure import Message, format_error, format_expectation
from whiteout.errors import ProtocolError
from whiteout.protocol import collector_payload
from whiteout.protocol.anonymous import DROPPED_PARAMETERS

if TYPE_CHECKING:
    from whiteout.protocol.collector_payload import CollectorPayload

_PATH = re.compile(r"/?([^/]+)/([^/]+)/?")
_LEGACY_PATH = re.compile(r"/(?:i|ice\.png)(?:[/?].*)?", re.DOTALL)
_USUAL_PATH = "/com.snowplowanalytics.snowplow/tp2"
LEGACY_VENDOR, LEGACY_VERSION = "com.snowplowanalytics.snowplow", "tp1"

# Python knows encodings that unpack archives or run for ever; text needs no more than these.
_ENCODINGS = {
    "UTF-8": "utf-8",  # nearly always
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
}


class Request(msgspec.Struct, frozen=True):  # a frozen dataclass takes eight times as long to make
    """One request that reached the collector.

    Attributes:
        payload: without anything identifying where it is anonymous; then its body is withheld.
        vendor: first part of the path: who defined the protocol.
        version: second part of the path.
        parameters: of the query string, in order; None where a name has no value.
        anonymous: it carried `SP-Anonymous`.
        document: the clean body of an anonymous request, as data; None where it is not JSON.
    """

    payload: CollectorPayload
    vendor: str
    version: str
    parameters: Pairs
    anonymous: bool
    document: object | None = None

    __repr__ = object.__repr__

    @property
    def body(self) -> str | None:
        """The text of the body; of an anonymous request what may be told of it."""
        if self.document is None:
            return self.payload.body
        return msgspec.json.encode(self.document).decode()

    def record(self) -> bytes:
        """The request as a record again, as clean as it is here."""
        return collector_payload.encode(replace(self.payload, body=self.body))


@dataclass(frozen=True, slots=True, repr=False)
class Unreadable:
    """A record that is no request.

    Attributes:
        message: why, as the bad row has it.
        record: its bytes, clean where it is anonymous; None where nobody can say whether it is.
    """

    message: Message
    record: bytes | None


def load(record: bytes, dropped: frozenset[str] = DROPPED_PARAMETERS) -> Request | Unreadable:
    """Read one record of the log; never raises.

    Args:
        record: a serialised payload.
        dropped: parameters that an anonymous request loses.
    """
    payload = read(record)
    return payload if isinstance(payload, Unreadable) else request_of(payload, record, dropped)


def read(record: bytes) -> CollectorPayload | Unreadable:
    """The first half of `load`."""
    try:
        return collector_payload.decode(record)
    except ProtocolError as error:
        # Without its headers nothing shows that it is not anonymous.
        return Unreadable(format_error(f"error deserializing raw event: {error}"), None)


def request_of(
    payload: CollectorPayload, record: bytes, dropped: frozenset[str]
) -> Request | Unreadable:
    """The second half of `load`."""
    anonymous = is_anonymous(payload.headers)
    query = payload.querystring or ""
    # In an encoding we cannot read, identifying names would not be recognised either.
    encoding = _ENCODINGS.get(payload.encoding) or _ENCODINGS.get(payload.encoding.lower())
    parameters = _parameters(query, encoding) if query and encoding else []
    document = None
    if anonymous:
        parameters = clean_parameters(parameters, dropped)
        payload, document = clean_payload(payload, parameters, dropped)
    names = _vendor_and_version(payload.path or "")
    vendor, version = names or ("", "")
    request = Request(payload, vendor, version, parameters, anonymous, document)
    problem = _problem(
        payload,
        path_is_readable=names is not None,
        query_is_readable=not query or encoding is not None,
    )
    if problem is not None:
        return Unreadable(problem, request.record() if anonymous else record)
    return request


def _problem(
    payload: CollectorPayload, *, path_is_readable: bool, query_is_readable: bool
) -> Message | None:
    if payload.path is None:
        return format_expectation("path", None, "request does not contain a path")
    if not path_is_readable:
        return format_expectation(
            "path",
            payload.path,
            "path does not match (/)vendor/version(/) nor is a legacy /i(ce.png) request",
        )
    if payload.network_user_id is not None:
        try:
            conversions.uuid(payload.network_user_id)
        except conversions.ConversionError as error:
            return format_expectation("networkUserId", payload.network_user_id, str(error))
    if not query_is_readable:
        return format_expectation(
            "querystring",
            payload.querystring,
            f"could not extract name-value pairs with encoding {payload.encoding[:50]}",
        )
    return None


def _vendor_and_version(path: str) -> tuple[str, str] | None:
    if path == _USUAL_PATH:
        return LEGACY_VENDOR, "tp2"
    match = _PATH.fullmatch(path)
    if match is not None:
        return match[1], match[2]
    if _LEGACY_PATH.fullmatch(path) is not None:
        return LEGACY_VENDOR, LEGACY_VERSION
    return None


def _parameters(query: str, encoding: str) -> Pairs:
    """Names and values of a query string; escapes that are none stay as they are."""
    pairs: Pairs = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if part:
            decoded = unquote_plus(value, encoding=encoding) if equals else None
            pairs.append((unquote_plus(name, encoding=encoding), decoded))
    return pairs
