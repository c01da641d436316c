"""The way of a record through enrich.

::

    record -> unpack -> for each payload: load -> adapt -> for each event:
      phase 1: map its parameters, read and validate its self-describing parts
      phase 2: derive columns, run the enrichments
      phase 3: validate what the enrichments added, check the lengths of columns

What fails in a phase is gathered; the first phase with a failure makes the event's one bad row.
After a failure of phase 1 nothing more is done, unless the rest of the event is asked for
(`incomplete_events`), or a function of the user's may still let it vanish.

Source: reference section 2.1. Unlike Snowplow's enrich, a registry that cannot be reached does not
stop the process: the event becomes a bad row that names the registry, and can be replayed from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whiteout.enrich import failure, schemas
from whiteout.enrich.adapter import Rejected, adapt
from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.derived import derive
from whiteout.enrich.enrichments.interface import DropEventError, EnrichmentError
from whiteout.enrich.enrichments.parse_user_agent import ParseUserAgent
from whiteout.enrich.event import DROPPED, BadRow, Dropped, EnrichedEvent
from whiteout.enrich.failure import BadRows, RawEvent, enrichment_failure
from whiteout.enrich.incomplete import complete
from whiteout.enrich.limits import atomic_limits, too_long
from whiteout.enrich.load import Request, Unreadable, load
from whiteout.enrich.mapping import map_parameters
from whiteout.enrich.masking import is_privacy, masks_of
from whiteout.enrich.settings import EnrichSettings
from whiteout.enrich.unpacking import TooLarge, is_packed, unpack
from whiteout.protocol.anonymous import DROPPED_PARAMETERS, TIME_STEP_MS, TRACKER_IDENTIFIERS
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.enrichments.interface import Enrichment
    from whiteout.enrich.failure import Message
    from whiteout.enrich.mapping import Mapped
    from whiteout.enrich.schemas import SelfDescribingParts
    from whiteout.iglu import Resolver

ARTIFACT = "whiteout-enrich"


class Enricher:
    """Turns records of the raw log into events and bad rows.

    Not thread-safe: one thread owns it, with its resolver and its enrichments.

    Args:
        resolver: finds schemas.
        settings: see there.
        now_ms: the wall clock, Unix epoch milliseconds.
        new_uuid: makes the ids of events that come without.
        enrichments: in order; by default user agents are read, and that is all.
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
            enrichments = [ParseUserAgent()]
        self._resolver = resolver
        self._max_record_bytes = settings.max_record_bytes
        self._limits = () if settings.accept_invalid else atomic_limits(settings.atomic_limits)
        self._incomplete = settings.incomplete_events
        self._dropped_parameters = (
            DROPPED_PARAMETERS - TRACKER_IDENTIFIERS
            if settings.keep_tracker_identifiers
            else DROPPED_PARAMETERS
        )
        self._now_ms = now_ms
        self._new_uuid = new_uuid
        self._enrichments = tuple(enrichments)
        self._rewriting = frozenset(
            id(one) for one in self._enrichments if getattr(one, "rewrites", False)
        )
        self._has_masks = any(map(is_privacy, self._enrichments))
        self._bad_rows = BadRows(artifact=ARTIFACT, version=__version__)
        self._v_etl = f"{ARTIFACT}-{__version__}"

    def enrich(self, record: bytes) -> list[EnrichedEvent | BadRow | Dropped]:
        """Enrich one record of the raw log.

        Returns:
            One result for each event of the record, or one bad row for all of it; of a compressed
            record that of each payload in it, so none where it has none. Never raises, whatever
            the bytes.
        """
        now_ms = self._now_ms()
        limit = self._max_record_bytes
        if len(record) > limit:
            return [self._bad_rows.size_violation(now_ms, size=len(record), limit=limit)]
        if not is_packed(record):
            return self._enrich_payload(record, now_ms)
        results: list[EnrichedEvent | BadRow | Dropped] = []
        for one in unpack(record, max_payload_bytes=limit):
            if isinstance(one, bytes):
                results += self._enrich_payload(one, now_ms)
            elif isinstance(one, TooLarge):
                row = self._bad_rows.size_violation(now_ms, size=one.size, limit=one.limit)
                results.append(row)
            else:
                message = failure.format_error(one.why)
                results.append(self._unreadable(Unreadable(message, None), now_ms))
        return results

    def _enrich_payload(self, record: bytes, now_ms: int) -> list[EnrichedEvent | BadRow | Dropped]:
        request = load(record, self._dropped_parameters)
        if isinstance(request, Unreadable):
            return [self._unreadable(request, now_ms)]
        if request.anonymous:
            now_ms -= now_ms % TIME_STEP_MS
        try:
            return self._enrich_request(request, now_ms)
        except Exception as error:  # noqa: BLE001 - a fault of ours; raised, it would meet the
            # same record again after each restart, and nothing behind it would ever be read.
            name = type(error).__name__
            clean = self._masked(request).record()
            return [self._bad_rows.generic_error(now_ms, f"fault in enrich: {name}", clean)]

    def fault(self, record: bytes, error: str) -> BadRow:
        """The bad row of a record that could not be stored, for a fault that is not its own.

        It holds the record as clean as another bad row would; nothing of one that cannot be read.

        Args:
            record: of the raw log.
            error: what kind of fault; it repeats nothing of the record.
        """
        now_ms = self._now_ms()
        try:
            request = load(record, self._dropped_parameters)
            clean = None
            if isinstance(request, Request):
                now_ms -= now_ms % TIME_STEP_MS if request.anonymous else 0
                clean = self._masked(request).record()
        except Exception:  # noqa: BLE001 - it may be what the fault is about
            clean = None
        return self._bad_rows.generic_error(now_ms, error, clean)

    def _unreadable(self, unreadable: Unreadable, now_ms: int) -> BadRow:
        message, record = unreadable.message, unreadable.record
        if self._has_masks:  # nobody knows where in it is what would have to be masked
            message, record = {**message, **({"value": None} if "value" in message else {})}, None
        return self._bad_rows.format_violation(now_ms, message, record)

    def _masked(self, request: Request) -> Request:
        masks = masks_of(self._enrichments, request) if self._has_masks else None
        return request if masks is None else masks.request(request)

    def _enrich_request(
        self, request: Request, now_ms: int
    ) -> list[EnrichedEvent | BadRow | Dropped]:
        events = adapt(request, self._resolver)
        if isinstance(events, Rejected):
            messages: Sequence[Message] = events.messages
            masks = masks_of(self._enrichments, request) if self._has_masks else None
            if masks is not None:
                messages, request = masks.messages(messages), masks.request(request)
            return [self._bad_rows.adapter_failure(now_ms, events.schema, messages, request)]
        return [self._enrich_event(request, parameters, now_ms) for parameters in events]

    def _enrich_event(
        self, request: Request, parameters: Parameters, now_ms: int
    ) -> EnrichedEvent | BadRow | Dropped:
        mapped = map_parameters(
            request, parameters, now_ms=now_ms, v_etl=self._v_etl, new_uuid=self._new_uuid
        )
        parts = schemas.read_parts(parameters, self._resolver)
        event = EnrichedEvent(
            fields=mapped.fields,
            unstruct_event=parts.unstruct_event,
            contexts=parts.contexts,
            derived_contexts=[],
        )
        outcome = _Outcome([], [], [])
        if mapped.faults or parts.violations:
            outcome.mapping = _messages_of_phase_1(mapped, parts)
            if not (self._incomplete or self._rewriting):
                schemas.write_parts(event)
                raw = RawEvent(parameters, event.fields, parts.texts)
                return self._bad_row(request, raw, outcome, now_ms)
        event.derived_contexts += parts.superseded.values()
        outcome.enriching = derive(request, mapped, parts.unstruct_event)
        try:
            for enrichment in self._enrichments:
                self._run(enrichment, event, request, parameters, outcome)
        except DropEventError:
            return DROPPED
        schemas.write_parts(event)
        long = too_long(event.fields, self._limits)
        if long:
            outcome.validating.append(failure.atomic_violation(long))
        if not (outcome.mapping or outcome.enriching or outcome.validating):
            return event
        outcome.enriched = True
        raw = RawEvent(parameters, event.fields.copy(), parts.texts)
        row = self._bad_row(request, raw, outcome, now_ms)
        if not self._incomplete:
            return row
        for fault in long:
            event.fields[COLUMN_INDEX[fault.column]] = None
        rest = complete(
            event,
            outcome.all(),
            now_ms=now_ms,
            bad_rows=self._bad_rows,
            with_data=not (self._has_masks or request.anonymous),
        )
        return replace(row, incomplete=rest)

    def _bad_row(self, request: Request, raw: RawEvent, outcome: _Outcome, now_ms: int) -> BadRow:
        """The one bad row of an event: of the first phase that failed."""
        messages: Sequence[Message] = outcome.mapping or outcome.enriching or outcome.validating
        make = self._bad_rows.schema_violations
        if outcome.enriching and not outcome.mapping:
            make = self._bad_rows.enrichment_failures
        masks = masks_of(self._enrichments, request) if self._has_masks else None
        if masks is not None:
            raw = masks.event(raw, enriched=outcome.enriched)
            messages, request = masks.messages(messages), masks.request(request)
        return make(now_ms, messages, request, raw)

    def _run(
        self,
        enrichment: Enrichment,
        event: EnrichedEvent,
        request: Request,
        parameters: Parameters,
        outcome: _Outcome,
    ) -> None:
        """Run one enrichment; its entities are validated like those of trackers."""
        try:
            entities = enrichment.enrich(event, request, parameters)
        except EnrichmentError as error:
            message = {"error": str(error)[:512]}
            outcome.enriching.append(
                enrichment_failure(
                    message, schema=enrichment.schema, identifier=enrichment.identifier
                )
            )
            return
        for entity in entities:
            if schemas.is_valid_entity(entity, self._resolver, outcome.validating):
                event.derived_contexts.append(entity)
        if id(enrichment) in self._rewriting:
            schemas.judge_again(event, self._resolver, outcome.validating)


@dataclass(slots=True, repr=False)
class _Outcome:
    """What failed, by phase; `enriched` says that the enrichments have run."""

    mapping: list[Message]
    enriching: list[Message]
    validating: list[Message]
    enriched: bool = False

    def all(self) -> list[Message]:
        return [*self.mapping, *self.enriching, *self.validating]


def _messages_of_phase_1(mapped: Mapped, parts: SelfDescribingParts) -> list[Message]:
    messages = list(parts.violations)
    if mapped.faults:
        messages.insert(0, failure.atomic_violation(mapped.faults))
    return messages
