"""What refuses a wrong value of an option, naming the option, the value and what it may be."""

from __future__ import annotations

import math
import re
from collections import abc
from typing import TYPE_CHECKING, TypeVar

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Anonymisation

if TYPE_CHECKING:
    import enum

    from whiteout.tracker.platform_properties import PlatformProperty

_Number = TypeVar("_Number", int, float)

_SIZE = re.compile(r"[0-9]{1,9}x[0-9]{1,9}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:@/-]+")
_QUERY_KEY = re.compile(r"[A-Za-z0-9._~-]{1,255}")
_COROUTINE = 0x80 | 0x100 | 0x200  # CO_COROUTINE, CO_ITERABLE_…, CO_ASYNC_GENERATOR
_RESERVED_HEADERS = frozenset(
    {"sp-anonymous", "cookie", "content-type", "content-length", "host", "transfer-encoding"}
)

SUBJECT_LIMITS = {
    "user_id": 255,
    "network_user_id": 128,
    "domain_user_id": 128,
    "ip_address": 128,
    "user_agent": 1000,
    "timezone": 255,
    "language": 255,
}
"""Characters that the atomic columns hold (reference, pipeline 2.6)."""


GEOLOCATION = (
    "geo_latitude",
    "geo_longitude",
    "geo_latitude_longitude_accuracy",
    "geo_altitude",
    "geo_altitude_accuracy",
    "geo_bearing",
    "geo_speed",
    "geo_timestamp",
)
"""What the subject says of a place; the entity's properties with `geo_` in front."""

_DEGREES = {"geo_latitude": 90, "geo_longitude": 180}


def check_geolocation(name: str, value: object) -> None:
    """Refuse what is neither None nor a number that a place can have. Never says which it was."""
    if value is None:
        return
    if name == "geo_timestamp":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigurationError(
                f"{name} must be whole milliseconds, got {type(value).__name__}"
            )
        return
    limit = _DEGREES.get(name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if limit is not None and not (is_number and -limit <= value <= limit):  # type: ignore[operator] # a number
        raise ConfigurationError(f"{name} must be a number from -{limit} to {limit}")
    if not is_number or not math.isfinite(value):  # type: ignore[arg-type] # a number
        raise ConfigurationError(f"{name} must be a number, got {type(value).__name__}")


def check_size(name: str, value: str | None) -> None:
    """Refuse what is not `WIDTHxHEIGHT`."""
    if value is not None and not (isinstance(value, str) and _SIZE.fullmatch(value)):
        raise ConfigurationError(f"{name} must look like 1920x1080, got {value!r}")


def check_color_depth(value: int | None) -> None:
    """Refuse what is neither None nor 1 to 128 bits."""
    if value is not None:
        check_between("color_depth", value, 1, 128, "bits")


def check_text(name: str, value: object, limit: int) -> None:
    """Refuse what is neither None nor text of at most `limit` characters."""
    if value is None:
        return
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, got {type(value).__name__}")
    if len(value) > limit:
        raise ConfigurationError(f"{name} must be at most {limit} characters, got {len(value)}")


def check_level(name: str, value: object) -> None:
    """Refuse what is neither None nor an `Anonymisation`."""
    if value is not None and not isinstance(value, Anonymisation):
        raise ConfigurationError(
            f"{name} must be an Anonymisation such as Anonymisation.FULL, got {value!r}"
        )


def check_tracked(event: object, anonymisation: object) -> None:
    """Refuse what is no event, and a level that is none."""
    from whiteout.events.event import Event  # noqa: PLC0415 - seldom

    if not isinstance(event, Event):
        got = type(event).__name__
        if isinstance(event, type):
            got = f"the class {event.__name__} itself"
        raise ConfigurationError(f"event must be an event such as ScreenView(name=…), got {got}")
    check_level("anonymisation", anonymisation)
    if anonymisation is None:
        raise ConfigurationError(
            "anonymisation must be an Anonymisation such as Anonymisation.FULL, got None"
        )


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, got {value!r}")


def check_tuple(name: str, value: object) -> tuple[object, ...]:
    """Give the value back, if it is a tuple."""
    if not isinstance(value, tuple):
        raise ConfigurationError(f"{name} must be a tuple, got a {type(value).__name__}")
    return value


def check_member(
    name: str, value: object, kind: type[enum.Enum], *, is_required: bool = False
) -> None:
    """Refuse what is neither None, where that is allowed, nor a member of `kind`."""
    if (is_required or value is not None) and not isinstance(value, kind):
        choices = ", ".join(f"{kind.__name__}.{member.name}" for member in kind)
        raise ConfigurationError(f"{name} must be one of {choices}, got {value!r}")


def check_between(name: str, value: _Number, low: float, high: float, unit: str) -> None:
    """Refuse what is no number in the range; a range of events, bytes or bits has whole numbers."""
    kinds = (int, float) if unit == "seconds" else int
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise ConfigurationError(f"{name} must be {low} to {high} {unit}, got {value!r}")


def check_marks(name: str, value: object, kind: type) -> None:
    """Refuse what is no tuple of `kind`."""
    for mark in check_tuple(name, value):
        if not isinstance(mark, kind):
            raise ConfigurationError(
                f"{name} must hold {kind.__name__}, got a {type(mark).__name__}"
            )


def check_query_keys(name: str, value: object) -> None:
    """Refuse what is no tuple of names that a query can have."""
    for key in check_tuple(name, value):
        if not isinstance(key, str) or not _QUERY_KEY.fullmatch(key):
            raise ConfigurationError(f"{name} must hold query keys such as utm_source, got {key!r}")


def check_path(name: str, value: object) -> None:
    """Refuse what is neither None nor the path of a URL."""
    check_text(name, value, 1000)
    if isinstance(value, str) and not _PATH.fullmatch(value):
        raise ConfigurationError(f"{name} must be a URL path such as com.acme/track, got {value!r}")


def check_mapping(name: str, value: object) -> None:
    """Refuse what is no mapping."""
    if not isinstance(value, abc.Mapping):
        raise ConfigurationError(f"{name} must be a mapping, got {type(value).__name__}")


def check_callback(name: str, value: object) -> None:
    """Refuse what is neither None nor callable, and what is async."""
    if value is not None and not callable(value):
        raise ConfigurationError(f"{name} must be a callback or None, got {type(value).__name__}")
    check_plain(name, value)


def check_plain(name: str, function: object) -> None:
    """Refuse what would answer with a coroutine, which nobody awaits: it would do nothing."""
    code = getattr(function, "__code__", None)
    if getattr(code, "co_flags", 0) & _COROUTINE:
        raise ConfigurationError(f"{name} must be a plain function, got an async one")


def platform_properties(value: object) -> tuple[PlatformProperty, ...]:
    """Give the chosen properties in the order of the entity."""
    from whiteout.tracker.platform_properties import PlatformProperty  # noqa: PLC0415 - seldom

    try:
        chosen = {PlatformProperty(name) for name in value}  # type: ignore[attr-defined] # it raises
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            "platform_context_properties must be a collection of PlatformProperty, "
            f"of which there are {', '.join(PlatformProperty)}"
        ) from error
    return tuple(name for name in PlatformProperty if name in chosen)


