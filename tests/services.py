"""Real services as child processes, for tests and benchmarks: on free loopback ports, gone at the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

_READY_S = 20.0
_RECOMMENDED = Path(__file__).parents[1] / "packaging" / "mosquitto.conf"

#: The database that the aggregator writes to unless told otherwise.
DATABASE = "edgeagent"


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody takes connections on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = _READY_S) -> None:
    """Return as soon as `condition` holds. Raises TimeoutError with `what` otherwise."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.02)


class Service:
    """A child process that can be killed, stopped, paused and started again with the same command.

    Args:
        command: what runs; `environment` is added to ours.
        directory: where its log goes, as ``<name>.log``.
        port: where it listens; 0 if nowhere.
        scheme: of its `url`.
        ready: whether it serves; by default, whether it listens.
    """

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        *,
        name: str = "",
        port: int = 0,
        scheme: str = "http",
        ready: Callable[[], bool] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = list(command)
        self.name = name or Path(self.command[0]).name
        self.port = port
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.log = directory / f"{self.name}.log"
        self.proc: subprocess.Popen[bytes] | None = None
        self._ready = ready or (lambda: not port or listens(port))
        self._environment = {**os.environ, **(environment or {})}

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self.proc is not None, f"{self.name} does not run"
        return self.proc.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.proc is not None and self.proc.poll() is None

    def start(self, *, wait: bool = True) -> Self:
        """Start it; with `wait`, return once it serves. Raises RuntimeError if it ends."""
        with self.log.open("ab") as log:
            self.proc = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        if wait:
            wait_until(self._serves, f"{self.name} serves; its log is {self.log}")
        return self

    def _serves(self) -> bool:
        if not self.running:
            assert self.proc is not None
            raise RuntimeError(f"{self.name} ended with code {self.proc.returncode}: {self.last_words()}")
        return self._ready()

    def last_words(self, count: int = 5) -> str:
        """The last lines of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return " | ".join(lines[-count:])

    def signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.proc is not None and self.running:
            self.proc.send_signal(number)

    def kill(self) -> None:
        """``kill -9``, and wait for the end."""
        self._end(signal.SIGKILL)

    def stop(self, timeout_s: float = 10.0) -> int:
        """SIGTERM, after `timeout_s` SIGKILL; the exit code."""
        return self._end(signal.SIGTERM, timeout_s)

    def restart(self) -> None:
        """Start it again; one that still runs is killed first."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it: its sockets stay open, nothing answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        self.signal(signal.SIGCONT)

    def _end(self, number: int, timeout_s: float = 10.0) -> int:
        if self.proc is None:
            return 0
        self.signal(number)
        self.resume()
        try:
            return self.proc.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            return self.proc.wait()


