"""Hints from real processes to a receiver, which comes and goes, is flooded, and is told nonsense."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import cast

import pytest

from edgeagent.config import HintsConfig
from edgeagent.hints import Hints
from edgeagent.hints.receiver import Receiver
from edgeagent_sdk import hints as sdk
from edgeagent_sdk.governor import Session
from tests.services import wait_until
from tests.unit.agent.reports import Reports


class _Governor:
    """Who reads."""


_ME = _Governor()

_WORKLOAD = """
import sys, time
from edgeagent_sdk import hints

with hints.session("camera", deadline_ms=33, domains=("big",)) as s:
    s.arrived()
    while True:
        with s.unit():
            time.sleep(0.005)
"""


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With a path that is short enough for a socket; workloads look there."""
    with TemporaryDirectory(prefix="hints") as made:
        monkeypatch.setenv("EDGEAGENT_HINTS", f"{made}/hints")
        monkeypatch.setattr("edgeagent_sdk.hints.send", _fresh_road())
        yield Path(made)


def _fresh_road() -> Callable[[bytes], None]:
    from edgeagent_sdk.hintroad import Road

    return Road().send


@contextmanager
def _receiving(directory: Path, reports: Reports | None = None) -> Iterator[Hints]:
    hints = Hints(directory, reports or Reports())
    hints.apply(HintsConfig())
    try:
        yield hints
    finally:
        hints.stop()


@contextmanager
def _workload() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", _WORKLOAD]) as process:
        try:
            yield process
        finally:
            process.kill()


def _units(hints: Hints) -> int:
    return sum(len(session.done) for session in hints(_ME))


def _gathered(hints: Hints, enough: Callable[[Session], bool]) -> Session:
    """The only session, drained again and again until it has what is waited for."""
    found: list[Session] = []

    def came() -> bool:
        found[:] = hints(_ME)
        return bool(found) and enough(found[0])

    wait_until(came, "the session")
    return found[0]


def test_units_of_a_process_arrive_with_their_times_on_our_clock(directory: Path) -> None:
    with _receiving(directory) as hints, _workload():
        session = _gathered(hints, lambda session: len(session.done) >= 3)
        assert (session.name, session.domains, session.deadline_s) == ("camera", ("big",), 0.033)
        for unit in session.done:
            assert 0.005 <= unit.service_s <= unit.latency_s
            assert time.monotonic() - 60 < unit.ended_s <= time.monotonic()


def test_a_process_that_dies_takes_its_sessions_with_it(directory: Path) -> None:
    with _receiving(directory) as hints, _workload() as process:
        _gathered(hints, lambda session: bool(session.done))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert hints(_ME) == ()


def test_a_session_that_is_closed_goes_at_once(directory: Path) -> None:
    with _receiving(directory) as hints:
        with sdk.session("camera", deadline_s=0.033) as s:
            s.begin()
            assert _gathered(hints, lambda session: session.running_s is not None).pending_s
        wait_until(lambda: hints(_ME) == (), "it is gone")


def test_without_domains_the_cpus_of_its_process_are_told(directory: Path) -> None:
    with _receiving(directory) as hints, sdk.session("camera", deadline_ms=33) as s:
        s.done()
        assert _gathered(hints, lambda session: bool(session.done)).cpus == os.sched_getaffinity(0)


def test_work_goes_on_without_an_agent_and_is_told_again_when_one_comes(directory: Path) -> None:
    with _workload() as process:
        for _ in range(2):
            time.sleep(0.1)
            with _receiving(directory) as hints:
                wait_until(lambda: _units(hints) > 0, "units")
        assert process.poll() is None
    assert list(directory.iterdir()) == []


def test_an_agent_that_was_killed_leaves_a_socket_that_the_next_one_takes(directory: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(directory / "hints"))
    left.close()
    with _receiving(directory) as hints, _workload():
        wait_until(lambda: _units(hints) > 0, "units")


def test_a_reload_while_a_governor_reads_is_no_error() -> None:
    class Reloaded(Hints):
        """Its receiver is gone as soon as it has been looked at."""

        @property
        def _receiver(self) -> Receiver | None:
            return cast(Receiver | None, self.__dict__.pop("made", None))

        @_receiver.setter
        def _receiver(self, made: Receiver | None) -> None:
            self.__dict__["made"] = made

    told = (Session("camera", (), 0.033),)
    hints = Reloaded(Path("/nowhere"), Reports())
    hints.__dict__["made"] = cast(Receiver, SimpleNamespace(drain=lambda reader: told))
    assert hints(_ME) == told
    assert hints(_ME) == ()


