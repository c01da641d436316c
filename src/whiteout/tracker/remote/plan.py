"""From all sources to the trackers that should run, and what is to be done about it. Pure.

Invariants
- A privacy option is never looser than the most private source has it (leak L27c).
- While nothing was ever fetched, or a namespace's bundle was refused, its tracker is at
  `before_fetch` or stricter (leak L27a).
- A namespace that any source disables does not run; the remote file disables one by saying so, or
  by a bundle without network (leak L27d).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from whiteout.errors import ConfigurationError
from whiteout.identifiers import Anonymisation
from whiteout.tracker.configuration import (
    EmitterConfiguration,
    NetworkConfiguration,
    SessionConfiguration,
    SubjectConfiguration,
    TrackerConfiguration,
)
from whiteout.tracker.remote.bundle import ConfigurationBundle
from whiteout.tracker.remote.options import KINDS, members_of
from whiteout.tracker.remote.privacy import FLAGS, PRIVACY, demanded_level
from whiteout.tracker.unsaid import settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whiteout.tracker.remote.bundle import Sections
    from whiteout.tracker.remote.document import Document

OLDEST: Final = -1
"""The default bundles' version where the app names none: every fetched one is newer."""

_FIELDS: Final = {section: {each.name for each in fields(kind)} for section, kind in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All that anybody said.

    Attributes:
        defaults: the app's bundles, by namespace.
        default_version: of those; a remote file sets ordinary options if its version is greater.
            An older or equal one still counts for privacy, and as known.
        remote: the latest file that was fetched, now or in an earlier run; None: none ever was.
        live: what the app changed while trackers ran, by namespace.
        before_fetch: as in `RemoteConfiguration`.
    """

    defaults: Mapping[str, ConfigurationBundle] = field(default_factory=dict)
    default_version: int = OLDEST
    remote: Document | None = None
    live: Mapping[str, Sections] = field(default_factory=dict)
    before_fetch: Anonymisation | None = None

    @property
    def remote_leads(self) -> bool:
        """Whether the remote file is newer than the default bundles."""
        return self.remote is not None and self.remote.version > self.default_version

    def is_unsure(self, namespace: str) -> bool:
        """Whether it is not known yet what the remote file wants of a namespace."""
        return self.remote is None or namespace in self.remote.unsure


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A tracker that should run.

    Attributes:
        namespace: its name.
        network: where its events go.
        tracker: as merged; flags of anonymity that nobody mentioned are None.
        emitter: the same.
        session: the same.
        subject: the same.
        minimum: the level that no live change may go below. It is no decision of the app's or the
            user's, and must not be stored as one.
        demanded: what default bundle and file say of the options of privacy, by section and name:
            no live change may tell more. Of what is not in it, everything is allowed.
    """

    namespace: str
    network: NetworkConfiguration
    tracker: TrackerConfiguration
    emitter: EmitterConfiguration
    session: SessionConfiguration
    subject: SubjectConfiguration
    minimum: Anonymisation
    demanded: Mapping[tuple[str, str], object] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def configurations(
        self,
    ) -> tuple[
        TrackerConfiguration, EmitterConfiguration, SessionConfiguration, SubjectConfiguration
    ]:
        """What to give to `create_tracker` besides namespace and network."""
        return (self.tracker, self.emitter, self.session, self.subject)

    def at_minimum(self) -> Planned:
        """The same with `minimum` written into the flags, for what knows no minimum."""
        tracker, emitter = self.tracker, self.emitter
        if Anonymisation.USER in self.minimum:
            tracker = replace(tracker, user_anonymisation=True)
        if Anonymisation.SESSION in self.minimum:
            tracker = replace(tracker, session_context=False)
        if Anonymisation.SERVER in self.minimum:
            emitter = replace(emitter, server_anonymisation=True)
        return replace(self, tracker=tracker, emitter=emitter)


class Do(enum.Enum):
    """What is to be done with a tracker."""

    CREATE = "create"
    REPLACE = "replace"
    CHANGE_MINIMUM = "change minimum"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do.

    Attributes:
        do: what. `CHANGE_MINIMUM`: nothing but the minimum differs, the tracker can go on.
        namespace: with which tracker.
        planned: what it should be; None: gone.
    """

    do: Do
    namespace: str
    planned: Planned | None


def plan(sources: Sources, running: Mapping[str, Planned]) -> tuple[Step, ...]:
    """What turns the trackers that run into those that should.

    Args:
        sources: all that was said.
        running: what earlier plans made; trackers that the app made itself are not in it, and are
            not touched.

    Returns:
        Removals first, then the others in the order of default bundles and remote file.
    """
    wanted = effective(sources)
    steps = [
        Step(do=Do.REMOVE, namespace=namespace, planned=None)
        for namespace in running
        if namespace not in wanted
    ]
    for namespace, planned in wanted.items():
        now = running.get(namespace)
        if now == planned:
            continue
        if now is None:
            do = Do.CREATE
        elif replace(now, minimum=planned.minimum) == planned:
            do = Do.CHANGE_MINIMUM
        else:
            do = Do.REPLACE
        steps.append(Step(do=do, namespace=namespace, planned=planned))
    return tuple(steps)


def effective(sources: Sources) -> dict[str, Planned]:
    """The trackers that should run, by namespace."""
    namespaces = list(sources.defaults)
    if sources.remote is not None and sources.remote_leads:
        namespaces += [name for name in sources.remote.bundles if name not in sources.defaults]
    found = ((namespace, _planned(sources, namespace)) for namespace in namespaces)
    return {namespace: planned for namespace, planned in found if planned is not None}


def _planned(sources: Sources, namespace: str) -> Planned | None:
    nothing = ConfigurationBundle(namespace=namespace)
    default = sources.defaults.get(namespace, nothing)
    remote = sources.remote.bundles.get(namespace) if sources.remote is not None else None
    if default.is_disabled or (
        remote is not None and (remote.is_disabled or not remote.has_network)
    ):
        return None
    remote = remote or nothing
    live = sources.live.get(namespace, {})
    is_unsure = sources.is_unsure(namespace)
    leading = remote if sources.remote_leads else nothing
    try:
        return _merged(sources, (default, leading, remote), live, is_unsure=is_unsure)
    except ConfigurationError:
        # Each value was allowed, all together are not: what is meant is not known, and what the
        # app said when it made its bundle is.
        try:
            return _merged(sources, (default, nothing, remote), {}, is_unsure=True)
        except ConfigurationError:
            return None


def _merged(
    sources: Sources,
    bundles: tuple[ConfigurationBundle, ConfigurationBundle, ConfigurationBundle],
    live: Mapping[str, Mapping[str, Any]],
    *,
    is_unsure: bool,
) -> Planned | None:
    """One tracker.

    Args:
        sources: for `before_fetch`.
        bundles: the default, the remote for ordinary options, the remote for privacy.
        live: what the app changed.
        is_unsure: whether the level before the fetch holds.

    Raises:
        ConfigurationError: the values do not go together.
    """
    default, leading, remote = bundles
    merged = {
        section: {
            **default.sections.get(section, {}),
            **leading.sections.get(section, {}),
            **live.get(section, {}),
        }
        for section in KINDS
    }
    if "endpoint" not in merged["network"]:
        return None
    demanded: Sections = {section: {} for section in KINDS}
    for row in PRIVACY:
        said = [bundle.sections.get(row.section, {}).get(row.name) for bundle in (default, remote)]
        demanded[row.section][row.name] = row.strictest(said)
        strictest = row.strictest((*said, live.get(row.section, {}).get(row.name)))
        if strictest is not None:
            merged[row.section][row.name] = strictest
    minimum = demanded_level(demanded)
    if is_unsure and sources.before_fetch is None:
        minimum = Anonymisation.FULL
        _make_most_private(merged)
        _make_most_private(demanded)
    elif is_unsure and sources.before_fetch is not None:
        minimum |= sources.before_fetch
    return Planned(
        namespace=default.namespace,
        network=NetworkConfiguration(**merged["network"]),
        tracker=settled(TrackerConfiguration(**merged["tracker"]), None),
        emitter=EmitterConfiguration(**merged["emitter"]),
        session=SessionConfiguration(**merged["session"]),
        subject=SubjectConfiguration(**merged["subject"]),
        minimum=minimum,
        demanded={
            (row.section, row.name): demanded[row.section][row.name]
            for row in PRIVACY
            if demanded[row.section][row.name] is not None
        },
    )


def _make_most_private(merged: Sections) -> None:
    """Every row at its most private.

    The flags stay as said, for `minimum` covers them. So does the profile, which trackers store as
    the app's decision: it would outlast the reason for it.
    """
    for row in PRIVACY:
        if row.name in _FIELDS[row.section] and row.name not in FLAGS | {"privacy_profile"}:
            merged[row.section][row.name] = row.most_private(members_of(row.section, row.name))
