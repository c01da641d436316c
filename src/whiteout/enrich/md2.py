"""MD2, which old configurations still name and no library of today has.

Source: RFC 1319. Its substitution table is made from the digits of pi, as the RFC says; here it is
computed, so that there are no 256 numbers to get wrong.
"""

from __future__ import annotations

from functools import cache

_BLOCK = 16
_ROUNDS = 18


def md2_hexdigest(data: bytes) -> str:
    """The MD2 digest of `data`, in hexadecimal."""
    table = _table()
    padding = _BLOCK - len(data) % _BLOCK
    data += bytes([padding]) * padding
    checksum, last = bytearray(_BLOCK), 0
    for start in range(0, len(data), _BLOCK):
        for at in range(_BLOCK):
            last = checksum[at] = checksum[at] ^ table[data[start + at] ^ last]
    data += bytes(checksum)
    state = bytearray(_BLOCK)
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        work = bytearray(state + block + bytes(a ^ b for a, b in zip(state, block, strict=True)))
        mixed = 0
        for turn in range(_ROUNDS):
            for at in range(3 * _BLOCK):
                mixed = work[at] = work[at] ^ table[mixed]
            mixed = (mixed + turn) % 256
        state = work[:_BLOCK]
    return state.hex()


@cache
def _table() -> bytes:
    """A shuffle of 0 to 255, its dice the digits of pi."""
    digits = _pi_digits(800)
    at = 0

    def draw(limit: int) -> int:
        nonlocal at
        while True:
            size = 1 if limit <= 10 else 2 if limit <= 100 else 3  # noqa: PLR2004 - how many digits
            number: int = int(digits[at : at + size])
            at += size
            bound: int = limit * ((10, 100, 1000)[size - 1] // limit)
            if number < bound:
                return number % limit

    table = list(range(256))
    for upper in range(2, 257):
        chosen = draw(upper)
        table[upper - 1], table[chosen] = table[chosen], table[upper - 1]
    return bytes(table)


def _pi_digits(count: int) -> str:
    """The first digits of pi, by Machin's formula in whole numbers."""
    unit: int = 10 ** (count + 10)

    def arctan_of_inverse(number: int) -> int:
        term = total = unit // number
        step, sign = 3, -1
        while term:
            term //= number * number
            total += sign * (term // step)
            step, sign = step + 2, -sign
        return total

    pi = 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))
    return str(pi)[:count]
