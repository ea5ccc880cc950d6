"""What a pass may give: the rules for values that several checks share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.quantities import Kind

Counts = dict[tuple[str, str], float]
"""What each counter says, by its channel's key."""


def check_values(channels: Sequence[Channel], values: Sequence[Value]) -> None:
    """One value for each channel: a float in the quantity's unit within its bounds, or a Fault."""
    assert len(values) == len(channels), (
        f"`read` gave {len(values)} values for {len(channels)} channels. Give one for each, in the order of"
        " `open`; a Fault where there is no number now"
    )
    for channel, value in zip(channels, values, strict=True):
        if isinstance(value, Fault):
            assert one_line(value.reason), (
                f"{channel}: a Fault needs a reason of one line, not {value.reason!r}"
            )
            continue
        assert type(value) is float, (
            f"{channel}: {value!r} is {article(type(value).__name__)}. Return a float, or a"
            " Fault with the reason"
        )
        assert math.isfinite(value), f"{channel}: {value} is no number. Return a Fault with the reason"
        assert channel.minimum <= value <= channel.maximum, (
            f"{channel}: {value:g} {channel.quantity.unit} is outside {channel.minimum:g} to"
            f" {channel.maximum:g}. Convert to the quantity's unit ({channel.quantity.unit}); what the device"
            " says when it has no value is a Fault"
        )


def numbers(values: Sequence[Value]) -> list[float]:
    """Those that are no Faults."""
    return [value for value in values if not isinstance(value, Fault)]


def counts(channels: Sequence[Channel], values: Sequence[Value]) -> Counts:
    """The counters among them that have a number now."""
    return {
        channel.key: value
        for channel, value in zip(channels, values, strict=True)
        if channel.quantity.kind is Kind.COUNTER and not isinstance(value, Fault)
    }


def check_risen(before: Counts, now: Counts) -> None:
    """No counter says less than before."""
    fallen = [
        f"{'/'.join(key)} from {before[key]:g} to {now[key]:g}"
        for key in before.keys() & now.keys()
        if now[key] < before[key]
    ]
    assert not fallen, (
        f"a counter fell: {', '.join(fallen)}. A counter only grows, over wraps and restarts of what"
        " it counts: keep a total in the driver (not in `open`), and add what the device's own has moved"
    )


def one_line(text: object) -> bool:
    """Whether it is text for people: not empty, and one line."""
    return isinstance(text, str) and bool(text.strip()) and "\n" not in text


def article(noun: str) -> str:
    """``int`` → ``an int``."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"
