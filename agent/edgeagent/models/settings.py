"""The table `options` of a built-in model, checked; without msgspec, for which its process has no use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeagent.drivers.model.refusal import Refusal
from edgeagent_sdk.plugins import nearest


@dataclass(frozen=True)
class Number:
    """A setting: its default and its bounds, both included."""

    default: float
    least: float
    most: float
    whole: bool = False


def settled(options: Mapping[str, Any], known: Mapping[str, Number]) -> dict[str, float]:
    """All settings by name.

    Raises:
        Refusal: one is unknown, no number, or out of its bounds.
    """
    for key in options:
        if key not in known:
            raise Refusal(f"options: unknown key {key!r}", nearest(key, list(known)))
    return {key: _number(key, options.get(key, number.default), number) for key, number in known.items()}


def numbers(options: Mapping[str, Any], key: str, default: Sequence[float]) -> list[float]:
    """A list of numbers above 0. Raises Refusal."""
    given = options.get(key, default)
    if not isinstance(given, list | tuple) or not given or not all(_is_number(each) for each in given):
        raise Refusal(f"options: {key} = {given!r} is no list of numbers", f"e.g. {key} = {list(default)}")
    return [float(each) for each in given]


def _number(key: str, value: Any, number: Number) -> float:
    if not _is_number(value) or not number.least <= value <= number.most:
        raise Refusal(
            f"options: {key} = {value!r}", f"must be a number from {number.least:g} to {number.most:g}"
        )
    if number.whole and value != int(value):
        raise Refusal(f"options: {key} = {value!r}", "must be a whole number")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
