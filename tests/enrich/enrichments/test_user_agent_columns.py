"""What a user agent says, in the columns of Snowplow's deprecated enrichment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.enrich.conftest import MINIMAL, post
from tests.enrich.enrichments.support import SNOWPLOW, bench_of, configure

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout.iglu import Resolver

COLUMNS = ("br_name", "br_family", "br_version", "os_name", "os_family", "dvce_type")
NT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
LIKE_MAC = "CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 13; %s) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "expected", "mobile"),
    [
        (
            f"{NT} Chrome/120.0.0.0 Safari/537.36",
            ("Chrome 120", "Chrome", "120.0.0", "Windows 10", "Windows", "Computer"),
            "0",
        ),
        (
            f"Mozilla/5.0 (iPad; {LIKE_MAC} Version/16.6 Mobile/15E148 Safari/604.1",
            ("Mobile Safari 16", "Mobile Safari", "16.6", "iOS 16", "iOS", "Tablet"),
            "1",
        ),
        (
            f"{ANDROID % 'Pixel 7'} Chrome/119.0.0.0 Mobile Safari/537.36",
            ("Chrome Mobile 119", "Chrome Mobile", "119.0.0", "Android 13", "Android", "Mobile"),
            "1",
        ),
        (
            f"{ANDROID % 'SM-X700'} Chrome/119.0.0.0 Safari/537.36",
            ("Chrome 119", "Chrome", "119.0.0", "Android 13", "Android", "Tablet"),
            "1",
        ),
        ("nobody knows", (None,) * 6, None),
        ("x" * 2_000, (None,) * 6, None),
    ],
)
def test_columns_are_filled_as_far_as_the_parser_knows(
    user_agent: str,
    expected: tuple[str | None, ...],
    mobile: str | None,
    tmp_path: Path,
    resolver: Resolver,
) -> None:
    configure(tmp_path, SNOWPLOW, "user_agent_utils_config", "1-0-0")
    bench = bench_of(tmp_path, resolver, accept_invalid=True)

    for _ in range(2):
        event = bench.event(post({**MINIMAL, "ua": user_agent}))

        assert tuple(event[name] for name in COLUMNS) == expected
        assert event["dvce_ismobile"] == mobile
        assert event.derived_contexts == []


def test_a_robot_has_no_kind_of_device(tmp_path: Path, resolver: Resolver) -> None:
    configure(tmp_path, SNOWPLOW, "user_agent_utils_config", "1-0-0")
    robot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

    event = bench_of(tmp_path, resolver).event(post({**MINIMAL, "ua": robot}))

    assert (event["br_family"], event["dvce_type"]) == ("Googlebot", None)
