"""Templates and assets of the page, read once from the package."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from whiteout.web.questions import LEVELS
from whiteout.web.views import moment_of, short

if TYPE_CHECKING:
    from starlette.requests import Request

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Rendering:
    """Makes answers of templates, and gives assets."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("whiteout.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["level_names"] = LEVELS
        self._environment.filters.update(moment=moment_of, short=short)
        folder = files("whiteout.web") / "assets"
        self._assets = {
            entry.name: (entry.read_bytes(), _TYPES[entry.name.rpartition(".")[2]])
            for entry in folder.iterdir()
            if entry.name.rpartition(".")[2] in _TYPES
        }

    def text(self, template: str, **values: Any) -> str:  # noqa: ANN401 - whatever it shows
        """A template, filled in; every value is escaped."""
        return self._environment.get_template(template).render(values)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - the same
        """The same as an answer."""
        return HTMLResponse(self.text(template, **values), status)

    async def asset(self, request: Request) -> Response:
        """A style sheet, a script or a picture."""
        found = self._assets.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("there is no such asset", 404)
        return Response(found[0], media_type=found[1])
