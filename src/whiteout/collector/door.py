"""The door: what a request marked `SP-Anonymous` may leave behind, which is little.

Promise 7 of the design: with the header present, whatever its value, no address, cookie, forwarding
or other header beyond a short allow-list reaches a record, a bad row or an answer, and identifiers
in the query string or body that would fill the blanks again are dropped, links' decoration too
(weaknesses W1, W3 and W14 of the official pipeline, reference section 6). Where no header can be
set, a parameter of the query asks for the same (W5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_plus

import orjson

from whiteout.protocol.anonymous import DROPPED_PARAMETERS, UNTOUCHED, clean_value, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from whiteout.collector.exchange import Header

_SEPARATOR = re.compile(rb"[&;]")  # enrich's parser splits at both
_MAX_DEPTH = 32  # of JSON; an event's own values are texts, so 4 is enough
# What trackers and webhooks send. Any other text in this header is free text.
_MEDIA_TYPES = frozenset(
    {
        b"application/json",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data",
        b"text/html",
        b"text/plain",
    }
)

_ANONYMOUS_MARK = (b"SP-Anonymous", b"*")  # a constant: the value is the client's, and free text


def anonymous_headers(values: Mapping[bytes, bytes], content_type: bytes | None) -> list[Header]:
    """Return the headers of an anonymous request that go into its record.

    The allow-list: the content type, because enrich chooses its parser by it; the user agent,
    coarse facts of the device. Not `Content-Length`, which tells how much was stripped; not
    `Host`, `Accept` or `Accept-Language`, which nothing downstream needs and which tell one
    visitor from another.

    Args:
        values: of all headers, by name in lower case.
        content_type: as `anonymous_content_type` returned it.
    """
    kept = [(b"User-Agent", values[b"user-agent"])] if b"user-agent" in values else []
    if content_type is not None:
        kept.append((b"Content-Type", content_type))
    kept.append(_ANONYMOUS_MARK)
    return kept


def anonymous_content_type(content_type: bytes | None) -> bytes | None:
    """Return a known media type, with no parameter but UTF-8's; None for any other text."""
    if content_type is None:
        return None
    media_type, _, parameters = content_type.partition(b"; ")
    if media_type not in _MEDIA_TYPES:
        return None
    return content_type if parameters == b"charset=utf-8" else media_type


def anonymity_asked_by(name: str | None) -> Callable[[bytes], bool]:
    """Make the test whether a raw query string asks for anonymity (W5).

    As with other keys, whatever a lenient reader would take for the parameter counts, with any
    value or none.

    Args:
        name: of the parameter; None: the test always fails.
    """
    if name is None:
        return lambda _: False
    wanted = fold(name.encode()).replace("_", "")
    # One look at the whole query, in C: is there this key, or one that must be looked into?
    letters = b"_*".join(re.escape(letter.encode()) for letter in wanted)
    # That each key follows the same separator makes the search eight times as fast.
    maybe = re.compile(rb"&(?:_*%b_*(?:[=&]|$)|[a-z0-9_]*[^a-z0-9_=&])" % letters).search

    def asks(query: bytes) -> bool:
        return maybe(b"&" + query.replace(b";", b"&")) is not None and any(
            fold(pair.partition(b"=")[0]).replace("_", "") == wanted
            for pair in _SEPARATOR.split(query)
        )

    return asks


def strip_query(query: bytes, dropped: Collection[str] = DROPPED_PARAMETERS) -> bytes:
    """Remove `_sp` and the parameters of `SERVER_PARAMETERS` from a raw query string.

    However a key is written (case, percent-encoding, also twice, spaces), what a lenient reader
    would take for one of them goes; links lose `_sp`, also those in bodies and entities. The rest
    stays byte for byte.

    Args:
        query: raw.
        dropped: the parameters that go.
    """
    kept: list[bytes] = []
    start = 0
    for separator in _SEPARATOR.finditer(query):
        _keep(kept, query[start : separator.end()], dropped)
        start = separator.end()
    _keep(kept, query[start:], dropped)
    stripped = b"".join(kept)
    return stripped if len(stripped) == len(query) else stripped.rstrip(b"&;")


def _keep(kept: list[bytes], pair: bytes, dropped: Collection[str]) -> None:
    key, mark, value = pair.partition(b"=")
    key = key.rstrip(b"&;")
    name = fold(key)
    if name in dropped:
        return
    if mark and name not in UNTOUCHED:
        text = value.rstrip(b"&;")
        given = unquote_plus(text.decode("utf-8", "replace"))
        clean = clean_value(name, given)
        if clean != given:
            pair = b"%b=%b%b" % (key, quote_plus(clean).encode(), value[len(text) :])
    kept.append(pair)


def strip_body(body: bytes, dropped: Collection[str] = DROPPED_PARAMETERS) -> bytes:
    """Remove the properties named in `SERVER_PARAMETERS`, and `_sp`, from JSON, at every depth.

    Links lose `_sp` too, also those in bodies and entities, in Base64 or not.

    The body is always written anew, so that no doubled key or odd notation hides from one reader
    what another sees.

    Args:
        body: UTF-8.
        dropped: the properties that go.

    Returns:
        A self-describing JSON as compact JSON; of anything else, a JSON text that tells its size.
        Enrich then makes a failed event of it.
    """
    if not body:
        return b""
    try:
        document = orjson.loads(body)
        if not _is_self_describing(document) or not _strip(document, dropped, _MAX_DEPTH):
            return _withheld(body)
        return orjson.dumps(document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return _withheld(body)


def _is_self_describing(document: object) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("schema"), str):
        return False
    data = document.get("data")
    if isinstance(data, list):
        return all(isinstance(event, dict) for event in data)
    return isinstance(data, dict)


def _strip(value: object, dropped: Collection[str], depth: int) -> bool:
    """Strip `value` in place. False: it is nested deeper than the door looks."""
    if isinstance(value, dict):
        if depth == 0:
            return False
        for key, child in [pair for pair in value.items() if pair[0] not in UNTOUCHED]:
            name = fold(key.encode("utf-8", "replace"))
            if name in dropped:
                del value[key]
            elif type(child) is str:
                value[key] = clean_value(name, child)
        children: Iterable[object] = value.values()
    elif isinstance(value, list):
        for place, child in enumerate(value):
            if type(child) is str:
                value[place] = clean_value("", child)
        children = value
    else:
        return True
    return depth > 0 and all(
        type(child) is str or _strip(child, dropped, depth - 1)
        for child in children  # most are texts
    )


def _withheld(body: bytes) -> bytes:
    return b'"withheld: %d bytes that are not a self-describing JSON"' % len(body)
