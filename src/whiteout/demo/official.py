"""A second, real client: the official `snowplow-tracker`, anonymous and not.

Run as a program, so that its log and its threads stay with it:

    python -m whiteout.demo.official ENDPOINT NAMESPACE

It prints, as JSON, how many events of each name it sent.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any, Final

_ANONYMOUS: Final = {"SP-Anonymous": "*"}


def send(endpoint: str, namespace: str, *, anonymous: bool) -> dict[str, int]:
    """Send every event type that the client has; how many of each, by `event_name` in the lake."""
    import requests  # noqa: PLC0415 - comes with the official client
    from snowplow_tracker.emitters import Emitter  # noqa: PLC0415 - an optional extra
    from snowplow_tracker.subject import Subject  # noqa: PLC0415 - see above
    from snowplow_tracker.tracker import Tracker  # noqa: PLC0415 - see above

    logging.disable(logging.INFO)
    session = requests.Session()
    session.headers.update(_ANONYMOUS if anonymous else {})
    scheme, _, address = endpoint.partition("://")
    host, _, port = address.rpartition(":")
    failures: list[int] = []
    emitter = Emitter(
        f"{scheme}://{host}",
        protocol="https" if scheme == "https" else "http",
        port=int(port),
        batch_size=1,
        session=session,
        on_failure=lambda _sent, unsent: failures.append(len(unsent)),
    )
    subject = Subject()
    subject.set_user_id("official-user").set_domain_user_id("official-domain-user")
    subject.set_ip_address("198.51.100.7")
    subject.set_network_user_id("0f8fad5b-d9cb-469f-a165-70867728950e")
    tracker = Tracker(namespace, emitter, subject=subject, app_id="demo-official")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # every type it has, old ones too
        sent = _track_everything(tracker)
    tracker.flush()
    if failures:
        raise SystemExit(f"the collector refused {sum(failures)} events of the official client")
    return sent


def _track_everything(tracker: Any) -> dict[str, int]:  # noqa: ANN401 - it has no types of its own
    from snowplow_tracker.events.self_describing import (  # noqa: PLC0415 - an optional extra
        SelfDescribing,
    )
    from snowplow_tracker.self_describing_json import (  # noqa: PLC0415 - see above
        SelfDescribingJson,
    )

    tracker.track_page_view("https://shop.example/", "Shop")
    tracker.track_page_ping("https://shop.example/", "Shop", min_x=0, max_x=0, min_y=0, max_y=300)
    tracker.track_struct_event("basket", "add", "kettle", "colour", 24.9)
    tracker.track_mobile_screen_view("Checkout", "1b4e28ba-2fa1-41d2-883f-0016d3cca427")
    tracker.track_screen_view("Checkout", "screen-7")
    tracker.track_link_click("https://shop.example/kettle", "link-1", ["nav"], "_blank", "Kettle")
    tracker.track_add_to_cart("kettle-1", 1, "Kettle", "Kitchen", 24.9, "EUR")
    tracker.track_remove_from_cart("kettle-1", 1, "Kettle", "Kitchen", 24.9, "EUR")
    tracker.track_form_change("order", "field-1", "INPUT", "x", "text")
    tracker.track_form_submit(
        "order", ["express"], [{"name": "qty", "value": "1", "nodeName": "INPUT", "type": "number"}]
    )
    tracker.track_site_search(["kettle"], {"colour": "red"}, 3, 1)
    tracker.track_ecommerce_transaction(
        "order-1",
        24.9,
        tax_value=4.0,
        shipping=0.0,
        currency="EUR",
        items=[{"sku": "kettle-1", "price": 24.9, "quantity": 1, "currency": "EUR"}],
    )
    tracker.track(
        SelfDescribing(
            SelfDescribingJson(
                "iglu:com.snowplowanalytics.snowplow/timing/jsonschema/1-0-0",
                {"category": "checkout", "variable": "load", "timing": 182},
            )
        )
    )
    return {
        "page_view": 1,
        "page_ping": 1,
        "event": 1,
        "screen_view": 2,
        "link_click": 1,
        "add_to_cart": 1,
        "remove_from_cart": 1,
        "change_form": 1,
        "submit_form": 1,
        "site_search": 1,
        "transaction": 1,
        "transaction_item": 1,
        "timing": 1,
    }


def main() -> None:
    """Send everything twice, the second time anonymously."""
    endpoint, namespace = sys.argv[1:]
    counts = {
        "identified": send(endpoint, namespace, anonymous=False),
        "anonymous": send(endpoint, f"{namespace}-anonymous", anonymous=True),
    }
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()
