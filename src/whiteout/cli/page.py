"""`whiteout page`: the page of a pipeline on Kafka, and Micro's API, by themselves."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.collector import cannot_listen
from whiteout.cli.logs import log_to_stderr
from whiteout.cli.options import (
    Config,
    Host,
    Iglu,
    KafkaOptions,
    LeastGroup,
    LogFormat,
    NoIgluCentral,
    Port,
    Resolver,
    UntilEof,
    check_registries,
    kafka_from,
    stop_when_asked,
)
from whiteout.cli.page_place import TOKEN, Page, missing, token_for
from whiteout.cli.report import FormatOption, Report
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORT = 9091  # beside a collector on 9090


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("page")(page)


def page(  # noqa: PLR0913 - the options
    *,
    from_: Annotated[
        str,
        typer.Option("--from", metavar="kafka://HOST:PORT/PREFIX", help="Where the events are."),
    ],
    host: Host = "127.0.0.1",
    port: Port = _PORT,
    iglu: Iglu = None,
    no_iglu_central: NoIgluCentral = False,
    resolver: Resolver = None,
    config: Config = None,
    kafka: KafkaOptions = None,
    least_group: LeastGroup = 5,
    log_format: LogFormat = "text",
    format_: FormatOption = "text",
    until_eof: UntilEof = False,
    page_socket: Annotated[
        Path | None, typer.Option("--page-socket", help="Serve it here instead.", hidden=True)
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--begin", help="Offsets to begin with.", hidden=True)
    ] = None,
) -> None:
    """Show what comes into Kafka's topics: the page and Micro's API."""
    reason = missing()
    if reason is not None:
        raise ConfigurationError(reason)
    settings = kafka_from(from_, config, kafka)
    check_registries(iglu)
    log_to_stderr(log_format)
    stop = stop_when_asked(until_eof=until_eof)
    from whiteout.lake.service import ServiceSettings  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.web.on_kafka import run_page  # noqa: PLC0415 - an extra of its own

    token = os.environ.get(TOKEN) if page_socket is not None else token_for(host, os.environ)
    with contextlib.ExitStack() as stack:
        place: Path | socket.socket
        if page_socket is None:
            place = stack.enter_context(contextlib.closing(_listener(host, port)))
            port = int(place.getsockname()[1])
        else:
            place = page_socket

        def ready() -> None:
            if page_socket is None:
                url = Page(socket=Path(), token=token).url("http", host, port)
                facts = {"state": "showing", "page": url, "topic": settings.topic("enriched")}
                Report(format_).tell(facts, f"page on {url}")

        run_page(
            kafka=settings,
            settings=ServiceSettings(
                iglu=tuple(iglu or ()), iglu_central=not no_iglu_central, resolver=resolver
            ),
            place=place,
            begin=None if begin is None else offsets_from(begin),
            token=token,
            least_group=least_group,
            stop=stop,
            ready=ready,
        )


def _listener(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigurationError: it cannot.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise cannot_listen(host, port, error) from error


def offsets_text(offsets: Mapping[str, Mapping[int, int]]) -> str:
    """Offsets as a value of `--begin`."""
    return json.dumps(offsets, separators=(",", ":"))


def offsets_from(text: str) -> dict[str, dict[int, int]]:
    """The offsets that `offsets_text` wrote.

    Raises:
        ConfigurationError: somebody else wrote it.
    """
    try:
        return {
            str(name): {int(partition): int(offset) for partition, offset in found.items()}
            for name, found in json.loads(text).items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"--begin must be what whiteout up writes, got {text!r}"
        ) from error
