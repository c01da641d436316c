"""What `whiteout doctor` finds in the process's surroundings: variables, options, limits."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from whiteout.cli.checks import Finding
from whiteout.cli.page_place import missing, token_from
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from whiteout.collector.settings import CollectorSettings
    from whiteout.enrich import EnrichSettings

_PREFIX: Final = "WHITEOUT_"
_NAMES: Final = (
    "WHITEOUT_CONFIG",
    "WHITEOUT_DATA",
    "WHITEOUT_LAKE",
    "WHITEOUT_PAGE_TOKEN",
    "WHITEOUT_TRACKER_FOLDER",
)
_FAMILIES: Final = (
    "WHITEOUT_COLLECTOR_",
    "WHITEOUT_ENRICH_",
    "WHITEOUT_LAKE_",
    "WHITEOUT_KAFKA_",
    "WHITEOUT_STORAGE_",
)
_OWN_FILES: Final = 128  # that a collector has open besides its connections


def variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that look like ours and are not; values are not told."""
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith(_PREFIX) and name not in _NAMES and not name.startswith(_FAMILIES)
    ]
    for name in unknown:
        near = difflib.get_close_matches(name, _NAMES, n=1)
        yield Finding(
            check=f"variable {name}",
            state="note",
            found="nothing reads it",
            cure=f"did you mean {near[0]}? else unset it" if near else "unset it",
        )
    if not unknown:
        known = sum(name.startswith(_PREFIX) for name in environment)
        yield Finding(check="environment", state="ok", found=f"{known} variables of {_PREFIX}…")


def token(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the page's token, where one is chosen, can be used."""
    try:
        chosen = token_from(environment)
    except ConfigurationError as error:
        yield Finding(
            check="page token",
            state="broken",
            found=str(error),
            cure='python -c "import secrets; print(secrets.token_urlsafe(24))" makes one',
        )
        return
    found = "made at the start, where it is needed" if chosen is None else "chosen"
    yield Finding(check="page token", state="ok", found=found)


def options(
    config: Path | None, given: list[str] | None
) -> tuple[CollectorSettings | None, Finding]:
    """The collector's settings as file, environment and command line make them.

    Those of enrich and the lake are looked at too.
    """
    from whiteout.cli import stages  # noqa: PLC0415 - when it runs
    from whiteout.cli.collector import settings_from  # noqa: PLC0415 - the same

    try:
        settings = settings_from(config, stages.split(given)["collector"])
        stages.enrich_settings(config, given)
        stages.loader_settings(config, given)
    except ConfigurationError as error:
        cure = "mend it in the file, the variable or --set; whiteout settings lists what there is"
        return None, Finding(check="settings", state="broken", found=str(error), cure=cure)
    return settings, Finding(check="settings", state="ok", found="can be used")


def anonymity(
    settings: CollectorSettings, enrichments: Path | None, enrich: EnrichSettings
) -> Iterator[Finding]:
    """Whether both stages let trackers' own identifiers pass, where one is told to (L15)."""
    from whiteout.enrich.configuration import read_folder  # noqa: PLC0415 - when it runs

    by_enrich = False
    if enrichments is not None:
        try:
            configured = read_folder(enrichments, unsupported=enrich.unsupported)
            by_enrich = configured.anonymity.keep_tracker_identifiers
        except ConfigurationError as error:
            cure = "mend the file, or leave --enrichments out"
            yield Finding(check="enrichments", state="broken", found=str(error), cure=cure)
            return
    by_collector = settings.keep_tracker_identifiers
    if not (by_collector or by_enrich):
        return
    if by_collector and by_enrich:
        found = "trackers' own ip and tnuid pass"
        yield Finding(check="anonymous events", state="ok", found=found)
        return
    stage, other = ("collector", "enrich") if by_collector else ("enrich", "collector")
    yield Finding(
        check="anonymous events",
        state="note",
        found=f"{stage} lets trackers' own ip and tnuid pass, {other} drops them",
        cure="--set keep_tracker_identifiers=true and anonymity_config in --enrichments: both",
    )


def certificate(settings: CollectorSettings) -> Iterator[Finding]:
    """Whether the collector's certificate can be read, where there is one."""
    if settings.tls is None:
        return
    from whiteout.collector.tls import Certificates  # noqa: PLC0415 - only with TLS

    try:
        Certificates(settings.tls)
    except ConfigurationError as error:
        cure = "check the paths, their permissions, and that the key belongs to the certificate"
        yield Finding(check="certificate", state="broken", found=str(error), cure=cure)
    else:
        yield Finding(check="certificate", state="ok", found="can be used")


def open_files(settings: CollectorSettings, most: int | None = None) -> Iterator[Finding]:
    """Whether the system lets this user have as many connections as the collector may have.

    Args:
        settings: of the collector.
        most: files that may be open; None asks the system.
    """
    if most is None:
        try:
            import resource  # noqa: PLC0415 - absent on Windows
        except ImportError:
            return
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if most == resource.RLIM_INFINITY:
            return
    needed = settings.limits.connections + _OWN_FILES
    yield Finding(
        check="open files",
        state="ok" if most >= needed else "note",
        found=f"{most} at once, for limits.connections={settings.limits.connections}",
        cure="" if most >= needed else f"ulimit -n {needed}, or fewer limits.connections",
    )


def page() -> Iterator[Finding]:
    """Whether `whiteout up` can serve the page."""
    reason = missing()
    yield Finding(
        check="page",
        state="ok" if reason is None else "note",
        found="can be served" if reason is None else reason.removeprefix("no page: "),
        cure="" if reason is None else "--no-page, if you do without it",
    )
