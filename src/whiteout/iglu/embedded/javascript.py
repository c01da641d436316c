"""What Snowplow's JavaScript trackers 4 send besides, from a browser or from Node.js.

Facts of Iglu Central in our own words; a test holds them equal where a copy of it is at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.iglu.embedded.definition import STRING, by_uri, closed_object, uri_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_AMOUNT = {"type": "number", "minimum": 0}
_COST = {"costModel": {"enum": ["cpa", "cpc", "cpm"]}, "cost": _AMOUNT}
_COST_NEEDS_ITS_MODEL = {"cost": ["costModel"]}
_PLACE_OF_AD = {
    "zoneId": STRING,
    "bannerId": STRING,
    "campaignId": STRING,
    "advertiserId": STRING,
    "targetUrl": {"type": "string", "minLength": 1},
}


def _ad(properties: Mapping[str, dict[str, Any]], **keywords: Any) -> dict[str, Any]:  # noqa: ANN401 - any keyword
    return {
        "type": "object",
        "properties": {**properties, **_COST},
        "dependencies": _COST_NEEDS_ITS_MODEL,
        "additionalProperties": False,
        **keywords,
    }


def _browser(device_memory: str) -> dict[str, Any]:
    size = {"type": "string", "maxLength": 20}
    flag = {"type": "boolean"}
    language = {"type": ["string", "null"], "maxLength": 20}
    return closed_object(
        {
            "viewport": size,
            "documentSize": size,
            "resolution": size,
            "colorDepth": {"type": "integer", "minimum": 0, "maximum": 1000},
            "devicePixelRatio": {"type": ["number", "null"], "minimum": 0, "maximum": 1000},
            "cookiesEnabled": flag,
            "online": flag,
            "browserLanguage": language,
            "documentLanguage": language,
            "webdriver": {"type": ["boolean", "null"]},
            "deviceMemory": {"type": [device_memory, "null"], "minimum": 0, "maximum": 1000},
            "hardwareConcurrency": {"type": ["integer", "null"], "minimum": 0, "maximum": 1000},
            "tabId": {"type": ["string", "null"], "format": "uuid"},
        },
        required=[
            "viewport",
            "documentSize",
            "cookiesEnabled",
            "online",
            "colorDepth",
            "resolution",
        ],
    )


JAVASCRIPT_SCHEMAS: Mapping[str, dict[str, Any]] = by_uri(
    {
        uri_of("ad_impression", "1-0-0"): _ad(
            {"impressionId": STRING, **_PLACE_OF_AD}, minProperties=1
        ),
        uri_of("ad_click", "1-0-0"): _ad(
            {"clickId": STRING, "impressionId": STRING, **_PLACE_OF_AD}, required=["targetUrl"]
        ),
        uri_of("ad_conversion", "1-0-0"): _ad(
            {
                "conversionId": STRING,
                "campaignId": STRING,
                "advertiserId": STRING,
                "category": STRING,
                "action": STRING,
                "property": STRING,
                "initialValue": _AMOUNT,
            },
            minProperties=1,
        ),
        uri_of("social_interaction", "1-0-0"): closed_object(
            {"action": STRING, "network": STRING, "target": STRING}, required=["action", "network"]
        ),
        uri_of("browser_context", "1-0-0"): _browser("integer"),
        uri_of("browser_context", "2-0-0"): _browser("number"),
    }
)
