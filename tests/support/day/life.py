"""One life of an app on one day: what it does, and what is held against the models."""

from __future__ import annotations

import itertools
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.privacy.support import SESSION, USER, Scene
from tests.support.clock import CountedUuids
from tests.support.day.checks import check_bridges, check_sessions
from tests.support.day.ears import Ears
from tests.support.day.model import Group, Scoped
from tests.support.day.namespace import Namespace, Said
from tests.support.day.world import WEATHERS, DayClock

from whiteout import ConfigurationError, Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.day.model import Model
    from tests.support.day.world import Weather

    from whiteout import Anonymisation, PrivacyProfile, Tracker

DAY_S: Final = 24 * 3600
LULLS_S: Final = (0.1, 1, 5, 30, 301, 601, 1800, 7200, 10_000)  # on average a 40th of a day
NAPS: Final = 25  # at most so many a lull: devices sleep, and threads with them
MOST_BYTES_ON_DISK: Final = 16_000_000  # of a namespace
ENDPOINTS: Final = ("http://collector.invalid", "http://other.invalid")
FIRST: Final = "first"
SECOND: Final = "second"


class Life:
    """Trackers, their world, and models of both: what the rules of a day are made of.

    Attributes:
        namespaces: those that the app has; it uses one at a time.
        current: that one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._patches = pytest.MonkeyPatch()
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.scene = Scene(self.folder, ENDPOINTS[0])
        self.clock = DayClock()
        self.group = Group()
        self.namespaces: list[Namespace] = []
        self.current: Namespace
        self._models: dict[str, Model] = {}
        self.ears = Ears(self._patches, self._models, self.clock)
        self._uuids = CountedUuids()
        self._markers = itertools.count(1)
        self.rest = random.Random(0)

    @property
    def tracker(self) -> Tracker:
        return self.current.tracker

    @property
    def model(self) -> Model:
        return self.current.model

    @property
    def weather(self) -> Weather:
        return self.current.weather

    @property
    def others(self) -> list[Namespace]:
        return [namespace for namespace in self.namespaces if namespace is not self.current]

    # --- how it is done -----------------------------------------------------------------------

    def found(self, name: str, said: Said, level: Anonymisation, *, shares: bool) -> None:
        """A namespace's tracker starts for the first time."""
        self.current = Namespace(name, said, self.scene, self.clock, self._uuids, self._markers)
        self._models[name] = self.model
        self.begin(level, None, was_killed=True, shares=shares)
        self.namespaces.append(self.current)

    def begin(
        self,
        level: Anonymisation | None,
        profile: PrivacyProfile | None,
        *,
        was_killed: bool,
        shares: bool,
    ) -> None:
        self.model.group = self.group if shares else None
        self.current.begin(level, profile, was_killed=was_killed)

    def use(self) -> None:
        self.current.use()

    def track_all(self, kinds: Sequence[str], scoped: Scoped) -> None:
        self.current.track_all(kinds, scoped)

    def forget_all(self) -> None:
        assert self.tracker.forget()
        self.model.forgets()
        for other in self.others:
            if self.model.group is not None and other.model.group is self.model.group:
                other.model.renews()

    def forget_elsewhere(self) -> None:
        """The other namespaces forget, while the tracker of the current one does not run."""
        for other in self.others:
            assert other.tracker.forget()
            other.model.forgets()

    def remove_all(self) -> None:
        assert self.tracker.emitter.remove_all_events()
        self.model.removes()

    def switch_to(self, level: Anonymisation, pending: Pending) -> None:
        def switch() -> None:
            self.tracker.set_anonymisation(level, pending=pending)

        if (self.model.floor | self.model.minimum) & ~level:
            with pytest.raises(ConfigurationError):
                switch()
            return
        self.enter(level, switch)
        self.model.settles(pending)

    def set_flag(self, flag: Anonymisation, *, on: bool) -> None:
        if flag is USER:
            self.tracker.user_anonymisation = on
        elif flag is SESSION:
            self.tracker.session_context = not on
        else:
            self.tracker.emitter.server_anonymisation = on

    def enter(
        self,
        level: Anonymisation,
        switch: Callable[[], object],
        minimum: Anonymisation | None = None,
    ) -> None:
        """Let the model enter a level in the same moment as the tracker."""
        self.ears.entering = [lambda: self.model.enters(level, minimum)]
        switch()
        self.ears.have_entered()
        assert self.tracker.anonymisation is self.model.level

    def in_a_slow_request(self, act: Callable[[], None]) -> None:
        self.weather.kind = "fair"
        self.live_on(1)
        self.use()
        self.weather.kind = "slow"
        self.weather.meanwhile = [act]
        self.live_on(1)
        self.weather.meanwhile = []

    # --- time ---------------------------------------------------------------------------------

    def live_on(self, seconds: float) -> None:
        """Let time pass, and the trackers' threads do what they do in it."""
        end = self.clock.passed_s + seconds
        while True:
            wait_s = min(namespace.work() for namespace in self.namespaces)
            left = end - self.clock.passed_s
            if left <= 0:
                break
            self.clock.advance(min(left, max(min(wait_s, 60.0), 0.05, seconds / NAPS)))
        # Here, since what killed processes leave is taken over when time passes.
        on_disk = sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())
        assert on_disk < MOST_BYTES_ON_DISK * len(self.namespaces)

    # --- the end of it ------------------------------------------------------------------------

    def live_to_the_end(self) -> None:
        """The rest of 24 hours, in any weather; then all that waits goes out."""
        for namespace in self.namespaces:
            namespace.weather.meanwhile = []
            namespace.tracker.resume()
            namespace.tracker.emitter.resume()
        while self.clock.passed_s < DAY_S:
            self.current = self.rest.choice(self.namespaces)
            self.weather.kind = self.rest.choice(WEATHERS)
            self.use()
            self.live_on(self.rest.choice(LULLS_S))
        for namespace in self.namespaces:
            namespace.weather.kind = "fair"
            namespace.tracker.emitter.resume()
        self.live_on(100)  # for as long as the collector may have asked to wait
        for namespace in self.namespaces:
            namespace.flush(self.live_on)

    def check(self) -> None:
        for namespace in self.namespaces:
            namespace.check()
        accepted = [one for namespace in self.namespaces for one in namespace.accepted]
        check_bridges(accepted)
        check_sessions(accepted)

    def end(self) -> None:
        """Nothing is left of it."""
        self.scene.close()
        self._patches.undo()
        self._folder.cleanup()
