"""Enrich: collector payloads in, enriched events and bad rows out."""
