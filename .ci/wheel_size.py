"""Check how large a wheel is: whole, and what of it the tracker takes, which every app ships.

python .ci/wheel_size.py WHEEL
"""

from __future__ import annotations

import sys
from collections import Counter
from zipfile import ZipFile

MOST_OF_ALL = 1_000_000  # bytes, compressed
MOST_OF_TRACKER = 600_000
OF_PIPELINE = {
    "audit", "cli", "collector", "demo", "enrich", "iglu", "kafka", "lake", "log", "testing", "web",
}  # fmt: skip


def main(path: str) -> None:
    sizes: Counter[str] = Counter()
    with ZipFile(path) as wheel:
        for file in wheel.infolist():
            parts = file.filename.split("/")
            is_pipeline = parts[0] == "whiteout" and parts[1] in OF_PIPELINE
            sizes["pipeline" if is_pipeline else "tracker"] += file.compress_size
    print(f"{path.rpartition('/')[2]}: {dict(sizes)} bytes")
    if sizes["tracker"] >= MOST_OF_TRACKER:
        sys.exit(f"the tracker must stay below {MOST_OF_TRACKER} bytes")
    if sizes.total() >= MOST_OF_ALL:
        sys.exit(f"the wheel must stay below {MOST_OF_ALL} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
