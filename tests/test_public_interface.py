"""What an app can import from `whiteout`, and what all of it has in common."""

from __future__ import annotations

import dataclasses
import enum
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from docs.public import REACHED

import whiteout
from whiteout import controllers

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC_NAMES = {
    # Trackers.
    "create_tracker",
    "get_tracker",
    "remove_tracker",
    "remove_all_trackers",
    "tracker_namespaces",
    "setup_remote",
    "RemoteSetup",
    "ConfigurationState",
    "Tracker",
    "SessionState",
    "DropReason",
    # Configuration.
    "BasisForProcessing",
    "GdprConfiguration",
    "BufferOption",
    "DevicePlatform",
    "ConfigurationBundle",
    "EmitterConfiguration",
    "RemoteConfiguration",
    "HttpMethod",
    "NetworkConfiguration",
    "Pending",
    "PlatformContextRetriever",
    "PlatformProperty",
    "SessionConfiguration",
    "SubjectConfiguration",
    "TrackerConfiguration",
    # Code of the app's in the tracker, and pages and links of its.
    "ContextGenerator",
    "CrossDeviceParameterConfiguration",
    "FocalMeterConfiguration",
    "GlobalContext",
    "GlobalContextsConfiguration",
    "InspectableEvent",
    "PluginConfiguration",
    "SchemaRuleset",
    "WebViewBridge",
    # Anonymity.
    "ConsentState",
    "Anonymisation",
    "identifying_property",
    "PrivacyProfile",
    "SafeProperties",
    # Events and entities.
    "Event",
    "ApplicationError",
    "Background",
    "ConsentDocument",
    "ConsentGranted",
    "ConsentWithdrawn",
    "DeepLinkReceived",
    "Foreground",
    "Geolocation",
    "Install",
    "InstallReferrer",
    "ListItemView",
    "MessageNotification",
    "MessageNotificationAttachment",
    "MessageNotificationTrigger",
    "NotificationContent",
    "PageView",
    "PushNotification",
    "PushNotificationAttachment",
    "PushNotificationTrigger",
    "ScreenEnd",
    "ScreenView",
    "ScrollChanged",
    "SelfDescribing",
    "SelfDescribingJson",
    "Structured",
    "Timing",
    "WebViewEvent",
    "TrackerError",
    # A sender of the app's own.
    "Answer",
    "NetworkConnection",
    "OutgoingRequest",
    # Errors.
    "ConfigurationError",
    "EventStoreError",
    "ProtocolError",
    "WhiteoutError",
}
POSITIONAL_BY_DESIGN = {"SelfDescribingJson"}  # a pair: SelfDescribingJson(schema, data)

PUBLIC = {name: getattr(whiteout, name) for name in PUBLIC_NAMES if hasattr(whiteout, name)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
DATACLASSES = sorted(name for name, value in CLASSES.items() if dataclasses.is_dataclass(value))
ENUMERATIONS = sorted(name for name, value in CLASSES.items() if issubclass(value, enum.Enum))
ERRORS = sorted(name for name, value in CLASSES.items() if issubclass(value, Exception))


def _members() -> Iterator[tuple[str, Any]]:
    yield from PUBLIC.items()
    for class_name, class_ in CLASSES.items():
        for name, member in vars(class_).items():
            is_callable = inspect.isroutine(member) or isinstance(member, property)
            if is_callable and not name.startswith("_"):
                yield f"{class_name}.{name}", member


MEMBERS = dict(sorted(_members()))
"""Public classes and functions, and the public methods and properties of the classes."""


def test_the_public_names_are_these_and_no_others() -> None:
    """Adding or removing one is a decision, and an entry of the changelog."""
    ours = {
        name
        for name in dir(whiteout)
        if not name.startswith("_")
        and getattr(getattr(whiteout, name), "__module__", "").startswith("whiteout.")
    }

    assert ours == PUBLIC_NAMES


def test_a_star_brings_all_of_them_and_nothing_else() -> None:
    """Also those that are loaded only when they are first named."""
    names: dict[str, object] = {}

    exec("from whiteout import *", names)  # noqa: S102 - the statement is no expression

    assert names.keys() - {"__builtins__"} == PUBLIC_NAMES


def test_all_that_is_reached_through_a_tracker_can_be_annotated() -> None:
    """`whiteout.controllers` has the type of each controller, and nothing else."""
    exported = {name for name, value in vars(controllers).items() if inspect.isclass(value)}

    assert exported == {owner for _, owner, _ in REACHED} - PUBLIC_NAMES


def test_a_name_that_does_not_exist_is_an_ordinary_error() -> None:
    """For type checkers too, although some names are loaded only when they are asked for."""
    with pytest.raises(AttributeError, match="no attribute 'Trackr'"):
        whiteout.Trackr  # type: ignore[attr-defined] # noqa: B018 - it must be refused


@pytest.mark.parametrize("name", MEMBERS)
def test_everything_public_says_what_it_is_for(name: str) -> None:
    """A docstring of its own: not the one that `dataclass` or `enum` makes up or hands down."""
    member = MEMBERS[name]

    docstring = vars(member).get("__doc__") if inspect.isclass(member) else member.__doc__

    assert docstring
    assert not docstring.startswith((f"{name}(", "An enumeration", "Create a collection"))


@pytest.mark.parametrize("name", DATACLASSES)
def test_public_dataclasses_are_frozen(name: str) -> None:
    """What was checked when it was made stays as it was."""
    assert getattr(CLASSES[name], "__dataclass_params__").frozen  # noqa: B009 - unknown to mypy


@pytest.mark.parametrize("name", [n for n in DATACLASSES if n not in POSITIONAL_BY_DESIGN])
def test_public_dataclasses_take_keywords_only(name: str) -> None:
    """So that a new option never changes what an old call means."""
    parameters = inspect.signature(CLASSES[name]).parameters.values()

    assert {parameter.kind for parameter in parameters} <= {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_members_of_public_enumerations_are_constants_by_name(name: str) -> None:
    """`Pending.KEEP`, never `Pending.keep`."""
    members: dict[str, enum.Enum] = vars(CLASSES[name])["_member_map_"]

    assert all(member.isupper() for member in members)


@pytest.mark.parametrize("name", ERRORS)
def test_public_errors_share_one_root(name: str) -> None:
    """`except whiteout.WhiteoutError` catches all that this package raises on purpose."""
    assert issubclass(CLASSES[name], whiteout.WhiteoutError)
