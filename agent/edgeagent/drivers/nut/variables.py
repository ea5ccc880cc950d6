"""What the variables of a UPS mean.

Source: NUT developer guide, appendix "NUT command and variable naming scheme", for names and units;
"Creating new drivers", "Possible values for status_set", for the words of ``ups.status``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from edgeagent_sdk.channel import Channel, Fault, Value
from edgeagent_sdk.messages import Severity
from edgeagent_sdk.names import slug


class Measure(NamedTuple):
    """The last part of a variable's name: its quantity, from which unit, and the most that is possible."""

    quantity: str
    scale: float = 1.0
    maximum: float | None = None


#: A UPS carries some overload for some seconds, and says so.
_OVERLOAD: Final = 2.0

MEASURES: Final = {
    "realpower": Measure("power"),
    "power": Measure("apparent_power"),
    "powerfactor": Measure("power_factor"),
    "voltage": Measure("voltage"),
    "current": Measure("current"),
    "frequency": Measure("frequency"),
    "temperature": Measure("temperature"),
    "humidity": Measure("humidity"),
    "load": Measure("utilization", 0.01, _OVERLOAD),
    "charge": Measure("soc", 0.01),
    "runtime": Measure("runtime"),
}

#: What is measured: the UPS, its battery, its sides and their phases (L1, L1-N, L1-L2), outlets, the room.
_NAME = re.compile(
    r"(ups|battery|ambient(?:\.\d+)?|(?:input|output)(?:\.bypass)?(?:\.(?:L\d(?:-[LN]\d?)?|N))?|outlet\.\d+)"
    rf"\.({'|'.join(MEASURES)})"
)


class Word(NamedTuple):
    """A word of ``ups.status``: its bit in the coded state, and what it means."""

    bit: int
    meaning: str
    severity: Severity = Severity.INFO


_W, _E = Severity.WARNING, Severity.ERROR

STATUS: Final = {
    word: Word(1 << i, meaning, severity)
    for i, (word, meaning, severity) in enumerate(
        (
            ("OL", "on line power", Severity.INFO),
            ("OB", "on battery", _W),
            ("LB", "battery low", _E),
            ("HB", "battery high", _W),
            ("RB", "battery to be replaced", _W),
            ("CHRG", "battery charging", Severity.INFO),
            ("DISCHRG", "battery discharging", Severity.INFO),
            ("BYPASS", "on bypass, nothing protected", _W),
            ("CAL", "runtime calibration", Severity.INFO),
            ("OFF", "off, nothing supplied", _E),
            ("OVER", "overloaded", _E),
            ("TRIM", "trimming the voltage", Severity.INFO),
            ("BOOST", "boosting the voltage", Severity.INFO),
            ("FSD", "shutdown under way", _E),
            ("ALARM", "an alarm, see the UPS", _W),
            ("TEST", "battery test", Severity.INFO),
            ("ECO", "economy mode", Severity.INFO),
        )
    )
}

#: Stands for every word that is none of these.
OTHER: Final = 1 << len(STATUS)


def channel(variable: str) -> Channel | None:
    """The channel of a variable; None if it is no measurement."""
    match = _NAME.fullmatch(variable)
    if match is None:
        return None
    measure = MEASURES[match[2]]
    return Channel(
        slug(match[1].replace(".", "-")), measure.quantity, maximum=measure.maximum, description=variable
    )


def status_channel() -> Channel:
    """The channel of the coded state; its description tells the code."""
    words = ", ".join(f"{word.bit} {word.meaning}" for word in STATUS.values())
    return Channel("status", "state", description=f"ups.status as a sum of: {words}, {OTHER} another")


def value(variable: str, variables: Mapping[str, str]) -> Value:
    """The number in the quantity's unit, or why there is none."""
    raw = variables.get(variable)
    if raw is None:
        return Fault("upsd no longer tells it")
    try:
        number = float(raw) * MEASURES[variable.rsplit(".", 1)[-1]].scale
    except ValueError:
        return Fault(f"{raw[:40]!r} is not a number")
    return number if math.isfinite(number) else Fault(f"{raw[:40]!r} is not a number")


def status_words(variables: Mapping[str, str]) -> list[str]:
    """The words of ``ups.status``; none if it is not told."""
    return variables.get("ups.status", "").split()


def code(words: list[str]) -> Value:
    """The coded state."""
    if not words:
        return Fault("the UPS tells no status")
    total = 0
    for word in words:
        total |= STATUS[word].bit if word in STATUS else OTHER
    return float(total)
