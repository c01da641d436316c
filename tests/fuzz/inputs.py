"""What a hostile, broken or merely old client may send, made from a seed: always the same."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from whiteout.identifiers import IDENTIFIERS, SERVER_PARAMETERS, Anonymisation, UrlQuery
from whiteout.protocol.parameters import PARAMETERS, REQUIRED_PARAMETERS
from whiteout.protocol.self_describing import CONTEXTS, PAYLOAD_DATA, UNSTRUCT_EVENT

if TYPE_CHECKING:
    import random

TP2 = b"/com.snowplowanalytics.snowplow/tp2"
JSON_TYPE = b"application/json; charset=utf-8"
_SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
_ID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"

# Ends of lines and fields, escapes, half characters, what other readers trip over.
_TEXTS = (
    *"\t \n \r\n \x00 \x0b \x1c \x7f \x85 \u2028 \ufeff \ufffd \U0001f600".split(" "),
    *'" \\ { } [] % %00 %ff %u2028 & = ; | , null true -1 0 1E9 1e400 NaN 10x20'.split(),
    *"١٢ 1_0 +5 .5 5. -0 2147483648 9223372036854775808 iglu:a/b/c/1-0-0 ../..".split(),
    *"http://a:1/?_sp=b.2#c http://[::1 //x https://shop.example/?utm_source=a&gclid=b :".split(),
    *"203.0.113.9 2001:db8::1 ::ffff:1.2.3.4 1.2.3.4.5 127.1 Europe/Berlin EUR de-DE".split(),
    "",
    "9" * 400,
    "x" * 3000,
    "2023-11-14T22:13:20.000Z",
    _ID,
    "Mozilla/5.0 (Linux; Android 13; Pixel 7) Chrome/119.0 Mobile Safari/537.36",
)
_SESSION: dict[str, Any] = {
    "userId": _ID,
    "sessionId": _ID,
    "sessionIndex": 1,
    "eventIndex": 2,
    "previousSessionId": None,
    "storageMechanism": "SQLITE",
    "firstEventId": _ID,
    "firstEventTimestamp": "2023-11-14T22:00:00.000Z",
}
_ENTITIES: tuple[dict[str, Any], ...] = (
    {"schema": f"{_SNOWPLOW}/client_session/jsonschema/1-0-2", "data": _SESSION},
    {"schema": f"{_SNOWPLOW}/web_page/jsonschema/1-0-0", "data": {"id": _ID}},
    {
        "schema": "iglu:com.snowplowanalytics.mobile/application/jsonschema/1-0-0",
        "data": {"version": "1", "build": "2"},
    },
)
_LINK = {"targetUrl": "https://shop.example/", "elementId": "a"}
_CLICK = {"schema": f"{_SNOWPLOW}/link_click/jsonschema/1-0-1", "data": _LINK}
_EVENTS: tuple[dict[str, str], ...] = (
    {
        "e": "pv",
        "url": "https://shop.example/?utm_source=mail",
        "page": "Shop",
        "refr": "http://a.b",
    },
    {"e": "pp", "url": "https://shop.example/", "pp_mix": "0", "pp_may": "7"},
    {"e": "se", "se_ca": "shop", "se_ac": "add", "se_va": "1.5"},
    {"e": "tr", "tr_id": "o-1", "tr_tt": "10.0", "tr_cu": "EUR"},
    {"e": "ti", "ti_id": "o-1", "ti_sk": "s", "ti_pr": "1.25", "ti_qu": "2"},
    {"e": "ad", "ad_ba": "b", "ad_uid": "u"},
    {"e": "ue", "ue_pr": json.dumps({"schema": UNSTRUCT_EVENT, "data": _CLICK})},
)
_COMMON = {"p": "web", "tv": "fuzz-1", "aid": "shop", "dtm": "1697175843762", "tna": "t"}
_NAMES = sorted(PARAMETERS)
_METHODS = (b"POST",) * 8 + (b"GET",) * 5 + (b"HEAD", b"OPTIONS", b"PUT", b"DELETE")
_PATHS = (TP2,) * 6 + (
    *(b"/i", b"/i", b"/ice.png", b"/r/tp2", b"/acme/go", b"/com.acme/v1", b"/a/b/c", b"/", b"*"),
    *(b"/com.snowplowanalytics.iglu/v1", b"/robots.txt", b"/%2e%2e/x", b"//", b"/\xff/\xfe"),
)
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"SP-Anonymous", b"*"),
    (b"Cookie", b"sp=" + _ID.encode()),
    (b"Cookie", b"sp=x; theme=dark; dnt=1; ; =;sp="),
    (b"Origin", b"https://shop.example"),
    (b"Origin", b"null, http://[::1]:99999"),
    (b"Referer", b"https://shop.example/?a=b"),
    (b"X-Forwarded-For", b"203.0.113.9, 10.0.0.1, unknown"),
    (b"Forwarded", b'for="[2001:db8::1]:80";proto=https, for=_x'),
    (b"Sec-GPC", b"1"),
    (b"User-Agent", b"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"),
    (b"User-Agent", b"\xff\xfe\x80bot"),
    (b"Authorization", b"Basic c2VjcmV0"),
    (b"Content-Type", b"text/plain; charset=idna"),
    (b"Content-Type", b"application/x-www-form-urlencoded"),
    (b"Content-Type", b'multipart/form-data; boundary="x'),
    (b"Accept-Language", b"de;q=0.9,\xe4"),
    (b"Sec-CH-UA", b'"Chromium";v="119", "x\\"'),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, before it is written down.

    Attributes:
        method, target, headers, body: of HTTP. The target has no blank, no value a line's end.
        events: how many there are in the body, where that is beyond doubt.
    """

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    events: int | None = None


