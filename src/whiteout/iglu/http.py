"""An Iglu server or a static registry behind HTTP."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from whiteout.errors import ConfigurationError
from whiteout.iglu.errors import LookupProblem
from whiteout.iglu.registries import MAX_SCHEMA_BYTES, NOT_FOUND, read_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3

    from whiteout.protocol.iglu import SchemaKey

_ATTEMPTS = 2
_MAX_REDIRECTS = 3
_FIRST_PAUSE_S = 1.0
_LAST_PAUSE_S = 60.0
_CHUNK_BYTES = 64 * 1024
_REFUSALS = frozenset(range(400, 500)) - {408, 425, 429}  # of this schema; these are of any, now


class HttpRegistry:
    """Asks `GET {uri}/schemas/{vendor}/{name}/{format}/{version}`.

    A lookup takes at most twice `timeout_s`. A registry that failed is left alone for a second,
    then ever longer, up to a minute; meanwhile lookups fail at once. One that refuses a schema, or
    has a broken one, has not failed: it is asked for others. Because anybody can send
    events that name schemas nobody has, the number of lookups in a minute is limited too.

    Args:
        uri: the registry's root, `http://` or `https://`.
        api_key: sent as header `apikey`, to this origin only.
        name: what failed events call it; the URI's origin and path by default.
        timeout_s: the most seconds one attempt may take, slow answers included.
        max_lookups_per_minute: beyond it lookups fail at once.
        monotonic_s: a clock that never steps back, seconds.

    Raises:
        ConfigurationError: `uri` is not an HTTP address, or carries credentials or a query.
    """

    def __init__(  # noqa: PLR0913 - keyword-only settings
        self,
        uri: str,
        *,
        api_key: str | None = None,
        name: str | None = None,
        timeout_s: float = 3.0,
        max_lookups_per_minute: int = 600,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("uri must look like https://iglu.example.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigurationError("uri must not carry credentials or a query; use api_key")
        self.name = name or uri
        self._uri = uri.rstrip("/")
        self._headers = {"apikey": api_key} if api_key else {}
        self._timeout_s = timeout_s
        self._max_lookups = max_lookups_per_minute
        self._monotonic_s = monotonic_s
        self._has_answered = False
        self._failures = 0
        self._resume_at_s = float("-inf")
        self._minute_ends_at_s = float("-inf")
        self._lookups = 0

    def lookup(self, key: SchemaKey) -> dict[str, Any] | LookupProblem:
        """The schema; `NotFound`, or what kept the registry from answering."""
        if key.vendor.startswith("."):  # the pattern of keys lets `..` through
            return NOT_FOUND
        now = self._monotonic_s()
        if now < self._resume_at_s:
            return LookupProblem("ClientFailure", "registry failed before and is left alone")
        if now >= self._minute_ends_at_s:
            self._minute_ends_at_s, self._lookups = now + 60.0, 0
        self._lookups += 1
        if self._lookups > self._max_lookups:
            return LookupProblem("ClientFailure", "too many lookups in this minute")
        answer: dict[str, Any] | LookupProblem = NOT_FOUND
        for _ in range(_ATTEMPTS):
            self._has_answered = False
            answer = self._get(key)
            if self._has_answered:
                self._failures = 0
                return answer
        pause = min(_FIRST_PAUSE_S * 2**self._failures, _LAST_PAUSE_S)
        self._failures = min(self._failures + 1, 10)
        self._resume_at_s = self._monotonic_s() + pause
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        import urllib3  # noqa: PLC0415 - 3 MB, for who asks a server

        # One connection: the resolver asks one question at a time.
        return urllib3.PoolManager(num_pools=1, maxsize=1, retries=False)

    def _get(self, key: SchemaKey) -> dict[str, Any] | LookupProblem:
        import urllib3  # noqa: PLC0415 - see `_pool`

        url = f"{self._uri}/schemas/{key.path}"
        deadline = self._monotonic_s() + self._timeout_s
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                left = max(deadline - self._monotonic_s(), 0.001)
                response = self._request(url, urllib3.Timeout(total=left))
                location = response.get_redirect_location()
                if not location:
                    return self._read(response, key, deadline)
                response.close()
                url = urljoin(url, location)
                # Another host, port or scheme would learn the key, or lead into the inner network.
                if urlsplit(url)[:2] != urlsplit(self._uri)[:2]:
                    return LookupProblem("RepoFailure", "redirect to another origin")
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            return LookupProblem("RepoFailure", type(error).__name__)
        return LookupProblem("RepoFailure", "too many redirects")

    def _request(self, url: str, timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            "GET",
            url,
            headers=self._headers,
            preload_content=False,
            redirect=False,
            timeout=timeout,
        )

    def _read(
        self, response: urllib3.BaseHTTPResponse, key: SchemaKey, deadline: float
    ) -> dict[str, Any] | LookupProblem:
        try:
            self._has_answered = response.status in _REFUSALS
            if response.status == 404:  # noqa: PLR2004 - Not Found
                return NOT_FOUND
            if response.status != 200:  # noqa: PLR2004 - OK
                return LookupProblem("RepoFailure", f"status {response.status}")
            content = b""
            # Chunk by chunk: a drop of data now and then must not keep us for ever.
            while chunk := response.read1(_CHUNK_BYTES, decode_content=True):
                content += chunk
                if len(content) > MAX_SCHEMA_BYTES:
                    break
                if self._monotonic_s() > deadline:
                    return LookupProblem("RepoFailure", "answer takes too long")
            self._has_answered = True
            return read_schema(content, key)
        finally:
            response.close()
