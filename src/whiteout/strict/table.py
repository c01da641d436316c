"""The table of the strict profile: what passes of an anonymous event, how, and why.

One row a rule. What has no row does not pass: a parameter, a property, a whole schema, be it the
app's own, an official one or one that comes later. Rows that drop are decisions put on record.

It adds to the table of identifiers (`whiteout.identifiers`), whose masks come first: a user id in
the session entity is the null UUID already when it comes here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whiteout.identifiers import Entity, EntityProperty, Parameter
from whiteout.strict.coarsening import (
    CODE_NAME,
    DROP,
    HUNDREDS,
    KEEP,
    LANGUAGE,
    MAJOR_VERSION,
    NO_CONTENT,
    NO_ID,
    NO_TEXT,
    OS_FAMILY,
    SIZE_CLASS,
    TENS,
    TIME_TO_MINUTE,
    TO_MINUTE,
    TWO_DIGITS,
    VERSION,
    VOCABULARY,
    constant,
)
from whiteout.strict.urls import URL

if TYPE_CHECKING:
    from whiteout.strict.coarsening import Treatment


@dataclass(frozen=True, slots=True)
class Row:
    """One rule.

    Attributes:
        location: where: a parameter, a property of a schema, or a schema as a whole.
        treatment: what is done with the value.
        why: the reason, in a few words.
    """

    location: Parameter | EntityProperty | Entity
    treatment: Treatment
    why: str

    @property
    def where(self) -> str:
        """The location in words."""
        match self.location:
            case Parameter(name):
                return f"parameter `{name}`"
            case EntityProperty(_, name, path):
                return f"`{name}`: `{'.'.join(path)}`"
            case Entity(_, name):
                return f"`{name}`"


_Rule = tuple["Treatment", str, str]


def _parameters(treatment: Treatment, names: str, why: str) -> tuple[Row, ...]:
    return tuple(Row(Parameter(name), treatment, why) for name in names.split())


def _schema(vendor: str, name: str, *rules: _Rule) -> tuple[Row, ...]:
    """Rows for the properties of one schema; each rule names several, with blanks between."""
    return tuple(
        Row(EntityProperty(vendor, name, (path,)), treatment, why)
        for treatment, paths, why in rules
        for path in paths.split()
    )


def _whole(treatment: Treatment, vendor: str, names: str, why: str) -> tuple[Row, ...]:
    return tuple(Row(Entity(vendor, name), treatment, why) for name in names.split())


_SNOWPLOW = "com.snowplowanalytics.snowplow"
_MOBILE = "com.snowplowanalytics.mobile"

_WORDS = "the app's own words"
_FREE = "free text: may tell anything"
_DEVICE = "one of many facts that single out a device (L17)"
_EXACT = "exact numbers join what should stay apart"
_ON_SCREEN = "as wide as the device's screen (L17)"
_JOINS = "joins one event to another; `eventIndex` keeps the order"

_PARAMETERS: tuple[Row, ...] = (
    *_parameters(KEEP, "e eid", "what is needed to send the event; the id is random"),
    *_parameters(VERSION, "tv", "the same for all users; that of a page is the page's word"),
    *_parameters(KEEP, "aid p", "the same for all users of an app"),
    *_parameters(VOCABULARY, "tna", "an app may have a tracker for each account"),
    *_parameters(TO_MINUTE, "dtm stm ttm", "exact times are a fingerprint (L38)"),
    *_parameters(KEEP, "ue_pr ue_px co cx", "what is inside has rows of its own"),
    *_parameters(DROP, "uid duid nuid tnuid ip fp mac ad_uid", "identifiers"),
    *_parameters(DROP, "sid vid tid", "ids of another tracker's session and transaction"),
    *_parameters(LANGUAGE, "lang", "a region makes a language rare (L17)"),
    *_parameters(SIZE_CLASS, "res vp", "a window's exact size is rare (L17)"),
    *_parameters(DROP, "ua tz cd cs ds cookie ctype", _DEVICE),
    *_parameters(DROP, "f_pdf f_qt f_realp f_wma f_dir f_fla f_java f_gears f_ag", _DEVICE),
    *_parameters(URL, "url refr", "queries and fragments carry ids (L19)"),
    *_parameters(DROP, "page", f"a title is {_FREE}"),
    *_parameters(DROP, "pp_mix pp_max pp_miy pp_may", _EXACT),
    *_parameters(VOCABULARY, "se_ca se_ac", _WORDS),
    *_parameters(DROP, "se_la se_pr se_va ue_na", _FREE),
    *_parameters(DROP, "tr_id tr_af tr_tt tr_tx tr_sh tr_ci tr_st tr_co tr_cu", "names an order"),
    *_parameters(DROP, "ti_id ti_sk ti_nm ti_na ti_ca ti_pr ti_qu ti_cu", "belongs to an order"),
    *_parameters(DROP, "ad_ba ad_ca ad_ad sa sn st sp", _FREE),
)

_CONTEXT: tuple[Row, ...] = (
    *_schema(
        _SNOWPLOW,
        "client_session",
        (NO_ID, "userId", "the schema insists on it"),
        (KEEP, "sessionId", "what a session is; the level may hide it"),
        (KEEP, "sessionIndex eventIndex", "the order, since times are cut; from 1 on each line"),
        (KEEP, "previousSessionId", "null already, which one version of the schema insists on"),
        (KEEP, "storageMechanism", "a constant"),
        (DROP, "firstEventId", "repeats on each event what `sessionId` says (L37)"),
        (TIME_TO_MINUTE, "firstEventTimestamp", "an exact time names the session again (L38)"),
    ),
    *_schema(
        _SNOWPLOW,
        "mobile_context",
        (OS_FAMILY, "osType", "coarse"),
        (MAJOR_VERSION, "osVersion", "patch levels are rare (L17)"),
        (NO_TEXT, "deviceManufacturer", "the schema insists on it"),
        (constant("mobile"), "deviceModel", "the class of the device; the schema insists on it"),
        (LANGUAGE, "language", "a region makes a language rare (L17)"),
        (DROP, "carrier networkType networkTechnology", _DEVICE),
        (DROP, "physicalMemory systemAvailableMemory appAvailableMemory", _DEVICE),
        (DROP, "batteryLevel batteryState lowPowerMode", _DEVICE),
        (DROP, "availableStorage totalStorage isPortrait resolution scale", _DEVICE),
        (DROP, "openIdfa appleIdfa appleIdfv androidIdfa appSetId appSetIdScope", "identifiers"),
    ),
    *_schema(
        _SNOWPLOW,
        "desktop_context",
        (OS_FAMILY, "osType", "coarse"),
        (MAJOR_VERSION, "osVersion", "patch levels and distributions are rare (L17)"),
        (constant("desktop"), "deviceModel", "the class of the device"),
        (DROP, "osServicePack osIs64Bit deviceManufacturer deviceProcessorCount", _DEVICE),
    ),
    *_schema(_MOBILE, "application", (KEEP, "version build", "the same for many users")),
    *_schema(
        _MOBILE,
        "application_lifecycle",
        (KEEP, "isVisible", "one of two"),
        (DROP, "index", _JOINS),
    ),
    *_schema(
        _MOBILE,
        "screen",
        (VOCABULARY, "name type", _WORDS),
        (NO_ID, "id", f"the schema insists on it; {_JOINS}"),
        (DROP, "viewController topViewController activity fragment", "told by the name"),
    ),
    *_schema(
        _SNOWPLOW,
        "gdpr",
        (KEEP, "basisForProcessing", "one of six"),
        (VOCABULARY, "documentId documentVersion", "the document is the app's, not the user's"),
        (DROP, "documentDescription", _FREE),
    ),
    *_whole(DROP, _SNOWPLOW, "geolocation_context", "where somebody is says who (L18)"),
)

_SCREENS: tuple[Row, ...] = (
    *_schema(
        _MOBILE,
        "screen_view",
        (VOCABULARY, "name type transitionType", _WORDS),
        (NO_ID, "id", f"the schema insists on it; {_JOINS}"),
        (DROP, "previousName previousId previousType", _JOINS),
    ),
    *_whole(KEEP, _MOBILE, "screen_end application_install", "has no properties"),
    *_schema(
        _MOBILE,
        "screen_summary",
        (TENS, "foreground_sec background_sec last_item_index items_count", _EXACT),
        (HUNDREDS, "min_y_offset max_y_offset content_height", _EXACT),
        (DROP, "min_x_offset max_x_offset content_width", _ON_SCREEN),
    ),
    *_schema(_MOBILE, "list_item_view", (TENS, "index items_count", _EXACT)),
    *_schema(
        _MOBILE,
        "scroll_changed",
        (HUNDREDS, "y_offset content_height", _EXACT),
        (DROP, "x_offset content_width view_width view_height", _ON_SCREEN),
    ),
    *_schema(_SNOWPLOW, "application_foreground", (DROP, "foregroundIndex", _JOINS)),
    *_schema(_SNOWPLOW, "application_background", (DROP, "backgroundIndex", _JOINS)),
)

_EVENTS: tuple[Row, ...] = (
    *_schema(_MOBILE, "deep_link_received", (URL, "url referrer", "links carry ids (L19)")),
    *_schema(_MOBILE, "deep_link", (URL, "url referrer", "links carry ids (L19)")),
    *_schema(
        "com.android.installreferrer.api",
        "referrer_details",
        (KEEP, "googlePlayInstantParam", "one of two"),
        (DROP, "installReferrer", "carries the id of a click (L19)"),
        (DROP, "referrerClickTimestamp installBeginTimestamp", "the moment of one click"),
    ),
    *_schema(
        _MOBILE,
        "message_notification",
        (NO_TEXT, "title body", "written to one person (L19); the schema insists on them"),
        (KEEP, "trigger", "one of five"),
        (TIME_TO_MINUTE, "notificationTimestamp", "exact times are a fingerprint (L38)"),
        (DROP, "subtitle bodyLocArgs titleLocArgs attachments", "written to one person (L19)"),
        (DROP, "tag group threadIdentifier category action notificationCount", _JOINS),
        (DROP, "sound bodyLocKey titleLocKey contentAvailable icon", "not needed"),
    ),
    *_schema(
        "com.apple",
        "notification_event",
        (NO_CONTENT, "notification", "written to one person (L19); the schema insists on it"),
        (KEEP, "trigger", "one of four"),
        (NO_TEXT, "deliveryDate", "exact times are a fingerprint (L38)"),
        (NO_TEXT, "threadIdentifier categoryIdentifier action", _JOINS),
    ),
    *_schema(
        _SNOWPLOW,
        "timing",
        (VOCABULARY, "category variable", _WORDS),
        (TWO_DIGITS, "timing", _EXACT),
        (DROP, "label", _FREE),
    ),
    *_schema(_SNOWPLOW, "consent_granted", (TIME_TO_MINUTE, "expiry", "tells when to the second")),
    *_schema(_SNOWPLOW, "consent_withdrawn", (KEEP, "all", "one of two")),
    *_schema(
        _SNOWPLOW,
        "consent_document",
        (VOCABULARY, "id version", "the document is the app's, not the user's"),
        (DROP, "name description", _FREE),
    ),
    *_schema(
        _SNOWPLOW,
        "application_error",
        (KEEP, "programmingLanguage isFatal", "the same for all users"),
        (KEEP, "lineNumber lineColumn", "a place in the app's code"),
        (CODE_NAME, "className exceptionName", "names in the app's code"),
        (NO_TEXT, "message", "messages quote what the user did (L28)"),
        (DROP, "stackTrace causeStackTrace fileName", "paths name the user (L28)"),
        (DROP, "threadName threadId", "not needed"),
    ),
    *_schema(
        _SNOWPLOW,
        "diagnostic_error",
        (CODE_NAME, "className exceptionName", "names in code"),
        (NO_TEXT, "message", "messages quote what the user did (L28)"),
        (DROP, "stackTrace", "paths name the user (L28)"),
    ),
)

STRICT_TABLE: Final[tuple[Row, ...]] = (*_PARAMETERS, *_CONTEXT, *_SCREENS, *_EVENTS)
"""The table. Order is the order of the documentation, and of properties on the wire."""
