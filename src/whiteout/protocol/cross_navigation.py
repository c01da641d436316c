"""The link decoration `_sp`, which carries an identifier from one site or app to another.

Source: reference section 2.5; weakness W14.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

CROSS_NAVIGATION_KEY = "_sp"


def without_cross_navigation(url: str) -> str:
    """The URL without `_sp` in its query and in its fragment, however the name is escaped."""
    if "sp" not in url and "%" not in url:
        return url
    rest, mark, fragment = url.partition("#")
    # Applications that route by fragment have queries in there too, with or without `?`.
    return f"{_drop(rest)}{mark}{_drop(fragment, all_is_query='?' not in fragment)}"


def _drop(text: str, *, all_is_query: bool = False) -> str:
    path, mark, query = ("", "", text) if all_is_query else text.partition("?")
    parts = re.split("[&;]", query)
    kept = [part for part in parts if not _is_cross_navigation(part)]
    if len(kept) == len(parts):
        return text
    return f"{path}{mark}{'&'.join(kept)}" if kept else path


def _is_cross_navigation(part: str) -> bool:
    name = unquote_plus(part.partition("=")[0])
    # Escaped twice, or with a query inside the query, it still names somebody.
    return unquote_plus(name).rpartition("?")[2].strip() == CROSS_NAVIGATION_KEY
