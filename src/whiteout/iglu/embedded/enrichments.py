"""What enrichments add to an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.iglu.embedded.definition import STRING, by_uri, closed_object, uri_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT_OR_NULL = {"type": ["string", "null"]}

UA_PARSER_CONTEXT = uri_of("ua_parser_context", "1-0-0")
ASN = uri_of("asn", "1-0-1")
BOT_DETECTION = uri_of("bot_detection", "1-0-1")
CLIENT_SIDE_BOT_DETECTION = uri_of("client_side_bot_detection", "1-0-0")
CROSS_NAVIGATION = uri_of("cross_navigation", "1-0-0")
FAILURE = uri_of("failure", "1-0-0")
PARENT_EVENT = uri_of("parent_event", "1-0-0")
PII_TRANSFORMATION = uri_of("pii_transformation", "1-0-0")
VALIDATION_INFO = "iglu:com.snowplowanalytics.iglu/validation_info/jsonschema/1-0-0"
URI_REDIRECT = uri_of("uri_redirect", "1-0-0")
HTTP_COOKIE = "iglu:org.ietf/http_cookie/jsonschema/1-0-0"
HTTP_HEADER = "iglu:org.ietf/http_header/jsonschema/1-0-0"
SPIDERS_AND_ROBOTS = "iglu:com.iab.snowplow/spiders_and_robots/jsonschema/1-0-0"

_BOOLEAN = {"type": "boolean"}
_UUID = {"type": "string", "format": "uuid"}
_DATE_TIME = {"type": "string", "format": "date-time"}


def _words(text: str) -> dict[str, Any]:
    return {"enum": text.split()}


def _short(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}


def _short_or_null(longest: int) -> dict[str, Any]:
    return {"type": ["string", "null"], "maxLength": longest}


_REPLACED = {"originalValue": STRING, "modifiedValue": _short(128)}
_PSEUDONYMISED_COLUMNS = _words(
    "user_id user_ipaddress user_fingerprint domain_userid network_userid ip_organization ip_domain"
    " tr_orderid ti_orderid mkt_term mkt_content se_category se_action se_label se_property"
    " mkt_clickid refr_domain_userid domain_sessionid"
)
_CRITERION = (
    "^iglu:([a-zA-Z0-9-_.]+)/([a-zA-Z0-9-_]+)/([a-zA-Z0-9-_]+)/"
    r"([1-9][0-9]*|\*)-((?:0|[1-9][0-9]*)|\*)-((?:0|[1-9][0-9]*)|\*)$"
)
_REPLACED_COLUMN = {"fieldName": _PSEUDONYMISED_COLUMNS, **_REPLACED}
_REPLACED_JSON = {
    "fieldName": _words("contexts derived_contexts unstruct_event"),
    "jsonPath": STRING,
    "schema": {"type": "string", "pattern": _CRITERION},
    **_REPLACED,
}
_PII: dict[str, Any] = {
    "type": "object",
    "properties": {
        "pojo": {
            "type": "array",
            "items": closed_object(_REPLACED_COLUMN, required=list(_REPLACED_COLUMN)),
        },
        "json": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "fieldMapping": closed_object(_REPLACED_JSON, required=list(_REPLACED_JSON))
                },
            },
        },
    },
    "anyOf": [{"required": ["pojo"]}, {"required": ["json"]}],
    "additionalProperties": False,
}
_CLIENT_SIDE_BOTS = (
    "awesomium cef cefsharp coachjs electron fminer geb nightmarejs phantomas phantomjs rhino"
    " selenium sequentum slimerjs webdriverio webdriver headless_chrome unknown"
)

ENRICHMENT_SCHEMAS: Mapping[str, dict[str, Any]] = by_uri(
    {
        UA_PARSER_CONTEXT: closed_object(
            {
                "useragentFamily": STRING,
                "useragentMajor": _TEXT_OR_NULL,
                "useragentMinor": _TEXT_OR_NULL,
                "useragentPatch": _TEXT_OR_NULL,
                "useragentVersion": STRING,
                "osFamily": STRING,
                "osMajor": _TEXT_OR_NULL,
                "osMinor": _TEXT_OR_NULL,
                "osPatch": _TEXT_OR_NULL,
                "osPatchMinor": _TEXT_OR_NULL,
                "osVersion": STRING,
                "deviceFamily": STRING,
            },
            required=[
                "useragentFamily",
                "useragentMajor",
                "useragentMinor",
                "osFamily",
                "deviceFamily",
            ],
        ),
        ASN: closed_object(
            {
                "number": {"type": "integer", "minimum": 0, "maximum": 2_147_483_647},
                "organization": _TEXT_OR_NULL,
                "likelyBot": _BOOLEAN,
            },
            required=["number"],
        ),
        BOT_DETECTION: closed_object(
            {
                "bot": _BOOLEAN,
                "indicators": {
                    "type": "array",
                    "items": {
                        "type": "string",
                        **_words("yauaa iab asnLookups clientSideDetection"),
                    },
                },
            },
            required=["bot", "indicators"],
        ),
        CLIENT_SIDE_BOT_DETECTION: closed_object(
            {
                "bot": _BOOLEAN,
                "kind": {"type": ["string", "null"], "enum": [*_CLIENT_SIDE_BOTS.split(), None]},
            },
            required=["bot"],
        ),
        CROSS_NAVIGATION: closed_object(
            {
                "user_id": _short_or_null(4096),
                "domain_user_id": _short(128),
                "session_id": {"type": ["string", "null"], "format": "uuid"},
                "timestamp": _DATE_TIME,
                "source_id": _short_or_null(4096),
                "source_platform": {
                    "type": ["string", "null"],
                    "enum": [*"web mob pc srv app tv cnsl iot headset".split(), None],
                },
                "reason": _short_or_null(4096),
            },
            required=["domain_user_id", "timestamp"],
        ),
        HTTP_COOKIE: closed_object(
            {"name": _short(4096), "value": _short_or_null(4096)}, required=["name", "value"]
        ),
        HTTP_HEADER: closed_object(
            {"name": _short(4096), "value": _short(4096)}, required=["name", "value"]
        ),
        SPIDERS_AND_ROBOTS: closed_object(
            {
                "spiderOrRobot": _BOOLEAN,
                "category": _words(
                    "SPIDER_OR_ROBOT ACTIVE_SPIDER_OR_ROBOT INACTIVE_SPIDER_OR_ROBOT BROWSER"
                ),
                "reason": _words(
                    "FAILED_IP_EXCLUDE FAILED_UA_INCLUDE FAILED_UA_EXCLUDE PASSED_ALL"
                ),
                "primaryImpact": _words(
                    "PAGE_IMPRESSIONS AD_IMPRESSIONS PAGE_AND_AD_IMPRESSIONS UNKNOWN NONE"
                ),
            },
            required=["spiderOrRobot", "category", "reason", "primaryImpact"],
        ),
        FAILURE: {
            "type": "object",
            "properties": {
                "failureType": STRING,
                "errors": {"type": "array", "items": {"type": "object"}},
                "schema": _TEXT_OR_NULL,
                "data": {"type": ["object", "null"], "additionalProperties": True},
                "timestamp": _DATE_TIME,
                "componentName": STRING,
                "componentVersion": STRING,
            },
            "required": [
                "failureType",
                "errors",
                "timestamp",
                "componentName",
                "componentVersion",
            ],
        },
        PARENT_EVENT: closed_object({"parentEventId": _UUID}, required=["parentEventId"]),
        PII_TRANSFORMATION: closed_object(
            {
                "pii": _PII,
                "strategy": closed_object(
                    {
                        "pseudonymize": closed_object(
                            {"hashFunction": _words("MD2 MD5 SHA-1 SHA-256 SHA-384 SHA-512")},
                            required=["hashFunction"],
                        )
                    },
                    required=["pseudonymize"],
                ),
            },
            required=["pii", "strategy"],
        ),
        VALIDATION_INFO: closed_object(
            {"originalSchema": STRING, "validatedWith": STRING},
            required=["originalSchema", "validatedWith"],
        ),
        URI_REDIRECT: closed_object(
            {"uri": {"type": "string", "format": "uri", "maxLength": 8192}}, required=["uri"]
        ),
    }
)
