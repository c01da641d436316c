"""What is new in a table of the lake, load by load, for those who bring it elsewhere.

A load is what one commit brought: all rows with one `load_tstamp`. Of several loaders of a lake one
may commit after another with an earlier time, or with the same one; so the loads of a while back
are counted again, and a load that has grown is new.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from whiteout.lake.batch import LOAD_TSTAMP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TABLES = ("events", "failed_events")
CHUNK_ROWS = 10_000
_MOMENT = pa.timestamp("us", tz="UTC")


def count_loads(dataset: Any, after_us: int) -> Counter[int]:  # noqa: ANN401 - pyarrow has no types
    """How many rows each load after a moment has, by its time in microseconds."""
    later = pc.field(LOAD_TSTAMP) > pa.scalar(after_us, pa.int64()).cast(_MOMENT)
    loads: Counter[int] = Counter()
    for batch in dataset.to_batches(columns=[LOAD_TSTAMP], filter=later):
        for pair in pc.value_counts(batch[LOAD_TSTAMP].cast(_MOMENT).cast(pa.int64())).to_pylist():
            loads[pair["values"]] += pair["counts"]
    return loads


def new_rows(
    dataset: Any,  # noqa: ANN401 - pyarrow has no types
    loads: Mapping[int, int],
    known: Mapping[int, int],
) -> Iterator[tuple[list[int], pa.Table]]:
    """The loads that are new or have grown, in order: their times, and all their rows.

    Some 10,000 rows at once; a load is never divided.
    """
    new = sorted(us for us, count in loads.items() if known.get(us) != count)
    for some in _chunks(new, loads):
        moments = pa.array(some, pa.int64()).cast(_MOMENT)
        chosen = (pc.field(LOAD_TSTAMP) >= moments[0]) & (pc.field(LOAD_TSTAMP) <= moments[-1])
        yield some, dataset.to_table(filter=chosen & pc.field(LOAD_TSTAMP).isin(moments))


def _chunks(loads: Sequence[int], counts: Mapping[int, int]) -> list[list[int]]:
    chunks: list[list[int]] = []
    rows = CHUNK_ROWS
    for load in loads:
        if rows >= CHUNK_ROWS:
            chunks.append([])
            rows = 0
        chunks[-1].append(load)
        rows += counts[load]
    return chunks
