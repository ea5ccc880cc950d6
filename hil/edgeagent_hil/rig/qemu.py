"""One run of QEMU, from power-on to power cut: the process, its control, its terminal."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edgeagent_hil.rig.qmp import Qmp
from edgeagent_hil.rig.qtest import Qtest
from edgeagent_sdk.errors import EdgeError

QEMU: Final = "qemu-system-arm"


class Qemu:
    """A board that is made, and whose processor does not run yet: `qmp.execute("cont")` lets it.

    The kernel ends QEMU with the thread that starts it, however that ends.

    Args:
        board: the options that make the board.
        log: file that takes QEMU's words.

    Attributes:
        qmp, qtest: its control, and the board's memory.
        terminal: the path of what the board's first UART is connected to.

    Raises:
        EdgeError: it is not installed, or does not start.
    """

    def __init__(self, board: Sequence[str], log: Path) -> None:
        qemu = shutil.which(QEMU)
        if qemu is None:
            raise EdgeError(f"{QEMU} is not installed: apt-get install {QEMU}")
        # Sockets that are connected already: nobody has to wait for one to listen.
        (our_qmp, their_qmp), (our_qtest, their_qtest) = socket.socketpair(), socket.socketpair()
        command = ["setpriv", "--pdeathsig", "KILL", qemu, "-display", "none", "-nodefaults"]
        command += ["-preconfig", "-S", *board]
        command += ["-chardev", f"socket,id=qmp,fd={their_qmp.fileno()}", "-mon", "chardev=qmp,mode=control"]
        command += ["-chardev", f"socket,id=qtest,fd={their_qtest.fileno()}"]
        command += ["-qtest", "chardev:qtest", "-qtest-log", "none"]
        command += ["-chardev", "pty,id=uart", "-serial", "chardev:uart"]
        with their_qmp, their_qtest, log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[their_qmp.fileno(), their_qtest.fileno()],
            )
        self._held = -1
        try:
            self.qmp, self.qtest = Qmp(our_qmp), Qtest(our_qtest)
            self.terminal = self._make_board()
        except EdgeError:
            our_qmp.close()
            our_qtest.close()
            self._end()
            raise EdgeError(f"QEMU did not start: {_last_line(log)}") from None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Return once it has ended."""
        self._process.wait()

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._end()
        self.qmp.close()
        self.qtest.close()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def _make_board(self) -> str:
        """Hold the terminal open, then have the board made.

        QEMU looks whether somebody has opened the terminal when it makes the board's UART, and from then
        on only once a second: so somebody always has.
        """
        [uart] = (each for each in self.qmp.execute("query-chardev") if each["label"] == "uart")
        terminal: str = uart["filename"].removeprefix("pty:")
        self._held = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.qmp.execute("x-exit-preconfig")
        return terminal


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
