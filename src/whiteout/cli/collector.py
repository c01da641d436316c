"""`whiteout collector`: take events over HTTP and keep them in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.options import (
    DurabilityOption,
    Host,
    Port,
    log_to_stderr,
    make_private,
    say,
    spool_folder,
)
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whiteout.log import Durability


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("collector")(collector)


def collector(
    to: Annotated[
        str, typer.Option("--to", metavar="spool://DIR", help="Where to keep what is collected.")
    ],
    host: Host = "127.0.0.1",
    port: Port = 9090,
    durability: DurabilityOption = "disk",
) -> None:
    """Take events over HTTP and keep them in the durable log of a folder."""
    folder = spool_folder(to, "--to")
    log_to_stderr()
    make_private(folder)
    collect(folder, host, port, durability, ready=lambda bound: say(listening(host, bound)))


def collect(
    folder: Path,
    host: str,
    port: int,
    durability: Durability,
    *,
    ready: Callable[[int], None],
) -> None:
    """Run the collector in this process until it is stopped.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    from whiteout.collector.process import run_collector  # noqa: PLC0415 - when it runs
    from whiteout.collector.settings import CollectorSettings  # noqa: PLC0415 - when it runs

    try:
        run_collector(CollectorSettings(), folder, host, port, durability=durability, ready=ready)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}); "
            "choose another --port, or --port 0 for a free one"
        ) from error


def listening(host: str, port: int) -> str:
    """The line that says where the collector is."""
    return f"collector listening on http://{f'[{host}]' if ':' in host else host}:{port}"