@contextmanager
def spawn(
    command: Sequence[str],
    directory: Path,
    *,
    name: str = "",
    port: int = 0,
    scheme: str = "http",
    ready: Callable[[], bool] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """A `Service` that serves, and is stopped at the end."""
    service = Service(
        command, directory, name=name, port=port, scheme=scheme, ready=ready, environment=environment
    )
    try:
        yield service.start()
    finally:
        service.stop()


class Store(Service):
    """A store with a query interface."""

    def query(self, text: str) -> list[dict[str, Any]]:
        """Rows as dictionaries. InfluxQL."""
        parameters = urllib.parse.urlencode({"db": DATABASE, "q": text, "epoch": "ns"})
        answer = self.get(f"/query?{parameters}")
        series = [s for result in answer["results"] for s in result.get("series", ())]
        return [
            dict(zip(s["columns"], values, strict=True)) | s.get("tags", {})
            for s in series
            for values in s["values"]
        ]

    def count(self) -> int:
        """Readings stored so far, headers not counted."""
        rows = self.query('SELECT COUNT("value") FROM /.*/')
        return sum(row["count"] for row in rows)

    def write(self, lines: bytes) -> None:
        """Write lines directly. Raises urllib.error.HTTPError."""
        self.post(f"/write?db={DATABASE}&precision=ns", lines)

    def get(self, path: str) -> Any:
        """JSON of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: bytes) -> None:
        """POST, answer dropped."""
        urllib.request.urlopen(urllib.request.Request(self.url + path, body), timeout=60).close()


class Victoria(Store):
    """VictoriaMetrics: the field ``value`` of quantity ``power`` is the series ``power_value``."""

    def query(self, text: str) -> list[dict[str, Any]]:
        """Rows as dictionaries: labels, and ``value``. MetricsQL, now."""
        parameters = urllib.parse.urlencode({"query": text, "time": f"{time.time() + 5:.3f}", "nocache": "1"})
        answer = self.get(f"/api/v1/query?{parameters}")
        return [row["metric"] | {"value": float(row["value"][1])} for row in answer["data"]["result"]]

    def count(self, window: str = "2h") -> int:
        """Readings stored in the last `window`, headers not counted."""
        self.flush()
        rows = self.query(f'sum(count_over_time({{__name__=~".+_value"}}[{window}]))')
        return int(rows[0]["value"]) if rows else 0

    def flush(self) -> None:
        """Make what was written visible to queries now."""
        with urllib.request.urlopen(self.url + "/internal/force_flush", timeout=60):
            pass

    def write(self, lines: bytes) -> None:
        """Write lines directly. Raises urllib.error.HTTPError."""
        self.post("/api/v2/write?precision=ns", lines)


class Missing(Exception):
    """A program that the tests stand on is not installed. No skip: a test left out proves nothing."""


def need(program: str, package: str) -> str:
    """The path of an installed program. Raises Missing with the remedy."""
    __tracebackhide__ = True
    for directory in (*os.get_exec_path(), "/usr/sbin"):
        path = Path(directory) / program
        if os.access(path, os.X_OK):
            return str(path)
    raise Missing(f"{program} is not installed; run `make test`, or: apt-get install {package}")


@contextmanager
def mosquitto(
    directory: Path, *, config_extra: str = "", persistence: bool = True, port: int | None = None
) -> Iterator[Service]:
    """A Mosquitto of one's own, with the settings that we recommend."""
    port = port or free_port()
    home = directory / f"mosquitto-{port}"
    home.mkdir()
    config = home / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\n"
        "allow_anonymous true\n"
        f"persistence {'true' if persistence else 'false'}\n"
        f"persistence_location {home}/\n"
        "user root\n"
        f"{_RECOMMENDED.read_text('utf-8')}\n"
        f"{config_extra}\n"
    )
    with spawn(
        [need("mosquitto", "mosquitto"), "-c", str(config)], home, port=port, scheme="mqtt"
    ) as service:
        yield service


_INFLUX_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{home}/meta"
[data]
  dir = "{home}/data"
  wal-dir = "{home}/wal"
  max-series-per-database = 0
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
"""


@contextmanager
def influxd(directory: Path, *, port: int | None = None, auth: bool = False) -> Iterator[Store]:
    """An InfluxDB 1.x with the database `DATABASE`; with `auth`, one that lets nobody in."""
    port = port or free_port()
    home = directory / f"influxd-{port}"
    home.mkdir()
    config = home / "influxdb.conf"
    settings = _INFLUX_CONFIG.format(home=home, port=port, rpc=free_port())
    config.write_text(settings + f"  auth-enabled = {str(auth).lower()}\n")
    store = Store([need("influxd", "influxdb"), "-config", str(config)], home, port=port)
    try:
        store.start()
        if not auth:
            store.post("/query?q=" + urllib.parse.quote(f'CREATE DATABASE "{DATABASE}"'), b"")
        yield store
    finally:
        store.stop()


@contextmanager
def victoria(directory: Path, *options: str, port: int | None = None) -> Iterator[Victoria]:
    """A VictoriaMetrics, with more `options` if any.

    Its time stamps have milliseconds, and equal ones of a series are one point.
    """
    port = port or free_port()
    home = directory / f"victoria-{port}"
    home.mkdir()
    command = [
        need("victoria-metrics", "victoria-metrics"),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={home}/data",
        "-dedup.minScrapeInterval=1ms",
        "-search.latencyOffset=0s",
        "-retentionPeriod=100y",
        "-loggerLevel=WARN",
        *options,
    ]
    store = Victoria(command, home, port=port)
    try:
        yield store.start()
    finally:
        store.stop()
