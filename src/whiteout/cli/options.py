"""Options that several commands share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.kafka.settings import KafkaSettings

SPOOL = "spool://"
KAFKA = "kafka://"
TABLES = ("collector", "enrich", "lake", "kafka")
"""What a configuration file may hold, each for the stage of that name."""

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data folder; by default WHITEOUT_DATA, or the user's own.",
        show_default=False,
    ),
]
LakeAddress = Annotated[
    str | None,
    typer.Option(
        "--lake",
        metavar="FOLDER_OR_URL",
        help="The lake; by default WHITEOUT_LAKE, or the folder lake in the data folder.",
        show_default=False,
    ),
]
CommitInterval = Annotated[
    float, typer.Option("--commit-interval", min=0, help="The least seconds between two commits.")
]
Retention = Annotated[
    list[str] | None,
    typer.Option(
        "--retention",
        metavar="TABLE=DAYS",
        help="How long rows are kept, such as events=30d; by default for ever.",
        show_default=False,
    ),
]
Iglu = Annotated[
    list[str] | None,
    typer.Option(
        "--iglu",
        metavar="FOLDER_OR_URL",
        help="A schema registry to ask after the embedded one; may be given several times.",
        show_default=False,
    ),
]
NoIgluCentral = Annotated[
    bool,
    typer.Option("--no-iglu-central", help="Do not ask Iglu Central (https://iglucentral.com)."),
]
Resolver = Annotated[
    Path | None,
    typer.Option(
        "--resolver",
        metavar="FILE",
        help="An Iglu resolver configuration; Iglu Central is asked only if it says so.",
        show_default=False,
    ),
]
Enrichments = Annotated[
    Path | None,
    typer.Option(
        "--enrichments",
        metavar="FOLDER",
        help="Enrichment configurations, one JSON file each; by default user agents are read.",
        show_default=False,
    ),
]
PiiEvents = Annotated[
    Path | None,
    typer.Option(
        "--pii-events",
        metavar="FILE",
        help="Add to this file what undoes pseudonyms, where emitEvent is true.",
        show_default=False,
    ),
]
Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")
]
DurabilityOption = Annotated[
    Literal["disk", "process"],
    typer.Option(
        "--durability",
        help="What an accepted event survives: a power loss (disk), or a kill of the process.",
    ),
]


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="A TOML file with a table for each stage; by default WHITEOUT_CONFIG.",
        show_default=False,
    ),
]
CollectorOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="OPTION=VALUE",
        help="An option of the collector, such as limits.connections=100, of enrich or the lake, "
        "such as lake.seen_days=30; may be given often. whiteout settings lists them.",
        show_default=False,
        autocompletion=lambda incomplete: _assignments(incomplete, "collector", "enrich", "lake"),
    ),
]
StageOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="OPTION=VALUE",
        help="An option of enrich or the lake, such as lake.seen_days=30; may be given often. "
        "whiteout settings lists them.",
        show_default=False,
        autocompletion=lambda incomplete: _assignments(incomplete, "enrich", "lake"),
    ),
]
Incomplete = Annotated[
    bool,
    typer.Option(
        "--incomplete", help="Keep what is left of failed events, as rows of incomplete_events."
    ),
]
KafkaOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--kafka-set",
        metavar="OPTION=VALUE",
        help="An option of Kafka, such as partitions=16; may be given often. "
        "whiteout settings lists them.",
        show_default=False,
        autocompletion=lambda incomplete: _assignments(incomplete, "kafka"),
    ),
]
UntilEof = Annotated[
    bool,
    typer.Option(
        "--until-eof", help="Stop when standard input ends, after what is there.", hidden=True
    ),
]
DRAIN_S = 50.0
"""With `--until-eof`: how long what is there may take; who asked waits a little longer."""
LogFormat = Annotated[
    Literal["text", "json"],
    typer.Option("--log-format", help="Of warnings on standard error: lines of text or of JSON."),
]


LeastGroup = Annotated[
    int,
    typer.Option(
        "--least-group",
        min=1,
        help="The page's charts and exports leave out groups of fewer events than this.",
    ),
]


def _assignments(
    incomplete: str, *stages: Literal["collector", "enrich", "lake", "kafka"]
) -> list[str]:
    """What a shell can complete `--set` or `--kafka-set` by."""
    from whiteout.cli.settings import names  # noqa: PLC0415 - when a shell asks

    options = [name for stage in stages for name in names(stage)]
    found = [name if name.endswith(".") else f"{name}=" for name in options]
    return [text for text in found if text.startswith(incomplete)]


def configured(config: Path | None, table: str) -> dict[str, Any]:
    """One table of the configuration file; empty where there is no file.

    Raises:
        ConfigurationError: the file cannot be read, or holds what nobody knows.
    """
    if config is None and os.environ.get("WHITEOUT_CONFIG"):
        config = Path(os.environ["WHITEOUT_CONFIG"])
    if config is None:
        return {}
    try:
        document = tomllib.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"--config must be a TOML file, got {config}: {why}") from error
    for name, value in document.items():
        if name not in TABLES or not isinstance(value, dict):
            tables = ", ".join(f"[{one}]" for one in TABLES)
            raise ConfigurationError(f"{config} may hold {tables}, got {name!r}")
    chosen: dict[str, Any] = document.get(table, {})
    return chosen


def data_folder(given: Path | None) -> Path:
    """The data folder: what was given, else `WHITEOUT_DATA`, else the user's own."""
    if given is not None:
        return given
    named = os.environ.get("WHITEOUT_DATA")
    if named:
        return Path(named)
    import platformdirs  # noqa: PLC0415 - only where it is asked for

    return platformdirs.user_data_path("whiteout", appauthor=False) / "pipeline"


