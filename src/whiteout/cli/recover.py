"""`whiteout recover`: send failed events through enrich again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.options import (
    Config,
    Data,
    Enrichments,
    Iglu,
    LakeAddress,
    NoIgluCentral,
    Resolver,
    StageOptions,
    check_registries,
    data_folder,
    lake_address,
)
from whiteout.cli.progress import progress
from whiteout.cli.report import FormatOption, Report
from whiteout.cli.stages import check_all_known, enrich_settings
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from whiteout.lake.recovery import Recovered, Selection
    from whiteout.lake.service import ServiceSettings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_REASONS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recover")(recover)


def recover(  # noqa: PLR0913 - the options
    *,
    data: Data = None,
    lake: LakeAddress = None,
    type_: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Only failed events of this type, such as schema_violations.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        list[str] | None,
        typer.Option(
            "--schema",
            metavar="PATTERN",
            help="Only those that failed by this schema, such as iglu:com.acme/checkout/*.",
            show_default=False,
        ),
    ] = None,
    app_id: Annotated[
        list[str] | None,
        typer.Option("--app-id", metavar="APP", help="Only those of this app.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only those that failed then or later, such as 2026-11-23 or "
            "2026-11-23T17:00 (UTC).",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="Only those that failed before.", show_default=False
        ),
    ] = None,
    iglu: Iglu = None,
    no_iglu_central: NoIgluCentral = False,
    resolver: Resolver = None,
    enrichments: Enrichments = None,
    config: Config = None,
    options: StageOptions = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would happen, and change nothing.")
    ] = False,
    format_: FormatOption = "text",
) -> None:
    """Send failed events through enrich again."""
    check_registries(iglu)
    check_all_known(options, "enrich")
    from whiteout.lake.place import lake_place  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.recovery import Selection  # noqa: PLC0415 - the same
    from whiteout.lake.service import ServiceSettings  # noqa: PLC0415 - the same

    selection = Selection(
        types=tuple(type_ or ()),
        schemas=tuple(schema or ()),
        app_ids=tuple(app_id or ()),
        since_us=_microseconds(since, "--since"),
        until_us=_microseconds(until, "--until"),
    )
    folder = data_folder(data)
    settings = ServiceSettings(
        iglu=tuple(iglu or ()),
        iglu_central=not no_iglu_central,
        resolver=resolver,
        enrichments=enrichments,
        enrich=enrich_settings(config, options),
        place=lake_place(lake_address(lake, folder), os.environ),
    )
    if settings.place is None or settings.place.open_table("failed_events") is None:
        raise ConfigurationError(  # or whoever mistyped a name would believe that it was done
            f"--data and --lake must name a lake with failed events, and there is none in"
            f" {lake_address(lake, folder)}"
        )
    with progress("recovering", lines=True) as tell:
        recovered = _run(settings, selection, folder / "lake", tell, dry_run=dry_run)
    Report(format_).tell(
        {
            "dry_run": dry_run,
            **{name.name: getattr(recovered, name.name) for name in dataclasses.fields(recovered)},
        },
        *_sentences(recovered, dry_run=dry_run),
    )


def _microseconds(text: str | None, option: str) -> int | None:
    """Microseconds since the epoch of a date, or a date and time, in UTC.

    Raises:
        ConfigurationError: it is neither.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{option} must look like 2026-11-23 or 2026-11-23T17:00, got {text!r}"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _run(
    settings: ServiceSettings,
    selection: Selection,
    directory: Path,
    tell: Callable[[str], None],
    *,
    dry_run: bool,
) -> Recovered:
    from whiteout.enrich.replay import ReplayedIds  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake import recovery, service  # noqa: PLC0415 - the same

    if settings.place is None:
        raise ConfigurationError("--lake must name a lake")
    resolver = service.make_resolver(settings)
    ids = ReplayedIds()
    with contextlib.ExitStack() as stack:
        enricher = service.make_enricher(settings, resolver, stack, new_uuid=ids)
        return recovery.recover(
            recovery.Recovery(
                place=settings.place,
                directory=directory,
                selection=selection,
                enrich=enricher.enrich,
                ids=ids,
                lookup=resolver.lookup,
                now_ms=service.now_ms,
                dry_run=dry_run,
                progress=tell,
            )
        )


def _sentences(recovered: Recovered, *, dry_run: bool) -> Iterator[str]:
    """What was done, or would be, as a table."""
    will = "would " if dry_run else ""
    yield f"{recovered.rows:>9,}  failed events selected"
    for kind, count in sorted(recovered.recovered.items()):
        yield f"{count:>9,}  {will}pass and leave failed_events: {_printable(kind)}"
    for kind, count in sorted(recovered.failing.items()):
        yield f"{count:>9,}  {will}fail again and stay: {_printable(kind)}"
    for reason, count in sorted(recovered.unreplayable.items()):
        yield f"{count:>9,}  cannot be sent again and stay: {_printable(reason)}"
    yield f"{recovered.events:>9,}  events {'would be ' if dry_run else ''}added to events"
    if recovered.repeated:
        yield f"{recovered.repeated:>9,}  events were there already"
    if recovered.reasons:
        yield "what fails by now:"
    for reason, count in recovered.reasons.most_common(_SHOWN_REASONS):
        yield f"{count:>9,}  {_printable(reason)}"


def _printable(text: str) -> str:
    """Text from a failed event, without what a terminal would act on."""
    return "".join(one if one.isprintable() else "?" for one in text)
