"""Trackers that follow a remote file: default bundles, then the cache, then the network.

Owners: `_lock` guards what is known and what runs; it is held for a moment, never across I/O or the
app's code. `_applying` lets one plan be carried out at a time. The fetch runs on a daemon thread of
its own, one at a time, and nobody waits for it but who calls `wait`.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from whiteout.errors import ConfigurationError, ProtocolError, WhiteoutError
from whiteout.tracker.hooks import check_function
from whiteout.tracker.remote.bundle import ConfigurationBundle
from whiteout.tracker.remote.cache import RemoteCache
from whiteout.tracker.remote.document import MAX_VERSION, Document, following, parse
from whiteout.tracker.remote.fetch import FETCHING_THREAD, fetch
from whiteout.tracker.remote.options import OFFICIAL, check_names
from whiteout.tracker.remote.plan import OLDEST, Do, Planned, Sources, Step, effective, plan
from whiteout.tracker.remote.settings import ConfigurationState, RemoteConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from whiteout.tracker.clock import Clock
    from whiteout.tracker.counters import Counters
    from whiteout.tracker.remote.bundle import Sections

_LOGGER = logging.getLogger("whiteout")
_MOST_ROUNDS: Final = 5  # arbitrary; more only where the app changes options without a pause


def check_arguments(
    defaults: Iterable[object], default_version: object, on_success: object
) -> None:
    """Refuse what an app cannot set up.

    Raises:
        ConfigurationError: an argument is wrong.
    """
    for bundle in defaults:
        if not isinstance(bundle, ConfigurationBundle):
            raise ConfigurationError(
                f"defaults must hold ConfigurationBundle, got {type(bundle).__name__}"
            )
    is_whole = isinstance(default_version, int) and not isinstance(default_version, bool)
    if not is_whole or not OLDEST <= default_version <= MAX_VERSION:  # type: ignore[operator] # a number
        raise ConfigurationError(
            f"default_version must be {OLDEST} to {MAX_VERSION}, got {default_version!r}"
        )
    if on_success is not None:
        check_function("on_success", on_success)


class RemoteSetup:
    """Keeps the trackers of a remote configuration as all its sources say.

    Any thread may call anything.

    Args:
        remote: where the file is.
        defaults: the app's bundles, one a namespace.
        carry_out: makes a step so: creates, replaces or removes a tracker, or changes its minimum.
            Called without any lock of this class's but the one that serialises it, on the thread
            that calls `start`, or on the fetching one.
        folder: for the cache; None: none is kept.
        clock: time.
        counters: warnings.
        default_version: of the default bundles, which a remote file must exceed.
        on_success: called after each application with the namespaces that run and where the
            configuration came from; on the same threads.
        fetch: gets the file; for tests.

    Raises:
        ConfigurationError: two default bundles have the same namespace.
    """

    def __init__(  # noqa: PLR0913 - the seams are passed in
        self,
        remote: RemoteConfiguration,
        defaults: Iterable[ConfigurationBundle],
        carry_out: Callable[[Step], object],
        *,
        folder: Path | None,
        clock: Clock,
        counters: Counters,
        default_version: int = OLDEST,
        on_success: Callable[[list[str], ConfigurationState], object] | None = None,
        fetch: Callable[[str, float, Clock], bytes | None] = fetch,
    ) -> None:
        bundles = list(defaults)
        by_namespace = {bundle.namespace: bundle for bundle in bundles}
        if len(by_namespace) != len(bundles):
            raise ConfigurationError(
                "default bundles must have different namespaces, got one twice"
            )
        self._remote = remote
        self._carry_out = carry_out
        self._clock = clock
        self._counters = counters
        self._on_success = on_success
        self._fetch = fetch
        self._cache = RemoteCache(folder, remote.endpoint)
        self._lock = threading.Lock()
        self._applying = threading.RLock()
        self._live: dict[str, Sections] = {}
        self._live_changes = 0
        self._is_applying = self._is_closed = False
        self._running: dict[str, Planned] = {}
        self._worker: threading.Thread | None = None
        self._sources = Sources(
            defaults=by_namespace,
            default_version=default_version,
            live=self._live,
            before_fetch=remote.before_fetch,
        )

    @property
    def running(self) -> dict[str, Planned]:
        """The trackers that were made, by namespace."""
        with self._lock:
            return dict(self._running)

    @property
    def is_known(self) -> bool:
        """Whether a file was ever fetched; until then the level before the fetch holds."""
        with self._lock:
            return self._sources.remote is not None

    def start(self) -> None:
        """Apply what is known, the cache or else the default bundles, and fetch."""
        document = self._cache.load()
        with self._lock:
            self._sources = replace(self._sources, remote=document)
            leads = self._sources.remote_leads
        self._apply(ConfigurationState.CACHED if leads else ConfigurationState.DEFAULT)
        self.refresh()

    def refresh(self) -> None:
        """Fetch, on a thread; where that is under way, nothing more."""
        with self._lock:
            is_busy = self._worker is not None and self._worker.is_alive()
            if self._is_closed or is_busy:
                return
            worker = threading.Thread(target=self._work, name=FETCHING_THREAD, daemon=True)
            self._worker = worker
            worker.start()

    def wait(self, timeout: float) -> bool:
        """Wait until no fetch is under way; False: not within `timeout` seconds."""
        with self._lock:
            worker = self._worker
        if worker is None or worker is threading.current_thread():
            return worker is None
        worker.join(timeout)
        return not worker.is_alive()

    def note_live(self, namespace: str, section: str, name: str, value: object) -> None:
        """The app changed an option of a running tracker: later configurations keep that.

        For privacy options a stricter source still wins. The tracker itself must have been changed
        already, and within its minimum. Costs about 50 us, and waits for no I/O.

        Args:
            namespace: of the tracker; one that is not in this set-up is passed over.
            section: `network`, `tracker`, `subject`, `session` or `emitter`.
            name: of the option.
            value: None clears it, where the option can be None.

        Raises:
            ConfigurationError: there is no such option.
        """
        check_names({section: {name: value}})
        with self._lock:
            remote = self._sources.remote
            known = (self._running, self._sources.defaults, remote.bundles if remote else {})
            if not any(namespace in names for names in known):
                return
            # A new mapping each time: a plan that is being made reads the old one.
            sections = {key: dict(values) for key, values in self._live.get(namespace, {}).items()}
            sections.setdefault(section, {})[name] = value
            self._live = {**self._live, namespace: sections}
            self._live_changes += 1
            self._sources = replace(self._sources, live=self._live)
            if not self._is_applying and (planned := self._now_planned(namespace)) is not None:
                self._running[namespace] = planned

    def demanded(self, namespace: str) -> Planned | None:
        """The tracker of a namespace, for what is demanded of it; None: nothing is."""
        with self._lock:
            return effective(self._sources).get(namespace)

    @property
    def is_closed(self) -> bool:
        """Whether it applies nothing any more."""
        with self._lock:
            return self._is_closed

    def forget(self) -> bool:
        """Delete the cached file; False: the disk refused."""
        return self._cache.forget()

    def close(self) -> None:
        """Apply nothing more, not even what a fetch under way brings. The trackers go on."""
        with self._lock:
            self._is_closed = True
        with self._applying:  # what is being applied is applied whole
            return

    def after_fork(self) -> None:
        """In a forked child: the thread is gone, and a lock that it held would never be freed."""
        self._lock = threading.Lock()
        self._applying = threading.RLock()
        self._is_applying = False
        self._worker = None

    def _now_planned(self, namespace: str) -> Planned | None:
        """What the tracker is after its own live change; under the lock."""
        return effective(self._sources).get(namespace)

    def _work(self) -> None:
        """Fetch and apply; the fetching thread's top."""
        try:
            content = self._fetch(self._remote.endpoint, self._remote.timeout, self._clock)
            if content is None:
                self._warn("fetch", "it could not be fetched; what was known before holds")
                return
            document = parse(content, self._warn)
            self._tell_left_out(document)
            self._adopt(document)
        except ProtocolError as error:
            self._warn("file", f"it is refused: {error}")
        except Exception as error:  # noqa: BLE001 - the top of a thread: it must not end unseen
            self._warn("thread", f"it could not be applied ({type(error).__name__})")

    def _tell_left_out(self, document: Document) -> None:
        """Name the native trackers' options; of others how many, for they are a stranger's text."""
        official = {key for _, _, key in (path.partition(".") for path in document.left_out)}
        official &= OFFICIAL
        if official:
            names = ", ".join(sorted(official))
            self._warn("options", f"these options do nothing here, and are passed over: {names}")
        if document.left_out:
            _LOGGER.debug(
                "remote configuration: %d options are not known here, and passed over",
                len(document.left_out),
            )

    def _adopt(self, document: Document) -> None:
        """Take up a file that was fetched, if it says more than what is known."""
        with self._lock:
            before = self._sources.remote
            if self._is_closed or not _is_news(document, before):
                return
            document = following(document, before)
            self._sources = replace(self._sources, remote=document)
            is_newer = before is None or document.version > before.version
            applies = is_newer and self._sources.remote_leads
        if not self._cache.store(document):
            self._warn("cache", "it could not be stored for the next start")
        self._apply(ConfigurationState.FETCHED if applies else None)

    def _apply(self, state: ConfigurationState | None) -> None:
        """Carry out what is to be done; `state` None: without telling the app."""
        with self._applying:
            for _ in range(_MOST_ROUNDS):
                with self._lock:
                    self._is_applying = True
                    sources, running = self._sources, dict(self._running)
                    changes = self._live_changes
                try:
                    for step in plan(sources, running):
                        self._do(step)
                finally:
                    with self._lock:
                        self._is_applying = False
                        is_settled = self._live_changes == changes
                if is_settled:
                    break  # else the app changed an option of a tracker that was being replaced
        if state is not None and self._on_success is not None:
            try:
                self._on_success(list(self.running), state)
            except Exception as error:  # noqa: BLE001 - the app's code, on a thread of ours
                self._warn("callback", f"on_success raised {type(error).__name__}")

    def _do(self, step: Step) -> None:
        try:
            self._carry_out(step)
        except (WhiteoutError, OSError) as error:
            self._warn("step", f"a tracker could not be set up ({type(error).__name__})")
            planned = None
            if step.do in {Do.REPLACE, Do.CHANGE_MINIMUM}:
                # It may run on as it was, which may be less private than it should be now.
                with suppress(WhiteoutError, OSError):
                    self._carry_out(Step(do=Do.REMOVE, namespace=step.namespace, planned=None))
        else:
            planned = step.planned
        with self._lock:
            if planned is not None:
                self._running[step.namespace] = planned
            else:
                self._running.pop(step.namespace, None)

    def _warn(self, where: str, what: str) -> None:
        self._counters.warn(f"remote-{where}", f"remote configuration: {what}")


def _is_news(document: Document, before: Document | None) -> bool:
    """Strictly newer, or the whole of what was cached in part."""
    if before is None or document.version > before.version:
        return True
    return document.version == before.version and not before.is_complete
