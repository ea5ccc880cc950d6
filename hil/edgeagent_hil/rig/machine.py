"""An emulated board: switched on and off, reset, and acted upon by a world that outlives all of that."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edgeagent_hil.rig.boards import KNOBS, Board
from edgeagent_hil.rig.flash import program
from edgeagent_hil.rig.portlink import PortLink
from edgeagent_hil.rig.qemu import Qemu
from edgeagent_hil.rig.qmp import Qmp
from edgeagent_hil.rig.qtest import Qtest
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.plugins import nearest

#: Where `make firmware` of a checkout puts what the boards run.
FIRMWARE: Final = Path(__file__).parents[3] / "firmware/build"

_RESET_S = 10.0
_SLEEP_S = 5.0

#: Thumb's WFI.
_WAIT_FOR_INTERRUPT = b"\x30\xbf"


class Machine:
    """A board in QEMU, its serial port at the path `port`; switched on within a `with` block.

    What the world forces upon its sensors outlives a reset and a power cut, as the world does: each time
    the processor stands still at the reset vector until its sensors show what they showed before.

    Args:
        board: what is emulated.
        home: directory for the flash image and QEMU's log.
        port: symbolic link to make; it leads to the serial port, as `/dev/serial/by-id/…` would.
        firmware: directory with a folder of images for each board.
        without: ids of chips that are missing on this board; may be changed while it is off.

    Raises:
        EdgeError: the board has no such chip.
    """

    def __init__(
        self, board: Board, home: Path, port: Path, *, firmware: Path = FIRMWARE, without: Sequence[str] = ()
    ) -> None:
        for id_ in without:
            if id_ not in board.devices:
                raise EdgeError(f"{board.name} has no chip {id_!r}; {nearest(id_, list(board.devices))}")
        self.board, self.port = board, port
        self.without = frozenset(without)
        self.flash = home / f"{board.name}-flash.img"
        self.log = home / f"{board.name}-qemu.log"
        self._images = firmware / board.name
        self._forced = {
            (knob.device, knob.property): round(knob.at_rest * knob.scale) for knob in KNOBS.values()
        }
        self._stuck: dict[tuple[str, str], int] = {}
        self._world = threading.Lock()
        self._qemu: Qemu | None = None
        self._power = ExitStack()

    def on(self) -> None:
        """Switch the power on. Raises EdgeError if something that it needs is missing."""
        if self.board.flash:
            program(self.image(self.board.flash), self.flash)
        with ExitStack() as power:
            qemu = Qemu(self._options(), self.log)
            power.callback(qemu.kill)
            power.callback(PortLink(self.port, qemu.terminal).remove)
            with self._world:
                self._force_all(qemu.qmp)
                self._qemu = qemu
            threading.Thread(target=self._keep, args=(qemu.qmp,), name="reset", daemon=True).start()
            qemu.qmp.execute("cont")
            self._power = power.pop_all()

    def off(self) -> None:
        """Cut the power: the board is gone at once, whatever it was doing."""
        with self._world:
            self._qemu = None
        self._power.close()

    def wait_end(self) -> None:
        """Return once QEMU has ended by itself."""
        self._running_qemu.wait()

    @property
    def running(self) -> bool:
        """Whether it is switched on."""
        return self._qemu is not None and self._qemu.running

    @property
    def qmp(self) -> Qmp:
        """QEMU's control. Raises EdgeError while the board is off."""
        return self._running_qemu.qmp

    @property
    def qtest(self) -> Qtest:
        """The board's memory and registers. Raises EdgeError while the board is off."""
        return self._running_qemu.qtest

    def image(self, name: str) -> Path:
        """A file that the firmware's build makes. Raises EdgeError if it is not there."""
        path = self._images / name
        if not path.exists():
            raise EdgeError(f"{path}: the firmware is not built; run `make firmware`")
        return path

    def force(self, device: str, name: str, value: int) -> int:
        """Set a property of a device, through resets and power cuts; what the device makes of it."""
        with self._world:
            self._forced[device, name] = value
            if self._qemu is None or device in self.without or (device, name) in self._stuck:
                return value
            _set(self._qemu.qmp, device, name, value)
            return int(self._qemu.qmp.execute("qom-get", path=_path(device), property=name))

    @contextmanager
    def stuck(self, device: str, name: str) -> Iterator[None]:
        """Within the block the property stays as it is, whatever is forced upon it."""
        with self._world:
            self._stuck[device, name] = self._forced[device, name]
        try:
            yield
        finally:
            with self._world:
                del self._stuck[device, name]
                if self._qemu:
                    self._force_all(self._qemu.qmp)

    def program_counter(self) -> int:
        """Where the processor is."""
        registers = self.qmp.execute("human-monitor-command", **{"command-line": "info registers"})
        found = re.search(r"R15=([0-9a-f]{8})", registers)
        if found is None:
            raise EdgeError(f"QEMU: no R15 among the registers: {registers!r}")
        return int(found[1], 16)

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Everything stands still, at a moment when the processor waits for an interrupt.

        Nothing that the program does is then half done: the buses are free. Raises EdgeError if it never
        sleeps.
        """
        deadline = time.monotonic() + _SLEEP_S
        while True:
            with self._stopped():
                if self._sleeps():
                    yield
                    return
            if time.monotonic() > deadline:
                raise EdgeError(f"the node's processor has not slept within {_SLEEP_S:g} s")

    def __enter__(self) -> Self:
        self.on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.off()

    @property
    def _running_qemu(self) -> Qemu:
        if self._qemu is None:
            raise EdgeError("the board is switched off")
        return self._qemu

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        self.qmp.execute("stop")
        try:
            yield
        finally:
            self.qmp.execute("cont")

    def _sleeps(self) -> bool:
        # The next instruction stands behind the one that waits.
        return self.qtest.read(self.program_counter() - 2, 2) == _WAIT_FOR_INTERRUPT

    def _options(self) -> list[str]:
        board = self.board
        options = ["-machine", board.machine, "-kernel", str(self.image(board.kernel))]
        # A reset waits for `_keep`.
        options += ["-action", "reboot=shutdown,shutdown=pause"]
        if board.flash:
            options += ["-drive", f"if=mtd,format=raw,file={self.flash}"]
        for id_, chip in board.devices.items():
            if id_ not in self.without:
                options += ["-device", f"{chip.model},id={id_},bus={chip.bus},address={chip.address:#x}"]
        return options

    def _keep(self, qmp: Qmp) -> None:
        """Take the board through its resets, until it is off."""
        mark = 0
        while not qmp.closed:
            if (found := qmp.wait("SHUTDOWN", after=mark, timeout_s=60.0)) is None:
                continue
            mark = found[1]
            try:
                self._begin_again(qmp)
            except EdgeError:
                return

    def _begin_again(self, qmp: Qmp) -> None:
        mark = qmp.mark()
        qmp.execute("set-action", reboot="reset")
        qmp.execute("system_reset")
        if qmp.wait("RESET", after=mark, timeout_s=_RESET_S) is None:
            return
        qmp.execute("set-action", reboot="shutdown")
        with self._world:
            self._force_all(qmp)
        qmp.execute("cont")

    def _force_all(self, qmp: Qmp) -> None:
        for (device, name), value in (self._forced | self._stuck).items():
            if device not in self.without:
                _set(qmp, device, name, value)


def _path(device: str) -> str:
    return f"/machine/peripheral/{device}"


def _set(qmp: Qmp, device: str, name: str, value: int) -> None:
    qmp.execute("qom-set", path=_path(device), property=name, value=value)
