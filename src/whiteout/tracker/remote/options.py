"""Which key of the remote file is which option, made from the configurations' own fields.

An option that a configuration gains can be set remotely from then on, if its values have a form in
JSON; callbacks, folders, headers and senders have none here, on purpose.
"""

from __future__ import annotations

import enum
import functools
import importlib
import math
import re
import sys
from dataclasses import MISSING, Field, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from whiteout.errors import ConfigurationError
from whiteout.tracker.checks import GEOLOCATION
from whiteout.tracker.configuration import (
    BufferOption,
    EmitterConfiguration,
    NetworkConfiguration,
    SessionConfiguration,
    SubjectConfiguration,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS: Final[Mapping[str, type[Any]]] = {
    "network": NetworkConfiguration,
    "tracker": TrackerConfiguration,
    "subject": SubjectConfiguration,
    "session": SessionConfiguration,
    "emitter": EmitterConfiguration,
}
"""The sections of a bundle, and the configuration that each makes."""

SECTION_KEYS: Final[Mapping[str, str]] = {f"{section}Configuration": section for section in KINDS}

# Keys that are not the option's name in camelCase (reference 2.1, 8.8).
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "base64_encoding": ("base64encoding", "base64Encoding"),
    "user_agent": ("useragent", "userAgent"),
    "geolocation_context": ("geoLocationContext",),
}
_OTHER_MEMBERS: Final[Mapping[str, enum.Enum]] = {  # names of the remote file alone (2.3)
    "defaultgroup": BufferOption.SMALL_GROUP,
    "heavygroup": BufferOption.LARGE_GROUP,
}
# Annotations that a configuration module may name without importing them at run time.
_HOMES: Final[Mapping[str, str]] = {
    "PlatformProperty": "whiteout.tracker.platform_properties",
    "PrivacyProfile": "whiteout.strict.profile",
}
_MAX_TEXT: Final = 4096  # the schema's longest
_MAX_ENTRIES: Final = 256  # arbitrary; of a list or a map
_FILLER: Final[Mapping[str, Any]] = {"endpoint": "https://filler.invalid"}
_COLLECTION: Final = re.compile(
    r"(?:Collection|Sequence|Iterable|frozenset|tuple)\[(\w+)(?:, ...)?\]"
)

OFFICIAL: Final = frozenset(
    "advertisingIdentifierRetriever emitterTick emptyLimit eventStore immersiveSpaceContext "
    "logLevel loggerDelegate networkConnection okHttpClient okHttpCookieJar onSessionUpdate "
    "platformContextRetriever protocol requestCallback requestHeaders "
    "screenViewAutotracking threadPoolSize tlsVersions".split()
)
"""Options of the native trackers that a file of theirs may set, and ours passes over."""

UNKNOWN: Final = object()
"""A value of the right type that this version does not know."""


class WrongTypeError(ValueError):
    """A value of the remote file has another type than its option; says which it must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option that a remote file can set.

    Attributes:
        section: `network`, `tracker`, `subject`, `session` or `emitter`.
        name: of the configuration's field.
        read: JSON value to the field's value, or `UNKNOWN`.

    Raises:
        WrongTypeError: by `read`.
    """

    section: str
    name: str
    read: Callable[[object], object]

    def is_allowed(self, value: object) -> bool:
        """Whether the configuration takes the value."""
        kind = KINDS[self.section]
        filler = _FILLER if kind is NetworkConfiguration else {}
        try:
            kind(**{**filler, self.name: value})
        except ConfigurationError:
            return False
        return True


@functools.cache
def options_of(section: str) -> Mapping[str, Option]:
    """The options of a section by their keys."""
    found: dict[str, Option] = {}
    for each in fields(KINDS[section]):
        if each.name in GEOLOCATION or each.name == "identity_group":
            continue  # where a user is the app knows, no file for all; nor may one join trackers
        read = _reader(KINDS[section], each)
        if read is not None:
            option = Option(section=section, name=each.name, read=read)
            found.update(dict.fromkeys(_KEYS.get(each.name, (_camel(each.name),)), option))
    return found


def members_of(section: str, name: str) -> type[enum.Enum] | None:
    """The enumeration that an option's value is a member of; None: it is no such option."""
    kind = KINDS[section]
    for each in fields(kind):
        if each.name == name:
            return _enumeration(kind, _annotation(each))
    return None


