"""The one table of identifiers: what each is, where it travels, where it lands, how it is masked.

Everything that hides or looks for an identifier reads this table: the tracker's gate
(`whiteout.anonymisation`), the collector's door, enrich, `whiteout demo` and the audit.

Sources: reference sections 3.1 and 3.2 (the three switches, field by field), 3.5 (leaks) and the
pipeline's 1.7 and 6 (what `SP-Anonymous` must do).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

NULL_UUID = "00000000-0000-0000-0000-000000000000"

CLIENT_SESSION = "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2"
MOBILE_CONTEXT = "iglu:com.snowplowanalytics.snowplow/mobile_context/jsonschema/1-0-3"


class Anonymisation(enum.Flag):
    """What is hidden: three groups of identifiers, switched separately.

    `CLIENT` and `FULL` name two of the four documented levels; `USER` alone is client-side
    anonymisation with session tracking, `SERVER` alone is server-side anonymisation.
    """

    NONE = 0
    USER = 1
    SESSION = 2
    SERVER = 4
    CLIENT = USER | SESSION
    FULL = USER | SESSION | SERVER


class Masked(enum.Enum):
    """What stands where an identifier was."""

    NULL_UUID = "null UUID"
    NULL = "null"
    ABSENT = "absent"

    @property
    def strength(self) -> int:
        """The more it hides, the larger; the strongest of several masks wins."""
        return (Masked.NULL_UUID, Masked.NULL, Masked.ABSENT).index(self)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the tracker protocol, such as `uid`."""

    name: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A whole entity, in all versions of its schema."""

    vendor: str
    schema_name: str


@dataclass(frozen=True, slots=True)
class EntityProperty:
    """A property of an entity or of a self-describing event's data.

    `vendor` and `schema_name` name the schema in all its versions; `path` leads to the property,
    one key a step, through lists too.
    """

    vendor: str
    schema_name: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UrlQuery:
    """Keys in the query string of the URLs that the given parameters and properties hold."""

    parameters: tuple[str, ...]
    keys: tuple[str, ...]
    properties: tuple[EntityProperty, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What the collector learns from the HTTP request itself: the address, the cookie."""

    what: str


