"""What Snowplow's trackers for Python and for the web send besides the events of the SDK here.

Facts of Iglu Central in our own words; a test holds them equal where a copy of it is at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whiteout.iglu.embedded.definition import NUMBER, STRING, by_uri, closed_object, uri_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def _text(longest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 0, "maxLength": longest}


def _text_or_null(longest: int) -> dict[str, Any]:
    return {"type": ["string", "null"], "minLength": 0, "maxLength": longest}


def _list_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_COUNT = {"type": "integer", "minimum": 0, "maximum": 2_147_483_647}
_NODE_NAME = {"type": "string", "enum": ["INPUT", "TEXTAREA", "SELECT"]}
_INPUT_TYPES = (
    "button checkbox color date datetime datetime-local email file hidden image month number"
    " password radio range reset search submit tel text time url week"
)
_INPUT_TYPE = {"type": ["string", "null"], "enum": _INPUT_TYPES.split()}

_LINK = {
    "elementId": STRING,
    "elementClasses": _list_of(STRING),
    "elementTarget": STRING,
    "targetUrl": {"type": "string", "minLength": 1},
}
_CART_ITEM = closed_object(
    {
        "sku": STRING,
        "name": STRING,
        "category": STRING,
        "unitPrice": NUMBER,
        "quantity": NUMBER,
        "currency": STRING,
    },
    required=["sku", "quantity"],
)
_INPUT_NEEDS = ["formId", "elementId", "nodeName", "value"]
_FORM_FIELD = closed_object(
    {
        "name": _text(65535),
        "value": _text_or_null(65535),
        "nodeName": _NODE_NAME,
        "type": _INPUT_TYPE,
    },
    required=["name", "value", "nodeName"],
)

WEB_SCHEMAS: Mapping[str, dict[str, Any]] = by_uri(
    {
        uri_of("link_click", "1-0-0"): closed_object(_LINK, required=["targetUrl"]),
        uri_of("link_click", "1-0-1"): closed_object(
            {**_LINK, "elementContent": STRING}, required=["targetUrl"]
        ),
        uri_of("add_to_cart", "1-0-0"): _CART_ITEM,
        uri_of("remove_from_cart", "1-0-0"): _CART_ITEM,
        uri_of("change_form", "1-0-0"): closed_object(
            {
                "formId": _text(4096),
                "elementId": _text(4096),
                "nodeName": _NODE_NAME,
                "type": _INPUT_TYPE,
                "elementClasses": _list_of(_text(4096)),
                "value": _text_or_null(65535),
            },
            required=_INPUT_NEEDS,
        ),
        uri_of("focus_form", "1-0-0"): closed_object(
            {
                "formId": _text(4096),
                "elementId": _text(4096),
                "nodeName": _NODE_NAME,
                "elementType": _INPUT_TYPE,
                "elementClasses": {**_list_of(_text(4096)), "type": ["array", "null"]},
                "value": _text_or_null(65535),
            },
            required=_INPUT_NEEDS,
        ),
        uri_of("submit_form", "1-0-0"): closed_object(
            {
                "formId": _text(4096),
                "formClasses": _list_of(_text(4096)),
                "elements": _list_of(_FORM_FIELD),
            },
            required=["formId"],
        ),
        uri_of("site_search", "1-0-0"): closed_object(
            {
                "terms": {**_list_of(STRING), "minItems": 1},
                "filters": {
                    "type": "object",
                    "additionalProperties": {"type": ["string", "boolean"]},
                },
                "totalResults": _COUNT,
                "pageResults": _COUNT,
            },
            required=["terms"],
        ),
        uri_of("screen_view", "1-0-0"): {
            "type": "object",
            "properties": {"name": STRING, "id": STRING},
            "minProperties": 1,
            "additionalProperties": False,
        },
        # Every event of the JavaScript trackers has it.
        uri_of("web_page", "1-0-0"): closed_object(
            {
                "id": {
                    "type": "string",
                    "pattern": "^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}"
                    "-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$",
                }
            },
            required=["id"],
        ),
    }
)
