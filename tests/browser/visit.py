"""A window of a browser, which keeps what went wrong and where it asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

PATIENCE_MS = 15_000
_DIRECTIVE = re.compile(r"Policy directive:? ['\"]([a-z-]+)")


class Visit:
    """One window.

    Args:
        browser: whose.
        url: the pipeline's address.
        **options: of the window, as Playwright's `new_context` has them.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:  # noqa: ANN401 - passed on
        self.browser, self.url = browser, url
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self._contexts: list[Any] = []
        self.page = self.window(**options)

    def window(self, **options: Any) -> Page:  # noqa: ANN401 - passed on
        """Another window, with other options."""
        context = self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._watch)
        return page

    def open(self, path: str = "/ui", page: Page | None = None, status: int = 200) -> Page:
        """Open a view, which is answered with a status."""
        shown = page or self.page
        answer = shown.goto(self.url + path)
        assert answer is not None
        assert answer.status == status, path
        if status != 200:  # the browser complains of that, once
            expect(shown.locator("h1")).to_be_visible()
            self.complaints[:] = [one for one in self.complaints if str(status) not in one]
        return shown

    def refused(self) -> list[str]:
        """The directives of the policy that refused something; forgets that and what was tried."""
        directives = _DIRECTIVE.findall(" ".join(self.complaints))
        self.complaints.clear()
        self.elsewhere.clear()
        return directives

    def close(self) -> None:
        """Close all windows."""
        for context in self._contexts:
            context.close()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:")):
            self.elsewhere.append(request.url)