def lake_address(given: str | None, data: Path) -> str:
    """The lake: what was given, else `WHITEOUT_LAKE`, else the data folder's own."""
    return given or os.environ.get("WHITEOUT_LAKE") or str(data / "lake")


def kafka_address(given: str) -> str:
    """The address of `--kafka HOST:PORT`, which may also be a whole one.

    Raises:
        ConfigurationError: it is neither.
    """
    address = given if is_kafka(given) else f"{KAFKA}{given}"
    if ":" not in address.removeprefix(KAFKA):
        raise ConfigurationError(f"--kafka must look like HOST:PORT, got {given!r}")
    return address


def kafka_from(address: str, config: Path | None, assignments: list[str] | None) -> KafkaSettings:
    """The settings of Kafka: the file's, then the environment's, then the command line's.

    Raises:
        ConfigurationError: the address or an option is wrong, or the library is not installed.
    """
    from whiteout.kafka import clients  # noqa: PLC0415 - only where Kafka is
    from whiteout.kafka.settings import TABLE, kafka_settings  # noqa: PLC0415 - the same

    clients.library()
    settings = kafka_settings(address, configured(config, TABLE), os.environ, assignments or [])
    clients.check_options(settings)
    return settings


def check_no_kafka(assignments: list[str] | None, cure: str) -> None:
    """Complain about options of Kafka where there is none.

    Args:
        assignments: of `--kafka-set`.
        cure: what would name it.

    Raises:
        ConfigurationError: there are some.
    """
    if assignments:
        raise ConfigurationError(f"--kafka-set needs {cure}, got {assignments[0]!r} without it")


def is_kafka(address: str) -> bool:
    """Whether `address` is one of Kafka's."""
    return address.startswith(KAFKA)


def stop_at_end_of_input(stop: threading.Event) -> None:
    """Set `stop` when standard input ends: the parent has asked, or is gone."""

    def wait() -> None:
        # Not through `sys.stdin`: a read of it that still waits when Python ends is fatal to it.
        with contextlib.suppress(OSError):
            while os.read(descriptor, 4096):
                pass
        stop.set()

    descriptor = sys.stdin.fileno()

    threading.Thread(target=wait, daemon=True).start()


def stop_when_asked(*, until_eof: bool) -> threading.Event:
    """An event that SIGTERM and SIGINT set; with `until_eof` also the end of standard input.

    A second signal is for who does not want to wait: it raises KeyboardInterrupt.
    """
    stop = threading.Event()

    def ask(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    if until_eof:
        stop_at_end_of_input(stop)
    return stop


def spool_folder(address: str, option: str) -> Path:
    """The folder that `spool://DIR` names.

    Raises:
        ConfigurationError: it is another address.
    """
    folder = address.removeprefix(SPOOL)
    if not address.startswith(SPOOL) or not folder:
        raise ConfigurationError(
            f"{option} must look like spool:///var/lib/whiteout, got {address!r}"
        )
    return Path(folder)


def data_address(address: str | None, option: str) -> Path:
    """The data folder that a path or `spool://DIR` names.

    Raises:
        ConfigurationError: it is another address, or none.
    """
    if address is not None and address.startswith(SPOOL):
        return spool_folder(address, option)
    if not address or "://" in address:
        raise ConfigurationError(
            f"{option} must be the data folder, DIR or spool://DIR, got {_shown(address)};"
            " a lake that is elsewhere is named with --lake FOLDER_OR_URL"
        )
    return Path(address)


def _shown(address: str | None) -> str:
    """An address as messages may have it: credentials may stand before its `@`."""
    if address is None:
        return "none"
    scheme, mark, rest = address.partition("://")
    place = rest.partition("/")[0].rpartition("@")[2]
    return repr(f"{scheme}{mark}{place}" if mark else address)


def check_not_given(context: typer.Context, options: Mapping[str, str], cure: str) -> None:
    """Complain about options that would do nothing.

    Args:
        context: of the command.
        options: the parameters' names, and what they are called.
        cure: the command that has them.

    Raises:
        ConfigurationError: one was given.
    """
    for name, option in options.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ConfigurationError(f"{option} does nothing here; it belongs to {cure}")


def check_registries(iglu: list[str] | None) -> None:
    """Complain about a registry that is neither a folder nor an HTTP address.

    Raises:
        ConfigurationError: there is one.
    """
    for place in iglu or []:
        if not place.startswith(("http://", "https://")) and not Path(place).is_dir():
            raise ConfigurationError(
                f"--iglu must be a folder that exists or an http(s) address, got {place!r}"
            )


def check_enrichments(enrichments: Path | None, pii_events: Path | None) -> None:
    """Complain about a file for what no enrichment makes.

    Raises:
        ConfigurationError: there is one.
    """
    if pii_events is not None and enrichments is None:
        raise ConfigurationError(
            f"--pii-events needs --enrichments that emit them, got {str(pii_events)!r} alone"
        )


def make_private(folder: Path, option: str = "--data or WHITEOUT_DATA") -> None:
    """Make the data folder, for its owner only.

    Args:
        folder: with its parents.
        option: that names it.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the data folder must be one that can be made, got {str(folder)!r}"
            f" ({error.strerror}); choose another with {option}"
        ) from error


def say(message: str) -> None:
    """A line for whoever started the command, at once."""
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()
