"""Whether what arrived is as anonymous as a level asks: judged by the tracker's own gate.

An event is anonymous at a level if the gate of that level finds nothing to hide in it: what was
sent is what the gate lets through. Each identifier that would have been hidden is named. The gate
reads the one table of identifiers, so that nothing is listed here a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whiteout.anonymisation import Gate
from whiteout.errors import ConfigurationError
from whiteout.identifiers import IDENTIFIERS, NULL_UUID, Anonymisation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from whiteout.identifiers import Identifier
    from whiteout.testing.received import FailedEvent, ReceivedEvent

_OF_COLLECTOR = {
    "network_userid": "collector.network_user_id",
    "user_ipaddress": "collector.ip_address",
}


class Judge:
    """Finds what a level should have hidden.

    Args:
        level: at least one flag.
        identifying_properties: the app's own marks, as `TrackerConfiguration` has them.

    Raises:
        ConfigurationError: `level` hides nothing, or is no level.
    """

    def __init__(
        self, level: Anonymisation, identifying_properties: Sequence[Identifier] = ()
    ) -> None:
        if not isinstance(level, Anonymisation) or not level:
            raise ConfigurationError(
                f"level must be one of Anonymisation that hides something, got {level!r}"
            )
        self._level = level
        table = (*IDENTIFIERS, *identifying_properties)
        self._gate = Gate(table)
        self._gates = [
            (row.name, Gate((row,))) for row in table if row.masked_at(level) is not None
        ]

    def given_away(self, event: ReceivedEvent | FailedEvent) -> list[str]:
        """The names of identifiers that an event has and should not have; never their values."""
        found = list(self._in_parameters(event.parameters))
        if Anonymisation.SERVER in self._level:
            if not event.is_server_anonymous:
                found.append("the request came without SP-Anonymous")
            columns: Mapping[str, object] = getattr(event, "columns", {})
            found += [
                name
                for column, name in _OF_COLLECTOR.items()
                if columns.get(column) not in {None, NULL_UUID}
            ]
        return found

    def _in_parameters(self, parameters: Mapping[str, str]) -> Iterator[str]:
        if self._gate.parameters(parameters, self._level) == parameters:
            return
        whole = ""  # of an entity: its properties need no mention where it should not be there
        for name, gate in self._gates:
            if whole and name.startswith(whole):
                continue
            if gate.parameters(parameters, self._level) != parameters:
                whole = f"{name}."
                yield name
