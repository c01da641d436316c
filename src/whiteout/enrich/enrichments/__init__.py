"""Enrichments: one module each, run in the order of `ENRICHMENTS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.enrich.enrichments.parse_user_agent import ParseUserAgent

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.enrich.enrichments.interface import Enrichment

ENRICHMENTS: tuple[Callable[[], Enrichment], ...] = (ParseUserAgent,)
"""What makes the enrichments, in the order in which they run."""
