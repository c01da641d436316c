"""The pipeline on many machines: Apache Kafka between its stages.

Topics, of one prefix each:

- `…-raw`: CollectorPayloads (Thrift), from collectors to enrich workers;
- `…-bad`: the collectors' bad rows (JSON), straight to the loaders;
- `…-enriched`: enriched events (TSV), as any Snowplow loader reads them;
- `…-failed`: bad rows of enrich (JSON);
- `…-incomplete`: what is left of events that failed (TSV), where that is asked for.

No record has a key: what would keep the events of a person together would name that person.

Nothing here is imported by a pipeline on one machine, and `confluent_kafka` only when a client is
made.
"""
