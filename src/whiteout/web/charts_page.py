"""`/ui/charts`: what came over time, in lots, as charts, tables and files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from whiteout.web.charts import MOST_SERIES, Words, bar, ceiling, stacked_bars
from whiteout.web.questions import LEVELS
from whiteout.web.spans import SPANS, Span, read_span
from whiteout.web.tables import Table, export, over_time, to_csv, to_json, top

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from whiteout.web.counting import Counting
    from whiteout.web.lots import Counted
    from whiteout.web.rendering import Rendering
    from whiteout.web.tables import Export

MOST_SCHEMAS = 20
_MINUTE_MS, _DAY_MS = 60_000, 86_400_000


@dataclass(frozen=True, slots=True)
class _Plan:
    """One chart: what is in it, by what."""

    id: str
    title: str
    name_of: Callable[[Counted], str | None]


def _good_type(lots: Counted) -> str | None:
    return lots.kind.type if lots.kind.status == "good" else None


def _failure(lots: Counted) -> str | None:
    return lots.kind.type if lots.kind.status == "failed" else None


def _level(lots: Counted) -> str | None:
    return None if lots.kind.level is None else LEVELS[lots.kind.level]


def _schema(lots: Counted) -> str | None:
    return (lots.kind.schema or None) if lots.kind.status == "good" else None


_PLANS = (
    _Plan("types", "Good events by type", _good_type),
    _Plan("failures", "Failed events by failure", _failure),
    _Plan("levels", "Good events by level", _level),
)


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart as its template shows it.

    Attributes:
        id: alone in the page.
        title: what it is.
        drawing: SVG.
        axis: the numbers beside it, the largest first.
        legend: names and totals, in the order of the colours.
        total: of all of them.
        rows: buckets that have any events, with the number of each name.
    """

    id: str
    title: str
    drawing: Markup
    axis: tuple[str, ...]
    legend: tuple[tuple[str, int], ...]
    total: int
    rows: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A schema with its number of events, and a bar as long."""

    schema: str
    events: int
    bar: Markup


class ChartsPage:
    """The routes.

    Args:
        counting: the lots.
        rendering: makes the page.
        now_ms: the wall clock.
    """

    def __init__(self, counting: Counting, rendering: Rendering, now_ms: Callable[[], int]) -> None:
        self._counting, self._rendering, self._now_ms = counting, rendering, now_ms

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        return [
            Route("/ui/charts", self._charts, methods=["GET"]),
            Route("/ui/charts/export.csv", self._csv, methods=["GET"]),
            Route("/ui/charts/export.json", self._json, methods=["GET"]),
        ]

    async def _charts(self, request: Request) -> Response:
        span = read_span(request.query_params.get("span", ""))
        return await run_in_threadpool(self._show, span)

    def _show(self, span: Span) -> Response:
        now_ms = self._now_ms()
        counted = self._counting.counted(span, now_ms=now_ms)
        starts = span.starts(now_ms)
        return self._rendering.page(
            "charts.html",
            span=span,
            spans=list(SPANS.values()),
            least_group=self._counting.least_group,
            charts=[_chart(plan, counted, span, now_ms) for plan in _PLANS],
            schemas=_ranked(top(counted, _schema, most=MOST_SCHEMAS)),
            times=[moment(starts[index], span) for index in (0, len(starts) // 2)],
        )

    async def _csv(self, request: Request) -> Response:
        exported = await self._export(request)
        return _file(to_csv(exported).encode(), "text/csv; charset=utf-8", "csv")

    async def _json(self, request: Request) -> Response:
        exported = await self._export(request)
        return _file(msgspec.json.encode(to_json(exported)), "application/json", "json")

    async def _export(self, request: Request) -> Export:
        span, now_ms = read_span(request.query_params.get("span", "")), self._now_ms()
        counted = await run_in_threadpool(self._counting.counted, span, now_ms=now_ms)
        return export(
            counted,
            span=span,
            now_ms=now_ms,
            least_group=self._counting.least_group,
            level_names=LEVELS,
        )


def moment(start_ms: int, span: Span) -> str:
    """How the beginning of a bucket is written: as exactly as the buckets are long; UTC."""
    at = datetime.fromtimestamp(start_ms / 1000, UTC)
    if span.bucket_ms >= _DAY_MS:
        return f"{at:%Y-%m-%d}"
    return f"{at:%H:%M}" if span.bucket_ms >= _MINUTE_MS else f"{at:%H:%M:%S}"


def _chart(plan: _Plan, counted: Sequence[Counted], span: Span, now_ms: int) -> Chart:
    table = over_time(counted, plan.name_of, span=span, now_ms=now_ms, most=MOST_SERIES)
    legend = tuple((one.name, one.total) for one in table.series)
    words = Words(
        id=f"{plan.id}-chart",
        title=f"{plan.title}, last {span.label}",
        description=", ".join(f"{name}: {total}" for name, total in legend) or "No events",
    )
    most = ceiling(max(table.sums(), default=0))
    return Chart(
        id=plan.id,
        title=plan.title,
        drawing=stacked_bars(table, words, moment=lambda start: moment(start, span)),
        axis=(str(most), str(most // 2), "0"),
        legend=legend,
        total=table.total,
        rows=_rows(table, span),
    )


def _rows(table: Table, span: Span) -> tuple[tuple[str, tuple[int, ...]], ...]:
    columns = [one.values for one in table.series]
    numbers = zip(table.starts_ms, zip(*columns, strict=True), strict=True) if columns else ()
    return tuple((moment(start, span), values) for start, values in numbers if any(values))


def _ranked(found: Sequence[tuple[str, int]]) -> list[_Ranked]:
    most = max((events for _, events in found), default=0)
    return [_Ranked(schema, events, bar(events, most)) for schema, events in found]


def _file(content: bytes, media_type: str, ending: str) -> Response:
    disposition = f'attachment; filename="whiteout-events.{ending}"'
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})
