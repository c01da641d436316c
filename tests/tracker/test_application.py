"""The application entity."""

from __future__ import annotations

import pytest

from whiteout.errors import ConfigurationError
from whiteout.tracker.application import application_entity


def test_it_says_version_and_build() -> None:
    entity = application_entity("1.4.2", "1042")

    assert entity is not None
    assert entity.as_dict() == {
        "schema": "iglu:com.snowplowanalytics.mobile/application/jsonschema/1-0-0",
        "data": {"version": "1.4.2", "build": "1042"},
    }


@pytest.mark.parametrize(
    ("version", "build"), [(None, "1042"), ("1.4.2", None), (None, None), ("", "1"), ("1", "")]
)
def test_it_is_left_out_where_a_value_is_missing(version: str | None, build: str | None) -> None:
    """Its schema insists on both."""
    assert application_entity(version, build) is None


def test_a_value_that_is_too_long_is_refused() -> None:
    with pytest.raises(
        ConfigurationError,
        match="build must be text of at most 255 characters, got a text of 256 characters",
    ):
        application_entity("1.4.2", "b" * 256)


def test_a_number_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"build must be text .*, got 1042"):
        application_entity("1.4.2", 1042)  # type: ignore[arg-type]  # the mistake
