"""JSON in Base64, as parameters carry it."""

from __future__ import annotations

import binascii

import msgspec


def decode_base64(text: str) -> bytes:
    """Either alphabet, padded or not; what is no Base64 becomes bytes that are no JSON.

    The collector's door looks into these bytes and enrich reads them: both by this one function.
    """
    standard = text.replace("-", "+").replace("_", "/")
    try:
        # Three times as fast as the standard library, but it takes nothing except strict Base64.
        return msgspec.convert(standard + "=" * (-len(standard) % 4), bytes)
    except msgspec.ValidationError:
        pass
    except UnicodeEncodeError:  # a lone surrogate
        return b""
    try:
        return binascii.a2b_base64(f"{standard}===")
    except (binascii.Error, ValueError):
        return b""
