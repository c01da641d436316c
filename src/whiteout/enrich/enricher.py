"""The way of a record through enrich.

::

    record -> load -> adapt -> for each event:
      phase 1: map its parameters, read and validate its self-describing parts
      phase 2: derive columns, run the enrichments
      phase 3: validate what the enrichments added, check the lengths of columns

What fails in a phase is gathered; the first phase with a failure makes the event's one bad row.

Source: reference section 2.1. Unlike Snowplow's enrich, a registry that cannot be reached does not
stop the process: the event becomes a bad row that names the registry, and can be replayed from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from whiteout.enrich import failure, schemas
from whiteout.enrich.adapter import Rejected, adapt
from whiteout.enrich.derived import derive
from whiteout.enrich.enrichments import ENRICHMENTS
from whiteout.enrich.enrichments.interface import EnrichmentError
from whiteout.enrich.event import BadRow, EnrichedEvent
from whiteout.enrich.failure import BadRows, RawEvent, enrichment_failure
from whiteout.enrich.limits import atomic_limits, too_long
from whiteout.enrich.load import Unreadable, load
from whiteout.enrich.mapping import map_parameters
from whiteout.errors import ConfigurationError
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.enrichments.interface import Enrichment
    from whiteout.enrich.failure import Message
    from whiteout.enrich.load import Request
    from whiteout.enrich.mapping import Mapped
    from whiteout.enrich.schemas import SelfDescribingParts
    from whiteout.iglu import Resolver

ARTIFACT = "whiteout-enrich"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrichSettings:
    """Settings of enrich.

    Attributes:
        max_record_bytes: larger records are not looked into; they become `size_violation`.
        atomic_limits: other lengths for single text columns, by name.

    Raises:
        ConfigurationError: a value is outside its range.
    """

    max_record_bytes: int = 10_000_000
    atomic_limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.max_record_bytes < 1:
            raise ConfigurationError(
                f"max_record_bytes must be at least 1, got {self.max_record_bytes!r}"
            )
        atomic_limits(self.atomic_limits)


class Enricher:
    """Turns records of the raw log into events and bad rows.

    Not thread-safe: one thread owns it, with its resolver and its enrichments.

    Args:
        resolver: finds schemas.
        settings: see there.
        now_ms: the wall clock, Unix epoch milliseconds.
        new_uuid: makes the ids of events that come without.
        enrichments: in order; those of `ENRICHMENTS` by default.
    """

    def __init__(
        self,
        resolver: Resolver,
        settings: EnrichSettings | None = None,
        *,
        now_ms: Callable[[], int],
        new_uuid: Callable[[], UUID],
        enrichments: Sequence[Enrichment] | None = None,
    ) -> None:
        settings = settings or EnrichSettings()
        if enrichments is None:
            enrichments = [make() for make in ENRICHMENTS]
        self._resolver = resolver
        self._max_record_bytes = settings.max_record_bytes
        self._limits = atomic_limits(settings.atomic_limits)
        self._now_ms = now_ms
        self._new_uuid = new_uuid
        self._enrichments = tuple(enrichments)
        self._bad_rows = BadRows(artifact=ARTIFACT, version=__version__)
        self._v_etl = f"{ARTIFACT}-{__version__}"

    def enrich(self, record: bytes) -> list[EnrichedEvent | BadRow]:
        """Enrich one record of the raw log.

        Returns:
            At least one result: one for each event of the record, or one bad row for all of it.
            Never raises, whatever the bytes.
        """
        now_ms = self._now_ms()
        if len(record) > self._max_record_bytes:
            limit = self._max_record_bytes
            return [self._bad_rows.size_violation(now_ms, size=len(record), limit=limit)]
        request = load(record)
        if isinstance(request, Unreadable):
            return [self._bad_rows.format_violation(now_ms, request.message, request.record)]
        try:
            return self._enrich_request(request, now_ms)
        except Exception as error:  # noqa: BLE001 - a fault of ours; raised, it would meet the
            # same record again after each restart, and nothing behind it would ever be read.
            return [self._bad_rows.generic_error(now_ms, type(error).__name__, request)]

    def _enrich_request(self, request: Request, now_ms: int) -> list[EnrichedEvent | BadRow]:
        events = adapt(request, self._resolver)
        if isinstance(events, Rejected):
            return [self._bad_rows.adapter_failure(now_ms, events.schema, events.messages, request)]
        return [self._enrich_event(request, parameters, now_ms) for parameters in events]

    def _enrich_event(
        self, request: Request, parameters: Parameters, now_ms: int
    ) -> EnrichedEvent | BadRow:
        mapped = map_parameters(
            request, parameters, now_ms=now_ms, v_etl=self._v_etl, new_uuid=self._new_uuid
        )
        parts = schemas.read_parts(parameters, mapped.fields, self._resolver)
        if mapped.faults or parts.violations:
            return self._violations_of_phase_1(request, parameters, mapped, parts, now_ms)
        failures = derive(request, mapped, parts.unstruct_event)
        event = EnrichedEvent(
            fields=mapped.fields,
            unstruct_event=parts.unstruct_event,
            contexts=parts.contexts,
            derived_contexts=[],
        )
        violations: list[Message] = []
        for enrichment in self._enrichments:
            failures += self._run(enrichment, event, violations)
        schemas.write_derived(event.fields, event.derived_contexts)
        if failures:
            raw = RawEvent(parameters, event.fields, {})
            return self._bad_rows.enrichment_failures(now_ms, failures, request, raw)
        long = too_long(event.fields, self._limits)
        if long:
            violations.append(failure.atomic_violation(long))
        if violations:
            raw = RawEvent(parameters, event.fields, {})
            return self._bad_rows.schema_violations(now_ms, violations, request, raw)
        return event

    def _violations_of_phase_1(
        self,
        request: Request,
        parameters: Parameters,
        mapped: Mapped,
        parts: SelfDescribingParts,
        now_ms: int,
    ) -> BadRow:
        messages = list(parts.violations)
        if mapped.faults:
            messages.insert(0, failure.atomic_violation(mapped.faults))
        raw = RawEvent(parameters, mapped.fields, parts.texts)
        return self._bad_rows.schema_violations(now_ms, messages, request, raw)

    def _run(
        self, enrichment: Enrichment, event: EnrichedEvent, violations: list[Message]
    ) -> list[Message]:
        """Run one enrichment; its entities are validated like those of trackers."""
        try:
            entities = enrichment.enrich(event)
        except EnrichmentError as error:
            message = {"error": str(error)[:512]}
            return [
                enrichment_failure(
                    message, schema=enrichment.schema, identifier=enrichment.identifier
                )
            ]
        for entity in entities:
            if schemas.is_valid_entity(entity, self._resolver, violations):
                event.derived_contexts.append(entity)
        return []
