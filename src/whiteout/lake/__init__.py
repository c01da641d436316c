"""The lake: Delta tables `events` and `failed_events`, their loader and their reader.

Importing the package loads nothing heavy; `deltalake`, `pyarrow` and `duckdb` come with the modules
that use them.
"""
