"""`edgeagent up`: the whole loop on this machine, from its sensors to a store."""

from __future__ import annotations

import fcntl
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeagent.cli import options
from edgeagent_sdk.config import toml_value
from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from edgeagent.cli.children import Children
    from edgeagent.cli.feed import Feed

_START_S = 20.0
_BROKER_PORT, _HTTP_PORT = 1883, 8700
_TRIES = 20

#: What keeps our ports ours; closed by the kernel when we end.
_CLAIMS: list[socket.socket] = []


def up(
    broker: Annotated[
        str, typer.Option(envvar="BROKER", help="MQTT broker to use.", show_default="one of our own")
    ] = "",
    influx_url: Annotated[
        str,
        typer.Option(envvar="INFLUX_URL", help="InfluxDB to store in.", show_default="a store of our own"),
    ] = "",
    site: Annotated[str, typer.Option(help="Which site this machine belongs to.")] = "lab",
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Directory for everything kept.", show_default="~/.local/state/edgeagent/up"),
    ] = None,
    root: options.Root = Path("/"),
    rig: Annotated[bool, typer.Option("--rig", help="Add a sensor node on an emulated board.")] = False,
    twin: Annotated[
        bool, typer.Option("--twin", help="Like --rig; it senses a made-up server at work.")
    ] = False,
    for_s: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=1.0, help="End by itself after this.")
    ] = None,
) -> None:
    """Run the whole loop on this machine and watch it: broker, agent on its own sensors, aggregator, store.

    What was stored stays for the next time. q or Ctrl-C stops everything.
    """
    from edgeagent.cli.children import Children
    from edgeagent.cli.screen import follow, line

    home = (state_dir or _default_home()).absolute()
    with _alone(home), Children(home) as children:
        try:
            broker_url = _broker(children, home, broker)
            feed = _aggregator(children, home, broker_url, influx_url, shared=bool(broker))
            ports = [_rig(children, home, twin)] if rig or twin else []
            node = _agent(children, home, feed, broker_url, site, root, ports)
            if ports:
                _say("setpoints", f"edgeagent cap show --config {shlex.quote(str(_config(home)))}")
            _say("logs", f"{home}/*.log")
            follow(feed, title=f"edgeagent up · {node} · {feed.url}/docs", check=children.check, for_s=for_s)
            for each in feed.nodes():
                print(line(feed.detail(each)))
        except KeyboardInterrupt:
            pass
        print("stopping", flush=True)


def _broker(children: Children, home: Path, url: str) -> str:
    """The broker's URL; one of our own is started unless there is one."""
    from edgeagent_sdk.mqtt import Broker, try_broker

    def trouble() -> str:
        try:
            try_broker(Broker(url=url), f"edge-up-{os.getpid()}")
        except (EdgeError, ConnectionError) as error:
            return str(error)
        return ""

    if url:
        if reason := trouble():
            raise EdgeError(reason)
        _say("broker", _without_login(url))
        return url
    address = _free_address(_BROKER_PORT)
    url = f"mqtt://{address}"
    children.start("broker", _edgeagent("broker", "--listen", address), _environment())
    children.wait_ready(trouble, _START_S)
    _say("broker", f"{url}, our own")
    return url


def _aggregator(children: Children, home: Path, broker_url: str, influx_url: str, shared: bool) -> Feed:
    from edgeagent.cli.feed import Feed

    address = _free_address(_HTTP_PORT)
    feed = Feed(f"http://{address}")
    database = home / "store.db"
    # The URLs may carry passwords, which a command line would show to everybody.
    environment = {"BROKER": broker_url} | ({"INFLUX_URL": influx_url} if influx_url else {})
    command = _edgeagent("aggregate", "--listen", address, "--state-dir", str(home / "aggregator"))
    command += [] if influx_url else ["--store", "sqlite", "--store-path", str(database)]
    # The embedded broker knows no shared subscriptions.
    command += [] if shared else ["--unshared"]
    children.start("aggregator", command, _environment(environment))
    children.wait_ready(feed.trouble, _START_S)
    _say("aggregator", f"{feed.url}, storing in {_without_login(influx_url) or database}")
    return feed


