"""Is there any doubt where a request ends, and what it is? Then it is not taken.

Whatever two servers in a row might read differently lets a client hide one request in another. The
parser (llhttp) refuses most of it; this is what it lets through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whiteout.collector.exchange import Header
    from whiteout.collector.settings import Limits

_VERSIONS = frozenset({"1.0", "1.1"})
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"})


def doubt_about(headers: Sequence[Header], version: str, *, upgrades: bool, limits: Limits) -> int:
    """Return the status that refuses a request by its head; 0 where all is well.

    Args:
        headers: all of them.
        version: of HTTP, such as `1.1`.
        upgrades: whether the parser would take what follows for another protocol.
        limits: on the head, and on the body that it announces.
    """
    size = sum(len(name) + len(value) for name, value in headers)
    if size > limits.header_bytes or len(headers) > limits.header_count:
        return 400
    once = [lower for name, _ in headers if (lower := name.lower()) in _ONCE]
    if len(set(once)) < len(once):
        return 400
    values = {name.lower(): value for name, value in headers}
    if version not in _VERSIONS or (version == "1.1" and b"host" not in values) or upgrades:
        return 400
    coding = values.get(b"transfer-encoding")
    if coding is not None and (coding.strip().lower() != b"chunked" or version != "1.1"):
        return 400
    return 413 if int(values.get(b"content-length", b"0")) > limits.body_bytes else 0
