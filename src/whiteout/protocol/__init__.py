"""What tracker and pipeline share: parameter names, Iglu keys, self-describing JSON, envelopes.

Pure modules: no I/O, no clock, and no import from the tracker or from the pipeline.
"""
