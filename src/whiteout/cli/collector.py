"""`whiteout collector`: take events over HTTP and keep them in the log."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import TYPE_CHECKING, Annotated

import typer

from whiteout.cli.logs import log_to_stderr
from whiteout.cli.options import (
    CollectorOptions,
    Config,
    DurabilityOption,
    Host,
    KafkaOptions,
    LogFormat,
    Port,
    UntilEof,
    check_no_kafka,
    configured,
    is_kafka,
    kafka_from,
    make_private,
    spool_folder,
    stop_at_end_of_input,
)
from whiteout.cli.report import FormatOption, Report
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from whiteout.collector.forwarding import Forwarder
    from whiteout.collector.settings import CollectorSettings
    from whiteout.kafka.settings import KafkaSettings
    from whiteout.log import Durability


ReusePort = Annotated[
    bool,
    typer.Option(
        "--reuse-port",
        help="Share the port with other collectors on this machine (with Kafka; not on Windows).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("collector")(collector)


def collector(  # noqa: PLR0913 - the options
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ADDRESS",
            help="Where to keep what is collected: spool://DIR or kafka://HOST:PORT/PREFIX.",
        ),
    ],
    host: Host = "127.0.0.1",
    port: Port = 9090,
    durability: DurabilityOption = "disk",
    config: Config = None,
    options: CollectorOptions = None,
    kafka: KafkaOptions = None,
    reuse_port: ReusePort = False,
    until_eof: UntilEof = False,
    page_socket: Annotated[
        Path | None, typer.Option("--page-socket", help="Where the page is.", hidden=True)
    ] = None,
    log_format: LogFormat = "text",
    format_: FormatOption = "text",
) -> None:
    """Take events over HTTP, and keep them. In the log of a folder, or in Kafka."""
    settings = settings_from(config, options)

    def ready(bound: int) -> None:
        if not until_eof:
            url = listening(settings, host, bound)
            facts = {"state": "listening", "collector": url}
            Report(format_).tell(facts, f"collector listening on {url}")

    if is_kafka(to):
        broker = kafka_from(to, config, kafka)
        log_to_stderr(log_format)
        collect_to_kafka(
            settings,
            broker,
            host,
            port,
            reuse_port=reuse_port,
            until_eof=until_eof,
            ready=ready,
            forwarder=None if page_socket is None else forwarder_to(page_socket, settings),
        )
        return
    check_no_kafka(kafka, "--to kafka://HOST:PORT/PREFIX")
    folder = spool_folder(to, "--to")
    log_to_stderr(log_format)
    make_private(folder, "--to")
    collect(settings, folder, host, port, durability, ready=ready)


def settings_from(config: Path | None, options: list[str] | None) -> CollectorSettings:
    """The collector's settings: the file's, then the environment's, then the command line's.

    Raises:
        ConfigurationError: one of them is not known, or wrong.
    """
    from whiteout.collector.configuration import (  # noqa: PLC0415 - when it runs
        COLLECTOR,
        collector_settings,
    )

    return collector_settings(configured(config, COLLECTOR.table), os.environ, options or [])


def collect(  # noqa: PLR0913 - what the commands were given
    settings: CollectorSettings,
    folder: Path,
    host: str,
    port: int,
    durability: Durability,
    *,
    ready: Callable[[int], None],
    forwarder: Forwarder | None = None,
) -> None:
    """Run the collector in this process until it is stopped.

    Raises:
        ConfigurationError: the address cannot be bound, or the certificate not be used.
    """
    from whiteout.collector.process import run_collector  # noqa: PLC0415 - when it runs

    try:
        run_collector(
            settings, folder, host, port, durability=durability, ready=ready, forwarder=forwarder
        )
    except OSError as error:
        raise cannot_listen(host, port, error) from error


def collect_to_kafka(  # noqa: PLR0913 - what the command was given
    settings: CollectorSettings,
    kafka: KafkaSettings,
    host: str,
    port: int,
    *,
    reuse_port: bool,
    until_eof: bool,
    ready: Callable[[int], None],
    forwarder: Forwarder | None = None,
) -> None:
    """Run a collector in this process that sends to Kafka, until it is stopped.

    Raises:
        ConfigurationError: the address cannot be bound, or the certificate not be used.
        LogError: the topics cannot be used.
    """
    from whiteout.collector.process import run_to_kafka  # noqa: PLC0415 - when it runs

    stop = threading.Event()
    if until_eof:
        stop_at_end_of_input(stop)
    try:
        run_to_kafka(
            settings,
            kafka,
            host,
            port,
            reuse_port=reuse_port,
            ready=ready,
            stop=stop,
            forwarder=forwarder,
        )
    except OSError as error:
        raise cannot_listen(host, port, error) from error


def forwarder_to(page_socket: Path, settings: CollectorSettings) -> Forwarder:
    """What hands requests over to the process of the page."""
    from whiteout.collector.forwarding import Forwarder  # noqa: PLC0415 - when it runs

    own = {path.encode() for path in settings.paths}
    if settings.root_response is not None:
        own.add(b"/")
    return Forwarder(page_socket, own_paths=own)


def cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    """What to say when an address cannot be bound."""
    is_of_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
    cure = (
        "choose another --port, or --port 0 for a free one"
        if is_of_port
        else "--host must be an address of this machine, such as 127.0.0.1 or 0.0.0.0"
    )
    return ConfigurationError(f"cannot listen on {host}:{port} ({error.strerror}); {cure}")


def listening(settings: CollectorSettings, host: str, port: int) -> str:
    """Where the collector is."""
    scheme = "http" if settings.tls is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
