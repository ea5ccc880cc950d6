"""The driver's configuration keys, and what they mean together."""

from __future__ import annotations

import math
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import msgspec

from edgeagent.drivers.model.frames import VALUES_MAX
from edgeagent.drivers.model.runtimes import SUFFIXES
from edgeagent.drivers.virtual.units import UnitError, describe, parse_unit
from edgeagent_sdk.channel import Channel
from edgeagent_sdk.config import ConfigError, Problem
from edgeagent_sdk.driver import Host, Options
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import QUANTITIES

_CELSIUS = "Cel"


def _key(description: str, **bounds: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **bounds)


class OutputKeys(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One channel that the model gives: ``value = offset + scale * number``, in `unit`."""

    channel: str
    quantity: str
    index: Annotated[int, msgspec.Meta(ge=0)] = 0
    tensor: str = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    description: str = ""

    def made(self, model: str) -> Channel:
        """The channel. Raises EdgeError."""
        return Channel(self.channel, self.quantity, description=self.description or f"by {model}")

    def factor(self) -> float:
        """From `unit` to the quantity's own. Raises EdgeError if they do not go together."""
        own = QUANTITIES[self.quantity].unit
        if self.unit in ("", own):
            return 1.0
        unit, wanted = parse_unit(self.unit), parse_unit(own)
        if own == _CELSIUS:
            raise UnitError(f"a temperature is in {_CELSIUS}, not in {self.unit}; see offset and scale")
        if unit.dimension != wanted.dimension:
            raise UnitError(
                f"{self.unit} is {describe(unit.dimension)}, but {self.quantity} is measured in {own}"
            )
        return unit.factor / wanted.factor


class ModelOptions(Options, kw_only=True):
    """Which model, what it is given, and what it gives."""

    file: Annotated[str, _key("the model: a path that ends in .onnx or .tflite")] = ""
    builtin: Annotated[Literal["", "forecast", "anomaly"], _key("in the place of file: a model of ours")] = ""
    inputs: Annotated[
        list[str],
        _key("the channels it is given, as device/quantity/name, in the model's order", min_length=1),
    ]
    window: Annotated[int, _key("how many samples of each it is given", ge=1, le=65536)] = 1
    step_s: Annotated[
        float, _key("from one sample to the next; usually the device's interval_s", gt=0, le=86400)
    ] = 1.0
    gap_s: Annotated[
        float,
        _key(
            "a gap so long in the window is bridged by the value before it; a single sample always is", ge=0
        ),
    ] = 0.0
    scaling: Annotated[
        dict[str, tuple[float, float]],
        _key("[offset, scale] by input or quantity: the model is given (value - offset) / scale"),
    ] = {}  # noqa: RUF012 - msgspec copies it
    layout: Annotated[
        Literal["window-channels", "channels-window", "flat"],
        _key(
            "shape of the model's input: (1, window, channels), (1, channels, window), (1, window*channels)"
        ),
    ] = "window-channels"
    outputs: Annotated[
        list[OutputKeys],
        _key(
            "tables with channel, quantity, index in the output (0), tensor (the first output), unit (the "
            "quantity's), scale (1), offset (0), description; a built-in model may know its own"
        ),
    ] = []  # noqa: RUF012 - msgspec copies it
    options: Annotated[dict[str, Any], _key("of a built-in model")] = {}  # noqa: RUF012 - msgspec copies it
    deadline_ms: Annotated[
        float,
        _key("for one inference; what comes later is dropped, and the outputs are faults", ge=1, le=60000),
    ] = 50.0
    memory_mb: Annotated[int, _key("that the model's process may take", ge=128, le=65536)] = 512

    def __post_init__(self) -> None:
        """See that all goes together; the file itself is for `open`. Raises ConfigError."""
        problems = [*self._model_problems(), *self._input_problems(), *self._output_problems()]
        if problems:
            raise ConfigError([Problem("", 0, key, message) for key, message in problems])

    @property
    def model(self) -> str:
        """The model, for people."""
        return self.builtin or self.file

    def path(self, host: Host) -> Path | None:
        """Where the file is; None for a built-in model."""
        if self.builtin:
            return None
        return host.path(self.file) if PurePath(self.file).is_absolute() else Path(self.file)

    def scales(self) -> list[tuple[float, float]]:
        """Offset and scale of each input."""
        return [
            self.scaling.get(name, self.scaling.get(name.split("/")[1], (0.0, 1.0))) for name in self.inputs
        ]

    def _model_problems(self) -> list[tuple[str, str]]:
        if bool(self.file) == bool(self.builtin):
            return [("file", "give file or builtin, one of the two")]
        if self.file and PurePath(self.file).suffix.lower() not in SUFFIXES:
            return [("file", f"must end in {' or '.join(SUFFIXES)}, not {PurePath(self.file).name!r}")]
        if self.options and not self.builtin:
            return [("options", "are for a built-in model; a file has none")]
        return []

    def _input_problems(self) -> list[tuple[str, str]]:
        problems = []
        for name in self.inputs:
            parts = name.split("/")
            if len(parts) != 3 or not all(parts) or set(name) & set("*?["):
                problems.append(("inputs", f"{name!r} is not device/quantity/name, of one channel"))
            elif parts[1] not in QUANTITIES:
                hint = nearest(parts[1], list(QUANTITIES))
                problems.append(("inputs", f"{name!r}: unknown quantity {parts[1]!r}; {hint}"))
        if (values := self.window * len(self.inputs)) > VALUES_MAX:
            words = f"{self.window} samples of {len(self.inputs)} inputs are {values:,} numbers"
            problems.append(("window", f"{words}; a model is given {VALUES_MAX:,} at most"))
        if len(set(self.inputs)) < len(self.inputs):
            problems.append(("inputs", "names a channel twice"))
        known = [*self.inputs, *(name.split("/")[1] for name in self.inputs if name.count("/") == 2)]
        for key, (offset, scale) in self.scaling.items():
            if key not in known:
                problems.append(("scaling", f"{key!r} is no input; {nearest(key, known)}"))
            if not (math.isfinite(offset) and math.isfinite(scale) and scale):
                problems.append(("scaling", f"{key!r}: must be [offset, scale], finite, the scale not 0"))
        return problems

    def _output_problems(self) -> list[tuple[str, str]]:
        if not self.outputs and not self.builtin:
            return [("outputs", "is missing: which numbers become which channels")]
        problems, seen = [], set()
        for each in self.outputs:
            try:
                key = each.made(self.model).key
                each.factor()
            except EdgeError as error:
                problems.append(("outputs", f"{each.channel!r}: {error}"))
                continue
            if key in seen:
                problems.append(("outputs", f"{each.channel!r} is given twice"))
            seen.add(key)
        return problems
