"""Waiting events become requests: grouped, sized, encoded. Pure functions.

Rules: events of different levels or lines never share a request (promise 1, leaks L8, L9), nor does
one overtake another: wherever level or line changes, the next request begins, though many changes
make small requests; a POST is filled up to the byte limit; an event above the limit goes alone, in
an envelope as any other (the native trackers forget it); `stm` is stamped on a whole request, anew
at each try, and differs from that of every other: it would join requests kept apart otherwise.
Under a strict profile it is the minute, which many people's requests share, and so joins nothing.
Source: reference sections 1.3 and 7.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from whiteout.identifiers import Anonymisation
from whiteout.protocol.self_describing import PAYLOAD_DATA
from whiteout.tracker.configuration import HttpMethod
from whiteout.tracker.network import USER_AGENT, OutgoingRequest
from whiteout.tracker.serialisation import loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from whiteout.tracker.configuration import EmitterConfiguration, NetworkConfiguration
    from whiteout.tracker.event_rows import WaitingEvent
    from whiteout.tracker.template import Template

_ENVELOPE_HEAD: Final = f'{{"schema":"{PAYLOAD_DATA}","data":['.encode()
ENVELOPE_BYTES: Final = 88  # what the reference allows for the envelope; ours has 86
# RFC 9112, section 3: everybody takes request lines of 8,000 octets. Beyond, proxies begin to
# refuse them, and collectors do from 20,480 on, for good.
LONGEST_URL: Final = 8_000 - len("GET  HTTP/1.1")
_LEVEL_AND_LINE: Final = attrgetter("level", "line")
_STAMP_BYTES: Final = len(',"stm":"1795000000000"}')


@dataclass(frozen=True, slots=True)
class Batch:
    """One request to be.

    Attributes:
        level: of all its events.
        ids: the rows, in order.
        payloads: one an event, finished but for `stm` and the closing brace.
        is_oversize: a single event above the byte limit: it is tried once.
    """

    level: Anonymisation
    ids: tuple[int, ...]
    payloads: tuple[bytes, ...]
    is_oversize: bool

    def halves(self) -> tuple[Batch, Batch]:
        """Two smaller requests with the same events."""
        middle = len(self.ids) // 2
        return (
            Batch(self.level, self.ids[:middle], self.payloads[:middle], is_oversize=False),
            Batch(self.level, self.ids[middle:], self.payloads[middle:], is_oversize=False),
        )


def batches(
    events: Iterable[WaitingEvent],
    template_of: Callable[[int], Template],
    *,
    network: NetworkConfiguration,
    emitter: EmitterConfiguration,
) -> Iterator[Batch]:
    """Cut events into requests, in order: a new one wherever level or line changes.

    Args:
        events: oldest first.
        template_of: the template for its id.
        network: tells the method.
        emitter: tells the byte limits.
    """
    for (bits, _line), members in groupby(events, key=_LEVEL_AND_LINE):
        level = Anonymisation(bits)
        if uses_get(level, network):
            for event in members:
                payload = template_of(event.template).payload(event)
                is_oversize = len(payload) + _STAMP_BYTES > emitter.byte_limit_get
                yield Batch(level, (event.id,), (payload,), is_oversize=is_oversize)
        else:
            yield from _posts(level, members, template_of, emitter.byte_limit_post)


def _posts(
    level: Anonymisation,
    events: Iterable[WaitingEvent],
    template_of: Callable[[int], Template],
    limit: int,
) -> Iterator[Batch]:
    ids: list[int] = []
    payloads: list[bytes] = []
    total = 0
    for event in events:
        payload = template_of(event.template).payload(event)
        size = _STAMP_BYTES + len(payload)
        if ids and total + size + len(ids) + ENVELOPE_BYTES > limit:
            yield Batch(level, tuple(ids), tuple(payloads), is_oversize=False)
            ids, payloads, total = [], [], 0
        if size > limit:
            yield Batch(level, (event.id,), (payload,), is_oversize=True)
            continue
        ids.append(event.id)
        payloads.append(payload)
        total += size
    if ids:
        yield Batch(level, tuple(ids), tuple(payloads), is_oversize=False)


def uses_get(level: Anonymisation, network: NetworkConfiguration) -> bool:
    """Anonymous events go by POST whatever is configured: URLs end in access logs (leak L30)."""
    return network.method is HttpMethod.GET and not level


def request_for(batch: Batch, network: NetworkConfiguration, *, sent_ms: int) -> OutgoingRequest:
    """The HTTP request of a batch: an event whose URL would be too long for GET goes by POST.

    Args:
        batch: its events.
        network: where they go, and how.
        sent_ms: `stm`, Unix epoch milliseconds; another one for each request.
    """
    stamp = b',"stm":"%d"}' % sent_ms
    headers = {"User-Agent": USER_AGENT}
    if not batch.level:
        headers |= network.request_headers
    if batch.level & Anonymisation.SERVER:
        headers["SP-Anonymous"] = "*"
    if uses_get(batch.level, network):
        from urllib.parse import urlencode  # noqa: PLC0415 - only GET pays for it

        url = f"{network.get_url}?{urlencode(loads(batch.payloads[0] + stamp))}"
        if len(url) <= LONGEST_URL:
            return OutgoingRequest(
                method="GET",
                url=url,
                headers=headers,
                body=None,
                is_anonymous=False,
                timeout=network.timeout,
            )
    headers["Content-Type"] = "application/json; charset=utf-8"
    return OutgoingRequest(
        method="POST",
        url=network.post_url,
        headers=headers,
        body=b"".join((_ENVELOPE_HEAD, (stamp + b",").join(batch.payloads), stamp, b"]}")),
        is_anonymous=bool(batch.level),
        timeout=network.timeout,
    )
