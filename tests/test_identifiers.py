"""The table of identifiers: complete, consistent, and the same in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whiteout import Anonymisation, ConfigurationError, identifying_property
from whiteout.events.entities import DesktopContext, MobileContext
from whiteout.events.properties import properties_of
from whiteout.identifiers import (
    CLICK_IDS,
    IDENTIFIERS,
    NOT_IDENTIFYING,
    SERVER_PARAMETERS,
    Entity,
    EntityProperty,
    Identifier,
    Masked,
    Parameter,
    Request,
    UrlQuery,
)
from whiteout.protocol.parameters import PARAMETERS

DOCUMENT = Path(__file__).parent.parent / "docs" / "privacy.md"
LEVELS = [Anonymisation(bits) for bits in range(Anonymisation.FULL.value + 1)]
FLAGS = (Anonymisation.USER, Anonymisation.SESSION, Anonymisation.SERVER)


def test_every_parameter_of_the_protocol_is_classified_exactly_once() -> None:
    identifying = {row.location.name for row in IDENTIFIERS if isinstance(row.location, Parameter)}

    assert identifying | NOT_IDENTIFYING == PARAMETERS
    assert not identifying & NOT_IDENTIFYING


def test_names_are_unique() -> None:
    names = [row.name for row in IDENTIFIERS]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("row", IDENTIFIERS, ids=lambda row: row.name)
def test_each_identifier_is_hidden_by_full_anonymity_and_by_nothing_at_no_level(
    row: Identifier,
) -> None:
    assert row.masked_at(Anonymisation.FULL) is not None
    assert row.masked_at(Anonymisation.NONE) is None


@pytest.mark.parametrize("row", IDENTIFIERS, ids=lambda row: row.name)
def test_a_stricter_level_masks_at_least_as_strongly(row: Identifier) -> None:
    for looser in LEVELS:
        for stricter in LEVELS:
            mask = row.masked_at(looser)
            if looser in stricter and mask is not None:
                stronger = row.masked_at(stricter)
                assert stronger is not None
                assert stronger.strength >= mask.strength


def test_url_rows_name_parameters_of_the_protocol() -> None:
    for row in IDENTIFIERS:
        if isinstance(row.location, UrlQuery):
            assert set(row.location.parameters) <= NOT_IDENTIFYING
    assert "gclid" in CLICK_IDS


def test_the_network_user_id_and_the_address_are_what_the_collector_drops() -> None:
    """They would fill the blanks that `SP-Anonymous` leaves (leak L15)."""
    assert frozenset({"tnuid", "nuid", "ip"}) == SERVER_PARAMETERS


def test_every_identifier_of_the_platform_entity_is_in_the_table() -> None:
    """Any property of either entity whose name looks like an identifier of a device or an app."""
    named = {
        row.location.path[0]
        for row in IDENTIFIERS
        if isinstance(row.location, EntityProperty) and row.location.schema_name == "mobile_context"
    }
    suspicious = {
        definition.name
        for entity_type in (MobileContext, DesktopContext)
        for definition in properties_of(entity_type).values()
        if any(mark in definition.name.casefold() for mark in ("idf", "setid", "userid", "serial"))
    }

    assert suspicious == named


def test_a_marked_property_is_hidden_by_its_group_alone() -> None:
    row = identifying_property(
        "iglu:com.acme/customer", "address.street", group=Anonymisation.SESSION
    )

    assert row.location == EntityProperty("com.acme", "customer", ("address", "street"))
    assert row.masked_at(Anonymisation.SESSION) is Masked.ABSENT
    assert row.masked_at(Anonymisation.USER | Anonymisation.SERVER) is None


@pytest.mark.parametrize(
    ("criterion", "path"),
    [
        ("com.acme/customer", "email"),
        ("iglu:com.acme", "email"),
        ("iglu:/customer", "email"),
        ("iglu:com.acme/customer/jsonschema", "email"),
        ("iglu:com.acme/*", "email"),
        ("iglu:com.*/customer", "email"),
        ("iglu:com.acme/customer ", "email"),
        ("iglu:com.acme/customer", ""),
        ("iglu:com.acme/customer", "address..street"),
    ],
)
def test_a_mark_that_could_match_nothing_is_refused(criterion: str, path: str) -> None:
    """A typing error in a rule of privacy must not be silent (as in leak L36)."""
    with pytest.raises(ConfigurationError):
        identifying_property(criterion, path)


@pytest.mark.parametrize("group", [Anonymisation.NONE, "user", 1, None])
def test_a_mark_of_no_group_is_refused(group: Any) -> None:  # noqa: ANN401 - the mistakes
    """It would hide the property at no level."""
    with pytest.raises(ConfigurationError, match=r"^group must be an Anonymisation such as"):
        identifying_property("iglu:com.acme/customer", "email", group=group)


def test_the_documentation_shows_the_same_table() -> None:
    rows = [_documented(row) for row in IDENTIFIERS]

    section = DOCUMENT.read_text().partition("<!-- identifiers -->")[2]
    section = section.partition("<!-- /identifiers -->")[0]
    documented = [line for line in section.splitlines() if line.startswith("| `")]

    assert documented == rows


def _documented(row: Identifier) -> str:
    masks = [row.masked_at(flag) for flag in FLAGS]
    cells = [
        f"`{row.name}`",
        _where(row),
        *("" if mask is None else mask.value for mask in masks),
        f"`{row.column}`" if row.column else "",
        "yes" if row.sent_by_sdk else "no",
    ]
    return "| " + " | ".join(cells) + " |"


def _where(row: Identifier) -> str:
    match row.location:
        case Parameter(name):
            return f"parameter `{name}`"
        case UrlQuery(parameters, keys):
            return (
                f"in the query of {', '.join(f'`{name}`' for name in parameters)} and links: "
                + (f"`{keys[0]}`" if len(keys) == 1 else "click ids")
            )
        case Entity(_, name):
            return f"entity `{name}`"
        case EntityProperty(_, name, path):
            return f"`{name}`: `{'.'.join(path)}`"
        case Request(what):
            return f"the request's {what}"
