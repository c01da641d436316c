"""The trackers of this process, by namespace: the only module-level state of the SDK."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from whiteout.errors import ConfigurationError
from whiteout.tracker.configuration import (
    EmitterConfiguration,
    NetworkConfiguration,
    SessionConfiguration,
    SubjectConfiguration,
    TrackerConfiguration,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from whiteout.events.gdpr import GdprConfiguration
    from whiteout.tracker.core import Core
    from whiteout.tracker.decisions import Minimum
    from whiteout.tracker.environment import Environment
    from whiteout.tracker.focal_meter import FocalMeterConfiguration
    from whiteout.tracker.global_contexts import GlobalContextsConfiguration
    from whiteout.tracker.identity_group import IdentityGroups
    from whiteout.tracker.inside import Inside
    from whiteout.tracker.plugins import PluginConfiguration
    from whiteout.tracker.remote.bundle import ConfigurationBundle
    from whiteout.tracker.remote.settings import ConfigurationState, RemoteConfiguration
    from whiteout.tracker.remote.setup import RemoteSetup
    from whiteout.tracker.tracker import Tracker

    Configuration = (
        TrackerConfiguration
        | EmitterConfiguration
        | SessionConfiguration
        | SubjectConfiguration
        | GdprConfiguration
        | PluginConfiguration
        | GlobalContextsConfiguration
        | FocalMeterConfiguration
    )


_KINDS: Final = (
    TrackerConfiguration,
    EmitterConfiguration,
    SessionConfiguration,
    SubjectConfiguration,
)
# Of the 100 ms that all trackers together may add to an exit; their modules, too, take time to end.
_SENDING_S: Final = 0.02  # for requests under way: one to a near collector is done by then
_CLOSING_S: Final = 0.01  # after which no tracker begins to store or to close anything
_MAX_NAMESPACE: Final = 128  # the width of the atomic column `name_tracker`


class _Registry:
    """Namespaces and their trackers; hooks for exit and fork, set at the first tracker."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.trackers: dict[str, Tracker] = {}
        self.live: weakref.WeakSet[Tracker] = weakref.WeakSet()
        self.bygone: weakref.WeakSet[Tracker] = weakref.WeakSet()  # see `end_of_test`
        self._forking: list[Core] = []
        self._groups: IdentityGroups | None = None
        self._has_hooks = False
        self.remote: RemoteSetup | None = None

    def groups(self) -> IdentityGroups:
        """Trackers that share who the installation is. Under the lock."""
        from whiteout.tracker.identity_group import IdentityGroups  # noqa: PLC0415 - see below

        if self._groups is None:
            self._groups = IdentityGroups()
        return self._groups

    def add_hooks(self) -> None:
        if self._has_hooks:
            return
        self._has_hooks = True
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=lambda: self._after_fork(in_child=False),
                after_in_child=lambda: self._after_fork(in_child=True),
            )

    def _at_exit(self) -> None:
        if self.remote is not None:  # else it might make a tracker while they are closed
            self.remote.close()
        from whiteout.tracker.clock import SystemClock  # noqa: PLC0415 - see below
        from whiteout.tracker.core import PLUGINS_S  # noqa: PLC0415 - see below
        from whiteout.tracker.inside import inside_of  # noqa: PLC0415 - see below

        clock = SystemClock()

        def within(seconds: float) -> Callable[[], float]:
            until_s = clock.monotonic_s() + seconds
            return lambda: max(0.0, until_s - clock.monotonic_s())

        # A fork's child that has not tracked since has nothing to end.
        cores = [inside_of(tracker).core for tracker in list(self.live)]
        cores = [core for core in cores if not core.is_forked]
        for_plugins, for_sending = within(PLUGINS_S), within(_SENDING_S)
        for core in cores:
            core.prepare_exit(for_plugins)
        for core in cores:
            core.engine.emitter.close(for_sending())
        for_closing = within(_CLOSING_S)
        for core in cores:
            core.close_at_exit(for_closing)

    def _before_fork(self) -> None:
        from whiteout.tracker.inside import inside_of  # noqa: PLC0415 - see below

        self.lock.acquire()
        self.groups().lock.acquire()
        self._forking = [inside_of(tracker).core for tracker in self.live]
        for core in self._forking:
            core.before_fork()

    def _after_fork(self, *, in_child: bool) -> None:
        while self._forking:
            self._forking.pop().after_fork(in_child=in_child)
        if in_child and self.remote is not None:
            self.remote.after_fork()
        self.groups().lock.release()
        self.lock.release()


