"""Where schemas come from: what this package brings, and folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from whiteout.errors import ConfigurationError, ProtocolError
from whiteout.iglu import bounded_json
from whiteout.iglu.embedded import SCHEMAS
from whiteout.iglu.errors import LookupProblem
from whiteout.protocol.iglu import SchemaKey, parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_SCHEMA_BYTES = 512 * 1024  # the longest of Iglu Central has 60 kB
NOT_FOUND = LookupProblem("NotFound")


class Registry(Protocol):
    """A place that may have schemas. It answers in bounded time and never raises."""

    @property
    def name(self) -> str:
        """What failed events call it."""

    def lookup(self, key: SchemaKey) -> dict[str, Any] | LookupProblem:
        """The schema, or why there is none."""


@dataclass(frozen=True, slots=True)
class EmbeddedRegistry:
    """Schemas in memory; by default those of Snowplow's protocol and of this package's SDK.

    Args:
        schemas: Iglu URI to JSON schema.
        name: what failed events call it.
    """

    schemas: Mapping[str, dict[str, Any]] = field(default_factory=lambda: SCHEMAS)
    name: str = "Whiteout embedded"

    def lookup(self, key: SchemaKey) -> dict[str, Any] | LookupProblem:
        """The schema, or `NotFound`."""
        return self.schemas.get(key.uri, NOT_FOUND)

    def keys(self) -> Iterator[SchemaKey]:
        """The keys of all schemas, in order."""
        return iter(sorted(map(parse_schema_key, self.schemas)))


class FolderRegistry:
    """A folder with a file for each schema, as in Iglu's static registries.

    The path is `schemas/<vendor>/<name>/<format>/<version>` or the same without `schemas/`. Links
    that lead out of the folder are not followed.

    Args:
        folder: the registry's root.
        name: what failed events call it; the folder's path by default.

    Raises:
        ConfigurationError: there is no such folder.
    """

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        if not folder.is_dir():
            raise ConfigurationError(f"folder must be a folder with schemas, got {str(folder)!r}")
        self._roots = tuple(
            root.resolve() for root in (folder / "schemas", folder) if root.is_dir()
        )
        self.name = name or str(folder)

    def lookup(self, key: SchemaKey) -> dict[str, Any] | LookupProblem:
        """The schema; `NotFound`, or `RepoFailure` where the file is no schema."""
        if key.vendor.startswith("."):  # the pattern of keys lets `..` through
            return NOT_FOUND
        for root in self._roots:
            path = (root / key.path).resolve()
            if path.is_relative_to(root) and path.is_file():
                return _read(path, key)
        return NOT_FOUND

    def keys(self) -> Iterator[SchemaKey]:
        """The keys of all files that lie where a schema would, in order."""
        keys = set()
        for root in self._roots:
            for path in root.glob("*/*/*/*-*-*"):
                try:
                    keys.add(parse_schema_key(f"iglu:{path.relative_to(root).as_posix()}"))
                except ProtocolError:
                    continue  # some other file
        return iter(sorted(keys))


def read_schema(content: bytes, key: SchemaKey) -> dict[str, Any] | LookupProblem:
    """Read a schema that a registry returned for `key`; nonsense is a `RepoFailure`."""
    if len(content) > MAX_SCHEMA_BYTES:
        return LookupProblem("RepoFailure", f"schema is larger than {MAX_SCHEMA_BYTES} bytes")
    try:
        schema = bounded_json.decode(content)
    except ProtocolError as error:
        return LookupProblem("RepoFailure", f"schema is {error}"[:256])
    if not isinstance(schema, dict):
        return LookupProblem("RepoFailure", "schema is not a JSON object")
    own = schema.get("self")
    names = {"vendor": key.vendor, "name": key.name, "format": key.format, "version": key.version}
    if own is not None and own != names:
        return LookupProblem("RepoFailure", "schema describes itself as another one")
    return schema


def _read(path: Path, key: SchemaKey) -> dict[str, Any] | LookupProblem:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SCHEMA_BYTES + 1)
    except OSError as error:
        return LookupProblem("RepoFailure", f"file cannot be read: {error.strerror}"[:256])
    return read_schema(content, key)