def test_a_workload_does_not_wait_for_an_agent_that_stands_still(directory: Path) -> None:
    frozen = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    frozen.bind(str(directory / "hints"))
    with frozen, sdk.session("camera", deadline_ms=33) as s:
        for _ in range(1000):
            s.begin()
            s.done()


def test_nonsense_is_counted_and_told_once(directory: Path) -> None:
    reports = Reports()
    with _receiving(directory, reports) as hints, _workload():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            stranger.connect(str(directory / "hints"))
            for length in range(0, 3000, 100):
                stranger.send(os.urandom(length))
        wait_until(lambda: hints.garbage == 30, "all of it")
        wait_until(lambda: _units(hints) > 0, "units all the same")
    assert reports.kinds == ["hints-garbage"]
    assert f"process {os.getpid()} has sent what is no hint: 0 bytes are no record" in reports.messages[0]


def test_a_flood_costs_little_and_hurts_nothing(directory: Path) -> None:
    with _receiving(directory) as hints, sdk.session("flood", deadline_ms=33) as s:
        used_s = time.thread_time() - time.process_time()
        end_s = time.monotonic() + 0.5
        while time.monotonic() < end_s:
            s.begin()
            s.done()
        used_s += time.process_time() - time.thread_time()
        assert used_s < 0.4, "the receiver's own thread has rested in between"
        (session,) = hints(_ME)
        assert 0 < len(session.done) <= 4096 and len(session.pending_s) <= 1


@pytest.mark.parametrize("mode", ["0660", "600", "0666"])
def test_who_may_tell_is_a_matter_of_the_file(directory: Path, mode: str) -> None:
    hints = Hints(directory, Reports())
    hints.apply(HintsConfig(mode=mode))
    assert stat.S_IMODE((directory / "hints").stat().st_mode) == int(mode, 8)
    hints.apply(HintsConfig(enabled=False))
    assert not (directory / "hints").exists() and hints(_ME) == ()


@pytest.mark.parametrize(
    ("socket_path", "why"),
    [
        ("{0}/no/where", "no such file or directory; set hints.socket"),
        ("{0}/" + 100 * "x", "too long"),
        ("{0}/taken", "another agent has it"),
    ],
)
def test_without_a_socket_the_agent_goes_on_and_says_why(directory: Path, socket_path: str, why: str) -> None:
    reports = Reports()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(directory / "taken"))
        hints = Hints(directory, reports)
        hints.apply(HintsConfig(socket=socket_path.format(directory)))
        assert reports.kinds == ["hints-unavailable"] and why in reports.messages[0]
        assert hints(_ME) == ()
        hints.apply(HintsConfig())
        assert (directory / "hints").exists()
        hints.stop()


def test_a_queue_server_tells_arrivals_and_what_it_drops(directory: Path) -> None:
    with _receiving(directory) as hints, sdk.session("server", deadline_s=1) as s:
        first, second, _third = s.arrived(), s.arrived(time.monotonic() - 1.0), s.arrived()
        assert s.begin() == first
        s.drop(second)
        session = _gathered(hints, lambda session: len(session.pending_s) == 2)
        assert session.running_s is not None and session.pending_s[0] < 1.0
        s.done()
        s.done()  # the third: nobody has said when it began
        done = _gathered(hints, lambda session: not session.pending_s).done
        assert len(done) <= 2
        s.done(first)  # it is done already: nothing happens
        with pytest.raises(ZeroDivisionError), s.unit():
            _ = 1 / 0
        time.sleep(0.1)
        (session,) = hints(_ME)
        assert (session.done, session.pending_s) == ((), ())


@pytest.mark.parametrize("at_s", [float("nan"), float("inf"), -1.0, 1e12])
def test_a_time_that_is_none_is_taken_for_now(directory: Path, at_s: float) -> None:
    with _receiving(directory) as hints, sdk.session("server", deadline_s=1) as s:
        s.begin(arrived=at_s)
        (age_s,) = _gathered(hints, lambda session: bool(session.pending_s)).pending_s
        assert age_s < 60


@pytest.mark.parametrize("target", [{}, {"deadline_s": 1, "deadline_ms": 1}, {"deadline_ms": 0}])
def test_a_target_that_is_none_is_refused(target: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="deadline"):
        sdk.session("camera", **target)  # type: ignore[arg-type]
