"""Links of a running tracker: who it is at the moment, for `link_decoration` to write down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError
from whiteout.tracker.levels import LEVELS
from whiteout.tracker.link_decoration import CrossDeviceParameterConfiguration, decorate
from whiteout.tracker.scope import CURRENT, scope_of

if TYPE_CHECKING:
    from whiteout.tracker.passage import Passage
    from whiteout.tracker.shared_part import SharedPart


def decorated_link(
    passage: Passage,
    shared: SharedPart,
    uri: str,
    configuration: CrossDeviceParameterConfiguration | None,
) -> str | None:
    """See `Tracker.decorate_link`. All that a link tells is of one moment, and of one line.

    Raises:
        ConfigurationError: an argument is of another type.
    """
    wanted = CrossDeviceParameterConfiguration() if configuration is None else configuration
    if not isinstance(wanted, CrossDeviceParameterConfiguration):
        raise ConfigurationError(
            "configuration must be a CrossDeviceParameterConfiguration or None, "
            f"got {type(wanted).__name__}"
        )
    scope = scope_of(passage.owner, CURRENT.get())
    lines = passage.lines
    with passage.lock:
        now_ms = passage.now_ms()
        level = LEVELS[lines.bits | (scope.bits if scope is not None else 0)]
        # A visitor of a server is not the installation, nor in its session.
        is_known = scope is None and not passage.closed
        user_id = lines.installation_id if is_known else None
        session_id = lines.link_session_id(now_ms) if is_known else None
        said = shared.parameters_for(None)
    return decorate(
        uri,
        level=level,
        user_id=user_id,
        session_id=session_id,
        now_ms=now_ms,
        subject_user_id=said.get("uid"),
        app_id=said.get("aid"),
        platform=said.get("p"),
        configuration=wanted,
    )
