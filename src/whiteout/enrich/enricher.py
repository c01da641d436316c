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

from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich import failure, schemas
from whiteout.enrich.adapter import Rejected, adapt
from whiteout.enrich.atomic import COLUMN_INDEX
from whiteout.enrich.derived import derive
from whiteout.enrich.enrichments.interface import DropEventError, EnrichmentError
from whiteout.enrich.enrichments.parse_user_agent import ParseUserAgent
from whiteout.enrich.event import DROPPED, BadRow, Dropped, EnrichedEvent
from whiteout.enrich.failure import BadRows, RawEvent, enrichment_failure
from whiteout.enrich.incomplete import complete
from whiteout.enrich.limits import NO_LIMITS, atomic_limits, too_long
from whiteout.enrich.load import Request, Unreadable, load, read, request_of
from whiteout.enrich.mapping import map_parameters
from whiteout.enrich.masking import is_privacy, masks_of
from whiteout.enrich.settings import EnrichSettings
from whiteout.enrich.unpacking import TooLarge, is_packed, unpack
from whiteout.protocol.anonymous import DROPPED_PARAMETERS, TIME_STEP_MS, TRACKER_IDENTIFIERS
from whiteout.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from uuid import UUID

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.enrichments.interface import Enrichment
    from whiteout.enrich.event import Result
    from whiteout.enrich.failure import Message
    from whiteout.enrich.mapping import Mapped
    from whiteout.enrich.schemas import SelfDescribingParts
    from whiteout.iglu import Resolver

ARTIFACT = "whiteout-enrich"

_TOGETHER = 16  # events and payloads; 8 to 64 take the same time, 1 a third longer
_BYTES_TOGETHER = 100_000  # of records: what is made of them takes several times as much


