"""The types of what is reached through a tracker, for annotations.

::

    from whiteout.controllers import SessionController

    def describe(session: SessionController | None) -> str:
        return "no session" if session is None else str(session.session_index)

A tracker makes them; an app makes none itself.
"""

from __future__ import annotations

from whiteout.tracker.consent import Consent
from whiteout.tracker.controllers import SessionController
from whiteout.tracker.emitter_controller import EmitterController
from whiteout.tracker.gdpr import GdprController
from whiteout.tracker.global_contexts import GlobalContextsController
from whiteout.tracker.network_controller import NetworkController
from whiteout.tracker.plugins import PluginsController
from whiteout.tracker.subject import Subject

__all__ = [
    "Consent",
    "EmitterController",
    "GdprController",
    "GlobalContextsController",
    "NetworkController",
    "PluginsController",
    "SessionController",
    "Subject",
]
