"""What `TrackerConfiguration` says, as properties of a tracker that act on its next event."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from whiteout.strict.profile import CAMPAIGN_PARAMETERS
from whiteout.tracker.checks import check_flag
from whiteout.tracker.live import Controlled

if TYPE_CHECKING:
    from collections.abc import Collection

    from whiteout.identifiers import Anonymisation, Identifier
    from whiteout.strict.profile import SafeProperties
    from whiteout.tracker.configuration import DevicePlatform
    from whiteout.tracker.live import LiveChanges, LiveConfigurations
    from whiteout.tracker.platform import PlatformContextRetriever, PlatformProperty


class Pauses(NamedTuple):
    """What is paused; a tracker that is made again for its namespace stays so."""

    tracking: bool = False
    sending: bool = False
    sessions: bool = False


class LiveOptions(Controlled):
    """The properties. `Tracker` sets the two attributes before an app sees it."""

    _section = "tracker"
    _live: LiveConfigurations
    _changes: LiveChanges

    @property
    def app_id(self) -> str | None:
        """`aid`; None: events carry none."""
        return self._live.tracker.current.app_id

    @app_id.setter
    def app_id(self, value: str | None) -> None:
        self._changes.tracker("app_id", value)

    @property
    def device_platform(self) -> DevicePlatform | None:
        """`p`; None: mobile on iOS and Android, else desktop."""
        return self._live.tracker.current.device_platform

    @device_platform.setter
    def device_platform(self, value: DevicePlatform | None) -> None:
        self._changes.tracker("device_platform", value)

    @property
    def base64_encoding(self) -> bool:
        """Entities and event bodies as `cx` and `ue_px`, else `co` and `ue_pr`."""
        return self._live.tracker.current.base64_encoding

    @base64_encoding.setter
    def base64_encoding(self, value: bool) -> None:
        self._changes.tracker("base64_encoding", value)

    @property
    def platform_context(self) -> bool:
        """Whether events carry the platform entity. Switched off, what was read is forgotten."""
        return self._live.tracker.current.platform_context is not False

    @platform_context.setter
    def platform_context(self, value: bool) -> None:
        check_flag("platform_context", value)
        self._changes.tracker("platform_context", value)

    @property
    def anonymous_session_lifetime(self) -> float | None:
        """Seconds after which an anonymous session ends; 0: with each event; None: by time-out."""
        return self._live.tracker.current.anonymous_session_lifetime

    @anonymous_session_lifetime.setter
    def anonymous_session_lifetime(self, value: float | None) -> None:
        self._changes.tracker("anonymous_session_lifetime", value)

    @property
    def platform_context_properties(self) -> Collection[PlatformProperty] | None:
        """Only these, besides the four basics; None: all. What is taken off is forgotten (L23)."""
        return self._live.tracker.current.platform_context_properties

    @platform_context_properties.setter
    def platform_context_properties(self, value: Collection[PlatformProperty] | None) -> None:
        self._changes.tracker("platform_context_properties", value)

    @property
    def platform_context_retriever(self) -> PlatformContextRetriever | None:
        """Readings of the app's own. Set, everything is read anew before the next event."""
        return self._live.tracker.current.platform_context_retriever

    @platform_context_retriever.setter
    def platform_context_retriever(self, value: PlatformContextRetriever | None) -> None:
        self._changes.tracker("platform_context_retriever", value)

    @property
    def application_context(self) -> bool:
        """Whether events carry the application entity, once the version is given."""
        return self._live.tracker.current.application_context is not False

    @application_context.setter
    def application_context(self, value: bool) -> None:
        check_flag("application_context", value)
        self._changes.tracker("application_context", value)

    @property
    def application_version(self) -> str | None:
        """The app's version, as users know it."""
        return self._live.tracker.current.application_version

    @application_version.setter
    def application_version(self, value: str | None) -> None:
        self._changes.tracker("application_version", value)

    @property
    def application_build(self) -> str | None:
        """The app's build; None: as the version."""
        return self._live.tracker.current.application_build

    @application_build.setter
    def application_build(self, value: str | None) -> None:
        self._changes.tracker("application_build", value)

    @property
    def before_consent(self) -> Anonymisation | None:
        """What is hidden at least until the user has answered; None: nobody is asked."""
        return self._live.tracker.current.before_consent

    @property
    def install_autotracking(self) -> bool:
        """Whether the first start was worth an `Install` event."""
        return self._live.tracker.current.install_autotracking is not False

    @property
    def error_messages_while_anonymous(self) -> bool:
        """Whether the messages of errors are left as they are under user anonymity."""
        return self._live.tracker.current.error_messages_while_anonymous

    @property
    def identifying_properties(self) -> tuple[Identifier, ...] | None:
        """Properties of the app's own schemas that the gate masks; None: none was marked."""
        return self._live.tracker.current.identifying_properties

    @property
    def safe_properties(self) -> tuple[SafeProperties, ...]:
        """What passes of the app's own schemas under the strict profile."""
        return self._live.tracker.current.safe_properties

    @property
    def strict_url_parameters(self) -> tuple[str, ...]:
        """Query keys that URLs keep under the strict profile."""
        said = self._live.tracker.current.strict_url_parameters
        return CAMPAIGN_PARAMETERS if said is None else said

    @property
    def tracker_version_suffix(self) -> str | None:
        """Added to `tv`, for wrappers."""
        return self._live.tracker.current.tracker_version_suffix

    @tracker_version_suffix.setter
    def tracker_version_suffix(self, value: str | None) -> None:
        self._changes.tracker("tracker_version_suffix", value)
