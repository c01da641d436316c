"""Links that tell another site or app who followed them: the parameter `_sp`.

`_sp=<user>.<time>.<session>.<subject's user>.<app id>.<platform>.<reason>`: the installation's id,
Unix epoch milliseconds, and what the configuration asks for; the last three texts and the subject's
user id as URL-safe base64 without padding, but the platform as it is. What is not asked for or not
there is empty; dots at the end are left out. Source: reference section 8.11.

Pure functions over text. A link is never parsed and written again: whatever is not `_sp` stays as
it is, letter for letter.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_plus

from whiteout.errors import ConfigurationError
from whiteout.events.event import check_optional_text
from whiteout.events.properties import wrong_value
from whiteout.identifiers import NULL_UUID, Anonymisation

PARAMETER: Final = "_sp"

_REFUSES: Final = Anonymisation.USER | Anonymisation.SERVER
_SEPARATORS: Final = "([&;?])"
_OPAQUE: Final = "[A-Za-z][A-Za-z0-9+.-]*:(?!//)"  # mailto:, tel:, data:, javascript:


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossDeviceParameterConfiguration:
    """What a decorated link says besides the installation's id and the time.

    Args:
        session_id: the running session's id.
        subject_user_id: the subject's user id.
        source_id: the app id.
        source_platform: the platform, such as `mob`.
        reason: why the link was decorated, in the app's words.

    Raises:
        ConfigurationError: a flag is no bool, or `reason` no text.
    """

    session_id: bool = True
    subject_user_id: bool = False
    source_id: bool = True
    source_platform: bool = False
    reason: str | None = None

    def __post_init__(self) -> None:
        for name in ("session_id", "subject_user_id", "source_id", "source_platform"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise wrong_value(name, value, "True or False")
        check_optional_text("reason", self.reason)


DEFAULT: Final = CrossDeviceParameterConfiguration()


def decorate(  # noqa: PLR0913 - one argument a part
    uri: str,
    *,
    level: Anonymisation,
    user_id: str | None,
    session_id: str | None,
    now_ms: int,
    subject_user_id: str | None = None,
    app_id: str | None = None,
    platform: str | None = None,
    configuration: CrossDeviceParameterConfiguration = DEFAULT,
) -> str | None:
    """`uri` with `_sp` as its last parameter; one that it had before is gone.

    While the user is hidden, from the app (USER) or from the collector (SERVER), it refuses (leak
    L20): the answer is the link without any `_sp`. One that came with the link names a person on
    another device or site; it is taken out as well, as the gate does with links in events. SERVER
    refuses because the site that the link leads to would learn the id together with the address.

    Without a session (SESSION alone, or no `user_id`) the answer is None, as the native trackers'
    (A14): there is nothing to decorate with.

    A link that leads to no page (`mailto:`, `tel:`, `data:`) is never decorated.

    Args:
        uri: absolute or relative.
        level: of the moment; `user_id` and `session_id` are of the same.
        user_id: the installation's id.
        session_id: of a session that runs; None: none has begun, and the part stays empty.
        now_ms: Unix epoch milliseconds.
        subject_user_id: what the app calls its user.
        app_id: becomes the source's id.
        platform: becomes the source's platform.
        configuration: what of all this is told.

    Raises:
        ConfigurationError: `uri` is no text.
    """
    if level & _REFUSES:
        return strip(uri)
    _check(uri)
    if level or not user_id or user_id == NULL_UUID:
        return None
    if re.match(_OPAQUE, uri) is not None:
        return strip(uri)
    wanted = configuration
    parts = (
        user_id,
        str(now_ms),
        (wanted.session_id and session_id) or "",
        _base64(wanted.subject_user_id and subject_user_id),
        _base64(wanted.source_id and app_id),
        (wanted.source_platform and platform) or "",
        _base64(wanted.reason),
    )
    value = ".".join(parts).rstrip(".")
    head, mark, fragment = strip(uri).partition("#")
    # After a question mark always `&`, even after an empty query or a `&`: taking the parameter
    # out again gives back exactly the link that it was put on.
    return f"{head}{'&' if '?' in head else '?'}{PARAMETER}={value}{mark}{fragment}"


def strip(uri: str) -> str:
    """`uri` without `_sp`, in its query and, where single-page apps put queries, its fragment.

    However the name is escaped; also in a URL that stands unescaped in another parameter. Nothing
    else changes: order, repetitions, escapes, separators.

    Raises:
        ConfigurationError: `uri` is no text.
    """
    _check(uri)
    if "sp" not in uri and "%" not in uri:
        return uri
    head, hash_mark, fragment = uri.partition("#")
    path, question_mark, query = head.partition("?")
    return path + _strip(question_mark, query) + _strip(hash_mark, fragment)


def _strip(mark: str, query: str) -> str:
    """A query or fragment with the mark before it; the mark goes when all of it does."""
    pieces = re.split(_SEPARATORS, query)
    kept: list[str] = []
    is_kept = removed = False
    before = ""  # what stands before the next pair that is kept: the first of a removed run's
    for separator, pair in zip(["", *pieces[1::2]], pieces[::2], strict=True):
        before = before or separator
        if _is_ours(pair):
            removed = True
            continue
        kept += (before, pair) if is_kept else (pair,)
        is_kept, before = True, ""
    if not removed:
        return mark + query
    return mark + "".join(kept) if is_kept else ""


def _is_ours(pair: str) -> bool:
    name = pair.partition("=")[0]
    if "sp" not in name and "%" not in name:
        return False
    # As enrich looks for it: escaped twice it is read somewhere, and names somebody.
    return unquote_plus(unquote_plus(name)).rpartition("?")[2].strip() == PARAMETER


def _base64(text: str | Literal[False] | None) -> str:
    if not text:
        return ""
    encoded = binascii.b2a_base64(text.encode("utf-8", "replace"), newline=False)
    return encoded.decode().translate(_URL_SAFE).rstrip("=")


_URL_SAFE: Final = str.maketrans("+/", "-_")


def _check(uri: object) -> None:
    if not isinstance(uri, str):
        raise ConfigurationError(f"uri must be text, got a value of type {type(uri).__name__}")
