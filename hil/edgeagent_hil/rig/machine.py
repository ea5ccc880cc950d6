"""An emulated board as a process: started cold, reset, cut from power, and gone with whoever started it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from edgeagent_hil.rig.boards import KNOBS, Board
from edgeagent_hil.rig.qmp import Qmp
from edgeagent_hil.rig.qtest import Qtest
from edgeagent_sdk.errors import EdgeError

QEMU: Final = "qemu-system-arm"

#: Where `make firmware` of a checkout puts what the boards run.
FIRMWARE: Final = Path(__file__).parents[3] / "firmware/build"

_SECTOR_BYTES: Final = 4096

_RESET_S = 10.0
_SLEEP_S = 5.0

#: Thumb's WFI.
_WAIT_FOR_INTERRUPT = b"\x30\xbf"


class Machine:
    """A board in QEMU, its serial port at the path `port`.

    What the world forces upon its sensors outlives a reset and a power cut, as the world does: each time
    the processor stands still at the reset vector until its sensors show what they showed before.

    Args:
        board: what is emulated.
        home: directory for the flash image and QEMU's log.
        port: symbolic link to make; it leads to the serial port, as `/dev/serial/by-id/…` would.
        firmware: directory with a folder of images for each board.
        without: ids of chips that are missing on this board.

    Start it in a thread that stays: the kernel ends QEMU with the thread that started it.
    """

    def __init__(
        self, board: Board, home: Path, port: Path, *, firmware: Path = FIRMWARE, without: Sequence[str] = ()
    ) -> None:
        self.board, self.port = board, port
        self.without = frozenset(without)
        self.flash = home / f"{board.name}-flash.img"
        self._images = firmware / board.name
        self.log = home / f"{board.name}-qemu.log"
        self._forced = {
            (knob.device, knob.property): round(knob.at_rest * knob.scale) for knob in KNOBS.values()
        }
        self._stuck: dict[tuple[str, str], int] = {}
        self._world = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._port_held = -1

    def start(self) -> None:
        """Switch the power on. Raises EdgeError if something that it needs is missing."""
        if self.board.flash:
            program(self.image(self.board.flash), self.flash)
        ours, theirs = _pairs(2)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(*(end.fileno() for end in theirs)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[end.fileno() for end in theirs],
            )
        for end in theirs:
            end.close()
        try:
            self.qmp, self.qtest = Qmp(ours[0]), Qtest(ours[1])
        except EdgeError:
            self.kill()
            raise EdgeError(f"QEMU did not start: {self._last_words()}") from None
        self._make_board()
        with self._world:
            self._force_all()
        threading.Thread(target=self._keep, args=(self.qmp,), name="reset", daemon=True).start()
        self.qmp.execute("cont")

    def kill(self) -> None:
        """Cut the power: QEMU is gone at once, whatever it was doing."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None
        if self._port_held >= 0:
            os.close(self._port_held)
            self._port_held = -1
            self.qmp.close()
            self.qtest.close()
        self.port.unlink(missing_ok=True)

    def reset(self) -> None:
        """Pull the reset line, and wait until the processor has begun again."""
        mark = self.qmp.mark()
        self.qmp.execute("system_reset")
        if self.qmp.wait("RESUME", after=mark, timeout_s=_RESET_S) is None:
            raise EdgeError(f"QEMU did not begin again within {_RESET_S:g} s of a reset")

    def wait_end(self) -> None:
        """Return once QEMU has ended."""
        if self._process is not None:
            self._process.wait()

    @property
    def running(self) -> bool:
        """Whether it is switched on."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of QEMU. Raises EdgeError if it is off."""
        if self._process is None:
            raise EdgeError("the machine is switched off")
        return self._process.pid

    def force(self, device: str, name: str, value: int) -> int:
        """Set a property of a device, through resets and power cuts; what the device makes of it."""
        with self._world:
            self._forced[device, name] = value
            if device in self.without or (device, name) in self._stuck:
                return value
            self._set(device, name, value)
            return int(self.inspect(device, name))

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
                if self.running:
                    self._force_all()

    def inspect(self, device: str, name: str) -> Any:
        """A property of a device."""
        return self.qmp.execute("qom-get", path=f"/machine/peripheral/{device}", property=name)

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
            with self.stopped():
                if self._sleeps():
                    yield
                    return
            if time.monotonic() > deadline:
                raise EdgeError(f"the node's processor has not slept within {_SLEEP_S:g} s")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Everything stands still within the block, its clocks too."""
        self.qmp.execute("stop")
        try:
            yield
        finally:
            self.qmp.execute("cont")

    def image(self, name: str) -> Path:
        """A file that the firmware's build makes. Raises EdgeError if it is not there."""
        path = self._images / name
        if not path.exists():
            raise EdgeError(f"{path}: the firmware is not built; run `make firmware`")
        return path

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _command(self, qmp_fd: int, qtest_fd: int) -> list[str]:
        qemu = shutil.which(QEMU)
        if qemu is None:
            raise EdgeError(f"{QEMU} is not installed: apt-get install qemu-system-arm")
        command = ["setpriv", "--pdeathsig", "KILL", qemu, "-machine", self.board.machine]
        command += [
            "-display",
            "none",
            "-nodefaults",
            "-preconfig",
            "-S",
            "-kernel",
            str(self.image(self.board.kernel)),
        ]
        # Sockets that are connected already: nobody has to wait for one to listen.
        command += ["-chardev", f"socket,id=qmp,fd={qmp_fd}", "-mon", "chardev=qmp,mode=control"]
        command += ["-chardev", f"socket,id=qtest,fd={qtest_fd}"]
        command += ["-qtest", "chardev:qtest", "-qtest-log", "none"]
        command += ["-chardev", "pty,id=uart", "-serial", "chardev:uart"]
        # A reset waits for `_keep`.
        command += ["-action", "reboot=shutdown,shutdown=pause"]
        if self.board.flash:
            command += ["-drive", f"if=mtd,format=raw,file={self.flash}"]
        for id_, chip in self.board.devices.items():
            if id_ not in self.without:
                command += ["-device", f"{chip.model},id={id_},bus={chip.bus},address={chip.address:#x}"]
        return command

    def _sleeps(self) -> bool:
        # The next instruction stands behind the one that waits.
        return self.qtest.read(self.program_counter() - 2, 2) == _WAIT_FOR_INTERRUPT

    def _make_board(self) -> None:
        """Lead `port` to QEMU's terminal and hold that open; then have the board made.

        QEMU looks whether somebody has opened the terminal when it makes the board's UART, and from then
        on only once a second: so somebody always has.
        """
        [uart] = (each for each in self.qmp.execute("query-chardev") if each["label"] == "uart")
        terminal = uart["filename"].removeprefix("pty:")
        self._port_held = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        lead(self.port, terminal)
        self.qmp.execute("x-exit-preconfig")

    def _keep(self, qmp: Qmp) -> None:
        """Take the machine through its resets, until it is gone."""
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
            self._force_all()
        qmp.execute("cont")

    def _force_all(self) -> None:
        for (device, name), value in (self._forced | self._stuck).items():
            if device not in self.without:
                self._set(device, name, value)

    def _set(self, device: str, name: str, value: int) -> None:
        self.qmp.execute("qom-set", path=f"/machine/peripheral/{device}", property=name, value=value)

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def program(built: Path, flash: Path) -> None:
    """Bring an image that was built anew into a board's flash.

    Sectors that are erased in the image stay as they are in the flash: settings and energy.
    """
    made_from = flash.with_suffix(".made-from")
    image = built.read_bytes()
    digest = hashlib.sha256(image).hexdigest()
    if flash.exists() and made_from.exists() and made_from.read_text("ascii") == digest:
        return
    before = flash.read_bytes() if flash.exists() else image
    sectors = range(0, len(image), _SECTOR_BYTES)
    flash.write_bytes(
        b"".join(
            (image if image[at : at + _SECTOR_BYTES].strip(b"\xff") else before)[at : at + _SECTOR_BYTES]
            for at in sectors
        )
    )
    made_from.write_text(digest, "ascii")


def lead(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, in one step if there is one already."""
    new = link.with_name(f"{link.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _pairs(count: int) -> tuple[list[socket.socket], list[socket.socket]]:
    pairs = [socket.socketpair() for _ in range(count)]
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