def text(dice: random.Random) -> str:
    """A value that somebody trips over."""
    chosen = dice.choice(_TEXTS)
    if dice.random() < 0.2:
        chosen += dice.choice(_TEXTS)
    if dice.random() < 0.1:
        chosen += "".join(chr(dice.choice((dice.randrange(0xD800), 0x10FFFF))) for _ in range(3))
    return chosen


def document(dice: random.Random, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON
    """JSON of any shape."""
    kind = dice.randrange(10 if depth < 4 else 6)
    if kind < 6:
        scalars = (None, True, 0, -1, 1.5, 1e308, 2**63, text(dice))
        return scalars[dice.randrange(len(scalars))] if kind else text(dice)
    if kind == 6:
        return [document(dice, depth + 1) for _ in range(dice.randrange(4))]
    if kind == 7:
        return {text(dice): document(dice, depth + 1) for _ in range(dice.randrange(4))}
    entity = dict(dice.choice(_ENTITIES))
    if kind == 8:
        entity["data"] = document(dice, depth + 1)
    elif isinstance(entity["data"], dict):
        data = dict(entity["data"])
        data[dice.choice([*data, "other"])] = document(dice, depth + 1)
        entity["data"] = data
    return entity


def _json(dice: random.Random, schema: str) -> str:
    if dice.random() < 0.2:
        schema = text(dice)
    good = dice.random() < 0.4
    data: Any
    if schema == CONTEXTS:
        data = [
            dice.choice(_ENTITIES) if good else document(dice) for _ in range(dice.randrange(4))
        ]
    else:
        data = _CLICK if good else document(dice)
    return json.dumps({"schema": schema, "data": data})


def event(dice: random.Random) -> dict[str, str]:
    """Parameters of one event, most of them right."""
    made = {**_COMMON, **dice.choice(_EVENTS)}
    if dice.random() < 0.7:
        made["eid"] = f"{dice.getrandbits(32):08x}-4f89-41d3-9a0c-0305e82c3301"
    for plain, encoded, schema in (("co", "cx", CONTEXTS), ("ue_pr", "ue_px", UNSTRUCT_EVENT)):
        if dice.random() < 0.25:
            value = _json(dice, schema)
            if dice.random() < 0.5:
                made[plain] = value
            else:
                made[encoded] = base64.urlsafe_b64encode(value.encode("utf-8", "replace")).decode()
    while dice.random() < 0.25:
        made[dice.choice(_NAMES)] = text(dice)
    if dice.random() < 0.05:
        del made[dice.choice([name for name in made if name not in REQUIRED_PARAMETERS])]
    return made


def mutated(dice: random.Random, data: bytes) -> bytes:
    """Bytes changed, doubled, moved or cut."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(changed) + 1)
        way = dice.randrange(5)
        if way == 0 and place < len(changed):
            changed[place] = dice.randrange(256)
        elif way == 1:
            changed[place:place] = text(dice).encode("utf-8", "surrogatepass")
        elif way == 2:
            del changed[place : place + dice.randrange(20)]
        elif way == 3:
            changed[place:place] = changed[place : place + dice.randrange(200)]
        elif dice.random() < 0.3:
            del changed[place:]
    return bytes(changed)


def body(dice: random.Random) -> tuple[bytes, int | None]:
    """A body, and how many events it certainly has."""
    kind = dice.randrange(20)
    if kind < 14:
        events = [event(dice) for _ in range(dice.choice((1, 1, 1, 2, 5, 12)))]
        made = json.dumps({"schema": PAYLOAD_DATA, "data": events}, ensure_ascii=kind < 10)
        return made.encode("utf-8", "replace"), len(events)
    if kind < 17:
        made = json.dumps({"schema": PAYLOAD_DATA, "data": [event(dice)]})
        return mutated(dice, made.encode()), None
    if kind == 17:
        return json.dumps(document(dice)).encode("utf-8", "replace"), None
    if kind == 18:
        deep = dice.randrange(3000)
        return b'{"schema":"' + PAYLOAD_DATA.encode() + b'","data":' + b"[" * deep, None
    return dice.randbytes(dice.randrange(300)), None


def _query(dice: random.Random) -> bytes:
    pairs = list(event(dice).items())
    if dice.random() < 0.3:
        pairs += [(dice.choice(["u", "nuid", "sp-anonymous", "n3pc", "_sp"]), text(dice))]
    quoted = "&".join(f"{name}={value}" for name, value in pairs).encode("utf-8", "replace")
    safe = bytearray()
    for byte in quoted:
        if byte <= 0x20 or byte in b'#"<>\\^`{|}\x7f' or (byte >= 0x80 and dice.random() < 0.9):
            safe += b"%%%02X" % byte
        else:
            safe.append(byte)
    if dice.random() < 0.2:
        safe = bytearray(bytes(one for one in mutated(dice, bytes(safe)) if one > 0x20))
    return bytes(safe[:15_000])


def asked(dice: random.Random) -> Asked:
    """One request."""
    method, target = dice.choice(_METHODS), dice.choice(_PATHS)
    if target not in (TP2, b"*") or method != b"POST":
        target += b"?" + _query(dice)
    headers = [(b"Host", b"collector.example.com")]
    content: bytes = b""
    events = None
    if method == b"POST":
        content, events = body(dice)
        headers.append((b"Content-Type", JSON_TYPE))
    while dice.random() < 0.5:
        headers.append(dice.choice(_HEADERS))
    if dice.random() < 0.1:
        value = text(dice).encode("utf-8", "replace")[:2000]
        value = bytes(one for one in value if one not in b"\r\n\x00")
        headers.append((dice.choice(_HEADERS)[0], value.strip()))
    if target != TP2 or sum(name == b"Content-Type" for name, _ in headers) > 1:
        events = None
    return Asked(method, target, headers, content, events)


def raw_request(dice: random.Random) -> bytes:
    """One request as bytes, some of them framed as no client should."""
    one = asked(dice)
    head = [b"%b %b HTTP/1.1" % (one.method, one.target)]
    head += [b"%b: %b" % header for header in one.headers]
    content = one.body
    way = dice.randrange(30)
    if way == 0:
        head.append(b"Transfer-Encoding: chunked")
        content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
    elif way == 1:
        head += [b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(content)]
    elif way == 2:
        lengths = (b"-1", b"+3", b"1e3", b"99999999999999999999", b"3, 3", b"0x10", b"")
        head.append(b"Content-Length: " + dice.choice(lengths))
    elif way == 3:
        odd = (b"Expect: 100-continue", b"Upgrade: h2c", b"Connection: close", b"X : y", b" z: y")
        head += [dice.choice(odd), b"Content-Length: %d" % len(content)]
    elif content or one.method == b"POST":
        head.append(b"Content-Length: %d" % len(content))
    made = b"\r\n".join(head) + b"\r\n\r\n" + content
    if way in (4, 5, 6):
        return mutated(dice, made)
    return made


CANARY = "c4n4ry-of-somebody"
# Headers of which an anonymous request leaves nothing; of any other name neither.
_TELLING = (
    *(b"Cookie", b"X-Forwarded-For", b"Forwarded", b"X-Real-IP", b"Authorization", b"Referer"),
    *(b"Origin", b"Accept", b"Accept-Language", b"From", b"Via", b"If-None-Match", b"X-Any-Other"),
)
_OF_SERVER = [row.location for row in IDENTIFIERS if Anonymisation.SERVER in row.masks]
_LINK_KEYS = [
    (parameter, key)
    for place in _OF_SERVER
    if isinstance(place, UrlQuery)
    for parameter in place.parameters
    for key in place.keys
]
_LINKS_WITHIN = [
    (inner, key)
    for place in _OF_SERVER
    if isinstance(place, UrlQuery)
    for inner in place.properties
    for key in place.keys
]


def _spelt(dice: random.Random, name: str) -> str:
    """A name as some reader still takes for it."""
    way = dice.randrange(4)
    return name.upper() if way == 0 else f" {name}" if way == 1 else name


def _with_canaries(dice: random.Random) -> dict[str, Any]:
    """An event that has one in every place which the collector has to clear."""
    made: dict[str, Any] = event(dice)
    for name in SERVER_PARAMETERS:
        made.pop(name, None)
        made[_spelt(dice, name)] = CANARY
    for parameter, key in _LINK_KEYS:
        odd = f"%{ord(key[0]):02X}{key[1:]}"  # the same to whoever reads the link
        made[parameter] = f"https://shop.example/?a=b&{dice.choice((key, odd))}={CANARY}.1#c"
    inner, key = dice.choice(_LINKS_WITHIN)
    data: Any = f"https://shop.example/?{key}={CANARY}.1"
    for step in reversed(inner.path):
        data = {step: data}
    entity = {"schema": f"iglu:{inner.vendor}/{inner.schema_name}/jsonschema/1-0-0", "data": data}
    packed = json.dumps({"schema": CONTEXTS, "data": [entity]})
    for plain, encoded in (("co", "cx"), ("ue_pr", "ue_px")):
        for name in (plain, encoded):
            made.pop(name, None)
        if dice.random() < 0.5:
            made[plain] = packed
        else:
            made[encoded] = base64.urlsafe_b64encode(packed.encode()).decode()
    return made


def anonymous(dice: random.Random, *, by_parameter: bool) -> Asked:
    """One request that asks for anonymity, with a canary wherever it could say who it is of.

    Args:
        dice: makes it.
        by_parameter: whether a parameter asks for it, not a header.
    """
    method, target = dice.choice((b"POST", b"POST", b"GET")), dice.choice((TP2, b"/i", b"/a/b"))
    query = "&".join(
        f"{quote(name)}={quote(value)}" for name, value in _with_canaries(dice).items()
    )
    target += b"?" + query.encode()
    headers = [(name, CANARY.encode()) for name in _TELLING if dice.random() < 0.7]
    headers.append((b"Cookie", f"theme={CANARY}; sp={CANARY}; spc={CANARY}".encode()))
    if by_parameter:
        target += b"&sp-anonymous"
    else:
        headers.append((b"SP-Anonymous", dice.choice((b"*", b"", CANARY.encode()))))
    dice.shuffle(headers)
    content = b""
    if method == b"POST":
        headers.append((b"Content-Type", dice.choice((JSON_TYPE, CANARY.encode()))))
        events = [_with_canaries(dice) for _ in range(dice.choice((1, 1, 3)))]
        deep = {
            "schema": PAYLOAD_DATA,
            "data": [{"any": {"ip": [CANARY]}, **one} for one in events],
        }
        content = json.dumps(dice.choice((deep, events, CANARY))).encode()
        if dice.random() < 0.1:
            content = content[: dice.randrange(len(content))]
    return Asked(method, target, headers, content)
