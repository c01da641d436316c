"""From a click on a redirect to its event: Snowplow's `/r/tp2?u=…`.

Source: reference section 2.3. What is not handled there, entities without a value, counts as none.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import msgspec

from whiteout.enrich import failure
from whiteout.errors import ProtocolError
from whiteout.iglu import bounded_json
from whiteout.iglu.embedded.enrichments import URI_REDIRECT
from whiteout.protocol.base64_json import decode_base64
from whiteout.protocol.self_describing import CONTEXTS, UNSTRUCT_EVENT

if TYPE_CHECKING:
    from whiteout.enrich.failure import Message

VENDOR, VERSION = "r", "tp2"
_TRACKER = "r-tp2"


def redirect_event(query: list[tuple[str, str | None]]) -> dict[str, str | None] | Message:
    """The event of a redirect.

    Args:
        query: the parameters of its query string.

    Returns:
        Its parameters, or what is wrong as the message of a bad row.
    """
    parameters = dict(query)
    uri = parameters.pop("u", None)
    if not uri:
        problem = "missing `u` parameter: not a valid URI redirect"
        return failure.unmet_expectation("querystring", None, problem)
    parameters["tv"] = _TRACKER
    parameters["p"] = parameters.get("p") or "web"
    redirect = {"schema": URI_REDIRECT, "data": {"uri": uri}}
    if not parameters.get("e"):
        parameters["e"] = "ue"
        parameters["ue_pr"] = _encode({"schema": UNSTRUCT_EVENT, "data": redirect})
        return parameters
    for name in ("co", "cx"):
        text = parameters.get(name)
        if not text:
            continue
        json = text.encode("utf-8", "replace") if name == "co" else decode_base64(text)
        try:
            envelope = _with_first(bounded_json.decode(json), redirect)
        except ProtocolError as error:
            return failure.not_json(name, text, str(error))
        encoded = _encode(envelope)
        if name == "cx":
            encoded = urlsafe_b64encode(encoded.encode()).decode()
        parameters[name] = encoded
        return parameters
    parameters["co"] = _encode({"schema": CONTEXTS, "data": [redirect]})
    return parameters


def _with_first(envelope: Any, entity: object) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if not isinstance(envelope, dict) or not isinstance(envelope.get("data"), list):
        raise ProtocolError("not a list of entities in its envelope")
    return {**envelope, "data": [entity, *envelope["data"]]}


def _encode(document: object) -> str:
    return msgspec.json.encode(document).decode()
