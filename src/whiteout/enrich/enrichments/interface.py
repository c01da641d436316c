"""What an enrichment is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.enrich.event import EnrichedEvent
    from whiteout.protocol.self_describing import SelfDescribingJson


class EnrichmentError(Exception):
    """An enrichment could not do its work on this event; the message holds nothing of the event."""


class Enrichment(Protocol):
    """Adds to an event what follows from it.

    Attributes:
        schema: Iglu URI of its configuration; names it in bad rows.
        identifier: its name in bad rows.
    """

    schema: str
    identifier: str

    def enrich(self, event: EnrichedEvent) -> Sequence[SelfDescribingJson]:
        """Entities to add to `event`; columns may be set in `event` itself.

        It must not keep `event`, and must not do anything slow or remote: one core has some 60
        microseconds for all of an event.

        Raises:
            EnrichmentError: the event becomes a bad row; the later enrichments still run.
        """
