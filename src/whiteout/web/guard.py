"""Who may use the page and its API, and what browsers may do with the answers.

- On loopback: requests whose `Host` is loopback. A site of a stranger's whose name resolves to
  127.0.0.1 (DNS rebinding) has its own name there, and is refused. So is what a proxy passes on,
  which is from anywhere: there the token is needed.
- Elsewhere: requests with the token, as `Authorization: Bearer …` or in a cookie of this site's,
  which `/ui?token=…` sets once.
- Never what a page of another site asks for: no CORS, and what browsers say of the origin counts.

Nothing of a request is logged.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from whiteout.collector.header_names import tells_of_a_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    AskForToken = Callable[[str, Sequence[tuple[str, str]], bool], Response]

COOKIE = "whiteout_page"
SCHEME = "whiteout-scheme"
"""The header in which the collector says that its client speaks TLS."""

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
_ASSETS = "/ui/assets/"  # the same for everybody, and what the page that asks for the token needs
_RESET = "/micro/reset"
_BY_PROXY = (
    "behind a proxy the page and its API need a token: start whiteout with WHITEOUT_PAGE_TOKEN, or"
    " with --no-page"
)
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
    """The outermost layer of the application.

    Args:
        app: what it guards.
        access: who may come in.
        ask: a page that asks for the token; given the address to come back to, the query's
            parameters, and whether a wrong token was shown.
    """

    def __init__(self, app: ASGIApp, access: Access, ask: AskForToken) -> None:
        self._app, self._token, self._ask = app, access.token, ask

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
        if self._token is None:
            if any(tells_of_a_proxy(name) for name, _ in scope["headers"]):
                return PlainTextResponse(_BY_PROXY, 403)
            if not is_loopback(_parts_of(host)[0]):
                return PlainTextResponse("this page is for the machine it runs on", 421)
        if not _is_of_own_site(scope, headers, host):
            return PlainTextResponse("not for other sites", 403)
        if self._token is None or scope["path"].startswith(_ASSETS):
            return None
        return self._ask_for_token(scope, headers, self._token)

    def _ask_for_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _is_same(shown.strip(), token):
            return None
        name = cookie_name(headers.get("host", ""))
        if _is_same(_cookie(headers, name), token):
            if scope["path"] == _RESET and scope["method"] != "POST":
                # Browsers bring cookies by themselves, also where somebody else's link leads.
                return PlainTextResponse("with a cookie, POST only", 403)
            return None
        pairs = parse_qsl(scope["query_string"].decode("latin-1"))
        given = dict(pairs).get("token", "")
        path = scope["path"] if scope["path"].startswith("/ui") else "/ui"
        rest = [pair for pair in pairs if pair[0] != "token"]
        if scope["method"] == "GET" and _is_same(given, token):
            answer = RedirectResponse(path + (f"?{urlencode(rest)}" if rest else ""), 303)
            # Not strict: links to views are sent around, and open for whoever has the cookie.
            is_tls = "https" in (headers.get(SCHEME), headers.get("x-forwarded-proto"))
            answer.set_cookie(name, token, path="/", httponly=True, samesite="lax", secure=is_tls)
            return answer
        if _wants_page(scope, headers):
            return self._ask(path, rest, bool(given))
        return PlainTextResponse(_NO_TOKEN, 401, {"WWW-Authenticate": "Bearer"})


def cookie_name(host: str) -> str:
    """The cookie's name: cookies know no ports, and pipelines on two of them have two tokens.

    Args:
        host: the header, as the browser sent it.
    """
    port = _parts_of(host)[1]
    return f"{COOKIE}_{port}" if port.isdecimal() else COOKIE


def _wants_page(scope: Scope, headers: Headers) -> bool:
    is_page = scope["path"] == "/" or scope["path"].startswith("/ui")
    return is_page and "text/html" in headers.get("accept", "")


def _parts_of(host: str) -> tuple[str, str]:
    """The name and the port, which may be empty, of a header `Host`."""
    if host.startswith("["):
        name, _, port = host.partition("]")
        return f"{name}]", port.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def _is_of_own_site(scope: Scope, headers: Headers, host: str) -> bool:
    """Whether no page of another site is behind the request, as far as its browser says."""
    origin, referer = headers.get("origin"), headers.get("referer")
    if origin is not None and _site(origin) != host.lower():
        return False
    site = headers.get("sec-fetch-site")
    # Browsers that do not tell the site may tell where a picture of theirs stands.
    is_own = referer is None or _site(referer) == host.lower()
    if is_own and (site is None or site in _OWN_SITE):
        return True
    # A link to the page may stand anywhere; it shows something, and changes nothing.
    is_visit = site is None or headers.get("sec-fetch-mode") == "navigate"
    is_page = scope["path"] == "/" or scope["path"].startswith("/ui")
    return is_visit and is_page and scope["method"] == "GET"


def _site(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].lower()


def _is_same(shown: str, token: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode())


def _cookie(headers: Headers, name: str) -> str:
    """A cookie's value; beside it stands what other servers on the machine set, in any form."""
    return cookie_parser(headers.get("cookie", "")).get(name, "")
