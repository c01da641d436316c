"""What an enrichment is, and how one is made from its configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, get_args

import msgspec

from whiteout.complaint import complaint
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from whiteout.enrich.adapter import Parameters
    from whiteout.enrich.event import EnrichedEvent
    from whiteout.enrich.load import Request
    from whiteout.protocol.self_describing import SelfDescribingJson

SNOWPLOW = "com.snowplowanalytics.snowplow"
ENRICHMENTS_VENDOR = "com.snowplowanalytics.snowplow.enrichments"
OWN_VENDOR = "whiteout"

GeoLevel = Literal["none", "country", "region", "city", "full"]
Unsupported = Literal["refuse", "warn"]
GEO_LEVELS: tuple[GeoLevel, ...] = get_args(GeoLevel)
"""How finely an address may be placed, coarsest first."""

_Read = TypeVar("_Read")


class EnrichmentError(Exception):
    """An enrichment could not do its work on this event; the message holds nothing of the event."""


class DropEventError(Exception):
    """The event is to vanish: neither good nor failed."""


class Enrichment(Protocol):
    """Adds to an event what follows from it.

    Attributes:
        schema: Iglu URI of its configuration; names it in bad rows.
        identifier: its name in bad rows.
    """

    schema: str
    identifier: str

    def enrich(
        self, event: EnrichedEvent, request: Request, parameters: Parameters
    ) -> Sequence[SelfDescribingJson]:
        """Entities to add to `event`; columns may be set in `event` itself.

        The columns of self-describing JSON are written when all enrichments have run: what they
        hold is in `unstruct_event`, `contexts` and `derived_contexts`.

        It must not keep what it is given, nor change `request` and `parameters`, and must not do
        anything slow or remote: one core has some 60 microseconds for all of an event. Whether the
        event is anonymous is said by `request.anonymous`, and heeding it is its own business.

        Raises:
            EnrichmentError: the event becomes a bad row; the later enrichments still run.
            DropEventError: the event vanishes.
        """


class PrivacyEnrichment(Enrichment, Protocol):
    """An enrichment that takes away; what it does to columns is done to bad rows too (W6).

    Attributes:
        hidden_parameters: those of the tracker protocol that hold what it takes away; no hash
            without a key is made over them (W12).
    """

    hidden_parameters: frozenset[str]

    def applies(self, request: Request) -> bool:
        """Whether events of this request are changed at all."""

    def mask(self, column: int, text: str) -> str | None:
        """The text that may stand in a column, by the position of that column."""

    def mask_parts(self, event: EnrichedEvent) -> None:
        """Mask inside the self-describing parts of an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an enrichment may need beside its own configuration.

    Attributes:
        folder: where the configuration lies, and the files that it names.
        mask_address: what IP anonymisation makes of an address; addresses are looked up in that
            form only (W8).
        key_of: the key for a hash over what is pseudonymised, for requests where it is (W12).
        hidden_parameters: parameters that hold what is taken away otherwise (W12).
        anonymous_geo: how finely the address of an anonymous event may be placed.
        unsupported: what becomes of what a configuration asks for and is not here.
    """

    folder: Path
    mask_address: Callable[[str], str | None] | None = None
    key_of: Callable[[Request], bytes | None] | None = None
    hidden_parameters: frozenset[str] = frozenset()
    anonymous_geo: GeoLevel = "none"
    unsupported: Unsupported = "refuse"


class Configuration(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The `data` of a configuration file."""

    vendor: str
    name: str
    enabled: bool
    parameters: dict[str, Any] = {}
    emit_event: bool | None = None
    anonymous_only: bool | None = None


class NoParameters(msgspec.Struct, forbid_unknown_fields=True):
    """Of an enrichment that has nothing to configure."""


class Asset(msgspec.Struct):
    """A file that a configuration names. Only `database` is read: nothing is downloaded.

    Official schemas allow other keys beside these two.
    """

    database: str
    uri: str = ""

    def path(self, folder: Path) -> Path | None:
        """The file in `folder`; None where it is not there.

        Raises:
            ConfigurationError: the name leads out of the folder.
        """
        path = (folder / self.database).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ConfigurationError(f"database must be a file's name, got {self.database!r}")
        return path if path.is_file() else None

    def required(self, folder: Path) -> Path:
        """The file in `folder`.

        Raises:
            ConfigurationError: it is not there; the message says what to do.
        """
        path = self.path(folder)
        if path is None:
            source = f" It can be had from {self.uri}." if self.uri else ""
            raise ConfigurationError(
                f"put the file {self.database} into {folder}: Whiteout downloads nothing.{source}"
            )
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An enrichment as configuration files name it.

    Attributes:
        vendor: of its configuration.
        name: of its configuration.
        version: the newest version of the configuration's schema; older ones of the same model are
            read too.
        older: versions of other models that are read.
        make: makes the enrichment.
        repeatable: whether there may be several.
        is_privacy: whether it takes away; such ones are made first, since others ask them.
    """

    vendor: str
    name: str
    version: str
    make: Callable[[Configuration, Surroundings], Enrichment] = field(repr=False)
    older: tuple[str, ...] = ()
    repeatable: bool = False
    is_privacy: bool = False

    @property
    def schema(self) -> str:
        """The Iglu URI of its configuration."""
        return f"iglu:{self.vendor}/{self.name}/jsonschema/{self.version}"


def read_parameters(configuration: Configuration, kind: type[_Read]) -> _Read:
    """The parameters of a configuration as what an enrichment expects.

    Raises:
        ConfigurationError: one is missing, unknown or of the wrong type.
    """
    try:
        return msgspec.convert(configuration.parameters, kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(complaint(error, configuration.parameters, kind)) from error
