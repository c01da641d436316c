"""Runs the Python blocks of a page of the documentation, as a reader would type them.

    python tests/support/page.py ORDER.json

The order names the page, its blocks and the file for their results. The blocks run one after the
other in one namespace. A block that raises ends the page. Each result is what the block printed,
and the traceback where there is one, on the lines where it stands in the page.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from pathlib import Path
from typing import Any


def run(page: str, blocks: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Run the blocks of one page.

    Args:
        page: its path, for tracebacks.
        blocks: each with `source` and `line`, the lines of the page that stand before it.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    results = []
    for block in blocks:
        printed, failure = io.StringIO(), ""
        source = "\n" * block["line"] + block["source"]
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(source, page, "exec", dont_inherit=True), namespace)  # noqa: S102 - the page's own
            except Exception:  # noqa: BLE001 - whatever it is, it is what the test reports
                failure = traceback.format_exc()
        results.append({"printed": printed.getvalue(), "failure": failure})
        if failure:
            break
    return results


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    sys.argv = [order["page"]]
    results = run(order["page"], order["blocks"])
    Path(order["results"]).write_text(json.dumps(results), "utf-8")


main()
