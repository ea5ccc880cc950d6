"""The process of one model: ``python -m edgeagent.drivers.model.worker <fd>``.

It imports as little as it can: what it takes is added to the agent. Nothing is read from or written to but
the socket that the agent gives it, the model's file, and the state of a built-in model.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from edgeagent.drivers.model import frames
from edgeagent.drivers.model.confinement import confine, part
from edgeagent.drivers.model.footprint import release_code
from edgeagent.drivers.model.frames import Frame, Kind
from edgeagent.drivers.model.layout import Arrangement, arrangement, in_words
from edgeagent.drivers.model.refusal import Refusal, one_line
from edgeagent.drivers.model.runtime import (
    Keeps,
    Model,
    NotYet,
    Output,
    Proposes,
    Setup,
    Talks,
    Tensor,
)
from edgeagent.drivers.model.runtimes import load_builtin, load_file

_CHUNK = 1 << 16


class Link:
    """The socket to the agent."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._buffer = bytearray()

    def receive(self) -> Frame | None:
        """The next frame; None when the agent has closed the socket."""
        while (frame := frames.take(self._buffer)) is None:
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                return None
            self._buffer += chunk
        return frame

    def send(self, kind: Kind, number: int, body: bytes) -> None:
        """Answer."""
        self._socket.sendall(frames.encode(kind, number, body))


class Served:
    """A model with all that was wanted of it: how its input is filled, which numbers of its outputs count."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.builtin = wanted["builtin"]
        self.operators: Sequence[str] = ()
        self.model = self._load(wanted)
        self.description = self.model.describe()
        self.proposed: list[Output] = []
        if isinstance(self.model, Proposes) and not wanted["outputs"]:
            self.proposed = list(self.model.proposed())
        self._picks = [(each.tensor, each.place) for each in self.proposed] or wanted["outputs"]
        self._arrange: Arrangement | None = None
        if wanted["inputs"]:
            self._arrange = arrangement(
                list(self.description.inputs), wanted["layout"], wanted["window"], len(wanted["inputs"])
            )
            self._check_outputs(wanted["window"] * len(wanted["inputs"]))

    def run(self, doubles: bytes) -> bytes:
        """One inference: from the doubles of a window to those of the outputs."""
        import numpy as np

        assert self._arrange is not None
        outputs = self.model.run([self._arrange(doubles)])
        flat = [np.ravel(output) for output in outputs]
        return np.array([flat[tensor][index] for tensor, index in self._places], dtype=np.float64).tobytes()

    def _load(self, wanted: dict[str, Any]) -> Model:
        if not wanted["builtin"]:
            model = load_file(wanted["file"])
            if not wanted["inputs"]:  # it is only looked at
                self.operators = model.operators()
            return model
        setup = Setup(
            tuple(wanted["inputs"]), wanted["window"], wanted["step_s"], wanted["options"], wanted["state"]
        )
        return load_builtin(wanted["builtin"], setup)

    def _check_outputs(self, values: int) -> None:
        """That what is wanted is there, by an inference on zeros; one that learns is not given any."""
        assert self._arrange is not None
        tensors = self.description.outputs
        self._places = [(_tensor_index(tensors, name), index) for name, index in self._picks]
        for place in {place for place, _ in self._places}:
            _check_type(tensors[place])
        shapes = [tensor.shape for tensor in tensors]
        if not self.builtin:
            shapes = [output.shape for output in self.model.run([self._arrange(bytes(8 * values))])]
        for place, index in self._places:
            size = _size(shapes[place])
            if index >= size >= 0:
                raise Refusal(
                    f"output {tensors[place].name!r} has {size} number{'s' if size != 1 else ''} "
                    f"{in_words(shapes[place])}: there is no index {index}",
                    f"the first is 0, the last {size - 1}",
                )


def _tensor_index(tensors: Sequence[Tensor], name: str) -> int:
    names = [tensor.name for tensor in tensors]
    if not name:
        return 0
    if name not in names:
        raise Refusal(f"there is no output {name!r}", f"there are: {', '.join(names)}")
    return names.index(name)


def _check_type(tensor: Tensor) -> None:
    if not tensor.dtype.startswith(("float", "int", "uint", "bool")):
        raise Refusal(f"output {tensor.name!r} is {tensor.dtype}, no tensor of numbers")


def _size(shape: Sequence[int]) -> int:
    """How many numbers; negative if that is open."""
    size = 1
    for each in shape:
        size *= each
    return size if all(each >= 0 for each in shape) else -1


def _answer(served: Served, link: Link, request: Frame) -> None:
    try:
        kind, body = Kind.VALUES, served.run(request.body)
    except NotYet as error:
        kind, body = Kind.NOT_YET, str(error).encode()
    except MemoryError:
        kind, body = Kind.FAILED, b"not enough memory; raise memory_mb if it needs more"
    except Exception as error:
        kind, body = Kind.FAILED, one_line(str(error) or type(error).__name__).encode()
    if isinstance(served.model, Talks) and (news := served.model.news()):
        link.send(Kind.NEWS, request.number, json.dumps([list(each) for each in news]).encode())
    link.send(kind, request.number, body)


def _serve(link: Link) -> None:
    first = link.receive()
    if first is None:
        return
    wanted = json.loads(first.body)
    confine(wanted["memory_mb"] << 20)
    try:
        served = Served(wanted)
    except Refusal as error:
        link.send(Kind.REFUSED, 0, json.dumps([error.reason, error.remedy]).encode())
        return
    except MemoryError:
        words = [f"it needs more than {wanted['memory_mb']} MB of memory", "raise memory_mb"]
        link.send(Kind.REFUSED, 0, json.dumps(words).encode())
        return
    except Exception as error:
        words = [one_line(f"{type(error).__name__}: {error}"), ""]
        link.send(Kind.REFUSED, 0, json.dumps(words).encode())
        return
    release_code()
    described = served.description
    body = [*described, served.operators, served.proposed]
    link.send(Kind.LOADED, 0, json.dumps(body).encode())
    while request := link.receive():
        _answer(served, link, request)
    if isinstance(served.model, Keeps):
        part()
        served.model.close()


def main() -> None:
    """Serve until the agent closes the socket."""
    try:
        _serve(Link(int(sys.argv[1])))
    except (BrokenPipeError, ConnectionResetError):
        pass
    os._exit(0)  # what a runtime would tidy up, the kernel does


if __name__ == "__main__":
    main()
