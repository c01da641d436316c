"""The tables: which keys are which options, and which options are about privacy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteout.tracker.platform_properties import PlatformProperty
from whiteout.tracker.remote.options import KINDS, SECTION_KEYS, options_of
from whiteout.tracker.remote.privacy import OF, ORDINARY, PRIVACY, PrivacyOption, Stricter

CENTRAL = Path(__file__).parents[4] / "shared/iglu-central/schemas"
NOT_OURS = {"logLevel", "threadPoolSize"}


def test_every_option_that_can_be_set_remotely_is_on_one_side() -> None:
    """A new option has to be called private or ordinary before it can be set from afar."""
    options = {
        (option.section, option.name)
        for section in KINDS
        for option in options_of(section).values()
    }

    unclassified = {(section, name) for section, name in options if name not in ORDINARY} - set(OF)

    assert unclassified == set()
    assert not {row.name for row in PRIVACY} & ORDINARY


def test_the_keys_are_those_of_the_schema() -> None:
    path = CENTRAL / "com.snowplowanalytics.mobile/remote_config/jsonschema/1-0-1"
    if not path.exists():
        pytest.skip("needs Iglu Central beside the repository")
    schema = json.loads(path.read_text())
    sections = schema["properties"]["configurationBundle"]["items"]["properties"]
    planned = {  # options of the native trackers that this one may get
        "geoLocationContext",
        "screenContext",
        "screenViewAutotracking",
        "lifecycleAutotracking",
        "installAutotracking",
        "exceptionAutotracking",
        "diagnosticAutotracking",
    }

    for section_key, section in SECTION_KEYS.items():
        missing = set(sections[section_key]["properties"]) - set(options_of(section))
        assert missing <= NOT_OURS | planned


def test_every_row_of_privacy_says_why() -> None:
    assert len(OF) == len(PRIVACY)
    assert all(row.why for row in PRIVACY)


@pytest.mark.parametrize(
    ("stricter", "values", "expected"),
    [
        (Stricter.ON, [None, False], False),
        (Stricter.ON, [True, False], True),
        (Stricter.ON, [None, None], None),
        (Stricter.OFF, [True, None], True),
        (Stricter.OFF, [True, False], False),
        (Stricter.OFF, [], None),
    ],
)
def test_the_stricter_flag_wins(stricter: Stricter, values: list[object], expected: object) -> None:
    assert PrivacyOption("tracker", "x", stricter, "why").strictest(values) == expected


properties = st.none() | st.lists(st.sampled_from(list(PlatformProperty)), unique=True)


@given(st.lists(properties, max_size=4))
def test_of_lists_only_what_all_of_them_have_is_left(
    lists: list[list[PlatformProperty] | None],
) -> None:
    row = OF["tracker", "platform_context_properties"]
    given_lists = [set(each) for each in lists if each is not None]

    strictest = row.strictest(lists)

    if not given_lists:
        assert strictest is None
    else:
        assert isinstance(strictest, tuple)
        assert set(strictest) == set.intersection(*given_lists)
