"""`whiteout erase`: delete one person from the lake and the logs, with a receipt."""

from __future__ import annotations

import dataclasses
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteout.cli.options import Data, LakeAddress, data_folder, lake_address
from whiteout.cli.progress import progress
from whiteout.cli.report import FormatOption, Report
from whiteout.errors import ConfigurationError, WhiteoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whiteout.lake.erasure import Erased, Erasure


def _identifier(option: str, text: str) -> Any:  # noqa: ANN401 - what typer gives
    return typer.Option(option, metavar="VALUE", help=text, show_default=False)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("erase")(erase)


def erase(  # noqa: PLR0913 - the options
    *,
    user_id: Annotated[list[str] | None, _identifier("--user-id", "Column user_id.")] = None,
    domain_userid: Annotated[
        list[str] | None, _identifier("--domain-userid", "Columns domain_userid.")
    ] = None,
    network_userid: Annotated[
        list[str] | None, _identifier("--network-userid", "Column network_userid.")
    ] = None,
    installation_id: Annotated[
        list[str] | None,
        _identifier("--installation-id", "The user id of the session entity."),
    ] = None,
    user_ipaddress: Annotated[
        list[str] | None, _identifier("--user-ipaddress", "Column user_ipaddress.")
    ] = None,
    identifier: Annotated[
        list[str] | None, _identifier("--identifier", "Any other value that stands for them.")
    ] = None,
    data: Data = None,
    lake: LakeAddress = None,
    anywhere: Annotated[
        bool,
        typer.Option("--anywhere", help="Also events that mention an identifier in longer text."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be erased, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds that a loader has to catch up.")
    ] = 120.0,
    format_: FormatOption = "text",
    receipt: Annotated[
        Path | None,
        typer.Option(
            "--receipt",
            metavar="FILE",
            help="Where the receipt goes; by default the folder receipts in the data folder.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Delete one person's rows and records, for good. All identifiers given are theirs."""
    from whiteout.lake.erasure import Erasure  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.place import lake_place  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.subject import Subject  # noqa: PLC0415 - heavy: only where it runs

    given = {
        "user_id": user_id,
        "domain_userid": domain_userid,
        "network_userid": network_userid,
        "installation_id": installation_id,
        "user_ipaddress": user_ipaddress,
        "identifier": identifier,
    }
    subject = Subject(tuple((kind, value) for kind, some in given.items() for value in some or ()))
    folder = data_folder(data)
    erasure = Erasure(
        subject=subject,
        place=lake_place(lake_address(lake, folder), os.environ),
        data=folder if folder.is_dir() else None,
        anywhere=anywhere,
        dry_run=dry_run,
        wait_s=wait,
    )
    if erasure.place.open_table("events") is None and not (folder / "log" / "raw").is_dir():
        raise ConfigurationError(  # or whoever mistyped a name would believe that it was done
            f"--data and --lake must name what holds the person's events, and there is neither a"
            f" lake in {erasure.place.url} nor a log in {folder}"
        )
    path = receipt or folder / "receipts" / f"erasure-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.json"
    if path.exists():
        raise ConfigurationError(f"--receipt must name a new file, {path} exists")
    if not dry_run and not yes:
        _confirm(erasure)
    _run(erasure, path, Report(format_))


def _confirm(erasure: Erasure) -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("erasing cannot be undone: try --dry-run, then add --yes")
    kinds = ", ".join(kind for kind, _ in erasure.subject.identifiers)
    question = f"Delete what {erasure.place.url} and its logs hold of this {kinds}, for good?"
    if not typer.confirm(question, err=True):
        raise WhiteoutError("nothing was erased")


def _run(erasure: Erasure, path: Path, report: Report) -> None:
    from whiteout.lake import receipt as receipts  # noqa: PLC0415 - heavy: only where it runs
    from whiteout.lake.erasure import erase as erase_subject  # noqa: PLC0415 - the same
    from whiteout.lake.service import now_ms  # noqa: PLC0415 - the same

    started_ms = now_ms()
    with progress("erasing", lines=True) as tell:
        erased = erase_subject(dataclasses.replace(erasure, progress=tell))
    if not erasure.dry_run:
        document = receipts.receipt(
            erasure, erased, started_ms=started_ms, ended_ms=now_ms(), salt=secrets.token_bytes(16)
        )
        receipts.write_receipt(document, path)
    receipt = None if erasure.dry_run else str(path)
    facts = {
        "dry_run": erasure.dry_run,
        "rows": dict(erased.rows),
        "records": dict(erased.records),
        "files_removed": len(erased.files),
        "mentions": erased.mentions,
        "not_reached": list(erased.not_reached),
        "receipt": receipt,
    }
    report.tell(facts, *_sentences(erased, receipt))


def _sentences(erased: Erased, receipt: str | None) -> Iterator[str]:
    """What was done; without a receipt, what would be."""
    verb = "would be" if receipt is None else ""
    for table, rows in erased.rows.items():
        yield " ".join(f"{table}: {rows} rows {verb} deleted".split())
    for log, records in erased.records.items():
        yield " ".join(f"log {log}: {records} records {verb} erased".split())
    if receipt is not None:
        yield f"{len(erased.files)} files removed"
    if erased.mentions:
        yield f"{erased.mentions} other events mention an identifier in longer text: see --anywhere"
    for place in erased.not_reached:
        yield f"not reached: {place}"
    if receipt is not None:
        yield f"receipt in {receipt}"
