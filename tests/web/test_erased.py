"""What is erased from the lake is not shown any longer, by a page that is open all the while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from whiteout.lake.erasure import Erasure, erase
from whiteout.lake.place import LakePlace
from whiteout.lake.subject import Subject

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.pipeline import Pipeline

ALICE = "alice-7301@example.org"
CANARY = "canary-6612"
_DEADLINE_S = 20


def erase_alice(data: Path, *, dry_run: bool = False) -> None:
    subject = Subject((("user_id", ALICE),))
    place = LakePlace(str(data / "lake"))
    erase(Erasure(subject=subject, place=place, data=data, dry_run=dry_run))


def test_a_page_forgets_what_it_shows_once_somebody_is_erased(pipeline: Pipeline) -> None:
    """It keeps events in memory, and not those of one person apart: all of them go."""
    pipeline.send({"uid": ALICE}, Referer=f"https://shop.example/{CANARY}")
    assert CANARY in pipeline.get("/micro/good").body.decode()
    assert ALICE in pipeline.get("/micro/good").body.decode()
    erase_alice(pipeline.data, dry_run=True)
    assert ALICE in pipeline.get("/micro/good").body.decode()

    erase_alice(pipeline.data)

    deadline = time.monotonic() + _DEADLINE_S
    while pipeline.get("/micro/all").json()["total"] and time.monotonic() < deadline:
        pass
    shown = pipeline.get("/micro/good").body.decode()
    assert ALICE not in shown
    assert CANARY not in shown
    pipeline.send({"uid": "bob"})
    assert pipeline.get("/micro/all").json()["total"] == 1
