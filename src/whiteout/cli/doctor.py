"""`whiteout doctor`: what is wrong with this installation, and the cure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whiteout.cli import checks
from whiteout.cli.options import Data, Host, Iglu, NoIgluCentral, Port, data_folder
from whiteout.cli.output import json_line, print_line, print_table
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.cli.checks import Finding

_IGLU_CENTRAL = "https://iglucentral.com"
_BROKEN = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(  # noqa: PLR0913 - the options
    *,
    data: Data = None,
    host: Host = "127.0.0.1",
    port: Port = 9090,
    iglu: Iglu = None,
    no_iglu_central: NoIgluCentral = False,
    collector: Annotated[
        str | None,
        typer.Option(
            "--collector",
            metavar="URL",
            help="Ask this collector too, and compare clocks.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        Literal["table", "json"], typer.Option("--format", help="A table, or JSON lines.")
    ] = "table",
) -> None:
    """Check this installation: each fault with its cure. Exit status 1 if there is one."""
    if collector is not None and not collector.startswith(("http://", "https://")):
        raise ConfigurationError(
            "--collector must look like https://collector.example.com, with the scheme"
        )
    central = None if no_iglu_central else _IGLU_CENTRAL
    folder = data_folder(data)

    def all_checks() -> Iterator[Finding]:
        yield from checks.python()
        yield from checks.packages()
        yield from checks.data_folder(folder)
        yield from checks.lake(folder)
        if port:
            yield from checks.port(host, port)
        yield from checks.registries(iglu or [], iglu_central=central)
        if collector is not None:
            yield from checks.clock(collector)

    findings = []
    for finding in all_checks():
        findings.append(finding)
        if format_ == "json":
            print_line(json_line(dataclasses.asdict(finding)))
    if format_ == "table":
        rows = [(one.state, one.check, one.found, one.cure) for one in findings]
        print_table(("state", "check", "found", "cure"), rows)
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(_BROKEN)