Location = Parameter | UrlQuery | Entity | EntityProperty | Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One row of the table.

    Attributes:
        name: what it is called in the SDK's interface, reports and tests.
        location: where it is on the wire.
        masks: for each flag that hides it, what then stands in its place.
        column: where it lands in the lake: an atomic column, or `column.field` for an entity;
            empty where enrich has no place for it.
        sent_by_sdk: False for what other trackers send and this SDK never does.
    """

    name: str
    location: Location
    masks: Mapping[Anonymisation, Masked]
    column: str
    sent_by_sdk: bool = True

    def masked_at(self, level: Anonymisation) -> Masked | None:
        """The mask that `level` asks for; None where the value passes."""
        masks = [mask for flag, mask in self.masks.items() if flag & level]
        return max(masks, key=lambda mask: mask.strength, default=None)


_VENDOR = "com.snowplowanalytics.snowplow"
_MOBILE = "com.snowplowanalytics.mobile"
_ECOMMERCE = "com.snowplowanalytics.snowplow.ecommerce"
_SESSION_COLUMN = "contexts_com_snowplowanalytics_snowplow_client_session_1"
_MOBILE_COLUMN = "contexts_com_snowplowanalytics_snowplow_mobile_context_1"
_USER, _SESSION, _SERVER = Anonymisation.USER, Anonymisation.SESSION, Anonymisation.SERVER
_ABSENT = Masked.ABSENT

CLICK_IDS = (
    "gclid dclid gbraid wbraid gclsrc fbclid msclkid ttclid twclid li_fat_id igshid yclid "
    "_openstat epik rdt_cid ScCid irclickid srsltid ef_id cjevent tblci dicbo vmcid "
    # Who got the mail that the link stood in, or who came from the site before.
    "mc_eid _hsenc _hsmi __hstc __hssc __hsfp mkt_tok _kx vero_id oly_enc_id oly_anon_id "
    "ml_subscriber ml_subscriber_hash bsft_uid ss_email_id elqTrackId trk_contact __s "
    "_ga _gl pk_vid _branch_match_id".split()
)
"""Query keys on links that name one click of one person, or the person (leak L19)."""

LINKS = (
    EntityProperty(_MOBILE, "deep_link_received", ("url",)),
    EntityProperty(_MOBILE, "deep_link_received", ("referrer",)),
    EntityProperty(_MOBILE, "deep_link", ("url",)),
    EntityProperty(_MOBILE, "deep_link", ("referrer",)),
    EntityProperty(_MOBILE, "message_notification", ("attachments", "url")),
    EntityProperty("com.apple", "notification_event", ("notification", "attachments", "url")),
    EntityProperty("com.android.installreferrer.api", "referrer_details", ("installReferrer",)),
    EntityProperty(_VENDOR, "link_click", ("targetUrl",)),
    EntityProperty(_VENDOR, "ad_click", ("targetUrl",)),
    EntityProperty(_VENDOR, "ad_impression", ("targetUrl",)),
    EntityProperty(_VENDOR, "uri_redirect", ("uri",)),
)
"""Properties of official schemas that hold a link, or the query of one (leak L19)."""


def _session(name: str, field: str, user: Masked | None = None) -> Identifier:
    masks = {_SESSION: _ABSENT}
    if user is not None:
        masks[_USER] = user
    return Identifier(
        name=f"session.{field}",
        location=EntityProperty(_VENDOR, "client_session", (name,)),
        masks=masks,
        column=f"{_SESSION_COLUMN}.{field}",
    )


def _platform(name: str, field: str) -> Identifier:
    return Identifier(
        name=f"platform.{field}",
        location=EntityProperty(_VENDOR, "mobile_context", (name,)),
        masks={_USER: _ABSENT},
        column=f"{_MOBILE_COLUMN}.{field}",
    )


def _of_app(
    vendor: str, schema: str, path: str | None = None, mask: Masked = _ABSENT
) -> Identifier:
    """What an app may send in an official schema, and this SDK never does by itself (leak L19)."""
    steps = tuple(path.split(".")) if path is not None else ()
    return Identifier(
        name=".".join(("app", schema, *steps)),
        location=EntityProperty(vendor, schema, steps) if steps else Entity(vendor, schema),
        masks={_USER: mask},
        column="",
        sent_by_sdk=False,
    )


IDENTIFIERS: tuple[Identifier, ...] = (
    # What the app says of its user (the subject).
    Identifier(
        name="subject.user_id",
        location=Parameter("uid"),
        masks={_USER: _ABSENT},
        column="user_id",
    ),
    Identifier(
        name="subject.domain_user_id",
        location=Parameter("duid"),
        masks={_USER: _ABSENT},
        column="domain_userid",
    ),
    Identifier(
        name="subject.network_user_id",
        location=Parameter("tnuid"),
        # SERVER too: in the body it would override the collector's null UUID (leak L15).
        masks={_USER: _ABSENT, _SERVER: _ABSENT},
        column="network_userid",
    ),
    Identifier(
        name="subject.ip_address",
        location=Parameter("ip"),
        masks={_USER: _ABSENT, _SERVER: _ABSENT},
        column="user_ipaddress",
    ),
    # The session entity: gone as a whole under SESSION.
    Identifier(
        name="session",
        location=Entity(_VENDOR, "client_session"),
        masks={_SESSION: _ABSENT},
        column=_SESSION_COLUMN,
    ),
    _session("userId", "user_id", Masked.NULL_UUID),
    _session("previousSessionId", "previous_session_id", Masked.NULL),
    _session("sessionId", "session_id"),
    _session("sessionIndex", "session_index"),
    _session("eventIndex", "event_index"),
    _session("firstEventId", "first_event_id"),
    _session("firstEventTimestamp", "first_event_timestamp"),
    # The platform entity. The native trackers leave appSetId in (leak L16).
    _platform("appleIdfa", "apple_idfa"),
    _platform("appleIdfv", "apple_idfv"),
    _platform("androidIdfa", "android_idfa"),
    _platform("openIdfa", "open_idfa"),
    _platform("appSetId", "app_set_id"),
    _platform("appSetIdScope", "app_set_id_scope"),
    # What a link carries of somebody (leak L19, weakness W14).
    Identifier(
        name="url.cross_navigation",
        location=UrlQuery(("url", "refr"), ("_sp",), LINKS),
        # SERVER too: it is another site's network of ids, which the collector must not learn (W14).
        masks={_USER: _ABSENT, _SERVER: _ABSENT},
        column="refr_domain_userid",
    ),
    Identifier(
        name="url.click_id",
        location=UrlQuery(("url", "refr"), tuple(CLICK_IDS), LINKS),
        masks={_USER: _ABSENT},
        column="page_urlquery",
    ),
    # Where somebody is (leak L18).
    Identifier(
        name="geolocation",
        location=Entity(_VENDOR, "geolocation_context"),
        masks={_USER: _ABSENT},
        column="contexts_com_snowplowanalytics_snowplow_geolocation_context_1",
    ),
    # What official schemas have room for, and an app may fill. Where a schema insists on the
    # identifier the entity goes as a whole, or the value is null: the event must stay valid.
    _of_app(_ECOMMERCE, "user"),
    _of_app(_ECOMMERCE, "checkout_step", "shipping_postcode"),
    _of_app(_ECOMMERCE, "checkout_step", "billing_postcode"),
    _of_app(_ECOMMERCE, "checkout_step", "shipping_full_address"),
    _of_app(_ECOMMERCE, "checkout_step", "billing_full_address"),
    _of_app(_VENDOR, "identify", "id"),
    _of_app(_VENDOR, "identify", "email"),
    _of_app(_VENDOR, "change_form", "value", Masked.NULL),
    _of_app(_VENDOR, "focus_form", "value", Masked.NULL),
    _of_app(_VENDOR, "submit_form", "elements.value", Masked.NULL),
    _of_app(_VENDOR, "identity"),
    _of_app(_VENDOR, "cross_navigation"),
    _of_app(_VENDOR, "ad_click", "clickId"),
    # What the tracker of a web page makes by itself: a page view, and a tab of a browser, are the
    # same before and after a change of the level (leak L22).
    _of_app(_VENDOR, "web_page"),
    _of_app(_VENDOR, "browser_context", "tabId"),
    _of_app(_VENDOR, "flash_context", "domainUserId"),
    _of_app(_VENDOR, "flash_context", "userFingerprint"),
    # One click of one person, on the way to installing the app (leak L19).
    _of_app("com.android.installreferrer.api", "referrer_details", "installReferrer"),
    _of_app("com.android.installreferrer.api", "referrer_details", "referrerClickTimestamp"),
    _of_app("com.android.installreferrer.api", "referrer_details", "installBeginTimestamp"),
    _of_app("org.ietf", "http_cookie"),
    _of_app("org.ietf", "http_header"),
    # What the collector would add by itself.
    Identifier(
        name="collector.network_user_id",
        location=Request("cookie"),
        masks={_SERVER: Masked.NULL_UUID},
        column="network_userid",
    ),
    Identifier(
        name="collector.ip_address",
        location=Request("address"),
        masks={_SERVER: _ABSENT},
        column="user_ipaddress",
    ),
    # What other trackers send in the same protocol.
    Identifier(
        name="protocol.nuid",
        location=Parameter("nuid"),
        masks={_USER: _ABSENT, _SERVER: _ABSENT},
        column="network_userid",
        sent_by_sdk=False,
    ),
    Identifier(
        name="protocol.domain_session_id",
        location=Parameter("sid"),
        masks={_SESSION: _ABSENT},
        column="domain_sessionid",
        sent_by_sdk=False,
    ),
    Identifier(
        name="protocol.domain_session_index",
        location=Parameter("vid"),
        masks={_SESSION: _ABSENT},
        column="domain_sessionidx",
        sent_by_sdk=False,
    ),
    Identifier(
        name="protocol.user_fingerprint",
        location=Parameter("fp"),
        masks={_USER: _ABSENT},
        column="user_fingerprint",
        sent_by_sdk=False,
    ),
    Identifier(
        name="protocol.mac_address",
        location=Parameter("mac"),
        masks={_USER: _ABSENT},
        column="",
        sent_by_sdk=False,
    ),
    Identifier(
        name="protocol.advertisement_user_id",
        location=Parameter("ad_uid"),
        masks={_USER: _ABSENT},
        column="",
        sent_by_sdk=False,
    ),
)
"""The table. Order is the order of reports."""

SERVER_PARAMETERS: frozenset[str] = frozenset(
    row.location.name
    for row in IDENTIFIERS
    if isinstance(row.location, Parameter) and _SERVER in row.masks
)
"""Parameters that collector and enrich drop from a request marked `SP-Anonymous` (W3)."""

NOT_IDENTIFYING: frozenset[str] = frozenset(
    "e eid dtm stm ttm tv tna aid p tid ue_pr ue_px co cx ue_na ua lang tz res vp cd cs ds "
    "cookie ctype url page refr pp_mix pp_max pp_miy pp_may se_ca se_ac se_la se_pr se_va "
    "tr_id tr_af tr_tt tr_tx tr_sh tr_ci tr_st tr_co tr_cu ti_id ti_sk ti_nm ti_na ti_ca "
    "ti_pr ti_qu ti_cu ad_ba ad_ca ad_ad sa sn st sp f_pdf f_qt f_realp f_wma f_dir f_fla "
    "f_java f_gears f_ag".split()
)
"""Parameters that no flag removes: the event's own content, and coarse facts of the device."""


