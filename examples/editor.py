"""A text editor: what kind of document is open goes with each event, and noise is left out.

    python examples/editor.py http://127.0.0.1:9090

What to look at: the code that tracks knows nothing of the entity, the filter and the counting; the
help page speaks through the bridge; the link to the shop tells who comes only while it may.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import whiteout
from whiteout import (
    Anonymisation,
    EmitterConfiguration,
    GlobalContext,
    GlobalContextsConfiguration,
    InspectableEvent,
    PluginConfiguration,
    ScreenView,
    SelfDescribingJson,
    Structured,
    TrackerConfiguration,
    WebViewBridge,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENT = "iglu:com.example.editor/document/jsonschema/1-0-0"
HELP = "https://help.example"


class Editor:
    """The app: one document, and what the user does with it.

    Attributes:
        suffix: of the open document; its name is nobody's business.
    """

    def __init__(self, tracker: whiteout.Tracker) -> None:
        self._tracker = tracker
        self.suffix = "txt"

    def use(self) -> None:
        """A short session of work."""
        self._tracker.track(ScreenView(name="Editor"))
        for _ in range(20):
            self._tracker.track(Structured(category="editor", action="autosave"))
        self.suffix = "md"
        self._tracker.track(Structured(category="editor", action="export"))


def is_no_noise(event: InspectableEvent) -> bool:
    """Keep back what happens all the time and says nothing."""
    return event.parameters["se_ac"] != "autosave"


def document(suffix_of: Callable[[], str]) -> GlobalContext:
    """An entity for what happens in the editor itself."""
    return GlobalContext(
        generator=lambda _event: [SelfDescribingJson(DOCUMENT, {"suffix": suffix_of()})],
        filter=lambda event: event.parameters.get("se_ca") == "editor",
    )


def open_help(bridge: WebViewBridge) -> None:
    """What the help page in a web view sends; pages of other origins would be refused."""
    bridge.receive(
        {"command": "trackPageView", "event": {"url": f"{HELP}/export"}}, origin=f"{HELP}/export"
    )


def main() -> None:
    """Work a little, anonymously at the end."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("collector", help="such as http://127.0.0.1:9090")
    parser.add_argument("--storage", type=Path, help="folder for what waits to be sent")
    arguments = parser.parse_args()

    tracked: Counter[str] = Counter()
    tracker = whiteout.create_tracker(
        "editor",
        arguments.collector,
        TrackerConfiguration(app_id="editor", install_autotracking=False),
        EmitterConfiguration(storage_dir=arguments.storage),
        PluginConfiguration(identifier="quiet", filter=is_no_noise, filter_schemas=["se"]),
        PluginConfiguration(
            identifier="count", after_track=lambda event: tracked.update([event.name])
        ),
        GlobalContextsConfiguration(),
    )
    editor = Editor(tracker)
    tracker.global_contexts.add("document", document(lambda: editor.suffix))
    editor.use()
    open_help(WebViewBridge(["editor"], allowed_origins=[HELP]))

    shop = "https://shop.example/plugins?lang=en"
    print("identified:", "_sp=" in (tracker.decorate_link(shop) or ""))
    tracker.anonymisation = Anonymisation.FULL
    print("anonymous:", tracker.decorate_link(shop))
    print("everything was delivered" if tracker.close(timeout=10) else "some waits on disk")
    print("tracked:", dict(sorted(tracked.items())))


if __name__ == "__main__":
    main()
