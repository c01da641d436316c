"""Answers that are always the same, and belong to no event (reference sections 1.1 and 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.collector.exchange import Response, plain

if TYPE_CHECKING:
    from whiteout.collector.settings import CollectorSettings

HEALTH_PATHS = frozenset({b"/health", b"/sink-health"})
ROBOTS = b"\n\n".join(
    b"User-agent: %b\nDisallow: /" % agent for agent in (b"*", b"Googlebot", b"AdsBot-Google")
)


def pages(settings: CollectorSettings) -> dict[bytes, Response]:
    """Make the answers to `GET`, by path."""
    answers = {path: plain(200, b"ok") for path in HEALTH_PATHS}
    answers[b"/robots.txt"] = plain(200, ROBOTS)
    root, policy = settings.root_response, settings.cross_domain
    if root is not None:
        lines = b"".join(line.encode() + b"\r\n" for line in root.headers)
        answers[b"/"] = Response(root.status, lines, root.body.encode())
    if policy is not None:
        secure = str(policy.secure).lower()
        allowed = "".join(  # host names have nothing to escape
            f'  <allow-access-from domain="{domain}" secure="{secure}"/>\n'
            for domain in policy.domains
        )
        text = f'<?xml version="1.0"?>\n<cross-domain-policy>\n{allowed}</cross-domain-policy>\n'
        answers[b"/crossdomain.xml"] = Response(200, b"Content-Type: text/xml\r\n", text.encode())
    return answers
