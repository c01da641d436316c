"""`whiteout demo`: a small shop, tracked at every level, and what of it arrived in the lake.

The one place, besides the audit, that knows both ends: it plays an app and reads the lake.
`shop` plays, `official` is a second, real client, `arrivals` compares, `run` puts them together.
"""
