"""The legal basis on which data is processed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from whiteout.events.described import optional, required
from whiteout.events.entities import Entity


class BasisForProcessing(enum.StrEnum):
    """Article 6(1) of the General Data Protection Regulation, letters a to f."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GdprConfiguration(Entity):
    """The basis for processing, and the document that says more; an entity of every event.

    Args:
        basis_for_processing: or its text. The law wants one to be chosen, so there is no default.
        document_id: at most 255 characters.
        document_version: at most 16 characters.
        document_description: at most 4096 characters.

    Raises:
        ConfigurationError: a value has another form, or is too long.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.snowplow/gdpr/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "The legal basis on which the event is processed"

    basis_for_processing: BasisForProcessing | str = required(  # noqa: RUF009 - a field
        "basisForProcessing", "string", "The legal basis", choices=tuple(BasisForProcessing)
    )
    document_id: str | None = optional(
        "documentId", "string", "The document that explains the basis", max_length=255
    )
    document_version: str | None = optional(
        "documentVersion", "string", "Which version of the document", max_length=16
    )
    document_description: str | None = optional(
        "documentDescription", "string", "What the document is", max_length=4096
    )
