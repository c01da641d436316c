"""URLs under the strict profile: where, not who."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from whiteout.strict.coarsening import Treatment, looks_personal
from whiteout.strict.profile import CAMPAIGN_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Collection

NO_URL: Final = "about:blank"

_HIERARCHICAL: Final = re.compile("(?:([A-Za-z][A-Za-z0-9+.-]{0,31}):)?//([^/]*)(.*)", re.DOTALL)
_HOST: Final = re.compile(r"[\w.~%\[\]:-]*")
_VALUE: Final = re.compile("[A-Za-z0-9._~+%-]{1,64}")
_ON_THE_DEVICE: Final = frozenset({"file", "content"})  # paths there name their owner


def plain_url(url: Any, keys: Collection[str] = CAMPAIGN_PARAMETERS) -> str:  # noqa: ANN401 - any JSON
    """`url` without login, fragment and query, but for the query keys given.

    What follows a `;` in the path goes too, and a segment of the path that looks like somebody's
    address, number or id becomes `*`. A URL without an authority (`mailto:`, `data:`, a path of
    Windows) becomes `about:blank`, as does what is no URL.

    Args:
        url: absolute, or relative with a leading `/`.
        keys: lower case. Of each the first value stays, if it is short and looks like a name.
    """
    if url.__class__ is not str:
        return NO_URL
    path, _, query = url.partition("#")[0].partition("?")
    start = ""
    if match := _HIERARCHICAL.fullmatch(path):
        scheme, authority, path = match.groups()
        host = authority.rpartition("@")[2]
        if not _HOST.fullmatch(host) or "%40" in host:
            return NO_URL
        if scheme is not None and scheme.lower() in _ON_THE_DEVICE:
            return f"{scheme.lower()}:///"
        start = f"//{host}" if scheme is None else f"{scheme}://{host}"
    elif not path.startswith("/"):
        return NO_URL
    path = "/".join(_segment(segment) for segment in path.split("/"))
    if not start:  # without what stood behind a `;`, it may begin as a host would
        path = "/" + path.lstrip("/")
    return start + path + _query(query, keys)


def _segment(segment: str) -> str:
    plain = segment.partition(";")[0]
    return "*" if looks_personal(_unquote(plain)) else plain


def _query(query: str, keys: Collection[str]) -> str:
    if not query or not keys:
        return ""
    kept: dict[str, str] = {}
    for pair in re.split("[&;?]", query):
        key, _, value = pair.partition("=")
        key = _unquote(key).lower()
        if key in keys and key not in kept:
            fits = _VALUE.fullmatch(value) and not looks_personal(_unquote(value))
            kept[key] = value if fits else ""
    pairs = [f"{key}={kept[key]}" for key in keys if kept.get(key)]
    return "?" + "&".join(pairs) if pairs else ""


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415 - only for what is escaped

    return unquote(text)


URL: Final = Treatment("URL without login, query (but for campaigns) and fragment", plain_url)
