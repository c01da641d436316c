"""Remote configuration: trackers that are set up by a file on a server.

Flow: `fetch` (one bounded GET) -> `document` (hostile JSON to bundles) -> `cache` (what was
fetched, without identifiers) -> `plan` (pure: all sources to what should run) -> `setup` (makes it
so). `options` says which remote key is which option, `privacy` which of them only get stricter.

Source: reference section 8.8; leaks L27a to L27d, L24, L34.
"""
