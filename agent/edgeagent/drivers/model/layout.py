"""How a window of samples lies in a model's input; in the model's own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from edgeagent.drivers.model.refusal import Refusal
from edgeagent.drivers.model.runtime import OPEN, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOATS: Final = ("float16", "float32", "float64")


class Layout(NamedTuple):
    """`shape` of the input for a window × channels; `turned` if the channels come first."""

    shape: Callable[[int, int], tuple[int, ...]]
    turned: bool = False


LAYOUTS: Final = {
    "window-channels": Layout(lambda window, channels: (1, window, channels)),
    "channels-window": Layout(lambda window, channels: (1, channels, window), turned=True),
    "flat": Layout(lambda window, channels: (1, window * channels)),
}


class Arrangement(NamedTuple):
    """Makes the array that a model takes of the doubles that the agent sends."""

    window: int
    channels: int
    layout: Layout
    dtype: str

    def __call__(self, doubles: bytes) -> NDArray[Any]:
        """The input. Raises ValueError for another number of values."""
        import numpy as np

        samples = np.frombuffer(doubles).reshape(self.window, self.channels)
        turned = samples.T if self.layout.turned else samples
        shape = self.layout.shape(self.window, self.channels)
        return np.ascontiguousarray(turned, dtype=self.dtype).reshape(shape)


def arrangement(inputs: list[Tensor], layout: str, window: int, channels: int) -> Arrangement:
    """How to fill the one input of a model.

    Raises:
        Refusal: it takes something else.
    """
    if len(inputs) != 1:
        names = ", ".join(tensor.name for tensor in inputs)
        raise Refusal(f"it takes {len(inputs)} inputs ({names})", "a model of readings takes one")
    [tensor] = inputs
    if tensor.dtype not in _FLOATS:
        raise Refusal(f"it takes {tensor.dtype}, not floats", "convert the model to float32 inputs")
    given = LAYOUTS[layout].shape(window, channels)
    if not _fits(given, tensor.shape):
        raise Refusal(
            f"it takes {in_words(tensor.shape)}, but window = {window} and {channels} input"
            f"{'s' if channels != 1 else ''} give {in_words(given)} as {layout}",
            "see window, inputs and layout",
        )
    return Arrangement(window, channels, LAYOUTS[layout], tensor.dtype)


def in_words(shape: tuple[int, ...]) -> str:
    """A shape as people write it: ``(1, ?, 3)``."""
    return f"({', '.join('?' if size == OPEN else str(size) for size in shape)})"


def _fits(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(given) == len(wanted) and all(
        want in (OPEN, have) for have, want in zip(given, wanted, strict=True)
    )
