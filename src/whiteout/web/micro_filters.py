"""What `POST /micro/good` and `POST /micro/bad` can be asked for."""

from __future__ import annotations

from typing import Annotated

import msgspec

# A number without a fraction, which for JSON may be written 1.0.
_Limit = Annotated[
    float,
    msgspec.Meta(ge=0, le=1e9, multiple_of=1, description="at most that many of the newest"),
]


class GoodFilter(msgspec.Struct, kw_only=True):
    """Which good events; all conditions together."""

    event_type: Annotated[
        str | None,
        msgspec.Meta(
            description="the column `event`: page_view, not pv", examples=["page_view", "unstruct"]
        ),
    ] = None
    schema: Annotated[str | None, msgspec.Meta(description="the event's schema, exactly")] = None
    contexts: Annotated[
        list[str] | None,
        msgspec.Meta(description="schemas of entities; the event has all of them"),
    ] = None
    limit: _Limit | None = None


class BadFilter(msgspec.Struct, kw_only=True):
    """Which failed events; all conditions together."""

    vendor: Annotated[
        str | None, msgspec.Meta(description="the first segment of the request's path")
    ] = None
    version: Annotated[
        str | None, msgspec.Meta(description="the second segment of the request's path")
    ] = None
    limit: _Limit | None = None
