"""Tests of an app in another language: it runs as it is, and sends to `whiteout_micro`.

Its own tests, in its own language, are in `shop.test.mjs`.

pip install '../..[pipeline]' pytest && npm install
pytest test_shop.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from whiteout import Anonymisation, PageView, Structured
from whiteout.testing import assert_anonymous, assert_no_failed_events, assert_tracked

if TYPE_CHECKING:
    from whiteout.testing import Micro

SHOP = Path(__file__).with_name("shop.cjs")


def visit(micro: Micro, *options: str) -> None:
    """Run the shop until it ends: by then its events are answered, and so they are there."""
    environment = {**os.environ, "COLLECTOR": micro.endpoint}
    subprocess.run(["node", SHOP, *options], check=True, env=environment, timeout=60)


def test_what_goes_into_the_basket_is_tracked(whiteout_micro: Micro) -> None:
    visit(whiteout_micro)

    assert_tracked(PageView, page_title="Tea", app_id="node-shop", user_id="ada@example.com")
    assert_tracked(Structured, category="basket", action="add", label="Earl Grey", value=12.5)
    assert_no_failed_events()


def test_visitors_who_want_it_stay_anonymous(whiteout_micro: Micro) -> None:
    visit(whiteout_micro, "--anonymous")

    assert len(whiteout_micro.events) == 2
    assert_anonymous(Anonymisation.FULL)
