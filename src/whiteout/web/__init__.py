"""The local page and the Micro-compatible REST API, beside enrich and lake in their process.

Needs the extra `web`. The collector hands requests over by a Unix socket; see
`whiteout.collector.forwarding`. Nothing here asks anything of the outside.
"""
