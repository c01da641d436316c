"""Privacy-first event tracking, compatible with Snowplow at every seam.

::

    import whiteout

    tracker = whiteout.create_tracker("shop", "https://collector.example.com")
    tracker.track(whiteout.ScreenView(name="Checkout"))

Importing this loads nothing of the pipeline, and of the tracker what is needed to configure one:
events are loaded when they are first named, and the engine with the first tracker.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError as ConfigurationError
from whiteout.errors import EventStoreError as EventStoreError
from whiteout.errors import ProtocolError as ProtocolError
from whiteout.errors import WhiteoutError as WhiteoutError
from whiteout.identifiers import Anonymisation as Anonymisation
from whiteout.identifiers import identifying_property as identifying_property
from whiteout.tracker.configuration import BufferOption as BufferOption
from whiteout.tracker.configuration import DevicePlatform as DevicePlatform
from whiteout.tracker.configuration import EmitterConfiguration as EmitterConfiguration
from whiteout.tracker.configuration import HttpMethod as HttpMethod
from whiteout.tracker.configuration import NetworkConfiguration as NetworkConfiguration
from whiteout.tracker.configuration import Pending as Pending
from whiteout.tracker.configuration import SessionConfiguration as SessionConfiguration
from whiteout.tracker.configuration import SubjectConfiguration as SubjectConfiguration
from whiteout.tracker.configuration import TrackerConfiguration as TrackerConfiguration
from whiteout.tracker.instances import create_tracker as create_tracker
from whiteout.tracker.instances import get_tracker as get_tracker
from whiteout.tracker.instances import remove_all_trackers as remove_all_trackers
from whiteout.tracker.instances import remove_tracker as remove_tracker
from whiteout.tracker.instances import setup_remote as setup_remote
from whiteout.tracker.instances import tracker_namespaces as tracker_namespaces
from whiteout.version import __version__ as __version__

if TYPE_CHECKING:
    from whiteout.events.consent import ConsentDocument as ConsentDocument
    from whiteout.events.consent import ConsentGranted as ConsentGranted
    from whiteout.events.consent import ConsentWithdrawn as ConsentWithdrawn
    from whiteout.events.deep_link import DeepLinkReceived as DeepLinkReceived
    from whiteout.events.error import ApplicationError as ApplicationError
    from whiteout.events.error import TrackerError as TrackerError
    from whiteout.events.event import Event as Event
    from whiteout.events.gdpr import BasisForProcessing as BasisForProcessing
    from whiteout.events.gdpr import GdprConfiguration as GdprConfiguration
    from whiteout.events.geolocation import Geolocation as Geolocation
    from whiteout.events.install import Install as Install
    from whiteout.events.install import InstallReferrer as InstallReferrer
    from whiteout.events.lifecycle import Background as Background
    from whiteout.events.lifecycle import Foreground as Foreground
    from whiteout.events.notification import MessageNotification as MessageNotification
    from whiteout.events.notification import (
        MessageNotificationAttachment as MessageNotificationAttachment,
    )
    from whiteout.events.notification import (
        MessageNotificationTrigger as MessageNotificationTrigger,
    )
    from whiteout.events.page import PageView as PageView
    from whiteout.events.push_notification import NotificationContent as NotificationContent
    from whiteout.events.push_notification import PushNotification as PushNotification
    from whiteout.events.push_notification import (
        PushNotificationAttachment as PushNotificationAttachment,
    )
    from whiteout.events.push_notification import PushNotificationTrigger as PushNotificationTrigger
    from whiteout.events.screen import ScreenView as ScreenView
    from whiteout.events.screen_engagement import ListItemView as ListItemView
    from whiteout.events.screen_engagement import ScreenEnd as ScreenEnd
    from whiteout.events.screen_engagement import ScrollChanged as ScrollChanged
    from whiteout.events.self_describing import SelfDescribing as SelfDescribing
    from whiteout.events.structured import Structured as Structured
    from whiteout.events.timing import Timing as Timing
    from whiteout.events.web_view import WebViewEvent as WebViewEvent
    from whiteout.protocol.self_describing import SelfDescribingJson as SelfDescribingJson
    from whiteout.strict.profile import PrivacyProfile as PrivacyProfile
    from whiteout.strict.profile import SafeProperties as SafeProperties
    from whiteout.tracker.consent_record import ConsentState as ConsentState
    from whiteout.tracker.counters import DropReason as DropReason
    from whiteout.tracker.focal_meter import FocalMeterConfiguration as FocalMeterConfiguration
    from whiteout.tracker.global_contexts import ContextGenerator as ContextGenerator
    from whiteout.tracker.global_contexts import GlobalContext as GlobalContext
    from whiteout.tracker.global_contexts import (
        GlobalContextsConfiguration as GlobalContextsConfiguration,
    )
    from whiteout.tracker.inspectable import InspectableEvent as InspectableEvent
    from whiteout.tracker.link_decoration import (
        CrossDeviceParameterConfiguration as CrossDeviceParameterConfiguration,
    )
    from whiteout.tracker.network import Answer as Answer
    from whiteout.tracker.network import NetworkConnection as NetworkConnection
    from whiteout.tracker.network import OutgoingRequest as OutgoingRequest
    from whiteout.tracker.platform import PlatformContextRetriever as PlatformContextRetriever
    from whiteout.tracker.platform import PlatformProperty as PlatformProperty
    from whiteout.tracker.plugins import PluginConfiguration as PluginConfiguration
    from whiteout.tracker.remote.bundle import ConfigurationBundle as ConfigurationBundle
    from whiteout.tracker.remote.settings import ConfigurationState as ConfigurationState
    from whiteout.tracker.remote.settings import RemoteConfiguration as RemoteConfiguration
    from whiteout.tracker.remote.setup import RemoteSetup as RemoteSetup
    from whiteout.tracker.schema_rules import SchemaRuleset as SchemaRuleset
    from whiteout.tracker.session import SessionState as SessionState
    from whiteout.tracker.tracker import Tracker as Tracker
    from whiteout.tracker.web_view import WebViewBridge as WebViewBridge

_LOADED_LATER = {
    "DeepLinkReceived": "whiteout.events.deep_link",
    "Event": "whiteout.events.event",
    "Background": "whiteout.events.lifecycle",
    "Foreground": "whiteout.events.lifecycle",
    "PageView": "whiteout.events.page",
    "ScreenView": "whiteout.events.screen",
    "ListItemView": "whiteout.events.screen_engagement",
    "ScreenEnd": "whiteout.events.screen_engagement",
    "ScrollChanged": "whiteout.events.screen_engagement",
    "SelfDescribing": "whiteout.events.self_describing",
    "Structured": "whiteout.events.structured",
    "Timing": "whiteout.events.timing",
    "SelfDescribingJson": "whiteout.protocol.self_describing",
    "RemoteSetup": "whiteout.tracker.remote.setup",
    "RemoteConfiguration": "whiteout.tracker.remote.settings",
    "ConfigurationState": "whiteout.tracker.remote.settings",
    "ConfigurationBundle": "whiteout.tracker.remote.bundle",
    "Answer": "whiteout.tracker.network",
    "BasisForProcessing": "whiteout.events.gdpr",
    "ConsentDocument": "whiteout.events.consent",
    "ConsentGranted": "whiteout.events.consent",
    "ConsentState": "whiteout.tracker.consent_record",
    "ConsentWithdrawn": "whiteout.events.consent",
    "ApplicationError": "whiteout.events.error",
    "DropReason": "whiteout.tracker.counters",
    "GdprConfiguration": "whiteout.events.gdpr",
    "Geolocation": "whiteout.events.geolocation",
    "Install": "whiteout.events.install",
    "InstallReferrer": "whiteout.events.install",
    "ContextGenerator": "whiteout.tracker.global_contexts",
    "CrossDeviceParameterConfiguration": "whiteout.tracker.link_decoration",
    "FocalMeterConfiguration": "whiteout.tracker.focal_meter",
    "GlobalContext": "whiteout.tracker.global_contexts",
    "GlobalContextsConfiguration": "whiteout.tracker.global_contexts",
    "InspectableEvent": "whiteout.tracker.inspectable",
    "MessageNotification": "whiteout.events.notification",
    "MessageNotificationAttachment": "whiteout.events.notification",
    "MessageNotificationTrigger": "whiteout.events.notification",
    "NotificationContent": "whiteout.events.push_notification",
    "PushNotification": "whiteout.events.push_notification",
    "PushNotificationAttachment": "whiteout.events.push_notification",
    "PushNotificationTrigger": "whiteout.events.push_notification",
    "NetworkConnection": "whiteout.tracker.network",
    "OutgoingRequest": "whiteout.tracker.network",
    "PlatformContextRetriever": "whiteout.tracker.platform_properties",
    "PlatformProperty": "whiteout.tracker.platform_properties",
    "PluginConfiguration": "whiteout.tracker.plugins",
    "PrivacyProfile": "whiteout.strict.profile",
    "SafeProperties": "whiteout.strict.profile",
    "SchemaRuleset": "whiteout.tracker.schema_rules",
    "SessionState": "whiteout.tracker.session",
    "Tracker": "whiteout.tracker.tracker",
    "TrackerError": "whiteout.events.error",
    "WebViewBridge": "whiteout.tracker.web_view",
    "WebViewEvent": "whiteout.events.web_view",
}


if not TYPE_CHECKING:  # a type checker would take any name for one that exists
    # What `from whiteout import *` brings: what is loaded only when it is named, too.
    __all__ = [
        name
        for name, value in {**globals(), **_LOADED_LATER}.items()
        if name in _LOADED_LATER or getattr(value, "__module__", "").startswith("whiteout.")
    ]

    def __getattr__(name: str) -> object:
        module = _LOADED_LATER.get(name)
        if module is None:
            raise AttributeError(f"module 'whiteout' has no attribute {name!r}")
        value: object = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LOADED_LATER})
