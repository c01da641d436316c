"""Makes the trackers of this process what a plan says; the seam between a set-up and them.

A tracker that runs is changed, not made anew: an app keeps its reference, its plugins, its session.
What gets stricter comes first and what gets looser last, so that no event in between tells more
than both configurations do.
"""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from whiteout.errors import ConfigurationError
from whiteout.tracker.decisions import Minimum
from whiteout.tracker.inside import inside_of
from whiteout.tracker.remote.options import KINDS
from whiteout.tracker.remote.plan import Do
from whiteout.tracker.remote.privacy import FLAGS, OF
from whiteout.tracker.system_locale import system_language, system_timezone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from whiteout.tracker.configuration import NetworkConfiguration, TrackerConfiguration
    from whiteout.tracker.inside import Inside
    from whiteout.tracker.remote.bundle import ConfigurationBundle
    from whiteout.tracker.remote.plan import Planned, Step
    from whiteout.tracker.remote.setup import RemoteSetup
    from whiteout.tracker.tracker import Tracker


class _Create(Protocol):
    """Makes a tracker, in the place of the one that has the namespace."""

    def __call__(
        self,
        namespace: str,
        network: NetworkConfiguration,
        of_kind: Mapping[type, Any],
        /,
        *,
        minimum: Minimum,
    ) -> Tracker: ...


class RemoteTrackers:
    """Carries out the steps of one set-up.

    Owner: the thread that applies a plan, one at a time.

    Args:
        defaults: the app's bundles.
        create: makes a tracker.
        get: the tracker of a namespace.
        remove: closes it, within so many seconds.
    """

    setup: RemoteSetup

    def __init__(
        self,
        defaults: Iterable[ConfigurationBundle],
        *,
        create: _Create,
        get: Callable[[str], Tracker | None],
        remove: Callable[[str, float], object],
    ) -> None:
        self._defaults = {bundle.namespace: bundle for bundle in defaults}
        self._create = create
        self._get = get
        self._remove = remove
        self._applied: dict[str, tuple[Tracker, Planned]] = {}

    def carry_out(self, step: Step) -> None:
        """Make one step so.

        Raises:
            WhiteoutError: it cannot be done.
        """
        planned = step.planned
        if planned is None:
            self._drop(step.namespace)
            return
        tracker, before = self._applied.get(step.namespace, (None, None))
        if tracker is None or before is None or self._get(step.namespace) is not tracker:
            tracker = self._make(planned)
        elif step.do is Do.CHANGE_MINIMUM:
            inside_of(tracker).set_minimum(planned.minimum)
        elif any(
            getattr(before.tracker, name) != getattr(planned.tracker, name) for name in _OF_GATE
        ):
            tracker = self._make(planned)
        else:
            _change(tracker, before, planned)
        self._applied[step.namespace] = tracker, planned

    def _make(self, planned: Planned) -> Tracker:
        """Make a tracker whose level was decided by nobody but app and user, now or earlier.

        What the remote file says of level and profile is the minimum: stored as a decision it would
        hold when the file says so no longer, and off, it would undo what the user has decided.
        """
        default = self._defaults.get(planned.namespace)
        said = default.sections if default is not None else {}
        of_tracker = said.get("tracker", {})
        flags: dict[str, Any] = {
            "user_anonymisation": of_tracker.get("user_anonymisation") or None,
            "session_context": False if of_tracker.get("session_context") is False else None,
            "privacy_profile": of_tracker.get("privacy_profile"),
        }
        server = said.get("emitter", {}).get("server_anonymisation") or None
        of_kind = {
            type(one): one
            for one in (
                replace(planned.tracker, **flags),
                replace(planned.emitter, server_anonymisation=server),
                planned.session,
                planned.subject,
            )
        }
        minimum = Minimum(planned.minimum, planned.tracker.privacy_profile)
        made = self._create(planned.namespace, planned.network, of_kind, minimum=minimum)
        watch(made, self.setup)
        return made

    def _drop(self, namespace: str) -> None:
        """Close it at once: what waits is kept, and not sent."""
        tracker, _ = self._applied.pop(namespace, (None, None))
        if tracker is None or self._get(namespace) is tracker:
            self._remove(namespace, 0.0)
        else:
            tracker.close(0.0)


