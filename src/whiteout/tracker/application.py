"""The application entity: which version of which build of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.events.entities import Application

if TYPE_CHECKING:
    from whiteout.protocol.self_describing import SelfDescribingJson


def application_entity(version: str | None, build: str | None) -> SelfDescribingJson | None:
    """The entity; None where either value is missing, as its schema insists on both.

    Args:
        version: as users know it, `1.4.2`; at most 255 characters.
        build: as the build system knows it, `1042`; at most 255 characters.

    Raises:
        ConfigurationError: a value is no text, or too long.
    """
    if not version or not build:
        return None
    return Application(version=version, build=build).self_describing()
