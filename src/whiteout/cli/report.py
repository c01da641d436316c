"""What a command says on standard output: sentences for people, or JSON for programs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whiteout.cli.output import json_line

if TYPE_CHECKING:
    from collections.abc import Mapping

Format = Literal["text", "json"]
FormatOption = Annotated[
    Format,
    typer.Option("--format", help="Of what it says: lines of text, or JSON objects, one a line."),
]


@dataclass(frozen=True, slots=True)
class Report:
    """Says things at once, since whoever started the command may wait for them.

    Attributes:
        format: of all of them.
    """

    format: Format = "text"

    def tell(self, facts: Mapping[str, object], *sentences: str) -> None:
        """Say `facts` as one JSON object, or `sentences`, one a line."""
        lines = [json_line(facts)] if self.format == "json" else sentences
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()

    def note(self, sentence: str) -> None:
        """Say what is for people; beside JSON on standard error."""
        stream = sys.stdout if self.format == "text" else sys.stderr
        stream.write(f"{sentence}\n")
        stream.flush()