def _rig(children: Children, home: Path, twin: bool) -> Path:
    """Start a sensor node in QEMU; its serial port."""
    port = home / "ttyNODE"
    if port.is_symlink():
        port.unlink()  # of one that was killed: it may lead to anybody's terminal by now
    command = _edgeagent("rig", "node", "--port", str(port), "--state-dir", str(home / "node"))
    children.start("node", command + ["--twin"] * twin, _environment())
    children.wait_ready(lambda: "" if port.is_char_device() else f"{port} is not there", _START_S)
    _say("node", f"{port}, emulated" + ", in a server of the twin" * twin)
    return port


def _agent(
    children: Children,
    home: Path,
    feed: Feed,
    broker_url: str,
    site: str,
    root: Path,
    ports: Sequence[Path],
) -> str:
    """Start the agent with a configuration made from what is found, and the nodes at `ports`; its name."""
    from edgeagent.config import load_config
    from edgeagent.files import whole_file
    from edgeagent.starter import names, starter
    from edgeagent.survey import survey
    from edgeagent_sdk.driver import Host

    config = _config(home)
    found = survey(Host(root))
    values = {
        "site": site,
        "state_dir": str(home / "agent"),
        "host_root": str(root.absolute()),
        "broker.url": broker_url,
        "agent.interval_s": 1.0,
    }
    with whole_file(config, replace=True) as file:
        file.write(starter(found, values) + "".join(map(_emulated, ports)))
    settings = load_config(config)
    children.start("agent", _edgeagent("run", "--config", str(config)), _environment())
    name = f"{settings.site}/{settings.node}"
    children.wait_ready(lambda: _unheard(feed, name), _START_S)
    devices = ", ".join(device.name for device in settings.devices)
    _say("agent", f"{name}, reading {devices or 'nothing but itself'}")
    locked = [finding for finding in found.findings if finding.found.missing]
    if locked:
        _say("", f"not enabled: {names(locked)}; `edgeagent probe` says why")
    return name


def _config(home: Path) -> Path:
    """The agent's configuration, for other commands as well."""
    return home / "agent.toml"


def _emulated(port: Path) -> str:
    """The entry of an emulated node in agent.toml."""
    return (
        "\n# The emulated sensor node; on a real one, port is /dev/serial/by-id/….\n"
        f'[[device]]\nname = "rig"\ndriver = "node"\nport = {toml_value(str(port))}\n'
    )


def _unheard(feed: Feed, name: str) -> str:
    """Why the node is not there yet; empty once the store has readings of it."""
    try:
        stored = any(node.name == name and node.readings for node in feed.nodes())
    except EdgeError as error:
        return str(error)
    return "" if stored else "none of its readings has reached the store"


def _edgeagent(*arguments: str) -> list[str]:
    # -P: what lies in the current directory must not stand in for a module.
    return [sys.executable, "-P", "-m", "edgeagent", *arguments]


def _environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, without what would override options; with `more`."""
    rest = {
        k: v for k, v in os.environ.items() if k not in ("BROKER", "INFLUX_URL", "EDGEAGENT_CENTRAL_CONFIG")
    }
    return rest | dict(more or {})


def _without_login(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rsplit('@', 1)[-1]}"


def _free_address(port: int) -> str:
    """`port` of this machine, or if that is taken another one; ours until we end."""
    for wanted in (port, *[0] * _TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            found = probe.getsockname()[1]
        if _reserved(found):
            return f"127.0.0.1:{found}"
    raise EdgeError("no port is free on 127.0.0.1")


def _reserved(port: int) -> bool:
    """Claim a port before our child listens on it.

    Else another `edgeagent up`, started at the same time, finds it free too: its child ends for want of the
    port, and what answers there is ours. The claim is an abstract socket, of the network namespace the port
    is of.
    """
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0edgeagent-up-{port}")
    except OSError:
        claim.close()
        return False
    _CLAIMS.append(claim)
    return True


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the directory, so that two of us do not write into one store."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EdgeError(
                    f"{home}: another `edgeagent up` runs with it; stop that one, or give another --state-dir"
                ) from None
            yield
    except OSError as error:
        raise EdgeError(
            f"{home}: {(error.strerror or str(error)).lower()}; give another --state-dir"
        ) from None


def _default_home() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "edgeagent/up"


def _say(part: str, text: str) -> None:
    print(f"{part:<11} {text}", flush=True)
