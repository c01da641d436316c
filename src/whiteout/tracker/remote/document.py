"""The remote file: hostile JSON to bundles, and back for the cache.

A file is refused where its frame is wrong: no JSON, deeper or larger than allowed, a key twice,
another schema, a namespace that cannot be read. A value of another type than its option refuses the
bundle that it stands in, and what that bundle meant counts as unknown. Unknown keys are passed
over. Nothing of the file's own text reaches a message.

Source: reference 8.8; schema `com.snowplowanalytics.mobile/remote_config` 1-0-1.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from whiteout.errors import ProtocolError
from whiteout.tracker.remote import privacy
from whiteout.tracker.remote.bundle import MAX_NAMESPACE, ConfigurationBundle
from whiteout.tracker.remote.options import (
    KINDS,
    SECTION_KEYS,
    UNKNOWN,
    Option,
    WrongTypeError,
    options_of,
    read_flag,
    read_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_BYTES: Final = 262_144  # arbitrary; a bundle with every option takes 2 kB
MAX_DEPTH: Final = 16  # the deepest option stands at 5
MAX_BUNDLES: Final = 64  # arbitrary
MAX_VERSION: Final = 2**31 - 1  # the schema's
_MAX_LEFT_OUT: Final = 64  # arbitrary

SCHEMA: Final = (
    "http://iglucentral.com/schemas/com.snowplowanalytics.mobile/remote_config/jsonschema/1-0-1"
)
_SCHEMA: Final = re.compile(
    r"(?:http://iglucentral\.com/schemas/|iglu:)"
    r"com\.snowplowanalytics\.mobile/remote_config/jsonschema/1-[0-9]{1,9}-[0-9]{1,9}"
)
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
# What of a subject may be written to disk: an allow-list (leak L24).
_SUBJECT_AT_REST: Final = frozenset(
    {"timezone", "language", "screen_resolution", "screen_view_port", "color_depth"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A remote file that was understood.

    Attributes:
        version: `configurationVersion`, 0 to 2**31 - 1.
        bundles: by namespace.
        unsure: namespaces whose bundle was refused: what it meant is not known.
        left_out: keys of it that this version does not know, as `section.key`.
        is_complete: False: a cached copy without what is never written to disk.
        source: the accepted keys as they came, for the cache.
    """

    version: int
    bundles: Mapping[str, ConfigurationBundle]
    unsure: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    is_complete: bool = True
    source: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, compare=False)


class _RefusedError(ValueError):
    """A bundle that cannot be taken; names the field and what it must be."""


def parse(content: bytes, note: Callable[[str, str], None]) -> Document:
    """Read a remote file.

    Args:
        content: as it was fetched, at most 256 KiB.
        note: takes the field and a sentence for each refused bundle and each option left out.

    Raises:
        ProtocolError: it is no remote configuration of version 1; the message repeats none of it.
    """
    record = read_json(content)
    schema = record.get("$schema")
    if not isinstance(schema, str) or not _SCHEMA.fullmatch(schema):
        raise ProtocolError("$schema is not remote_config 1-*-*")
    version, items = record.get("configurationVersion"), record.get("configurationBundle")
    if not _is_whole(version) or not 0 <= version <= MAX_VERSION:
        raise ProtocolError("configurationVersion must be a whole number from 0 to 2147483647")
    if not isinstance(items, list) or len(items) > MAX_BUNDLES:
        raise ProtocolError(f"configurationBundle must be a list of at most {MAX_BUNDLES} bundles")
    return _Reading(note).document(version, items)


def encode(document: Document, more: Mapping[str, Any]) -> bytes:
    """The file for the cache: what was fetched and accepted, without identifiers (L24, L27b).

    Args:
        document: what to keep.
        more: added at the top level.
    """
    items = []
    for namespace, bundle in document.bundles.items():
        item: dict[str, Any] = {"namespace": namespace, "disabled": bundle.is_disabled}
        for section_key, values in document.source.get(namespace, {}).items():
            section = SECTION_KEYS[section_key]
            item[section_key] = {
                key: value for key, value in values.items() if _may_rest(section, key)
            }
        items.append(item)
    record = {
        "$schema": SCHEMA,
        "configurationVersion": document.version,
        "configurationBundle": items,
        **more,
    }
    return json.dumps(record, ensure_ascii=False).encode()


def has_more_than_rests(document: Document) -> bool:
    """Whether the cached copy will lack something."""
    return any(
        not _may_rest(SECTION_KEYS[section_key], key)
        for sections in document.source.values()
        for section_key, values in sections.items()
        for key in values
    )


def read_json(content: bytes) -> dict[str, Any]:
    """A JSON object, bounded, without ambiguous keys and numbers.

    Raises:
        ProtocolError: it is none.
    """
    if len(content) > MAX_BYTES:
        raise ProtocolError(f"larger than {MAX_BYTES} bytes")
    if _is_deep(content):
        raise ProtocolError(f"nested deeper than {MAX_DEPTH}")
    try:
        record = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_unambiguous, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise ProtocolError("not JSON without repeated keys") from None
    if not isinstance(record, dict):
        raise ProtocolError("not a JSON object")
    return record


