"""Bodies and entities as a payload's parameters hold them: JSON text, plain or in base64."""

from __future__ import annotations

import base64
import json
from typing import Any

_STANDARD = str.maketrans("+/", "-_")


def unpack(text: str, *, is_base64: bool) -> Any:  # noqa: ANN401 - any JSON
    """The value; both alphabets of base64, padded or not.

    Raises:
        ValueError: the text is neither base64 nor JSON.
        RecursionError: it is nested too deeply.
    """
    if not isinstance(text, str):
        raise ValueError("not text")  # noqa: TRY004 - as for any other content that is none
    if not is_base64:
        return json.loads(text)
    data = text.translate(_STANDARD).rstrip("=").encode()
    return json.loads(base64.b64decode(data + b"=" * (-len(data) % 4), b"-_", validate=True))


def pack(value: Any, *, is_base64: bool) -> str:  # noqa: ANN401 - any JSON
    """The text that `unpack` reads."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not is_base64:
        return text
    return base64.urlsafe_b64encode(text.encode("utf-8", "replace")).rstrip(b"=").decode()
