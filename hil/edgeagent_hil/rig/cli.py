"""`edgeagent rig`: an emulated sensor node, and the twin. Imports light: a command imports what it needs."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from edgeagent_hil.rig.boards import BOARDS
from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent_hil.rig.machine import Machine

_READY_S = 30.0

rig = typer.Typer(help="Emulate sensor nodes and the plant around them.", no_args_is_help=True)

run = typer.Typer(help="Whole systems at work: real programs around a twin site.", no_args_is_help=True)
rig.add_typer(run, name="run")


@rig.callback()
def _group() -> None:
    """Emulate sensor nodes and the plant around them."""


@run.callback()
def _run_group() -> None:
    """Whole systems at work: real programs around a twin site."""


@rig.command()
def node(
    port: Annotated[
        Path | None,
        typer.Option(
            "--port", "-p", help="Where its serial port appears.", show_default="port in --state-dir"
        ),
    ] = None,
    board: Annotated[str, typer.Option(help=f"Emulated board: {', '.join(BOARDS)}.")] = "ast1030",
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Directory for the node's flash.", show_default="~/.local/state/edgeagent/rig"),
    ] = None,
    firmware: Annotated[
        Path | None,
        typer.Option(help="Directory of the built images.", show_default="firmware/build of this checkout"),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="CHIP", help="Leave a chip out: board, air, hotswap, fans.")
    ] = None,
    with_twin: Annotated[
        bool, typer.Option("--twin", help="Its sensors show what a server of the twin does.")
    ] = False,
) -> None:
    """Run a sensor node in QEMU: real firmware on an emulated board, at a serial port of this machine.

    Ctrl-C switches it off; its settings and its energy stay for the next time.
    """
    from edgeagent_hil.rig import boards
    from edgeagent_hil.rig.machine import FIRMWARE, Machine
    from edgeagent_hil.rig.master import wait_for_answer

    home = (state_dir or _default_home()).absolute()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with _hold(home), ExitStack() as stack:
        machine = Machine(
            boards.board(board),
            home,
            (port or home / "port").absolute(),
            firmware=firmware or FIRMWARE,
            without=without or (),
        )
        try:
            stack.enter_context(machine)
            wait_for_answer(machine.port, 1, _READY_S, lambda: machine.running)
            if with_twin:
                stack.enter_context(_twin_around(machine))
            print(f"node        {machine.port}, {board} in QEMU; Ctrl-C switches it off", flush=True)
            machine.wait_end()
        except KeyboardInterrupt:
            return
    raise EdgeError(f"QEMU has ended by itself; its log: {machine.log}")


#: Of a command that parses its own arguments, since NumPy comes with what it needs.
_OWN: Final = {"allow_extra_args": True, "ignore_unknown_options": True}


@rig.command(add_help_option=False, context_settings=_OWN)
def twin(context: typer.Context) -> None:
    """Run a twin of a site: servers in racks, their cooling, their grid connection."""
    from edgeagent_hil.twin.cli import twin as command

    _run(command, context)


@rig.command(add_help_option=False, context_settings=_OWN)
def dvfs(context: typer.Context) -> None:
    """Compare governors of clocks on twin boards, in virtual time."""
    from edgeagent_hil.dvfs.cli import dvfs as command

    _run(command, context)


@run.command(add_help_option=False, context_settings=_OWN)
def curtailment(context: typer.Context) -> None:
    """Order a site to draw a quarter less, then kill optimizer and broker under the order."""
    from edgeagent_hil.curtailment.cli import curtailment as command

    _run(command, context)


def _run(command: Callable[..., None], context: typer.Context) -> None:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    app(context.args, prog_name=context.command_path)


@contextmanager
def _twin_around(machine: Machine) -> Iterator[None]:
    """One server of a rack, whose sensors the node's are."""
    from edgeagent_hil.exposed import Runner
    from edgeagent_hil.exposed.sensors import SensorFeed
    from edgeagent_hil.rig.stimulus import MachineStimulus
    from edgeagent_hil.twin import design, kinds
    from edgeagent_hil.twin.workload import Workload

    site = design.site([kinds.load("x3550m3")], [1])
    world = MachineStimulus(machine)

    def force(channel: str, value: float) -> None:
        with suppress(EdgeError):  # QEMU has ended, which is told elsewhere
            world.set(channel, value)

    feed = SensorFeed(site, force)
    with Runner(site, Workload(site.servers.shape, seed=0), [feed]):
        yield


def _hold(home: Path) -> IO[str]:
    """Hold the directory until the file is closed, so that two nodes do not share a flash."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (home / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise EdgeError(
            f"{home}: another node runs with it; stop that one, or give another --state-dir"
        ) from None
    except OSError as error:
        raise EdgeError(
            f"{home}: {(error.strerror or str(error)).lower()}; give another --state-dir"
        ) from None
    return lock


def _default_home() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "edgeagent/rig"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