def check_platform_retriever(value: object) -> None:
    """Refuse what is neither None nor a `PlatformContextRetriever`."""
    if value is None:
        return
    from whiteout.tracker.platform_properties import (  # noqa: PLC0415 - seldom
        PlatformContextRetriever,
    )

    if not isinstance(value, PlatformContextRetriever):
        raise ConfigurationError(
            f"platform_context_retriever must be a PlatformContextRetriever or None, "
            f"got {type(value).__name__}"
        )


def normal_endpoint(value: object) -> str:
    """Give the address of a collector with its scheme and without a slash at its end."""
    if not isinstance(value, str) or value.strip("/ ").lower() in {"", "http:", "https:"}:
        raise ConfigurationError(
            f"endpoint must be a URL such as https://collector.example.com, got {value!r}"
        )
    text = value.strip().strip("/")
    if not text.lower().startswith(("http://", "https://")):
        text = f"https://{text}"
    scheme, _, rest = text.partition("://")
    authority = rest.partition("/")[0]
    if not authority or any(c.isspace() or c in "?#@" or ord(c) < 32 for c in rest):  # noqa: PLR2004 - control characters
        raise ConfigurationError(
            "endpoint must be a URL such as https://collector.example.com, without user name, "
            "query or fragment"
        )
    return f"{scheme.lower()}://{rest}"


def check_header(name: object, value: object) -> None:
    """Refuse what a request cannot carry, or what the tracker writes itself."""
    if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
        raise ConfigurationError(f"request_headers: {name!r} is not a header name")
    if name.lower() in _RESERVED_HEADERS:
        raise ConfigurationError(f"request_headers: {name} is set by the tracker itself")
    if not isinstance(value, str) or any(ord(c) < 32 and c != "\t" for c in value):  # noqa: PLR2004 - control characters
        raise ConfigurationError(f"request_headers: the value of {name} is not one line of text")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            f"request_headers: the value of {name} has characters that a header cannot carry"
        ) from error
