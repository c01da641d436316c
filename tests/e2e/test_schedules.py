"""Random schedules of kills, full disks, wrong clocks and a slow lake: each accepted event once.

A failure names its seed, as in `pytest tests/e2e/test_schedules.py -m long -k 144`.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

if os.name == "nt":
    pytest.skip("there is no kill -9", allow_module_level=True)

from tests.support.chaos import Chaos

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

TURNS = 40


def suffer(folder: Path, seed: int) -> Counter[str]:
    """One schedule; what happened in it."""
    with Chaos(folder, random.Random(seed)) as chaos:
        chaos.run(TURNS)
        chaos.heal()
        chaos.check()
        return chaos.faults + chaos.kills


@pytest.mark.parametrize("seed", range(6))
def test_a_schedule_of_faults_loses_nothing_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    happened = suffer(tmp_path, seed)

    assert len(happened) > 5


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_schedules_of_faults_lose_nothing_and_double_nothing(
    tmp_path: Path, seed: int
) -> None:
    suffer(tmp_path, seed)
