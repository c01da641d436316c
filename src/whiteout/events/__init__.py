"""The event types, one module a family, and the types of the tracker's own entities.

`whiteout.events.schema` generates the JSON Schemas from these types; the tracker does not load it.
"""