_REGISTRY: Final = _Registry()


def create_tracker(
    namespace: str,
    network: str | NetworkConfiguration,
    *configurations: Configuration,
    environment: Environment | None = None,
) -> Tracker:
    """Make a tracker; one that had the namespace in this process is closed and replaced.

    Args:
        namespace: `tna` on the wire, at every level, and the name of the event store: it must name
            nobody. At most 128 characters.
        network: the collector's address, or more of it.
        *configurations: at most one of each kind, in any order, and plugins as many as there are.
            What is not said about privacy keeps the stricter of what the namespace had before:
            the three flags of anonymity and the privacy profile also of an earlier process, whose
            consent holds too; entities, events and the rest only of this one. Plugins and global
            contexts of the tracker that is replaced stay, but for those whose name is given now.
        environment: time, randomness and the device; for tests.

    Raises:
        ConfigurationError: an argument is wrong; a tracker that has the namespace goes on.
    """
    # 50 ms that a program which only imports this does not pay.
    from whiteout.events.gdpr import GdprConfiguration  # noqa: PLC0415 - see above

    if not isinstance(namespace, str) or not 1 <= len(namespace) <= _MAX_NAMESPACE:
        raise ConfigurationError(
            f"namespace must be text of 1 to {_MAX_NAMESPACE} characters, got {namespace!r}"
        )
    if isinstance(network, str):
        network = NetworkConfiguration(endpoint=network)
    if not isinstance(network, NetworkConfiguration):
        raise ConfigurationError(
            f"network must be a URL or a NetworkConfiguration, got {type(network).__name__}"
        )
    of_kind: dict[type, object] = {}
    extensions: list[object] = []
    for configuration in configurations:
        kind = type(configuration)
        if kind not in (*_KINDS, GdprConfiguration):
            extensions.append(configuration)
            continue
        if kind in of_kind:
            raise ConfigurationError(f"configurations must hold one {kind.__name__}, got two")
        of_kind[kind] = configuration
    if extensions:
        from whiteout.tracker.app_code import check_configurations  # noqa: PLC0415 - as above

        check_configurations(extensions)
    return _make(namespace, network, of_kind, extensions, environment=environment)


