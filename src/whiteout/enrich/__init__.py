"""Enrich: collector payloads in, enriched events and bad rows out."""

from whiteout.enrich.configuration import Configured as Configured
from whiteout.enrich.configuration import read_folder as read_folder
from whiteout.enrich.enricher import Enricher as Enricher
from whiteout.enrich.event import DROPPED as DROPPED
from whiteout.enrich.event import BadRow as BadRow
from whiteout.enrich.event import Dropped as Dropped
from whiteout.enrich.event import Enriched as Enriched
from whiteout.enrich.event import EnrichedEvent as EnrichedEvent
from whiteout.enrich.settings import EnrichSettings as EnrichSettings
