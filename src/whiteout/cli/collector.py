"""`whiteout collector`: take events over HTTP and keep them in the log."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.options import (
    CollectorOptions,
    Config,
    DurabilityOption,
    Host,
    LogFormat,
    Port,
    configured,
    log_to_stderr,
    make_private,
    say,
    spool_folder,
)
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.collector.settings import CollectorSettings
    from whiteout.log import Durability


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("collector")(collector)


def collector(  # noqa: PLR0913 - the options
    *,
    to: Annotated[
        str, typer.Option("--to", metavar="spool://DIR", help="Where to keep what is collected.")
    ],
    host: Host = "127.0.0.1",
    port: Port = 9090,
    durability: DurabilityOption = "disk",
    config: Config = None,
    options: CollectorOptions = None,
    log_format: LogFormat = "text",
) -> None:
    """Take events over HTTP and keep them in the durable log of a folder."""
    folder = spool_folder(to, "--to")
    settings = settings_from(config, options)
    log_to_stderr(log_format)
    make_private(folder)
    collect(
        settings,
        folder,
        host,
        port,
        durability,
        ready=lambda bound: say(listening(settings, host, bound)),
    )


def settings_from(config: Path | None, options: list[str] | None) -> CollectorSettings:
    """The collector's settings: the file's, then the environment's, then the command line's.

    Raises:
        ConfigurationError: one of them is not known, or wrong.
    """
    from whiteout.collector.configuration import (  # noqa: PLC0415 - when it runs
        TABLE,
        collector_settings,
    )

    return collector_settings(configured(config, TABLE), os.environ, options or [])


def collect(  # noqa: PLR0913 - what the commands were given
    settings: CollectorSettings,
    folder: Path,
    host: str,
    port: int,
    durability: Durability,
    *,
    ready: Callable[[int], None],
) -> None:
    """Run the collector in this process until it is stopped.

    Raises:
        ConfigurationError: the address cannot be bound, or the certificate not be used.
    """
    from whiteout.collector.process import run_collector  # noqa: PLC0415 - when it runs

    try:
        run_collector(settings, folder, host, port, durability=durability, ready=ready)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}); "
            "choose another --port, or --port 0 for a free one"
        ) from error


def listening(settings: CollectorSettings, host: str, port: int) -> str:
    """The line that says where the collector is."""
    scheme = "http" if settings.tls is None else "https"
    return f"collector listening on {scheme}://{f'[{host}]' if ':' in host else host}:{port}"