def _make(  # noqa: PLR0913 - those of `create_tracker`, and what holds for remote configurations
    namespace: str,
    network: NetworkConfiguration,
    of_kind: Mapping[type, Any],
    extensions: Sequence[object] = (),
    *,
    environment: Environment | None = None,
    minimum: Minimum | None = None,
) -> Tracker:
    """Make a tracker, and let it take the place of the one that had the namespace.

    Args:
        namespace: as of `create_tracker`.
        network: the same.
        of_kind: configurations by kind.
        extensions: the others.
        environment: the same.
        minimum: of a remote configuration, with options of privacy that all have been said; None:
            the app makes the tracker. What it does not say keeps the stricter then, and a remote
            configuration that has the namespace limits the rest.
    """
    from whiteout.events.gdpr import GdprConfiguration  # noqa: PLC0415 - as above
    from whiteout.tracker.environment import Environment  # noqa: PLC0415 - as above
    from whiteout.tracker.inside import inside_of  # noqa: PLC0415 - as above
    from whiteout.tracker.tracker import Tracker  # noqa: PLC0415 - as above
    from whiteout.tracker.unsaid import settled  # noqa: PLC0415 - as above

    said = of_kind.get(TrackerConfiguration) or TrackerConfiguration()
    with _REGISTRY.lock, _REGISTRY.groups().lock:
        _REGISTRY.add_hooks()
        # It keeps the namespace until the other one runs: what it said is not to be lost with that.
        before = _REGISTRY.trackers.get(namespace)
        if before is not None and before in _REGISTRY.bygone:
            before.close(timeout=0.0)
            before = None
        inside = inside_of(before) if before is not None else None
        remote = None
        said = settled(said, before)
        if minimum is None:
            said, minimum, remote = _under_remote(namespace, said, inside)
        pauses = None
        if before is not None and inside is not None:
            _check_gate(said, inside, minimum)
            pauses = inside.core.pauses()
            extensions = inside.core.extensions(extensions)
            before.close(timeout=0.0)
        tracker = Tracker(
            namespace,
            network,
            said,
            of_kind.get(EmitterConfiguration) or EmitterConfiguration(),
            of_kind.get(SessionConfiguration) or SessionConfiguration(),
            of_kind.get(SubjectConfiguration) or SubjectConfiguration(),
            environment=environment or Environment(),
            process_lock=_REGISTRY.lock,
            level=inside.decided if inside is not None else None,
            consent=inside.core.consent.record if inside is not None else None,
            gdpr=of_kind.get(GdprConfiguration),
            extensions=extensions,
            pauses=pauses,
            profile=inside.decided_profile if inside is not None else None,
            groups=_REGISTRY.groups(),
            minimum=minimum,
            running=partial(_running, namespace),
        )
        if remote is not None:
            from whiteout.tracker.remote.trackers import watch  # noqa: PLC0415 - as above

            watch(tracker, remote)
        _REGISTRY.trackers.pop(namespace, None)  # the last one made comes last
        _REGISTRY.trackers[namespace] = tracker
        _REGISTRY.live.add(tracker)
    inside_of(tracker).core.begin(said)
    return tracker


def end_of_test() -> None:
    """Let the trackers that are there go on, but hand nothing on to those that take their place.

    For tests: in the next one an app starts anew, and what it does not say of privacy must not be
    said by the one before.
    """
    with _REGISTRY.lock:
        _REGISTRY.bygone.update(_REGISTRY.trackers.values())


def _check_gate(said: TrackerConfiguration, before: Inside, minimum: Minimum) -> None:
    """Refuse what no gate can be made of: before the tracker that runs gives way.

    Raises:
        ConfigurationError: as `gate_of`.
    """
    from whiteout.tracker.decisions import first_profile  # noqa: PLC0415 - as above
    from whiteout.tracker.tracker_gate import gate_of  # noqa: PLC0415 - as above

    decided = first_profile(said.privacy_profile, before.decided_profile)
    gate_of(said, first_profile(None, decided, minimum.profile), keeps_messages=True)


def _running(namespace: str) -> Tracker | None:
    """As `get_tracker`, but while one takes the place of another, the one that comes."""
    with _REGISTRY.lock:
        return _REGISTRY.trackers.get(namespace)


def _under_remote(
    namespace: str, said: TrackerConfiguration, before: Inside | None
) -> tuple[TrackerConfiguration, Minimum, RemoteSetup | None]:
    """What a tracker of the app's own making is, in a namespace that may be set up remotely."""
    from whiteout.tracker.decisions import Minimum  # noqa: PLC0415 - as above

    minimum = before.minimum if before is not None else Minimum()
    remote = _REGISTRY.remote
    demanded = None if remote is None or remote.is_closed else remote.demanded(namespace)
    if demanded is None:
        return said, minimum, None
    from whiteout.tracker.remote.trackers import limited  # noqa: PLC0415 - as above

    profile = demanded.tracker.privacy_profile
    return limited(said, demanded), Minimum(demanded.minimum, profile), remote


def get_tracker(namespace: str) -> Tracker | None:
    """The tracker of a namespace in this process; None: there is none."""
    return _REGISTRY.trackers.get(namespace)


