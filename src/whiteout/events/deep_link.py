"""Links that opened the app."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from whiteout.errors import ConfigurationError
from whiteout.events.event import Event, body, check_common
from whiteout.events.properties import check_properties, wire, wire_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from whiteout.protocol.self_describing import SelfDescribingJson

MAX_URL = 4096
_MAX_SCHEME = 16  # the width of the atomic columns `page_urlscheme` and `refr_urlscheme`

# RFC 3986, appendix A, once everything that it does not allow has been escaped.
_ESCAPED = "%[0-9A-Fa-f]{2}"
_SEGMENT = rf"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|{_ESCAPED})"
_HOST = rf"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|{_ESCAPED})*)"
_USER = rf"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|{_ESCAPED})*@)?"
_PATH = f"(?://{_USER}{_HOST}(?::[0-9]*)?(?:/{_SEGMENT}*)*|/?(?:{_SEGMENT}+(?:/{_SEGMENT}*)*)?)"
_URI = rf"[A-Za-z][A-Za-z0-9+.-]*:{_PATH}(?:\?(?:{_SEGMENT}|[/?])*)?(?:#(?:{_SEGMENT}|[/?])*)?"
_SAFE = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeepLinkReceived(Event):
    """The app was opened by a link. The next screen view then carries the link as an entity.

    Args:
        url: the link, with a scheme; at most 4096 characters. Characters that no URL may hold, such
            as blanks and letters with accents, are escaped.
        referrer: where the link was; the same form.

    Raises:
        ConfigurationError: as `Event`; or `url` or `referrer` is not a URL with a scheme.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/deep_link_received/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The app was opened by a link"

    url: str = field(
        metadata=wire(
            name="url",
            type="string",
            required=True,
            format="uri",
            max_length=MAX_URL,
            description="The link that opened the app",
        )
    )
    referrer: str | None = field(
        default=None,
        metadata=wire(
            name="referrer",
            type="string",
            format="uri",
            max_length=MAX_URL,
            description="Where the link was found",
        ),
    )

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        object.__setattr__(self, "url", as_uri("url", self.url))
        if self.referrer:
            object.__setattr__(self, "referrer", as_uri("referrer", self.referrer))
        check_properties(self)

    def parameters(self) -> dict[str, str]:
        """With `url` and `refr`, so that campaigns and referrers are recognised."""
        return {"e": "ue", **attribution(wire_data(self))}

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        return body(self.SCHEMA, wire_data(self))


def as_uri(name: str, value: object) -> str:
    """`value` as RFC 3986 wants it: what it does not allow is escaped.

    Raises:
        ConfigurationError: it cannot be made a URI; the text is not repeated.
    """
    if isinstance(value, str):
        from urllib.parse import quote  # noqa: PLC0415 - keeps the import of the SDK cheap

        text = re.sub("%(?![0-9A-Fa-f]{2})", "%25", value.strip())
        head, mark, fragment = text.partition("#")
        text = quote(head, safe=_SAFE, errors="replace")
        if mark:
            text += mark + quote(fragment.replace("#", "%23"), safe=_SAFE, errors="replace")
        start, slashes, rest = text.partition("://")
        authority, slash, path = rest.partition("/")
        path = path.replace("[", "%5B").replace("]", "%5D")
        text = start + slashes + authority + slash + path
        if _uri_pattern().fullmatch(text):
            return text
    raise ConfigurationError(
        f"{name} must be a URL with a scheme, such as https://example.com/path, "
        f"got a value of type {type(value).__name__}"
    )


@functools.cache
def _uri_pattern() -> re.Pattern[str]:
    """Compiled at its first use, not at import."""
    return re.compile(_URI)


def attribution(link: Mapping[str, object]) -> dict[str, str]:
    """`url` and `refr` of a deep link's data, their schemes cut to what the atomic columns hold."""
    copied = {}
    for name, parameter in (("url", "url"), ("referrer", "refr")):
        value = link.get(name)
        if isinstance(value, str) and value:
            scheme, mark, rest = value.partition("://")
            copied[parameter] = scheme[:_MAX_SCHEME] + mark + rest if mark else value
    return copied
