"""Registries from an official resolver configuration, `iglu_resolver.json`.

Source: reference section 2.7: registries whose vendor prefixes match come first, embedded ones
before HTTP, then the lower priority. What this package brings along is always asked before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from whiteout.complaint import complaint
from whiteout.errors import ConfigurationError
from whiteout.iglu.http import HttpRegistry
from whiteout.iglu.registries import EmbeddedRegistry, FolderRegistry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from whiteout.iglu.registries import Registry
    from whiteout.protocol.iglu import SchemaKey

_SCHEMA = "iglu:com.snowplowanalytics.iglu/resolver-config/jsonschema/1-0-"
_NEWEST_ADDITION = 3


class _Http(msgspec.Struct, forbid_unknown_fields=True):
    uri: str
    apikey: str | None = None


class _Embedded(msgspec.Struct, forbid_unknown_fields=True):
    path: str


class _Connection(msgspec.Struct, forbid_unknown_fields=True):
    http: _Http | None = None
    embedded: _Embedded | None = None


class _Repository(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    name: str
    priority: float
    vendor_prefixes: list[str]
    connection: _Connection


class _Data(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    cache_size: int
    repositories: list[_Repository]
    cache_ttl: int | None = None


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    schema: str
    data: _Data


@dataclass(frozen=True, slots=True)
class RankedRegistry:
    """A registry and when it is asked.

    Attributes:
        registry: the registry.
        prefixes: of vendors for which it is asked before others.
        kind: 2 for embedded ones and folders, 100 for HTTP.
        priority: lower is earlier.
    """

    registry: Registry
    prefixes: tuple[str, ...]
    kind: int
    priority: float

    def rank(self, key: SchemaKey) -> tuple[bool, int, float]:
        """Its place among others for a schema."""
        matches = any(key.vendor.startswith(prefix) for prefix in self.prefixes)
        return not matches, self.kind, self.priority


@dataclass(frozen=True, slots=True)
class ResolverConfiguration:
    """What a resolver configuration says.

    Attributes:
        registries: as they stand in the file.
        cache_size: how many schemas are kept.
        cache_ttl_s: how long a schema is kept, seconds; None is for ever.
    """

    registries: tuple[RankedRegistry, ...]
    cache_size: int
    cache_ttl_s: int | None

    def order(self, first: Sequence[Registry], key: SchemaKey) -> list[Registry]:
        """The registries in the order in which they are asked for a schema."""
        ranked = sorted(self.registries, key=lambda one: one.rank(key))
        return [*first, *(one.registry for one in ranked)]


def read_resolver(path: Path) -> ResolverConfiguration:
    """Read an official resolver configuration, version 1-0-0 to 1-0-3.

    Raises:
        ConfigurationError: it cannot be read; the message names the file and the cure.
    """
    try:
        content = path.read_bytes()
        document = msgspec.json.decode(content, type=_Document)
    except OSError as error:
        raise ConfigurationError(f"--resolver must be a file that exists, got {path}") from error
    except msgspec.ValidationError as error:
        what = complaint(error, msgspec.json.decode(content), _Document)
        raise ConfigurationError(f"{path.name}: {what}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name}: not a resolver configuration: {error}") from error
    addition = document.schema.removeprefix(_SCHEMA)
    if addition not in map(str, range(_NEWEST_ADDITION + 1)):
        raise ConfigurationError(
            f"{path.name}: schema must be {_SCHEMA}0 to {_SCHEMA}{_NEWEST_ADDITION}, got"
            f" {document.schema[:100]!r}"
        )
    data = document.data
    names = [one.name for one in data.repositories]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigurationError(
            f"{path.name}: names of repositories must be unique, got twice: {', '.join(repeated)}"
        )
    if data.cache_size < 1:
        raise ConfigurationError(
            f"{path.name}: cacheSize must be at least 1, got {data.cache_size}"
        )
    if data.cache_ttl is not None and data.cache_ttl < 0:
        raise ConfigurationError(
            f"{path.name}: cacheTtl must be seconds, 0 or more, got {data.cache_ttl}"
        )
    return ResolverConfiguration(
        tuple(_ranked(one, path) for one in data.repositories),
        data.cache_size,
        data.cache_ttl or None,
    )


def _ranked(repository: _Repository, path: Path) -> RankedRegistry:
    http, embedded = repository.connection.http, repository.connection.embedded
    prefixes = tuple(repository.vendor_prefixes)
    if http is not None and embedded is None:
        # The official client appends `/schemas` itself, to whatever the address ends in.
        try:
            registry: Registry = HttpRegistry(
                http.uri, api_key=http.apikey, name=repository.name, timeout_s=2.0
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"{path.name}: {repository.name}: {error}") from error
        return RankedRegistry(registry, prefixes, 100, repository.priority)
    if embedded is not None and http is None:
        # Inside a Java archive there, a folder beside the file here; else what this package brings.
        folder = path.parent / embedded.path.lstrip("/")
        if folder.is_dir():
            registry = FolderRegistry(folder, name=repository.name)
        else:
            registry = EmbeddedRegistry(name=repository.name)
        return RankedRegistry(registry, prefixes, 2, repository.priority)
    raise ConfigurationError(
        f"{path.name}: connection of {repository.name} must be either http or embedded"
    )
