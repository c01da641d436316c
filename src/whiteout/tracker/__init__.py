"""The tracker: from `track(event)` to a request at the collector.

Flow: `tracker` (one event under one lock) -> `journal` (survives a kill) -> `writer` ->
`event_store` (over `event_database`, SQLite) -> `emitter` -> `network`.
"""
