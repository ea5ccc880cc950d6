"""What runs a model, seen from its process: it tells its tensors, and turns inputs into outputs.

Everything here happens in the model's own process, never in the agent: it may take numpy, be slow, or crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Stands for a dimension that the model leaves open.
OPEN = -1


class Tensor(NamedTuple):
    """One input or output.

    Args:
        shape: `OPEN` where any size will do.
        dtype: as numpy calls it, e.g. ``float32``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


class Description(NamedTuple):
    """What a model takes and gives; `summary` is for people."""

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    summary: str = ""


class Model(Protocol):
    """A model, loaded and ready."""

    def describe(self) -> Description:
        """Its tensors. Called once, before the first `run`."""
        ...

    def run(self, inputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """One inference: an array for each input, as described; one for each output, in that order.

        Raises:
            NotYet: it has nothing to say for now.
            Exception: whatever else; its text becomes the fault of this moment.
        """
        ...


class FileModel(Model, Protocol):
    """A model out of a file."""

    def operators(self) -> Sequence[str]:
        """What its graph is made of, one by one; empty where the runtime does not tell."""
        ...


class NotYet(Exception):
    """A model that still learns: its outputs are faults with this reason, and nothing is held against it."""


class News(NamedTuple):
    """Something that a model has found, for people and programs; it becomes an event of the agent.

    Args:
        kind: a word for programs, e.g. ``anomaly``.
        severity: ``info``, ``warning`` or ``error``.
        channel: the output that it is about; empty if none.
    """

    kind: str
    message: str
    severity: str = "info"
    channel: str = ""


class Output(NamedTuple):
    """A channel that a built-in model proposes: its value is number `place` of an output, flattened."""

    channel: str
    quantity: str
    tensor: str
    place: int
    description: str = ""


class Setup(NamedTuple):
    """What a built-in model is told.

    Args:
        inputs: the channels as ``device/quantity/name``, in the order of the input's last dimension.
        window: samples that it gets each time, the newest last; its input is (1, window, channels), float64,
            with NaN where a channel had no value. It is not run while no channel has one.
        step_s: from one sample to the next.
        options: the table `options` of the device.
        state: file in which it may keep what it has learned; empty if nowhere.
    """

    inputs: tuple[str, ...]
    window: int
    step_s: float
    options: Mapping[str, Any]
    state: str


@runtime_checkable
class Talks(Protocol):
    """A model that has something to tell beside its outputs."""

    def news(self) -> Sequence[News]:
        """What it has found since this was last asked; asked after each `run`."""
        ...


@runtime_checkable
class Keeps(Protocol):
    """A model that keeps what it has learned."""

    def close(self) -> None:
        """Save it; called at a clean end."""
        ...


@runtime_checkable
class Proposes(Protocol):
    """A model that knows which channels it gives: those of the configuration are not needed."""

    def proposed(self) -> Sequence[Output]:
        """The channels."""
        ...


#: Built-in models by the names that the configuration knows: ``module:class``; called with a `Setup`.
BUILTIN: dict[str, str] = {
    "forecast": "edgeagent.models.forecast:Forecast",
    "anomaly": "edgeagent.models.anomaly:Anomaly",
}
