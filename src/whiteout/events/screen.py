"""Views of an app's screens."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from whiteout.events.event import Event, body, check_common, check_optional_text, check_text
from whiteout.events.properties import is_uuid, wire, wrong_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from whiteout.protocol.self_describing import SelfDescribingJson


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, init=False)
class ScreenView(Event):
    """A screen was shown.

    Args:
        name: of the screen. Never empty.
        screen_id: of this view of the screen, a UUID or its text. None: the tracker makes a fresh
            one.
        type: the kind of screen, such as `feed`.
        transition_type: how the screen was reached.
        previous_name: of the screen before.
        previous_id: of the view of the screen before, a UUID or its text.
        previous_type: of the screen before.

    Raises:
        ConfigurationError: as `Event`.
    """

    SCHEMA: ClassVar[str] = "iglu:com.snowplowanalytics.mobile/screen_view/jsonschema/1-0-0"
    DESCRIPTION: ClassVar[str] = "A screen of the app was shown"

    name: str = field(
        metadata=wire(
            name="name", type="string", required=True, description="The name of the screen"
        )
    )
    screen_id: UUID | str | None = field(
        default=None,
        metadata=wire(
            name="id",
            type="string",
            required=True,
            format="uuid",
            max_length=36,
            description="The id of this view of the screen",
        ),
    )
    type: str | None = field(
        default=None,
        metadata=wire(name="type", type="string", description="The kind of screen"),
    )
    transition_type: str | None = field(
        default=None,
        metadata=wire(
            name="transitionType", type="string", description="How the screen was reached"
        ),
    )
    previous_name: str | None = field(
        default=None,
        metadata=wire(
            name="previousName", type="string", description="The name of the screen before"
        ),
    )
    previous_id: UUID | str | None = field(
        default=None,
        metadata=wire(
            name="previousId",
            type="string",
            format="uuid",
            description="The id of the view of the screen before",
        ),
    )
    previous_type: str | None = field(
        default=None,
        metadata=wire(
            name="previousType", type="string", description="The kind of the screen before"
        ),
    )

    # By hand, as the most frequent event: the constructor that a frozen dataclass generates takes
    # 1.1 us for nine fields, this one 0.7.
    def __init__(  # noqa: PLR0913 - one a property
        self,
        *,
        name: str,
        screen_id: UUID | str | None = None,
        type: str | None = None,  # noqa: A002 - the property's name
        transition_type: str | None = None,
        previous_name: str | None = None,
        previous_id: UUID | str | None = None,
        previous_type: str | None = None,
        entities: Sequence[SelfDescribingJson] = (),
        true_timestamp: datetime | None = None,
    ) -> None:
        if not name or name.__class__ is not str:
            check_text("name", name)
        if not (
            (type is None or type.__class__ is str)
            and (transition_type is None or transition_type.__class__ is str)
            and (previous_name is None or previous_name.__class__ is str)
            and (previous_type is None or previous_type.__class__ is str)
        ):
            check_optional_text("type", type)
            check_optional_text("transition_type", transition_type)
            check_optional_text("previous_name", previous_name)
            check_optional_text("previous_type", previous_type)
        if screen_id is not None:
            _check_uuid("screen_id", screen_id)
        if previous_id is not None:
            _check_uuid("previous_id", previous_id)
        if entities or true_timestamp is not None:
            check_common(entities, true_timestamp)
        _set_name(self, name)
        _set_screen_id(self, screen_id)
        _set_type(self, type)
        _set_transition_type(self, transition_type)
        _set_previous_name(self, previous_name)
        _set_previous_id(self, previous_id)
        _set_previous_type(self, previous_type)
        _set_entities(self, entities)
        _set_true_timestamp(self, true_timestamp)

    def self_describing(self, new_uuid: Callable[[], str]) -> SelfDescribingJson:
        """The body of the event, its data a fresh dictionary that the tracker may add to."""
        screen_id = self.screen_id
        data = {
            "name": self.name,
            "id": new_uuid() if screen_id is None else str(screen_id).lower(),
        }
        if self.type:
            data["type"] = self.type
        if self.transition_type:
            data["transitionType"] = self.transition_type
        if self.previous_name:
            data["previousName"] = self.previous_name
        if self.previous_id is not None:
            data["previousId"] = str(self.previous_id).lower()
        if self.previous_type:
            data["previousType"] = self.previous_type
        return body(_SCHEMA, data)


def _setter(attribute: str) -> Any:  # noqa: ANN401 - a slot's descriptor
    return getattr(ScreenView, attribute).__set__


_SCHEMA = ScreenView.SCHEMA
_set_name = _setter("name")
_set_screen_id = _setter("screen_id")
_set_type = _setter("type")
_set_transition_type = _setter("transition_type")
_set_previous_name = _setter("previous_name")
_set_previous_id = _setter("previous_id")
_set_previous_type = _setter("previous_type")
_set_entities = _setter("entities")
_set_true_timestamp = _setter("true_timestamp")


def _check_uuid(field_name: str, value: object) -> None:
    if value.__class__ is str and is_uuid(value):
        return
    # Whoever has one has loaded the module, which asks the system things at import.
    uuid = sys.modules.get("uuid")
    if uuid is None or not isinstance(value, uuid.UUID):
        raise wrong_value(field_name, value, "a uuid.UUID, its text, or None")
