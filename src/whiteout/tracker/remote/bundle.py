"""The configuration of one namespace, in part: what was not given stays not given."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Self

from whiteout.errors import ConfigurationError
from whiteout.tracker.configuration import NetworkConfiguration
from whiteout.tracker.remote.options import KINDS, check_names, default_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NAMESPACE: Final = 128  # characters; the width of the atomic column `name_tracker`

Sections = dict[str, dict[str, Any]]
"""Section to option to value, for what was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationBundle:
    """What one source says about one namespace. Made by `ConfigurationBundle.of`, or fetched.

    Attributes:
        namespace: of the tracker, 1 to 128 characters.
        sections: `network`, `tracker`, `subject`, `session` and `emitter`, each an option's name to
            its value. A section or an option that was not given is not there.
        is_disabled: nothing may be tracked in this namespace (leak L27d).
    """

    namespace: str
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    is_disabled: bool = False

    def __post_init__(self) -> None:
        check_names(self.sections)

    @classmethod
    def of(
        cls, namespace: str, network: str | NetworkConfiguration | None, *configurations: object
    ) -> Self:
        """A default bundle, from what one would give to `create_tracker`.

        An option that has its built-in value counts as not given, except for the three flags of
        anonymity, for which None is not given.

        Args:
            namespace: of the tracker.
            network: the collector. None: none until a remote file names one.
            *configurations: at most one of each kind.

        Raises:
            ConfigurationError: an argument is wrong.
        """
        if not isinstance(namespace, str) or not 1 <= len(namespace) <= MAX_NAMESPACE:
            raise ConfigurationError(
                f"namespace must be text of 1 to {MAX_NAMESPACE} characters, got {namespace!r}"
            )
        if isinstance(network, str):
            network = NetworkConfiguration(endpoint=network)
        sections: Sections = {}
        kinds = {kind: section for section, kind in KINDS.items()}
        for configuration in (*(() if network is None else (network,)), *configurations):
            section = kinds.get(type(configuration))
            if section is None:
                raise ConfigurationError(
                    "a bundle must hold network, tracker, emitter, session or subject "
                    f"configurations, got {type(configuration).__name__}"
                )
            if section in sections:
                raise ConfigurationError(f"a bundle must hold one {section} configuration, got two")
            sections[section] = _given(configuration)
        return cls(namespace=namespace, sections=sections)

    @property
    def has_network(self) -> bool:
        """Whether it says where events go."""
        return "endpoint" in self.sections.get("network", {})


def _given(configuration: Any) -> dict[str, Any]:  # noqa: ANN401 - one of the KINDS
    given = {}
    for each in fields(configuration):
        value, default = getattr(configuration, each.name), default_of(each)
        if default is MISSING or (value is not default and value != default):
            given[each.name] = value
    return given