def limited(said: TrackerConfiguration, demanded: Planned) -> TrackerConfiguration:
    """What an app says of a tracker that it makes itself, as privately as is demanded.

    The level and the profile have a minimum of their own.
    """
    stricter: dict[str, Any] = {
        name: OF[section, name].strictest((limit, getattr(said, name)))
        for (section, name), limit in demanded.demanded.items()
        if section == "tracker" and name not in FLAGS | {"privacy_profile"}
    }
    return replace(said, **stricter)


def watch(tracker: Tracker, setup: RemoteSetup) -> None:
    """Let a set-up hear of each option that the app sets on a tracker."""
    inside_of(tracker).watch(_Watch(setup, tracker))


class _Watch:
    """Hears of options that an app sets on one tracker.

    Args:
        setup: which the tracker belongs to.
        tracker: that one.
    """

    def __init__(self, setup: RemoteSetup, tracker: Tracker) -> None:
        self._setup = setup
        self._tracker = tracker

    def before(self, section: str, name: str, value: object) -> None:
        """The app is about to set it.

        Raises:
            ConfigurationError: it would tell more than a default bundle or the remote file allows.
        """
        limit = self._limit(section, name, value)
        if limit is not None:
            raise ConfigurationError(
                f"{name} must stay {limit!r}: the remote configuration asks for it, "
                "or is not known yet"
            )

    def after(self, section: str, name: str, value: object) -> None:
        """The app has set it."""
        if name not in _NAMES[section] or name in FLAGS:
            return
        self._setup.note_live(self._tracker.namespace, section, name, value)
        limit = self._limit(section, name, value)
        if limit is not None:  # a file was applied since the app was let
            _set(inside_of(self._tracker).owner_of(section), name, limit)

    def _limit(self, section: str, name: str, value: object) -> object:
        """What is demanded of an option where a value would tell more; None: it does not."""
        row = OF.get((section, name))
        if row is None or name in FLAGS:
            return None
        planned = self._setup.demanded(self._tracker.namespace)
        limit = planned.demanded.get((section, name)) if planned is not None else None
        return None if row.is_within(value, limit) else limit


_OF_GATE: Final = ("privacy_profile", "error_messages_while_anonymous")
"""Options of privacy that hold for a tracker's whole life: where they change it is made anew."""

_NAMES: Final[Mapping[str, frozenset[str]]] = {
    section: frozenset(each.name for each in fields(kind)) for section, kind in KINDS.items()
}
_OF_SYSTEM: Final[Mapping[str, Callable[[], str | None]]] = {
    "timezone": system_timezone,
    "language": system_language,
}


def _change(tracker: Tracker, before: Planned, after: Planned) -> None:
    """Give a running tracker the options that differ, and no others: the rest may be live."""
    inside = inside_of(tracker)
    inside.set_minimum(before.minimum | after.minimum)
    looser: list[Callable[[], None]] = []
    for section, kind in KINDS.items():
        owner = inside.owner_of(section)
        for each in fields(kind):
            old = getattr(getattr(before, section), each.name)
            new = getattr(getattr(after, section), each.name)
            if old == new or each.name in FLAGS:
                continue
            if section == "subject" and new is None and each.name in _OF_SYSTEM:
                new = _OF_SYSTEM[each.name]()
            row = OF.get((section, each.name))
            if row is None or row.is_within(new, old):
                _set(owner, each.name, new)
            else:
                looser.append(partial(_set, owner, each.name, new))
    for act in looser:
        act()
    inside.set_minimum(after.minimum)
    _switch_install(inside, after.tracker)


def _switch_install(inside: Inside, after: TrackerConfiguration) -> None:
    """Track the first run as soon as it is known that it may be: at its start nobody knew."""
    was_on = inside.core.live.tracker.current.install_autotracking is not False
    is_on = after.install_autotracking is not False
    if is_on is not was_on:
        inside.changes.tracker("install_autotracking", is_on)
    if is_on and not was_on:
        inside.core.begin(after, is_late=True)


def _set(owner: object, name: str, value: object) -> None:
    """Set an option as an app does, without its counting as the app's doing.

    What cannot change while a tracker runs is taken up at the next start.
    """
    option: Any = inspect.getattr_static(type(owner), name, None)
    is_settable = option.fset is not None if isinstance(option, property) else True
    if not hasattr(type(option), "__set__") or not is_settable:
        return
    if option.__get__(owner, type(owner)) != value:
        option.__set__(owner, value)
