"""Privacy-first event tracking, compatible with Snowplow at every seam."""
