"""Schemas for the page: a resolver of its own, since each belongs to one thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.iglu import Resolver
    from whiteout.protocol.iglu import SchemaKey


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
            if self._resolver is None:
                self._resolver = self._make()
            return self._resolver.lookup(key)
