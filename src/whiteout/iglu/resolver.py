"""From a schema's key to the schema: registries in order, and a memory of what they said."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from whiteout.errors import ProtocolError
from whiteout.iglu.embedded import SCHEMAS
from whiteout.iglu.errors import (
    LookupProblem,
    RegistryHistory,
    ResolutionError,
    SchemaError,
)
from whiteout.iglu.validator import Validator, compile_schema
from whiteout.protocol.iglu import parse_schema_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whiteout.iglu.registries import Registry
    from whiteout.protocol.iglu import SchemaKey

_SUPERSEDED_BY = "$supersededBy"
_FIRST_RETRY_MS = 500
_LAST_RETRY_MS = 60_000

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Unresolved:
    error: ResolutionError
    failed_lookups: int
    ask_again_at_ms: int


class Resolver:
    """Finds schemas and keeps them, compiled.

    Not thread-safe: one thread owns it.

    Args:
        registries: asked in this order; the first that has the schema wins.
        order: the registries to ask for a schema, where that depends on its vendor.
        now_ms: the wall clock, Unix epoch milliseconds.
        cache_size: how many schemas, compiled ones and missing ones are kept (of each).
        schema_ttl_ms: how long a schema is kept; None is for ever, as versions never change.
        not_found_ttl_ms: how long it is believed that no registry has a schema. Where one of them
            failed they are asked again after half a second, then ever later, up to a minute.

    Attributes:
        compiled: the validator of an Iglu URI if it is at hand, in a fraction of the time of
            `validator`. None says nothing of the schema: ask `validator` then.
        is_standard: whether the schema of that URI is at hand, and is the one that this package
            brings along. False says nothing of the schema: ask `validator` then.
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings
        self,
        registries: Sequence[Registry],
        *,
        now_ms: Callable[[], int] = _now_ms,
        cache_size: int = 2_000,
        schema_ttl_ms: int | None = None,
        not_found_ttl_ms: int = 60_000,
        order: Callable[[SchemaKey], Sequence[Registry]] | None = None,
    ) -> None:
        self.registries = tuple(registries)
        self._order = order
        self._now_ms = now_ms
        self._cache_size = cache_size
        self._schema_ttl_ms = schema_ttl_ms
        self._not_found_ttl_ms = not_found_ttl_ms
        self._schemas: dict[SchemaKey, dict[str, Any]] = {}
        self._validators: dict[SchemaKey, Validator | SchemaError] = {}
        self._by_uri: dict[str, Validator] = {}
        self._standard: set[str] = set()
        # Six times an event: a method costs 0.1 us more each time.
        self.compiled: Callable[[str], Validator | None] = self._by_uri.get
        self.is_standard: Callable[[str], bool] = self._standard.__contains__
        self._unresolved: dict[SchemaKey, _Unresolved] = {}
        self._found_at_ms: dict[SchemaKey, int] = {}

    def lookup(self, key: SchemaKey) -> dict[str, Any]:
        """The schema of that key.

        Raises:
            ResolutionError: no registry has it, or could be asked; it says which ones were.
        """
        self._forget_if_old(key)
        schema = self._schemas.get(key)
        return self._ask(key) if schema is None else schema

    def validator(self, key: SchemaKey) -> Validator:
        """The compiled schema of that key.

        Raises:
            ResolutionError: no registry has it, or could be asked; it says which ones were.
            SchemaError: what the registry has cannot be used.
        """
        if self._schema_ttl_ms is not None:
            self._forget_if_old(key)
        compiled = self._validators.get(key)
        if compiled is None:
            schema = self.lookup(key)
            try:
                compiled = compile_schema(key, schema)
            except SchemaError as error:
                compiled = error
            self._keep(self._validators, key, compiled)
            if isinstance(compiled, Validator) and self._schema_ttl_ms is None:
                if _SUPERSEDED_BY not in schema:  # else the short way would pass it by
                    self._keep(self._by_uri, key.uri, compiled)
                if schema == SCHEMAS.get(key.uri):
                    self._standard.add(key.uri)
        if isinstance(compiled, SchemaError):
            raise compiled
        return compiled

    def superseding(self, key: SchemaKey) -> SchemaKey:
        """The version that data of that schema is judged by: itself, or a greater one it names.

        Raises:
            ResolutionError: no registry has the schema, or could be asked.
        """
        version = self.lookup(key).get(_SUPERSEDED_BY)
        if not isinstance(version, str):
            return key
        try:
            newer = parse_schema_key(f"iglu:{key.vendor}/{key.name}/{key.format}/{version}")
        except ProtocolError:
            return key
        return max(key, newer)

    def _forget_if_old(self, key: SchemaKey) -> None:
        found_at = self._found_at_ms.get(key)
        if found_at is None or self._schema_ttl_ms is None:
            return
        if self._now_ms() - found_at >= self._schema_ttl_ms:
            del self._found_at_ms[key]
            self._schemas.pop(key, None)
            self._validators.pop(key, None)

    def _ask(self, key: SchemaKey) -> dict[str, Any]:
        known = self._unresolved.get(key)
        now = self._now_ms()
        if known is not None and now < known.ask_again_at_ms:
            raise known.error
        history = []
        for registry in self.registries if self._order is None else self._order(key):
            answer = registry.lookup(key)
            if not isinstance(answer, LookupProblem):
                self._unresolved.pop(key, None)
                self._keep(self._schemas, key, answer)
                self._keep(self._found_at_ms, key, now)
                return answer
            history.append(_add_to_history(known, registry.name, answer, now))
        raise self._remember_unresolved(key, known, history, now)

    def _remember_unresolved(
        self, key: SchemaKey, known: _Unresolved | None, history: list[RegistryHistory], now: int
    ) -> ResolutionError:
        failed = any(entry.problems[-1].kind != "NotFound" for entry in history)
        failures = (known.failed_lookups if known else 0) + 1 if failed else 0
        wait = self._not_found_ttl_ms
        if failed:
            wait = min(wait, _FIRST_RETRY_MS << min(failures - 1, 16), _LAST_RETRY_MS)
        error = ResolutionError(key, history)
        self._keep(self._unresolved, key, _Unresolved(error, failures, now + wait))
        return error

    def _keep(self, cache: dict[_Key, _Value], key: _Key, value: _Value) -> None:
        if len(cache) >= self._cache_size and key not in cache:
            del cache[next(iter(cache))]
        cache[key] = value


def _add_to_history(
    known: _Unresolved | None, repository: str, problem: LookupProblem, now: int
) -> RegistryHistory:
    """One registry's entry with its latest answer put last."""
    earlier = next(
        (
            entry
            for entry in (known.error.history if known else ())
            if entry.repository == repository
        ),
        None,
    )
    others = tuple(p for p in (earlier.problems if earlier else ()) if p.kind != problem.kind)
    return RegistryHistory(
        repository=repository,
        problems=(*others, problem),
        attempts=(earlier.attempts if earlier else 0) + 1,
        last_attempt_ms=now,
    )
