"""Consent that users give and withdraw, and the documents that it is about."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from whiteout.errors import ConfigurationError
from whiteout.events.described import optional, required
from whiteout.events.entities import Entity
from whiteout.events.event import Event, body, check_common
from whiteout.events.properties import check_properties, wire, wire_data, wrong_value

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from whiteout.protocol.self_describing import SelfDescribingJson


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConsentDocument(Entity):
    """A document that consent is about: a privacy policy, terms of use.

    Its id and version are sent as the app gives them at every level. They should name the text,
    which many have agreed to, and never one user's agreement.

    Args:
        document_id: at most 36 characters; never empty.
        document_version: at most 36 characters; never empty.
        document_name: at most 60 characters.
        document_description: at most 10,000 characters.

    Raises:
        ConfigurationError: a value has another form, or is too long.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.snowplow/consent_document/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "A document that consent is about"

    document_id: str = required("id", "string", "Which document it is", max_length=36)
    document_version: str = required("version", "string", "Which version it is", max_length=36)
    document_name: str | None = optional(
        "name", "string", "What it is called", max_length=60, nullable=False
    )
    document_description: str | None = optional(
        "description", "string", "What it is", max_length=10_000, nullable=False
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _ConsentEvent(Event):
    """What both events have: documents, which are entities of the event from the start."""

    SCHEMA: ClassVar[str]

    document_id: str | None = None
    document_version: str | None = None
    document_name: str | None = None
    document_description: str | None = None
    documents: Sequence[ConsentDocument] = ()

    def __post_init__(self) -> None:
        check_common(self.entities, self.true_timestamp)
        documents = self._all_documents()
        check_properties(self)
        if documents:
            attached = tuple(document.self_describing() for document in documents)
            # Those that are there already came with `dataclasses.replace`.
            others = tuple(entity for entity in self.entities if entity not in attached)
            object.__setattr__(self, "entities", (*others, *attached))

    def _all_documents(self) -> tuple[ConsentDocument, ...]:
        if not isinstance(self.documents, list | tuple):
            raise wrong_value("documents", self.documents, "a list or tuple of ConsentDocument")
        for document in self.documents:
            if not isinstance(document, ConsentDocument):
                raise wrong_value("documents", document, "a list or tuple of ConsentDocument")
        if not (self.document_id or self.document_version):
            if self.document_name or self.document_description:
                raise ConfigurationError(
                    "document_id must be given where document_name or document_description is"
                )
            return tuple(self.documents)
        own = ConsentDocument(
            document_id=self.document_id,  # type: ignore[arg-type] # the constructor checks it
            document_version=self.document_version,  # type: ignore[arg-type] # the same
            document_name=self.document_name,
            document_description=self.document_description,
        )
        return (own, *self.documents)

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:  # noqa: ARG002 - the interface
        """The body of the event."""
        return body(self.SCHEMA, wire_data(self))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConsentGranted(_ConsentEvent):
    """The user has given consent.

    Args:
        expiry: when the consent ends: a datetime with a time zone, or its RFC 3339 text.
        document_id: of the document; as in `ConsentDocument`, as are the next three.
        document_version: of the document.
        document_name: of the document.
        document_description: of the document.
        documents: more of them.

    Raises:
        ConfigurationError: as `Event`; a document has an id without a version or the other way
            round; or `expiry` is no moment.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.snowplow/consent_granted/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The user gave consent"

    expiry: dt.datetime | str | None = field(
        default=None,
        metadata=wire(
            name="expiry", type="string", format="date-time", description="When the consent ends"
        ),
    )

    def __post_init__(self) -> None:
        if self.expiry is not None and not isinstance(self.expiry, str):
            object.__setattr__(self, "expiry", rfc3339_of("expiry", self.expiry))
        _ConsentEvent.__post_init__(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConsentWithdrawn(_ConsentEvent):
    """The user has withdrawn consent.

    Args:
        all: everything was withdrawn, not only what the documents are about.
        document_id: as in `ConsentGranted`, as are the rest.
        document_version: of the document.
        document_name: of the document.
        document_description: of the document.
        documents: more of them; sent whether or not there is a `document_id`.

    Raises:
        ConfigurationError: as `ConsentGranted`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.snowplow/consent_withdrawn/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The user withdrew consent"

    all: bool = field(
        default=False,
        metadata=wire(
            name="all",
            type="boolean",
            required=True,
            description="Whether everything was withdrawn",
        ),
    )


def rfc3339_of(name: str, moment: Any) -> str:  # noqa: ANN401 - the app's argument
    """`2026-11-23T12:00:00.000Z`; UTC, milliseconds.

    Raises:
        ConfigurationError: `moment` is no datetime with a time zone.
    """
    # Whoever has a moment has loaded the module, which would make the SDK slower to import.
    module = sys.modules.get("datetime")
    if module is None or not isinstance(moment, module.datetime) or moment.utcoffset() is None:
        raise wrong_value(name, moment, "a datetime with a time zone")
    text: str = moment.astimezone(module.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
