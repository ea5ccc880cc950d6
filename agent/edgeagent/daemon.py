"""The agent as a process: ``python -m edgeagent.daemon --config agent.toml``.

Lean on purpose: neither the CLI's packages nor any driver that is not configured is loaded.
SIGHUP reloads, SIGTERM and SIGINT end it cleanly within 5 s.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from edgeagent import sdnotify
from edgeagent.agent import Agent
from edgeagent.config import load_config
from edgeagent_sdk.errors import EdgeError

_LOG = logging.getLogger("edgeagent")

_CHECK_S = 1.0

#: Courier and control come round every second; one that hangs this long is beyond help from inside.
_HUNG_S = 20.0

#: Level prefixes of sd-daemon(3).
_SYSLOG = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _Lines(logging.Formatter):
    """One line for each record, as the journal or a terminal wants it."""

    journal = "JOURNAL_STREAM" in os.environ

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage().replace("\n", " ")
        if self.journal:
            return f"<{_SYSLOG.get(record.levelno, 6)}>{text}"
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        return f"{stamp} {record.levelname.lower():7} {text}"


class Process:
    """The life of the process around one Agent."""

    def __init__(self, agent: Agent, config: Path) -> None:
        self._agent, self._config = agent, config
        self._wake = threading.Event()
        self._ending = self._reloading = False
        self._broken = ""

    def run(self) -> int:
        """Until a signal or a broken part ends it; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, self._reload)
        threading.excepthook = self._thread_broke
        self._agent.start()
        devices = len(self._agent.config.devices)
        _LOG.info("%s runs with %d device%s", self._agent.identity, devices, "s" * (devices != 1))
        sdnotify.notify("READY=1")
        self._loop()
        sdnotify.notify("STOPPING=1")
        self._agent.stop()
        if self._broken:
            _LOG.critical("ended by an error of its own: %s", self._broken)
        return 1 if self._broken else 0

    def _loop(self) -> None:
        watchdog_s = sdnotify.watchdog_s()
        pause_s = min(_CHECK_S, watchdog_s / 3) if watchdog_s else _CHECK_S
        while not self._ending and not self._broken:
            self._wake.wait(pause_s)
            self._wake.clear()
            if self._reloading:
                self._reloading = False
                self._take_config()
            self._agent.check()
            if watchdog_s and self._agent.silent_s < _HUNG_S:
                sdnotify.notify("WATCHDOG=1")

    def _take_config(self) -> None:
        sdnotify.reloading()
        try:
            self._agent.reload(load_config(self._config))
            _LOG.info("reloaded %s: %d devices", self._config, len(self._agent.config.devices))
        except EdgeError as error:
            _LOG.error("not reloaded, going on as before: %s", error)
        sdnotify.notify("READY=1")

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ending = True
        self._wake.set()

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reloading = True
        self._wake.set()

    def _thread_broke(self, args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else "a thread"
        self._broken = f"{name}: {args.exc_type.__name__}: {args.exc_value}"
        self._wake.set()


def main() -> int:
    """Parse the command line and run; the exit code."""
    parser = argparse.ArgumentParser(
        prog="edgeagent.daemon", description="The agent process of `edgeagent run`."
    )
    parser.add_argument("--config", type=Path, required=True, help="agent.toml")
    config = parser.parse_args().config
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        agent = Agent(load_config(config))
    except EdgeError as error:
        print(f"edgeagent: {error}", file=sys.stderr)
        return 1
    return Process(agent, config).run()


if __name__ == "__main__":
    sys.exit(main())