def check_names(sections: Mapping[str, Mapping[str, object]]) -> None:
    """Refuse a section or an option that there is none of.

    Raises:
        ConfigurationError: there is none of the name.
    """
    for section, values in sections.items():
        if section not in KINDS:
            raise ConfigurationError(f"section must be one of {', '.join(KINDS)}, got {section!r}")
        names = [each.name for each in fields(KINDS[section])]
        for name in values:
            if name not in names:
                raise ConfigurationError(
                    f"an option of {section} must be one of {', '.join(names)}, got {name!r}"
                )


def default_of(each: Field[Any]) -> object:
    """What a field is where nobody says anything; `MISSING`: it must be said."""
    if each.default_factory is not MISSING:
        return each.default_factory()
    return each.default


def member_of(kind: type[enum.Enum], value: str) -> object:
    """The member with this value or name, whatever its case; `UNKNOWN`: there is none."""
    wanted = _plain(value)
    for member in kind:
        if wanted in {_plain(str(member.value)), _plain(member.name)}:
            return member
    other = _OTHER_MEMBERS.get(wanted, UNKNOWN)
    return other if isinstance(other, kind) else UNKNOWN


def read_text(value: object) -> str:
    """Text that can be encoded, of at most 4,096 characters."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise WrongTypeError(f"text of at most {_MAX_TEXT} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WrongTypeError("text without lone surrogates") from None
    return value


def read_flag(value: object) -> bool:
    """True or False, and nothing that passes for them."""
    if not isinstance(value, bool):
        raise WrongTypeError("true or false")
    return value


def read_whole(value: object) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongTypeError("a whole number")
    return value


def _read_number(value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        raise WrongTypeError("a number")
    return value  # type: ignore[return-value] # checked above


def _read_statuses(value: object) -> dict[int, bool]:
    """The rules for HTTP statuses: keys are text, as in all JSON."""
    if not isinstance(value, dict) or len(value) > _MAX_ENTRIES:
        raise WrongTypeError("an object of HTTP statuses and true or false")
    if not all(re.fullmatch(r"[1-5][0-9]{2}", key) for key in value):
        raise WrongTypeError("an object whose keys are HTTP statuses")
    return {int(key): read_flag(retry) for key, retry in value.items()}


_SCALARS: Final[Mapping[str, Callable[[object], object]]] = {
    "bool": read_flag,
    "int": read_whole,
    "float": _read_number,
    "str": read_text,
    "Mapping[int, bool]": _read_statuses,
}


def _reader(kind: type[Any], each: Field[Any]) -> Callable[[object], object] | None:
    """What reads the values of a field, by its annotation; None: it has no form in the file."""
    annotation = _annotation(each)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    several = _COLLECTION.fullmatch(annotation)
    members = _enumeration(kind, several[1] if several else annotation)
    if members is None:
        return None
    if several:
        return functools.partial(_read_members, members)
    return functools.partial(_read_member, members)


def _annotation(each: Field[Any]) -> str:
    text = each.type if isinstance(each.type, str) else getattr(each.type, "__name__", "")
    return text.removesuffix(" | None")


def _read_member(members: type[enum.Enum], value: object) -> object:
    return member_of(members, read_text(value))


def _read_members(members: type[enum.Enum], value: object) -> object:
    """A list of members; those that this version does not know are passed over."""
    if not isinstance(value, list) or len(value) > _MAX_ENTRIES:
        raise WrongTypeError("a list of names")
    found = (member_of(members, read_text(name)) for name in value)
    return tuple(dict.fromkeys(member for member in found if member is not UNKNOWN))


def _enumeration(kind: type[Any], name: str) -> type[enum.Enum] | None:
    module = sys.modules[kind.__module__]
    if name in _HOMES and not hasattr(module, name):
        try:
            module = importlib.import_module(_HOMES[name])
        except ModuleNotFoundError:
            return None
    found = getattr(module, name, None)
    is_enumeration = isinstance(found, enum.EnumMeta) and not issubclass(found, enum.Flag)
    return found if is_enumeration else None


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _plain(text: str) -> str:
    return text.replace("_", "").casefold()