class Enricher:
    """Turns records of the raw log into events and bad rows.

    Not thread-safe: one thread owns it, with its resolver and its enrichments.

    Args:
        resolver: finds schemas.
        settings: see there.
        now_ms: the wall clock, Unix epoch milliseconds.
        new_uuid: makes the ids of events that come without.
        enrichments: in order; by default user agents are read, and that is all.

    Attributes:
        may_hide: whether an event may lack what its record still says, for privacy's sake.
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
        self._limits = (
            NO_LIMITS if settings.accept_invalid else atomic_limits(settings.atomic_limits)
        )
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
        # A function of the user's may be there to hide something: nobody can tell.
        self.may_hide = self._has_masks or bool(self._rewriting)
        self._bad_rows = BadRows(artifact=ARTIFACT, version=__version__)
        self._v_etl = f"{ARTIFACT}-{__version__}"
        self._phases: tuple[Callable[[_Work], Result | None], ...] = (
            self._map,
            self._read,
            self._derive,
            *(partial(self._run, enrichment) for enrichment in self._enrichments),
            self._finish,
        )

    def enrich(self, record: bytes) -> list[Result]:
        """Enrich one record of the raw log.

        Returns:
            One result for each event of the record, or one bad row for all of it; of a compressed
            record that of each payload in it, so none where it has none. Never raises, whatever
            the bytes.
        """
        (results,) = self.enrich_all((record,))
        return results

    def enrich_all(
        self,
        records: Iterable[bytes],
        new_uuids: Iterable[Callable[[], UUID]] | None = None,
    ) -> Iterator[list[Result]]:
        """Enrich records of the raw log, in three quarters of the time of one after the other.

        A phase works on several events before the next one begins: its code is then still in the
        processor's caches. So some records more are read than have been given back.

        Args:
            records: of the raw log.
            new_uuids: for each record, what makes the ids of its events that come without.

        Yields:
            For each record what `enrich` returns.
        """
        waiting: list[list[_Payload]] = []
        ready: list[_Payload] = []
        size = 0
        makers = repeat(self._new_uuid) if new_uuids is None else new_uuids
        for record, new_uuid in zip(records, makers, strict=False):
            payloads: list[_Payload] = []
            waiting.append(payloads)
            for payload in self._payloads(record, self._now_ms(), new_uuid):
                payloads.append(payload)
                ready.append(payload)
                size += len(payload.data)
                if len(ready) >= _TOGETHER or size > _BYTES_TOGETHER:
                    self._enrich_payloads(ready)
                    ready.clear()
                    size = 0
            if not ready:
                yield from map(_results, waiting)
                waiting.clear()
        self._enrich_payloads(ready)
        yield from map(_results, waiting)

    def _payloads(
        self, record: bytes, now_ms: int, new_uuid: Callable[[], UUID]
    ) -> Iterable[_Payload]:
        """What is in a record: one payload, or those that are compressed together."""
        limit = self._max_record_bytes
        if len(record) > limit:
            row = self._bad_rows.size_violation(now_ms, size=len(record), limit=limit)
            return (_Payload(b"", now_ms, new_uuid, [row]),)
        if not is_packed(record):
            return (_Payload(record, now_ms, new_uuid, []),)
        return self._unpacked(record, now_ms, new_uuid)

    def _unpacked(
        self, record: bytes, now_ms: int, new_uuid: Callable[[], UUID]
    ) -> Iterator[_Payload]:
        for one in unpack(record, max_payload_bytes=self._max_record_bytes):
            if isinstance(one, bytes):
                yield _Payload(one, now_ms, new_uuid, [])
                continue
            if isinstance(one, TooLarge):
                row = self._bad_rows.size_violation(now_ms, size=one.size, limit=one.limit)
            else:
                message = failure.format_error(one.why)
                row = self._unreadable(Unreadable(message, None), now_ms)
            yield _Payload(b"", now_ms, new_uuid, [row])

    def _enrich_payloads(self, payloads: Iterable[_Payload]) -> None:
        """Give each payload its results, phase by phase."""
        opened = [(one, read(one.data)) for one in payloads if not one.results]
        requests = [
            (one, found)
            if isinstance(found, Unreadable)
            else (one, request_of(found, one.data, self._dropped_parameters))
            for one, found in opened
        ]
        works: list[_Work] = []
        for payload, request in requests:
            if isinstance(request, Unreadable):
                payload.results = [self._unreadable(request, payload.now_ms)]
            else:
                works += self._works(payload, request)
        for first in range(0, len(works), _TOGETHER):
            self._enrich_events(works[first : first + _TOGETHER])

    def _works(self, payload: _Payload, request: Request) -> list[_Work]:
        """The events of a request; of one that is no events, the results are there at once."""
        if request.anonymous:
            payload.now_ms -= payload.now_ms % TIME_STEP_MS
        try:
            events = adapt(request, self._resolver)
            if isinstance(events, Rejected):
                payload.results = [self._rejected(request, events, payload.now_ms)]
                return []
        except Exception as error:  # noqa: BLE001 - see `_fault`
            payload.fault = self._fault(request, error, payload.now_ms)
            return []
        payload.results = [DROPPED] * len(events)
        return [
            _Work(payload, number, request, parameters) for number, parameters in enumerate(events)
        ]

    def _enrich_events(self, works: Sequence[_Work]) -> None:
        for phase in self._phases:
            going = []
            for work in works:
                try:
                    result = phase(work)
                except Exception as error:  # noqa: BLE001 - see `_fault`
                    work.payload.fault = self._fault(work.request, error, work.payload.now_ms)
                    continue
                if result is None:
                    going.append(work)
                else:
                    work.payload.results[work.number] = result
            works = going

    def _fault(self, request: Request, error: Exception, now_ms: int) -> BadRow:
        """The bad row of a fault of ours.

        Raised, it would meet the same record again after each restart, and nothing behind it would
        ever be read.
        """
        name = type(error).__name__
        clean = self._masked(request).record()
        return self._bad_rows.generic_error(now_ms, f"fault in enrich: {name}", clean)

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

    def _rejected(self, request: Request, rejected: Rejected, now_ms: int) -> BadRow:
        messages: Sequence[Message] = rejected.messages
        masks = masks_of(self._enrichments, request) if self._has_masks else None
        if masks is not None:
            messages, request = masks.messages(messages), masks.request(request)
        return self._bad_rows.adapter_failure(now_ms, rejected.schema, messages, request)

    def _map(self, work: _Work) -> None:
        work.mapped = map_parameters(
            work.request,
            work.parameters,
            now_ms=work.payload.now_ms,
            v_etl=self._v_etl,
            new_uuid=work.payload.new_uuid,
        )

    def _read(self, work: _Work) -> BadRow | None:
        work.parts = parts = schemas.read_parts(work.parameters, self._resolver)
        mapped = work.mapped
        work.event = event = EnrichedEvent(
            fields=mapped.fields,
            unstruct_event=parts.unstruct_event,
            contexts=parts.contexts,
            derived_contexts=[],
        )
        if mapped.faults or parts.violations:
            work.mapping = _messages_of_phase_1(mapped, parts)
            if not (self._incomplete or self._rewriting):
                schemas.write_parts(event)
                return self._bad_row(work, event.fields)
        event.derived_contexts += parts.superseded.values()
        return None

    def _derive(self, work: _Work) -> None:
        work.enriching = derive(work.request, work.mapped, work.parts.unstruct_event)

    def _finish(self, work: _Work) -> EnrichedEvent | BadRow:
        event = work.event
        schemas.write_parts(event)
        long = too_long(event.fields, self._limits)
        if long:
            work.validating.append(failure.atomic_violation(long))
        if not (work.mapping or work.enriching or work.validating):
            return event
        work.enriched = True
        row = self._bad_row(work, event.fields.copy())
        if not self._incomplete:
            return row
        for fault in long:
            event.fields[COLUMN_INDEX[fault.column]] = None
        rest = complete(
            event,
            [*work.mapping, *work.enriching, *work.validating],
            now_ms=work.payload.now_ms,
            bad_rows=self._bad_rows,
            with_data=not (self._has_masks or work.request.anonymous),
        )
        return replace(row, incomplete=rest)

    def _bad_row(self, work: _Work, fields: list[str | None]) -> BadRow:
        """The one bad row of an event: of the first phase that failed."""
        request = work.request
        raw = RawEvent(work.parameters, fields, work.parts.texts)
        messages: Sequence[Message] = work.mapping or work.enriching or work.validating
        make = self._bad_rows.schema_violations
        if work.enriching and not work.mapping:
            make = self._bad_rows.enrichment_failures
        masks = masks_of(self._enrichments, request) if self._has_masks else None
        if masks is not None:
            raw = masks.event(raw, enriched=work.enriched)
            messages, request = masks.messages(messages), masks.request(request)
        return make(work.payload.now_ms, messages, request, raw)

    def _run(self, enrichment: Enrichment, work: _Work) -> Dropped | None:
        """Run one enrichment; its entities are validated like those of trackers."""
        event = work.event
        try:
            entities = enrichment.enrich(event, work.request, work.parameters)
        except DropEventError:
            return DROPPED
        except EnrichmentError as error:
            message = {"error": str(error)[:512]}
            work.enriching.append(
                enrichment_failure(
                    message, schema=enrichment.schema, identifier=enrichment.identifier
                )
            )
            return None
        for entity in entities:
            if schemas.is_valid_entity(entity, self._resolver, work.validating):
                event.derived_contexts.append(entity)
        if id(enrichment) in self._rewriting:
            schemas.judge_again(event, self._resolver, work.validating)
        return None


class _Payload(msgspec.Struct):
    """What becomes of one payload: a result for each event, unless a fault of ours is all of it."""

    data: bytes
    now_ms: int
    new_uuid: Callable[[], UUID]
    results: list[Result]
    fault: BadRow | None = None


_LATER: Any = None


class _Work(msgspec.Struct):
    """One event on its way.

    Attributes:
        number: of its result.
        mapping: what failed in phase 1; `enriching` in phase 2, `validating` in phase 3.
        enriched: the enrichments have run.
    """

    payload: _Payload
    number: int
    request: Request
    parameters: Parameters
    mapped: Mapped = _LATER
    parts: SelfDescribingParts = _LATER
    event: EnrichedEvent = _LATER
    mapping: list[Message] = []
    enriching: list[Message] = []
    validating: list[Message] = []
    enriched: bool = False


def _results(payloads: Iterable[_Payload]) -> list[Result]:
    results: list[Result] = []
    for payload in payloads:
        results += payload.results if payload.fault is None else [payload.fault]
    return results


def _messages_of_phase_1(mapped: Mapped, parts: SelfDescribingParts) -> list[Message]:
    messages = list(parts.violations)
    if mapped.faults:
        messages.insert(0, failure.atomic_violation(mapped.faults))
    return messages
