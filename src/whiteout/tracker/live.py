"""Configurations that change while a tracker runs, each with one owner.

A configuration itself is frozen. What is live is which one holds: a change makes another, checked
as the first was, and puts it in place whole. Whoever reads `current` once sees one state of it,
without a lock. Owner of all changes: `LiveChanges`, under the lock that lets one change of privacy
happen at a time; what reads the device anew must know which level holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

from whiteout.identifiers import Anonymisation
from whiteout.tracker.attributes import NoStrayAttributes, check_attribute
from whiteout.tracker.configuration import (
    EmitterConfiguration,
    NetworkConfiguration,
    SessionConfiguration,
    TrackerConfiguration,
)
from whiteout.tracker.network import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from whiteout.tracker.passage import Passage
    from whiteout.tracker.privacy_switch import PrivacySwitch
    from whiteout.tracker.shared_part import SharedPart

_Kind = TypeVar(
    "_Kind",
    TrackerConfiguration,
    NetworkConfiguration,
    EmitterConfiguration,
    SessionConfiguration,
)
_OF_STORE: Final = frozenset({"max_event_store_size", "max_event_store_age"})


class Live(Generic[_Kind]):
    """The configuration of one kind that holds now.

    Args:
        configuration: the first one.
    """

    def __init__(self, configuration: _Kind) -> None:
        self.current: _Kind = configuration

    def changed(self, name: str, value: object) -> _Kind:
        """What would hold with one option changed.

        Raises:
            ConfigurationError: the value is wrong.
        """
        options: dict[str, Any] = {name: value}
        return replace(self.current, **options)


@dataclass(frozen=True, slots=True)
class LiveConfigurations:
    """All that a tracker is configured by; its subject is live by itself."""

    tracker: Live[TrackerConfiguration]
    network: Live[NetworkConfiguration]
    emitter: Live[EmitterConfiguration]
    session: Live[SessionConfiguration]


class LiveChanges:
    """Changes an option of a running tracker, so that it acts at once, or raises.

    Of a tracker that is closed nothing changes; a wrong value is refused all the same.

    Args:
        live: what holds.
        passage: what events pass.
        shared: what they share.
        privacy: knows the level, and the cookies.
        check_process: starts a forked child's own threads.
    """

    def __init__(
        self,
        live: LiveConfigurations,
        passage: Passage,
        *,
        shared: SharedPart,
        privacy: PrivacySwitch,
        check_process: Callable[[], None],
    ) -> None:
        self._live = live
        self._passage = passage
        self._shared = shared
        self._privacy = privacy
        self._check_process = check_process
        self._watch: Watch | None = None

    @property
    def watch(self) -> Watch | None:
        """Who hears of what the app sets; nobody once the tracker is closed."""
        return None if self._passage.closed else self._watch

    @watch.setter
    def watch(self, watch: Watch) -> None:
        self._watch = watch

    def note(self, section: str, names: Iterable[str], value: object) -> None:
        """Options have changed without being set, perhaps while events are kept out."""
        if self._watch is None:
            return
        for name in names:
            self._watch.after(section, name, value)

    def tracker(self, name: str, value: object) -> None:
        """Change an option of `TrackerConfiguration`: for the next event."""
        self._change(self._live.tracker, name, value, self._follow_tracker)

    def network(self, name: str, value: object) -> None:
        """Change an option of `NetworkConfiguration`: for the next request."""
        self._change(self._live.network, name, value, self._follow_network)

    def emitter(self, name: str, value: object) -> None:
        """Change an option of `EmitterConfiguration`: for the next round."""

        def follow(changed: EmitterConfiguration) -> None:
            self._live.emitter.current = changed
            engine = self._passage.engine
            if name in _OF_STORE:
                engine.limit(changed.max_event_store_size, changed.max_event_store_age)
            engine.emitter.notify()

        self._change(self._live.emitter, name, value, follow)

    def session(self, name: str, value: object) -> None:
        """Change an option of `SessionConfiguration`: for the next event."""
        self._change(self._live.session, name, value, self._follow_session)

    def _change(
        self, live: Live[_Kind], name: str, value: object, follow: Callable[[_Kind], None]
    ) -> None:
        live.changed(name, value)  # a wrong value is refused before anything is waited for
        self._check_process()
        if self._passage.closed:  # `close` holds the lock for as long as it sends
            return
        with self._privacy.lock:
            if not self._passage.closed:
                follow(live.changed(name, value))

    def _follow_tracker(self, changed: TrackerConfiguration) -> None:
        before = self._live.tracker.current
        lines = self._passage.lines
        self._shared.follow(before, changed, with_identifiers=Anonymisation.USER not in lines.level)
        with self._passage.lock:
            if changed.base64_encoding is not before.base64_encoding:
                lines.encode(base64=changed.base64_encoding)
            lines.limit_anonymous(changed.anonymous_session_lifetime)
        self._live.tracker.current = changed

    def _follow_network(self, changed: NetworkConfiguration) -> None:
        before = self._live.network.current
        self._live.network.current = changed
        elsewhere = origin_of(before.endpoint) != origin_of(changed.endpoint)
        if elsewhere:
            self._privacy.installation.forget_cookies(writes=self._passage.lines.is_identified)
        self._passage.engine.emitter.try_again(elsewhere=elsewhere)

    def _follow_session(self, changed: SessionConfiguration) -> None:
        with self._passage.lock:
            self._passage.lines.use_timeouts(
                foreground_ms=int(changed.foreground_timeout * 1000),
                background_ms=int(changed.background_timeout * 1000),
            )
            self._passage.lines.listener = changed.on_session_update
        self._live.session.current = changed


class Watch(Protocol):
    """Hears of what an app sets."""

    def before(self, section: str, name: str, value: object) -> None:
        """It is about to set it; raises `ConfigurationError` where that is not allowed."""
        ...

    def after(self, section: str, name: str, value: object) -> None:
        """It has set it, and this is what it reads now."""
        ...


class Controlled(NoStrayAttributes):
    """What has live options, and tells of what an app sets."""

    _section: ClassVar[str]
    """Of the configuration: `tracker`, `network`, `subject`, `session` or `emitter`."""
    _changes: LiveChanges | None = None

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401 - of any attribute
        if name.startswith("_"):
            super().__setattr__(name, value)
            return
        check_attribute(self, name)
        watch = self._changes.watch if self._changes is not None else None
        if watch is None:
            super().__setattr__(name, value)
            return
        watch.before(self._section, name, value)
        super().__setattr__(name, value)
        watch.after(self._section, name, getattr(self, name))
