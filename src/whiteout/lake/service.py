"""Enrich and load, as a process of its own: until it is told to stop, then what is left.

`run` is the loop; `open_pipeline` puts the real parts together for a data folder:
`DIR/log/raw` and `DIR/log/bad` in, `DIR/lake` out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from whiteout.enrich import Configured, Enricher, EnrichSettings, read_folder
from whiteout.errors import ConfigurationError
from whiteout.iglu import (
    EmbeddedRegistry,
    FolderRegistry,
    HttpRegistry,
    Resolver,
    ResolverConfiguration,
    read_resolver,
)
from whiteout.lake.failed import reason
from whiteout.lake.loader import Loader
from whiteout.lake.settings import LoaderSettings, Source
from whiteout.log import open_log

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from whiteout.enrich import EnrichedEvent
    from whiteout.iglu import Registry
    from whiteout.lake.loaded import Observer
    from whiteout.lake.place import LakePlace

IGLU_CENTRAL = "https://iglucentral.com"

_LOGGER = logging.getLogger(__name__)
_POLL_S = 0.05
_SETTLE_EVERY_S = 5.0
_FIRST_DELAY_S, _LAST_DELAY_S = 0.2, 30.0
_ATTEMPTS_WHEN_STOPPING = 3
_NAME_FILE = "lake-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """How the process works.

    Attributes:
        commit_interval_s: the least time between two commits; what comes after a pause is
            committed at once.
        iglu: registries to ask after the embedded one, in order: folders or HTTP addresses.
        iglu_central: whether Iglu Central is asked last, over the network; not where there is a
            resolver configuration, which names all registries itself.
        resolver: an official resolver configuration; None for none.
        enrichments: a folder of enrichment configurations; None reads user agents, and that is all.
        pii_events: a file to which events `pii_transformation` are added, which undo pseudonyms;
            None makes none.
        place: of the lake; None for the folder `lake` of the data folder.
        enrich: see there; what the enrichments' folder says of anonymous events counts more.
        loader: see there.
    """

    commit_interval_s: float = 1.0
    iglu: tuple[str, ...] = ()
    iglu_central: bool = True
    resolver: Path | None = None
    enrichments: Path | None = None
    pii_events: Path | None = None
    place: LakePlace | None = None
    enrich: EnrichSettings = field(default_factory=EnrichSettings)
    loader: LoaderSettings = field(default_factory=LoaderSettings)


def registries(iglu: Sequence[str], *, iglu_central: bool) -> list[Registry]:
    """The registries in the order in which they are asked.

    Raises:
        ConfigurationError: one is neither a folder nor an HTTP address.
    """
    found: list[Registry] = [EmbeddedRegistry()]
    for place in iglu:
        is_http = place.startswith(("http://", "https://"))
        found.append(HttpRegistry(place) if is_http else FolderRegistry(Path(place)))
    if iglu_central:
        found.append(HttpRegistry(IGLU_CENTRAL, name="Iglu Central", timeout_s=2.0))
    return found


def make_resolver(settings: ServiceSettings) -> Resolver:
    """The resolver that the settings describe.

    Raises:
        ConfigurationError: a registry or the resolver configuration is wrong.
    """
    if settings.resolver is None:
        return Resolver(registries(settings.iglu, iglu_central=settings.iglu_central))
    configuration: ResolverConfiguration = read_resolver(settings.resolver)
    first = registries(settings.iglu, iglu_central=False)
    ttl_s = configuration.cache_ttl_s
    return Resolver(
        first,
        cache_size=configuration.cache_size,
        schema_ttl_ms=None if ttl_s is None else ttl_s * 1000,
        order=lambda key: configuration.order(first, key),
    )


def make_enricher(
    settings: ServiceSettings,
    resolver: Resolver,
    stack: contextlib.ExitStack,
    *,
    new_uuid: Callable[[], uuid.UUID] = uuid.uuid4,
) -> Enricher:
    """The enricher that the settings describe; what it opens is closed with `stack`.

    Args:
        settings: see there.
        resolver: of schemas.
        stack: closes what is opened.
        new_uuid: makes the ids of events that come without.

    Raises:
        ConfigurationError: an enrichment is wrong.
    """
    if settings.enrichments is None:
        return Enricher(resolver, settings.enrich, now_ms=now_ms, new_uuid=new_uuid)
    configured = read_folder(settings.enrichments, unsupported=settings.enrich.unsupported)
    if settings.pii_events is not None:
        _keep_pii_events(configured, settings.pii_events, stack)
    return Enricher(
        resolver,
        replace(
            settings.enrich,
            keep_tracker_identifiers=configured.anonymity.keep_tracker_identifiers,
        ),
        now_ms=now_ms,
        new_uuid=new_uuid,
        enrichments=configured.enrichments,
    )


def check(settings: ServiceSettings) -> None:
    """Read every file that the settings name.

    Raises:
        ConfigurationError: one cannot be used.
    """
    with contextlib.ExitStack() as stack:
        make_enricher(settings, make_resolver(settings), stack)


def _keep_pii_events(configured: Configured, path: Path, stack: contextlib.ExitStack) -> None:
    if configured.pseudonyms is None or not configured.emits_pii:
        raise ConfigurationError(
            "--pii-events needs pii_enrichment_config with emitEvent true among the enrichments"
        )
    binary = getattr(os, "O_BINARY", 0)  # of Windows
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | binary, 0o600)
    stack.callback(os.close, descriptor)

    def emit(event: EnrichedEvent) -> None:
        # In one call, so that the lines of several workers do not mix.
        line = f"{event.tsv()}\n".encode()
        while line:
            line = line[os.write(descriptor, line) :]

    configured.pseudonyms.emit = emit


def now_ms() -> int:
    """The wall clock, Unix epoch milliseconds."""
    return time.time_ns() // 1_000_000


@contextlib.contextmanager
def open_pipeline(
    source: Path,
    target: Path,
    settings: ServiceSettings,
    *,
    observe: Observer | None = None,
) -> Iterator[Loader]:
    """The loader of a data folder, with everything behind it.

    Args:
        source: the folder whose `log` is read.
        target: the folder whose `lake` is written.
        settings: see there.
        observe: is told of each commit.

    Raises:
        ConfigurationError: a registry is wrong.
        LogError: the log cannot be read, or another loader is at work.
    """
    resolver = make_resolver(settings)
    with contextlib.ExitStack() as stack:
        enricher = make_enricher(settings, resolver, stack)
        sources = {}
        for name in ("raw", "bad"):
            directory = source / "log" / name
            log = open_log(directory, writer=False)
            stack.callback(log.close)
            sources[name] = Source(log=log, name=f"whiteout-{name}-{log_name(directory)}")
        loader = Loader(
            target / "lake",
            raw=sources["raw"],
            bad=sources["bad"],
            enrich=enricher.enrich_all,
            fault=enricher.fault,
            lookup=resolver.lookup,
            settings=settings.loader,
            now_ms=now_ms,
            place=settings.place,
            observe=observe,
            tells_origins=not enricher.may_hide,
            incomplete=settings.enrich.incomplete_events,
        )
        stack.callback(loader.close)
        yield loader


def log_name(directory: Path) -> str:
    """The name under which offsets of the log in `directory` are stored.

    It lies beside the log's files, so that a log that is deleted and made anew, whose offsets start
    at 0 again, is not taken for the old one.
    """
    path = directory / _NAME_FILE
    with contextlib.suppress(FileNotFoundError):
        name = path.read_text("utf-8").strip()
        if name:
            return name
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(name, "utf-8")
    draft.replace(path)
    return name


def run(
    loader: Loader,
    stop: threading.Event,
    *,
    commit_interval_s: float,
    monotonic_s: Callable[[], float] = time.monotonic,
    hurry: threading.Event | None = None,
) -> None:
    """Load until `stop` is set, then load what the log holds at that moment, and return.

    `hurry` ends a pause, as `stop` does.

    Raises:
        Exception: the lake could still not be written after some attempts, when stopping.
    """
    failures = 0
    settled_at = monotonic_s()
    while True:
        stopping = stop.is_set()
        started_at = monotonic_s()
        try:
            taken = loader.load()
            if not taken or started_at - settled_at >= _SETTLE_EVERY_S:
                settled_at = started_at
                loader.settle()
            failures = 0
        except Exception as error:
            failures += 1
            _LOGGER.warning("loading failed (%s), trying again", reason(error))
            if stopping and failures >= _ATTEMPTS_WHEN_STOPPING:
                raise
            _maintain(loader, stopping=stopping)
            # A stop that comes meanwhile ends the wait, and one that came before makes it short.
            stop.wait(_delay_s(failures))
            continue
        _maintain(loader, stopping=stopping)
        if not taken and stopping:
            return
        if not stopping and not (taken and loader.is_behind):
            pause = commit_interval_s - (monotonic_s() - started_at) if taken else _POLL_S
            _pause(max(pause, 0), stop, hurry)


def _maintain(loader: Loader, *, stopping: bool) -> None:
    """Also where loading fails: on a full disk, what is too old may be what makes room."""
    if stopping:
        return
    try:
        loader.maintain()
    except Exception as error:  # noqa: BLE001 - the store's; what it is for can wait
        _LOGGER.warning("tidying failed (%s)", reason(error))


def _pause(seconds: float, stop: threading.Event, hurry: threading.Event | None) -> None:
    """Wait until the time is over, or one of the events is set."""
    if hurry is None:
        stop.wait(seconds)
        return
    deadline = time.monotonic() + seconds
    while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
        if hurry.wait(min(left, _POLL_S)):
            hurry.clear()
            return


def _delay_s(failures: int) -> float:
    return min(_FIRST_DELAY_S * float(1 << min(failures - 1, 16)), _LAST_DELAY_S)
