"""Schemas for the page: a resolver of its own, since each belongs to one thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from whiteout.enrich.adapter import adapt
from whiteout.enrich.schemas import is_valid_entity, read_parts
from whiteout.iglu import EmbeddedRegistry, FolderRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.enrich.adapter import Parameters, Rejected
    from whiteout.enrich.failure import Message
    from whiteout.enrich.load import Request
    from whiteout.iglu import Resolver
    from whiteout.protocol.iglu import SchemaKey
    from whiteout.protocol.self_describing import SelfDescribingJson


class Schemas:
    """Finds schemas. Any thread may ask; a lock keeps one at a time.

    Args:
        make_resolver: called once, when the first schema is asked for.
    """

    def __init__(self, make_resolver: Callable[[], Resolver]) -> None:
        self._make = make_resolver
        self._lock = threading.Lock()
        self._resolver: Resolver | None = None

    def find(self, key: SchemaKey) -> dict[str, Any]:
        """The schema of that key.

        Raises:
            ResolutionError: no registry has it, or could be asked; it says which ones were.
        """
        with self._lock:
            return self._made().lookup(key)

    def accept(self, part: SelfDescribingJson) -> bool:
        """Whether the schema of a part is there, and allows its data."""
        with self._lock:
            return is_valid_entity(part, self._made(), [])

    def violations(self, parameters: Parameters) -> list[Message]:
        """What is wrong with the self-describing parts of an event, as bad rows have it."""
        with self._lock:
            return read_parts(parameters, self._made()).violations

    def adapt(self, request: Request) -> list[Parameters] | Rejected:
        """The events of a request; see `enrich.adapter.adapt`."""
        with self._lock:
            return adapt(request, self._made())

    def keys(self) -> set[SchemaKey]:
        """The keys of all schemas that can be listed: those that came along, and of folders.

        Registries behind HTTP are not asked; Iglu Central has thousands.
        """
        with self._lock:
            found: set[SchemaKey] = set()
            for registry in self._made().registries:
                if isinstance(registry, EmbeddedRegistry | FolderRegistry):
                    found.update(registry.keys())
            return found

    def _made(self) -> Resolver:
        if self._resolver is None:
            self._resolver = self._make()
        return self._resolver
