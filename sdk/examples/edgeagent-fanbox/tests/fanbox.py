"""A fanbox to try the driver on, without one: ``python tests/fanbox.py PATH`` makes it appear at PATH."""

from __future__ import annotations

import os
import pty
import select
import sys
import threading
import tty
from pathlib import Path


class Fanbox:
    """Answers at a serial port that is a pty, as a box would at a real one.

    Attributes:
        answers: question → answer; a test may change them.
        silent: whether it has stopped to answer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.silent = False
        self.answers = {"ID?": "FANBOX 1 SN=42", "T?": "T=24.5", "R?": "R=1200", "D?": "D=40"}
        self.plug()

    def plug(self) -> None:
        """Make it appear."""
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.path.symlink_to(os.ttyname(self._theirs))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Make it disappear, also for whoever has the port open."""
        self.path.unlink()
        self._ended.set()
        self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)

    def _serve(self) -> None:
        asked = b""
        while not self._ended.is_set():
            if select.select([self._ours], [], [], 0.02)[0]:
                asked += os.read(self._ours, 1024)
            while b"\n" in asked:
                question, _, asked = asked.partition(b"\n")
                if not self.silent:
                    os.write(self._ours, f"{self._answer(question.decode())}\n".encode())

    def _answer(self, question: str) -> str:
        if question in self.answers:
            return self.answers[question]
        name, _, value = question.partition("=")
        if name == "D" and value.isdigit() and int(value) <= 100:
            self.answers["D?"] = question
            self.answers["R?"] = f"R={30 * int(value)}"
            return "OK"
        return "ERR"


if __name__ == "__main__":
    box = Fanbox(Path(sys.argv[1]))
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        box.unplug()
