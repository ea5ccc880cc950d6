"""Keeps one model's process: starts it, asks it, starts it again, and gives it up for a while."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from edgeagent.drivers.model import modelfile
from edgeagent.drivers.model.conduct import ANSWERS, CRASHES, CRASHES_WITHIN_S, Conduct
from edgeagent.drivers.model.modelfile import Stamp
from edgeagent.drivers.model.process import Answer, Ended, Loaded, Process, Refused
from edgeagent_sdk.driver import Occurrence
from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.messages import Severity

#: A runtime may take this long to start and to load a model, on a small board.
LOAD_S: Final = 10.0

#: A model that was refused or disabled is tried again so late, or when its file changes, which is looked for
#: so often.
PAUSE_S: Final = 600.0
LOOK_S: Final = 5.0

#: One that is at a single inference for so long, and for so many deadlines, is ended.
_HUNG_S: Final = 5.0
_HUNG_DEADLINES: Final = 20


class Suspension(NamedTuple):
    """Why a model is not tried now, and until when; a file that changes ends it sooner."""

    error: DriverError
    until_s: float
    stamp: Stamp | None


class Supervisor:
    """One model, whose process may crash, hang and be started again.

    Args:
        name: the model, for people.
        path: its file; None for a built-in one.
        wanted: what its process is told.

    Attributes:
        news: what has become of it, and what it has told; whoever takes them empties it.
    """

    def __init__(self, name: str, path: Path | None, wanted: Mapping[str, Any], deadline_s: float) -> None:
        self.news: list[Occurrence] = []
        self.process: Process | None = None
        self._name, self._path, self._wanted, self._deadline_s = name, path, wanted, deadline_s
        self._conduct = Conduct()
        self._suspension: Suspension | None = None
        self._stamp: Stamp | None = None
        self._looked_s = 0.0

    def load(self) -> Loaded:
        """Start the process, and wait until the model is there.

        Raises:
            DriverError: the model is not there, refused or disabled; why, in one line.
        """
        self._check_suspension()
        try:
            return self.trial()
        except (Refused, Ended) as error:
            raise self._suspended(error.reason, error.remedy) from None

    def trial(self) -> Loaded:
        """As `load`, but what is wrong is wrong this once only."""
        if self._path:
            modelfile.check(self._path, LOOK_S)
        process = self._start()
        loaded = process.loaded(LOAD_S)
        if loaded is None:
            self._kill()
            raise Ended(f"not loaded after {LOAD_S:g} s")
        return loaded

    def ask(self, window: array[float]) -> Answer:
        """One inference, within its deadline; a process that has ended is started again meanwhile.

        Raises:
            DriverError: the model is refused or disabled from now on.
        """
        self._look()
        process = self.process or self._start()
        try:
            if process.loaded(0.0) is None:
                return self._loading(process)
            answer = process.ask(window, self._deadline_s)
            if process.busy_s > max(_HUNG_S, _HUNG_DEADLINES * self._deadline_s):
                raise Ended(f"it was at one inference for {process.busy_s:.0f} s, and was ended")
        except Refused as error:
            raise self._suspended(error.reason, error.remedy) from None
        except Ended as error:
            return self._crashed(error.reason)
        self._tell(process)
        if self._conduct.answered(well=not answer.failed):
            raise self._suspended(
                f"disabled: more than half of its last {ANSWERS} answers failed; the last: {answer.fault}"
            )
        return answer

    def end(self) -> None:
        """Let the process end, which may save what it has learned. May be called twice."""
        if self.process:
            self.process.end()
        self.process = None

    def _kill(self) -> None:
        if self.process:
            self.process.kill()
        self.process = None

    def _start(self) -> Process:
        self._kill()
        self._stamp = modelfile.stamp(self._path) if self._path else None
        self.process = Process(self._wanted)
        return self.process

    def _loading(self, process: Process) -> Answer:
        if time.monotonic() - process.begun_s > LOAD_S:
            return self._crashed(f"not loaded after {LOAD_S:g} s")
        return Answer(fault="is being loaded")

    def _crashed(self, reason: str) -> Answer:
        """Begin anew at the next reading, unless that was once too often."""
        self._kill()
        if self._conduct.crashed(time.monotonic()):
            within_min = CRASHES_WITHIN_S / 60
            raise self._suspended(
                f"disabled: {CRASHES} crashes within {within_min:g} min; the last: {reason}"
            )
        message = f"{self._name}: {reason}; it is started again"
        self.news.append(Occurrence("model-crashed", message, Severity.WARNING))
        return Answer(fault=reason)

    def _suspended(self, reason: str, remedy: str = "") -> DriverError:
        """No more of it for a while; the error that says so."""
        self._kill()
        self._conduct.forgive()
        again = f"tried again in {PAUSE_S / 60:g} min" + (" or when the file changes" if self._path else "")
        remedy = f"{remedy}; {again}" if remedy else again
        error = DriverError(f"{self._name}: {reason}", remedy, retry_s=LOOK_S)
        self._suspension = Suspension(error, time.monotonic() + PAUSE_S, self._stamp)
        return error

    def _check_suspension(self) -> None:
        if self._suspension is None:
            return
        changed = self._path and modelfile.stamp(self._path) != self._suspension.stamp
        if not changed and time.monotonic() < self._suspension.until_s:
            raise self._suspension.error
        self._suspension = None

    def _look(self) -> None:
        """A file that was replaced is loaded; one that is gone is no reason to stop."""
        now_s = time.monotonic()
        if self._path is None or now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        found = modelfile.stamp(self._path)
        if self.process and found and found != self._stamp:
            self._kill()
            self._conduct.forgive()
            self.news.append(Occurrence("model-changed", f"{self._name} has changed; it is loaded anew"))

    def _tell(self, process: Process) -> None:
        known = {str(severity) for severity in Severity}
        for news in process.news:
            severity = Severity(news.severity) if news.severity in known else Severity.INFO
            self.news.append(Occurrence(news.kind, news.message, severity, news.channel))
        process.news.clear()
