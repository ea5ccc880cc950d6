"""The ``[[guard]]`` tables: what is watched, how far it may go, and what is done about it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import QUANTITIES


def _key(description: str, **bounds: Any) -> Any:
    return msgspec.Meta(description=description, **bounds)


class GuardConfig(msgspec.Struct, kw_only=True, frozen=True):
    """One guard."""

    name: Annotated[str, _key("the guard's name in its events")]
    channel: Annotated[
        str,
        _key("what it watches: device/quantity/channel, with * and ?; the highest of several counts"),
    ]
    limit: Annotated[float, _key("above it the guard acts; in the quantity's unit")]
    release: Annotated[float, _key("at it or below the guard lets go again; below the limit")]
    for_s: Annotated[
        float, _key("so long without a break above the limit, and it acts; as a breaker does", ge=0, le=3600)
    ] = 0.0
    hold_s: Annotated[float, _key("it acts at least so long", ge=0, le=3600)] = 5.0
    stale_s: Annotated[
        float, _key("what it watches gives no number for so long: it acts as if that were too high", gt=0)
    ] = 10.0
    stuck_s: Annotated[
        float, _key("what it watches gives the very same number for so long: likewise; 0 for never", ge=0)
    ] = 0.0
    actions: Annotated[
        dict[str, float | Literal["lowest"]],
        _key("device/actuator, with * and ?, and the most that it may be at, or `lowest`", min_length=1),
    ]


class Mistake(NamedTuple):
    """What is wrong at a key below the guard's own."""

    key: tuple[str, ...]
    why: str


def mistakes(guard: GuardConfig, devices: Mapping[str, float] | None) -> Iterator[Mistake]:
    """What the types do not tell.

    Args:
        devices: those that are configured, and how often each is read, in seconds; None if nobody knows.
    """
    if not (math.isfinite(guard.limit) and math.isfinite(guard.release) and guard.release < guard.limit):
        yield Mistake(
            ("release",), f"must be below the limit, {guard.limit:g}, or it comes and goes for ever"
        )
    parts = guard.channel.split("/")
    if len(parts) != 3:
        yield Mistake(("channel",), f"must be device/quantity/channel, not {guard.channel!r}")
    elif not set("*?[") & set(parts[1]) and parts[1] not in QUANTITIES:
        yield Mistake(("channel",), f"unknown quantity; {nearest(parts[1], list(QUANTITIES))}")
    else:
        yield from _absent(("channel",), parts[0], devices)
        yield from _impatient(guard, parts[0], devices or {})
    for pattern, value in guard.actions.items():
        device, slash, _ = pattern.partition("/")
        if not slash:
            yield Mistake(("actions", pattern), "must be device/actuator")
        else:
            yield from _absent(("actions", pattern), device, devices)
        if not isinstance(value, str) and not math.isfinite(value):
            yield Mistake(("actions", pattern), f"must be a finite number, not {value}")


def _impatient(guard: GuardConfig, pattern: str, devices: Mapping[str, float]) -> Iterator[Mistake]:
    for device, interval_s in devices.items():
        if fnmatchcase(device, pattern) and guard.stale_s < 2 * interval_s:
            why = f"{device} is read every {interval_s:g} s: must be at least {2 * interval_s:g}"
            yield Mistake(("stale_s",), why)


def _absent(key: tuple[str, ...], pattern: str, devices: Collection[str] | None) -> Iterator[Mistake]:
    if devices is not None and not any(fnmatchcase(device, pattern) for device in devices):
        yield Mistake(key, f"no [[device]] is named {pattern!r}; {nearest(pattern, sorted(devices))}")
