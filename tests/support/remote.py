"""Set-ups from a file on a real server, with real trackers that send to a real collector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.collector import Collector, Reply
from tests.tracker.remote.samples import a_bundle, a_file

import whiteout
from whiteout import (
    ConfigurationBundle,
    ConfigurationState,
    EmitterConfiguration,
    RemoteConfiguration,
    Structured,
)

if TYPE_CHECKING:
    from pathlib import Path

    from whiteout import RemoteSetup, Tracker

EVENT = Structured(category="c", action="a")


class RemoteScene:
    """A server with the file, a collector, and set-ups that end with the test."""

    def __init__(self, server: Collector, collector: Collector, folder: Path) -> None:
        self.server = server
        self.collector = collector
        self.folder = folder
        self.states: list[tuple[list[str], ConfigurationState]] = []
        self.made: list[RemoteSetup] = []

    def default(self, namespace: str = "shop", *more: Any) -> ConfigurationBundle:  # noqa: ANN401 - configurations
        kinds = {type(one) for one in more}
        if EmitterConfiguration not in kinds:
            more += (EmitterConfiguration(storage_dir=self.folder),)
        return ConfigurationBundle.of(namespace, self.collector.url, *more)

    def serve(self, *bundles: dict[str, Any], version: int = 1) -> None:
        self.server.default = Reply(body=a_file(*bundles, version=version))

    def bundle(self, namespace: str = "shop", **sections: dict[str, Any]) -> dict[str, Any]:
        return a_bundle(namespace, network={"endpoint": self.collector.url}, **sections)

    def setup(self, *defaults: ConfigurationBundle, **options: Any) -> RemoteSetup:  # noqa: ANN401 - options
        remote = RemoteConfiguration(
            endpoint=f"{self.server.url}/trackers.json",
            timeout=5,
            storage_dir=self.folder,
            before_fetch=options.pop("before_fetch", None),
        )
        made = whiteout.setup_remote(
            remote,
            *defaults,
            on_success=lambda names, state: self.states.append((names, state)),
            **options,
        )
        self.made.append(made)
        return made

    def restart(self) -> None:
        """As the end of a process: what is left is on the disk."""
        for made in self.made:
            made.close()
            for namespace in made.running:
                whiteout.remove_tracker(namespace, timeout=0)
        self.states.clear()


def shop(namespace: str = "shop") -> Tracker:
    """The tracker of a namespace, which must be there."""
    found = whiteout.get_tracker(namespace)
    assert found is not None
    return found


def sent(tracker: Tracker, collector: Collector) -> dict[str, str]:
    """The payload of one more event."""
    tracker.track(EVENT)
    assert tracker.flush()
    return collector.events[-1]