class _Reading:
    """One reading of a file."""

    def __init__(self, note: Callable[[str, str], None]) -> None:
        self._note = note
        self._left_out: set[str] = set()
        self._source: dict[str, dict[str, Any]] = {}

    def document(self, version: int, items: list[object]) -> Document:
        bundles: dict[str, ConfigurationBundle] = {}
        unsure: set[str] = set()
        for item in items:
            namespace = _namespace(item)
            if namespace in bundles or namespace in unsure:  # which of them is meant?
                unsure.add(namespace)
                self._note("namespace", "two bundles have the same namespace: both are refused")
                continue
            try:
                bundles[namespace] = self._bundle(namespace, item)  # type: ignore[arg-type] # a dict
            except _RefusedError as refusal:
                unsure.add(namespace)
                self._note(refusal.args[0], refusal.args[1])
        for namespace in unsure:
            bundles.pop(namespace, None)
            self._source.pop(namespace, None)
        return Document(
            version=version,
            bundles=bundles,
            unsure=frozenset(unsure),
            left_out=frozenset(sorted(self._left_out)[:_MAX_LEFT_OUT]),
            source=self._source,
        )

    def _bundle(self, namespace: str, item: dict[str, Any]) -> ConfigurationBundle:
        sections: dict[str, dict[str, Any]] = {}
        source: dict[str, Any] = {}
        for section_key, section in SECTION_KEYS.items():
            values = item.get(section_key)
            if values is None:
                continue
            if not isinstance(values, dict):
                raise _RefusedError(section_key, _must(section_key, "an object"))
            sections[section], source[section_key] = self._section(section_key, values)
        if "network" in sections and "endpoint" not in sections["network"]:
            where = "networkConfiguration.endpoint"
            raise _RefusedError(where, _must(where, "given"))
        is_disabled = item.get("disabled")
        try:
            is_disabled = is_disabled is not None and read_flag(is_disabled)
        except WrongTypeError as error:
            raise _RefusedError("disabled", _must("disabled", str(error))) from None
        self._source[namespace] = source
        return ConfigurationBundle(namespace=namespace, sections=sections, is_disabled=is_disabled)

    def _section(
        self, section_key: str, values: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is understood of a section, and the same as it came."""
        read: dict[str, Any] = {}
        source: dict[str, Any] = {}
        section = SECTION_KEYS[section_key]
        known = options_of(section)
        for key, raw in values.items():
            option = known.get(key)
            if option is None:
                if section != "subject" and _KEY.fullmatch(key):
                    self._left_out.add(f"{section_key}.{key}")
                continue
            if raw is None:
                continue
            value = self._value(f"{section_key}.{key}", option, raw)
            if value is UNKNOWN:
                continue
            if option.name in read and read[option.name] != value:
                where = f"{section_key}.{key}"
                raise _RefusedError(where, _must(where, "given once, under one of its names"))
            read[option.name], source[key] = value, raw
        return read, source

    def _value(self, where: str, option: Option, raw: object) -> object:
        row = privacy.OF.get((option.section, option.name))
        try:
            value = option.read(raw)
        except WrongTypeError as error:
            raise _RefusedError(where, _must(where, str(error))) from None
        if value is UNKNOWN and row is not None:
            raise _RefusedError(where, _must(where, "a value that this version knows"))
        if value is UNKNOWN:
            self._note(where, f"{where} has a value that this version does not know: left out")
            return UNKNOWN
        if option.is_allowed(value):
            return value
        if row is not None or option.name == "endpoint":
            raise _RefusedError(where, _must(where, "a value that the option allows"))
        self._note(where, f"{where} is out of the option's range, and left out")
        return UNKNOWN


def following(document: Document, before: Document | None) -> Document:
    """A newer file: what it says of a namespace and could not be read stays as it was before.

    It still counts as unsure, so that such a tracker is as private as one before any fetch.
    """
    kept = [name for name in document.unsure if before is not None and name in before.bundles]
    if before is None or not kept:
        return document
    return replace(
        document,
        bundles={**document.bundles, **{name: before.bundles[name] for name in kept}},
        source={**document.source, **{name: before.source.get(name, {}) for name in kept}},
    )


def knows(path: str) -> bool:
    """Whether this version knows a key that another one left out, `section.key`."""
    section_key, _, key = path.partition(".")
    section = SECTION_KEYS.get(section_key)
    return section in KINDS and key in options_of(section)


def _namespace(item: object) -> str:
    """Of a bundle; without it nobody knows whom the rest is about, and the file is refused."""
    if not isinstance(item, dict):
        raise ProtocolError("configurationBundle must hold objects")
    try:
        namespace = read_text(item.get("namespace"))
    except WrongTypeError:
        namespace = ""
    if not 1 <= len(namespace) <= MAX_NAMESPACE:
        raise ProtocolError(f"namespace must be text of 1 to {MAX_NAMESPACE} characters")
    return namespace


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _must(where: str, what: str) -> str:
    return f"a bundle is refused: {where} must be {what}"


def _may_rest(section: str, key: str) -> bool:
    return section != "subject" or options_of("subject")[key].name in _SUBJECT_AT_REST


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one with a key twice says two things, of which the looser could win."""
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key twice")
    return record


def _no_number(_: str) -> float:
    raise ValueError("NaN or Infinity")


_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def _is_deep(content: bytes) -> bool:
    """Whether brackets outside of strings nest too deep, before anything recursive reads them."""
    depth = 0
    for byte in _STRINGS.sub(b"", content):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False
