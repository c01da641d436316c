"""Options that several commands share."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from whiteout.errors import ConfigurationError

SPOOL = "spool://"

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data folder; by default WHITEOUT_DATA, or the user's own.",
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


def data_folder(given: Path | None) -> Path:
    """The data folder: what was given, else `WHITEOUT_DATA`, else the user's own."""
    if given is not None:
        return given
    named = os.environ.get("WHITEOUT_DATA")
    if named:
        return Path(named)
    import platformdirs  # noqa: PLC0415 - only where it is asked for

    return platformdirs.user_data_path("whiteout", appauthor=False) / "pipeline"


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


def make_private(folder: Path) -> None:
    """Make the data folder, for its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def log_to_stderr() -> None:
    """Warnings of this package on standard error, one line each."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="whiteout: %(message)s",
    )


def say(message: str) -> None:
    """A line for whoever started the command, at once."""
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()
