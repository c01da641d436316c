"""Snowplow's own tracker for Node, from its registry, against the real collector.

Every event that it sends is good without a registry; asked for anonymity on the server, nothing
that identifies arrives, whatever the app put into its events.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.clients.conftest import needs_node
from tests.support.arrivals import HIDDEN_BY_SERVER
from tests.support.npm import installed

from whiteout.identifiers import Anonymisation

if TYPE_CHECKING:
    from tests.support.arrivals import Arrivals
    from tests.support.real_collector import RealCollector

HERE = Path(__file__).parent / "node"
OF_APP = {"canary-user-id", "canary-domain-user-id", "canary-click-id"}
OF_SERVER = {
    "c0ffee00-0000-4000-8000-00000000000a",
    "203.0.113.199",
    "127.0.0.1",
    "canary-cookie",
    "canary-linked-user",
}
NAMES = {
    "ad_click",
    "ad_conversion",
    "ad_impression",
    "add_to_cart",
    "change_form",
    "consent_granted",
    "consent_withdrawn",
    "event",
    "focus_form",
    "link_click",
    "page_ping",
    "page_view",
    "remove_from_cart",
    "screen_view",
    "site_search",
    "social_interaction",
    "submit_form",
    "transaction",
    "transaction_item",
}

pytestmark = needs_node


class Sent(NamedTuple):
    """What the client says of itself.

    Attributes:
        events: how many it sent.
        unused: functions of the tracker that build an event, and were not called.
    """

    events: int
    unused: list[str]


@pytest.fixture(scope="module")
def packages(request: pytest.FixtureRequest) -> Path:
    """The folder that holds `node_modules`."""
    return installed(request.config, "node-tracker", HERE / "package.json")


def send(packages: Path, endpoint: str, *, method: str = "post", anonymous: bool = False) -> Sent:
    node = shutil.which("node")
    assert node is not None
    done = subprocess.run(
        [node, HERE / "client.mjs", endpoint, packages, method, json.dumps(anonymous)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Sent(**json.loads(done.stdout))


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize("method", ["post", "get"])
def test_every_event_is_good(
    packages: Path,
    collector: RealCollector,
    arrivals: Arrivals,
    method: str,
    anonymous: bool,  # noqa: FBT001 - parametrised
) -> None:
    sent = send(packages, collector.url, method=method, anonymous=anonymous)

    assert sent.unused == []
    assert len(arrivals.refresh()) == sent.events
    assert arrivals.names() == NAMES
    assert {event["app_id"] for event in arrivals.events} == {"official-node"}
    found, leaks = arrivals.search(OF_APP | OF_SERVER, Anonymisation.SERVER)
    assert found == (OF_APP if anonymous else OF_APP | OF_SERVER)
    assert leaks == (set() if anonymous else HIDDEN_BY_SERVER)