def live_trackers() -> list[Tracker]:
    """The trackers of this process that are not closed, in no order."""
    return list(_REGISTRY.trackers.values())


def remove_tracker(namespace: str, timeout: float = 5.0) -> bool:
    """Close a tracker, which is inert from then on; False: there was none.

    Args:
        namespace: as given to `create_tracker`.
        timeout: seconds for sending what waits; the rest is stored.
    """
    with _REGISTRY.lock:
        tracker = _REGISTRY.trackers.pop(namespace, None)
    if tracker is None:
        return False
    tracker.close(timeout)
    return True


def tracker_namespaces() -> list[str]:
    """The namespaces that have a tracker in this process, in the order of their making."""
    with _REGISTRY.lock:
        return list(_REGISTRY.trackers)


def remove_all_trackers(timeout: float = 5.0) -> None:
    """Close all trackers of this process, which are inert from then on.

    A remote configuration goes on: what its file adds later is made. `RemoteSetup.close` ends it.

    Args:
        timeout: seconds for sending what waits, of all of them together; the rest is stored.
    """
    from whiteout.tracker.clock import SystemClock  # noqa: PLC0415 - as above

    with _REGISTRY.lock:
        trackers = list(_REGISTRY.trackers.values())
        _REGISTRY.trackers.clear()
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + timeout
    for tracker in trackers:
        tracker.close(max(0.0, deadline_s - clock.monotonic_s()))


def setup_remote(
    remote: str | RemoteConfiguration,
    *defaults: ConfigurationBundle,
    default_version: int = -1,
    on_success: Callable[[list[str], ConfigurationState], object] | None = None,
) -> RemoteSetup:
    """Make trackers as a file on a server says: first as is known already, then as is fetched.

    When it returns, the trackers of the cached file, or else of the default bundles, run; reach
    them by `get_tracker`. Until a file was ever fetched they are as anonymous as
    `RemoteConfiguration.before_fetch` says. What is fetched later changes the trackers that run, so
    that an app keeps its references; a namespace that it disables is removed.

    Args:
        remote: where the file is; a URL, or more of it.
        *defaults: what holds as long as no file is known, and for what a file does not mention.
        default_version: a file is applied if its version is greater; -1: any is.
        on_success: called after each application, with the namespaces that run and where the
            configuration comes from: on this thread first, then on the one that fetches.

    Returns:
        the set-up; one that was made before in this process applies nothing any more.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    from whiteout.tracker.clock import SystemClock  # noqa: PLC0415 - as above
    from whiteout.tracker.counters import Counters  # noqa: PLC0415 - as above
    from whiteout.tracker.folder import open_folder  # noqa: PLC0415 - as above
    from whiteout.tracker.remote.settings import RemoteConfiguration  # noqa: PLC0415 - as above
    from whiteout.tracker.remote.setup import (  # noqa: PLC0415 - as above
        RemoteSetup,
        check_arguments,
    )
    from whiteout.tracker.remote.trackers import RemoteTrackers  # noqa: PLC0415 - as above

    if isinstance(remote, str):
        remote = RemoteConfiguration(endpoint=remote)
    if not isinstance(remote, RemoteConfiguration):
        raise ConfigurationError(
            f"remote must be a URL or a RemoteConfiguration, got {type(remote).__name__}"
        )
    check_arguments(defaults, default_version, on_success)
    clock = SystemClock()
    counters = Counters(clock)
    trackers = RemoteTrackers(defaults, create=_make, get=get_tracker, remove=remove_tracker)
    setup = trackers.setup = RemoteSetup(
        remote,
        defaults,
        trackers.carry_out,
        folder=open_folder(remote.storage_dir, counters),
        clock=clock,
        counters=counters,
        default_version=default_version,
        on_success=on_success,
    )
    with _REGISTRY.lock:
        _REGISTRY.add_hooks()
        before, _REGISTRY.remote = _REGISTRY.remote, setup
    if before is not None:
        before.close()
    setup.start()
    return setup
