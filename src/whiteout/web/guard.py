"""Who may use the page and its API, and what browsers may do with the answers.

- On loopback: requests whose `Host` is loopback. A site of a stranger's whose name resolves to
  127.0.0.1 (DNS rebinding) has its own name there, and is refused.
- Elsewhere: requests with the token, as `Authorization: Bearer …` or in a cookie of this site's,
  which `/ui?token=…` sets once.
- Never what a page of another site asks for: no CORS, and what browsers say of the origin counts.

Nothing of a request is logged.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "whiteout_page"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
    "Cache-Control": "no-store",
}
_OWN_SITE = frozenset({"same-origin", "none"})
_NO_TOKEN = "the page and its API need the token that was printed at the start"  # noqa: S105 - a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may come in.

    Attributes:
        token: what must be shown; None where only loopback is bound.
    """

    token: str | None = None


def is_loopback(host: str) -> bool:
    """Whether a host, as in a URL and without its port, can only be this machine."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._token = app, access.token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if self._token is None and not is_loopback(_without_port(host)):
            return PlainTextResponse("this page is for the machine it runs on", 421)
        if not _is_of_own_site(scope, headers, host):
            return PlainTextResponse("not for other sites", 403)
        if self._token is None:
            return None
        return self._ask_for_token(scope, headers, self._token)

    def _ask_for_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _is_same(shown.strip(), token):
            return None
        if _is_same(_cookie(headers), token):
            return None
        pairs = parse_qsl(scope["query_string"].decode("latin-1"))
        given = dict(pairs).get("token", "")
        if scope["method"] == "GET" and _is_same(given, token):
            rest = urlencode([pair for pair in pairs if pair[0] != "token"])
            answer = RedirectResponse("/ui" + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="strict")
            return answer
        return PlainTextResponse(_NO_TOKEN, 401, {"WWW-Authenticate": "Bearer"})


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _is_of_own_site(scope: Scope, headers: Headers, host: str) -> bool:
    """Whether no page of another site is behind the request, as far as its browser says."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return False
    site = headers.get("sec-fetch-site")
    if site is None or site in _OWN_SITE:
        return True
    # A link to the page may stand anywhere; it shows something, and changes nothing.
    is_visit = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
    return is_visit and (scope["path"] == "/" or scope["path"].startswith("/ui"))


def _is_same(shown: str, token: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode())


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
