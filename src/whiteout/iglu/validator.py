"""Schemas made ready to judge data: JSON Schema draft 4 in the reading of Snowplow's Iglu client.

A schema may come from a registry that somebody else runs. So a `$ref` leads only to places in the
same schema, is never followed in a circle, and what it unfolds to is bounded; patterns run on an
engine with linear time, or with a bounded number of steps where they need look-around.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from whiteout.iglu.errors import SchemaError, SchemaIssue
from whiteout.iglu.references import check_references

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whiteout.protocol.iglu import SchemaKey

MAX_REPORTS = 20  # a hostile list of 100,000 faults is not worth 100,000 messages

# Draft 4 knows no `uuid`, and its `uri` is wider here than RFC 3986: these are the patterns with
# which the official validator checks the two formats.
FORMAT_PATTERNS = {
    "uuid": r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    "uri": r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//)\S*$",
}
_PATTERN_FORMATS = {pattern: name for name, pattern in FORMAT_PATTERNS.items()}

_PATTERN_OPTIONS = jsonschema_rs.FancyRegexOptions(
    backtrack_limit=10_000, size_limit=1_000_000, dfa_size_limit=1_000_000
)
_NOT_KEYWORDS = frozenset({"$schema", "self", "$supersededBy", "$supersedes"})
_SUBSCHEMA = frozenset({"not", "additionalItems", "additionalProperties", "items"})
_SUBSCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "items"})
_SUBSCHEMA_MAPS = frozenset({"properties", "patternProperties", "definitions", "dependencies"})


@dataclass(frozen=True, slots=True)
class DataReport:
    """One fault of the data, in the form bad rows have it.

    Attributes:
        message: what is wrong, without the value itself.
        path: JSON path to it, `$.a[0]`.
        keyword: the schema's keyword that it breaks.
        targets: what the keyword asks for.
    """

    message: str
    path: str
    keyword: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Validator:
    """A compiled schema.

    Attributes:
        is_valid: the verdict on JSON data, and nothing else; the fast way.
    """

    is_valid: Callable[[Any], bool]
    _iterate: Callable[[Any], Iterator[jsonschema_rs.ValidationError]]

    def reports(self, data: object) -> list[DataReport]:
        """The faults of `data`, the first 20; empty when it is valid."""
        return [_report(error) for error in islice(self._iterate(data), MAX_REPORTS)]


def compile_schema(key: SchemaKey, schema: dict[str, Any]) -> Validator:
    """Make a schema ready.

    Args:
        key: its key, for the error.
        schema: self-describing or plain; it is not changed.

    Raises:
        SchemaError: it is not a schema, or one that could harm whoever uses it.
    """
    plain = {name: value for name, value in schema.items() if name not in _NOT_KEYWORDS}
    check_references(key, plain)
    try:
        compiled = jsonschema_rs.Draft4Validator(
            _rewrite_formats(plain),
            validate_formats=True,
            pattern_options=_PATTERN_OPTIONS,
            offline=True,
            mask="the value",
        )
    except jsonschema_rs.ValidationError as error:
        issue = SchemaIssue(_json_path(error.instance_path), error.message[:500])
        raise SchemaError(key, [issue]) from error
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise SchemaError(key, [SchemaIssue("$", str(error)[:500])]) from error
    return Validator(compiled.is_valid, compiled.iter_errors)


def _report(error: jsonschema_rs.ValidationError) -> DataReport:
    keyword, value, message = error.kind.name, error.kind.value, error.message
    name = _PATTERN_FORMATS.get(value) if isinstance(value, str) else None
    if keyword == "pattern" and name is not None:
        keyword, value, message = "format", name, f'the value is not a "{name}"'
    targets = value if isinstance(value, list) else [value]
    return DataReport(
        message=message[:500],
        path=_json_path(error.instance_path),
        keyword=keyword,
        targets=tuple(str(target)[:200] for target in targets[:MAX_REPORTS]),
    )


def _json_path(steps: list[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _rewrite_formats(schema: dict[str, Any]) -> dict[str, Any]:
    """Copy `schema` with patterns in place of the formats that draft 4 judges otherwise."""
    copy: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _SUBSCHEMA_LISTS and isinstance(value, list):
            copy[keyword] = [_rewrite_if_schema(item) for item in value]
        elif keyword in _SUBSCHEMA:
            copy[keyword] = _rewrite_if_schema(value)
        elif keyword in _SUBSCHEMA_MAPS and isinstance(value, dict):
            copy[keyword] = {name: _rewrite_if_schema(item) for name, item in value.items()}
        else:
            copy[keyword] = value
    name = schema.get("format")
    pattern = FORMAT_PATTERNS.get(name) if isinstance(name, str) else None
    if pattern is not None:
        del copy["format"]
        if "pattern" in copy:
            also = copy.get("allOf")
            copy["allOf"] = [*(also if isinstance(also, list) else []), {"pattern": pattern}]
        else:
            copy["pattern"] = pattern
    return copy


def _rewrite_if_schema(value: object) -> object:
    return _rewrite_formats(value) if isinstance(value, dict) else value
