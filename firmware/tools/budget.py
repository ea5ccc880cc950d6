"""What an image takes of flash and RAM, and how deep its stack can get; fails when it is over budget.

    python tools/budget.py build/ast1030/app.elf --flash 32768 --ram 8192 --stack 2048

The depth comes from the call graph that the compiler writes beside each object (`-fcallgraph-info=su`).
That is exact only without recursion, pointers to functions and variable-length arrays, so these fail too.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

#: What the processor pushes when it takes an interrupt: eight registers, perhaps aligned (ARM DDI 0403).
_FRAME_BYTES = 36

_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
_STACK = re.compile(r"(\d+) bytes \((static|dynamic|dynamic,bounded)\)")

#: Of the libraries, whose call graph is not at hand: measured from the disassembly. Deepest is the division
#: of 64 bits, 16 bytes and the 32 of what it calls; memcpy and its like take 16.
_LIBRARY_BYTES = 48

#: GCC's mark for a call through a pointer.
_INDIRECT = "__indirect_call"


class OverBudget(Exception):
    """The image does not keep within its budget; the text says where."""


def sections(elf: Path, size: str) -> dict[str, int]:
    """Section name → bytes."""
    listing = subprocess.run([size, "-A", elf], check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in listing.splitlines() if line.startswith("."))
    return {row[0]: int(row[1]) for row in rows}


class CallGraph:
    """Who calls whom, and what each takes of the stack, in bytes."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.bytes: dict[str, int] = {}
        self.calls: dict[str, set[str]] = {}
        for file in files:
            self._take(file.read_text("utf-8"))

    def _take(self, text: str) -> None:
        for title, label in _NODE.findall(text):
            if match := _STACK.search(label):
                if match[2] == "dynamic":
                    raise OverBudget(f"{title}: the stack that it takes is not known beforehand")
                self.bytes[title] = int(match[1])
        for caller, callee in _EDGE.findall(text):
            self.calls.setdefault(caller, set()).add(callee)

    def deepest(self, root: str) -> tuple[int, list[str]]:
        """The deepest way down from `root`: bytes, and the functions on it."""

        @cache
        def below(name: str) -> tuple[int, tuple[str, ...]]:
            if name == _INDIRECT:
                raise OverBudget("a call through a pointer: the depth is not known")
            if name in open_calls:
                raise OverBudget(f"recursion: {' → '.join(open_calls)} → {name}")
            open_calls.append(name)
            ways = [below(callee) for callee in self.calls.get(name, ())]
            open_calls.pop()
            depth, way = max(ways, default=(0, ()))
            return depth + self.bytes.get(name, _LIBRARY_BYTES), (name, *way)

        open_calls: list[str] = []
        depth, way = below(root)
        return depth, [name.rsplit(":", 1)[-1] for name in way]

    def named(self, function: str) -> str:
        """The title of a function; static ones carry their file's name."""
        for title in self.bytes:
            if title.rsplit(":", 1)[-1] == function:
                return title
        raise OverBudget(f"no function {function!r} in the call graph")


def report(options: argparse.Namespace) -> Iterator[str]:
    """Lines that say what is taken. Raises OverBudget."""
    taken = sections(options.elf, options.size)
    flash = sum(taken.get(name, 0) for name in (".text", ".data"))
    ram = sum(taken.get(name, 0) for name in (".stack", ".data", ".bss"))
    graph = CallGraph(sorted(options.elf.parent.glob("*.ci")))
    main, way = graph.deepest(graph.named("reset_handler"))
    interrupt, _ = max(graph.deepest(graph.named(name)) for name in options.interrupt)
    stack = main + interrupt + _FRAME_BYTES
    yield f"{options.elf}: flash {flash} of {options.flash} bytes, RAM {ram} of {options.ram}"
    yield f"  stack at worst {stack} of {options.stack}: {' → '.join(way)}, and an interrupt"
    limits = (("flash", flash, options.flash), ("RAM", ram, options.ram), ("stack", stack, options.stack))
    for what, value, limit in limits:
        if value > limit:
            raise OverBudget(f"{options.elf}: {what} {value} is over the budget of {limit} bytes")


def main() -> int:
    """0 within the budget, 1 over it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("elf", type=Path)
    parser.add_argument("--size", default="arm-none-eabi-size", help="the `size` program of the toolchain")
    for what in ("flash", "ram", "stack"):
        parser.add_argument(f"--{what}", type=int, required=True, help="budget in bytes")
    parser.add_argument("--interrupt", action="append", help="an interrupt handler; they do not nest")
    options = parser.parse_args()
    options.interrupt = options.interrupt or ["uart_interrupt"]
    try:
        for line in report(options):
            print(line)
    except OverBudget as error:
        print(f"budget: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