def identifying_property(
    criterion: str, path: str, *, group: Anonymisation = Anonymisation.USER
) -> Identifier:
    """Mark a property of a schema of the app's own as identifying.

    Args:
        criterion: `iglu:com.acme/customer`, the schema in all its versions.
        path: the property; nested ones with dots, `address.street`.
        group: the flag under which the gate removes it; several: under any of them.

    Raises:
        ConfigurationError: `criterion` or `path` has another shape, or `group` has no flag.
    """
    if not isinstance(group, Anonymisation) or not group:
        raise ConfigurationError(
            f"group must be an Anonymisation such as Anonymisation.USER, got {group!r}"
        )
    vendor, name, steps = parse_mark(criterion, path)
    return Identifier(
        name=f"{vendor}/{name}.{path}",
        location=EntityProperty(vendor, name, steps),
        masks={group: Masked.ABSENT},
        column="",
    )


def parse_mark(criterion: str, path: str) -> tuple[str, str, tuple[str, ...]]:
    """Vendor and name of a schema, and the steps of a path; see `identifying_property`.

    Raises:
        ConfigurationError: one of the two has another shape.
    """
    if not isinstance(criterion, str) or not isinstance(path, str):
        raise ConfigurationError("a mark is the text of a schema and the text of a property")
    vendor, _, name = criterion.removeprefix("iglu:").partition("/")
    steps = tuple(path.split("."))
    if not criterion.startswith("iglu:") or not _is_word(vendor) or not _is_word(name):
        raise ConfigurationError(
            f"criterion must look like iglu:com.acme/customer, got {criterion!r}"
        )
    if not all(steps):
        raise ConfigurationError(f"path must look like email or address.street, got {path!r}")
    return vendor, name, steps


def _is_word(text: str) -> bool:
    """Whether a schema can have this vendor or name: one with a `*`, say, would match nothing."""
    return text.replace("-", "a").replace("_", "a").replace(".", "a").isalnum() and text.isascii()
