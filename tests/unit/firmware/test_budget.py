"""What an image takes is measured right, and an image that takes too much fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.firmware import FIRMWARE, tool

budget = tool("budget")

_LIBRARY = 48  # bytes: of a function whose graph is not at hand


def _graph(path: Path, functions: dict[str, int], calls: list[tuple[str, str]]) -> Path:
    nodes = [
        f'node: {{ title: "{n}" label: "{n}\\na.c:1:1\\n{b} bytes (static)" }}' for n, b in functions.items()
    ]
    edges = [f'edge: {{ sourcename: "{a}" targetname: "{b}" label: "a.c:1:1" }}' for a, b in calls]
    path.write_text("\n".join(['graph: { title: "a.c"', *nodes, *edges, "}"]), "utf-8")
    return path


@pytest.mark.parametrize(
    ("functions", "calls", "depth", "way"),
    [
        ({"main": 8}, [], 8, ["main"]),
        ({"main": 8, "a": 16}, [("main", "a")], 24, ["main", "a"]),
        ({"main": 8, "a": 16, "b": 100}, [("main", "a"), ("main", "b")], 108, ["main", "b"]),
        (
            {"main": 8, "a": 16, "b": 100, "c": 90},
            [("main", "a"), ("main", "b"), ("a", "c")],
            114,
            ["main", "a", "c"],
        ),
        (
            {"main": 8, "a": 1, "b": 1, "c": 4},
            [("main", "a"), ("main", "b"), ("a", "c"), ("b", "c")],
            13,
            None,
        ),
        ({"main": 8}, [("main", "memcpy")], 8 + _LIBRARY, ["main", "memcpy"]),
        ({"main": 8, "a.c:inner": 4}, [("main", "a.c:inner")], 12, ["main", "inner"]),
    ],
)
def test_the_deepest_way(
    functions: dict[str, int], calls: list[tuple[str, str]], depth: int, way: list[str] | None, tmp_path: Path
) -> None:
    graph = budget.CallGraph([_graph(tmp_path / "a.ci", functions, calls)])
    found, names = graph.deepest("main")
    assert found == depth
    assert way is None or names == way


def test_a_call_goes_over_files(tmp_path: Path) -> None:
    first = _graph(tmp_path / "a.ci", {"main": 8}, [("main", "a")])
    second = _graph(tmp_path / "b.ci", {"a": 16}, [])
    assert budget.CallGraph([first, second]).deepest("main") == (24, ["main", "a"])


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ([("main", "main")], "recursion: main → main"),
        ([("main", "a"), ("a", "b"), ("b", "a")], "recursion: main → a → b → a"),
        ([("main", "a"), ("a", "__indirect_call")], "through a pointer"),
    ],
)
def test_what_cannot_be_known_is_refused(calls: list[tuple[str, str]], why: str, tmp_path: Path) -> None:
    graph = budget.CallGraph([_graph(tmp_path / "a.ci", {"main": 8, "a": 8, "b": 8}, calls)])
    with pytest.raises(budget.OverBudget, match=why):
        graph.deepest("main")


def test_a_function_that_there_is_not(tmp_path: Path) -> None:
    graph = budget.CallGraph([_graph(tmp_path / "a.ci", {"a.c:main": 8}, [])])
    assert graph.named("main") == "a.c:main"
    with pytest.raises(budget.OverBudget, match="no function 'other'"):
        graph.named("other")


_PROGRAM = """
static volatile int sink;
__attribute__((noinline)) static void deep(void) { volatile char room[4000]; room[0] = 1; sink = room[0]; }
__attribute__((noinline)) static void flat(void) { sink = 2; }
void uart_interrupt(void);
void uart_interrupt(void) { sink = 3; }
void reset_handler(void);
void reset_handler(void) { deep(); flat(); }
"""


@pytest.fixture
def elf(tmp_path: Path) -> Path:
    """A program that the compiler on this machine has made, with its call graph beside it."""
    (tmp_path / "a.c").write_text(_PROGRAM, "utf-8")
    flags = [
        "-std=c17",
        "-O1",
        "-fstack-usage",
        "-fcallgraph-info=su",
        "-nostdlib",
        "-static",
        "-Wl,-e,reset_handler",
    ]
    subprocess.run(["gcc", *flags, "-c", "a.c", "-o", "a.o"], cwd=tmp_path, check=True)
    subprocess.run(["gcc", *flags, "a.o", "-o", "a.elf"], cwd=tmp_path, check=True)
    return tmp_path / "a.elf"


def _budget(elf: Path, flash: int, ram: int, stack: int) -> subprocess.CompletedProcess[str]:
    limits = [f"--flash={flash}", f"--ram={ram}", f"--stack={stack}"]
    command = [sys.executable, str(FIRMWARE / "tools" / "budget.py"), str(elf), "--size", "size", *limits]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_real_program_within_its_budget(elf: Path) -> None:
    result = _budget(elf, 4096, 4096, 4500)
    assert (result.returncode, result.stderr) == (0, "")
    assert "reset_handler → deep, and an interrupt" in result.stdout
    stack = int(result.stdout.split("stack at worst ")[1].split()[0])
    assert 3800 <= stack <= 4200  # some machines spare a leaf function a part of its stack


@pytest.mark.parametrize(
    ("flash", "ram", "stack", "what"),
    [(1, 9999, 9999, "flash"), (9999, 1, 9999, "RAM"), (9999, 9999, 3500, "stack")],
)
def test_a_real_program_over_its_budget(elf: Path, flash: int, ram: int, stack: int, what: str) -> None:
    result = _budget(elf, flash, ram, stack)
    assert result.returncode == 1
    assert f"{what} " in result.stderr and "over the budget" in result.stderr


def test_a_stack_that_grows_by_itself_is_refused(elf: Path) -> None:
    source = "void f(int n);\nvoid f(int n) { volatile char room[n]; room[0] = 1; }\n"
    (elf.parent / "b.c").write_text(source, "utf-8")
    flags = ["-O1", "-fstack-usage", "-fcallgraph-info=su", "-c", "b.c", "-o", "b.o"]
    subprocess.run(["gcc", *flags], cwd=elf.parent, check=True)
    result = _budget(elf, 9999, 9999, 9999)
    assert result.returncode == 1
    assert "not known beforehand" in result.stderr
