"""SNMP agents of one's own on loopback: snmpsim with recorded devices, net-snmp's snmpd."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgeagent.drivers.snmp import ber
from edgeagent.drivers.snmp.message import Community, Security
from edgeagent.drivers.snmp.session import Session
from edgeagent_sdk.errors import DriverError
from tests.services import Service, free_port, need, spawn

_UPTIME = ber.oid("1.3.6.1.2.1.1.3.0")

_SNMPD_CONFIG = """
agentaddress udp:127.0.0.1:{port}
sysDescr a box with net-snmp
rocommunity public 127.0.0.1
"""


#: sPDUOutletCtl of PowerNet-MIB: 1 is on, 2 is off; read where it is written ("Getting this variable will
#: return the outlet state").
OUTLET_CONTROL = "1.3.6.1.4.1.318.1.1.26.9.2.4.1.5"

#: A profile for outlets of such a PDU, which a simulator can switch.
OUTLET_PROFILE = f"""
title = "a PDU of one's own"
source = "PowerNet-MIB"
probe = ["{OUTLET_CONTROL}"]
[[table]]
name = "plug"
[[table.column]]
oid = "{OUTLET_CONTROL}"
quantity = "state"
codes = {{ 1 = 1.0, 2 = 0.0 }}
switch = {{ on = {{ oid = "{OUTLET_CONTROL}", value = 1 }}, off = {{ oid = "{OUTLET_CONTROL}", value = 2 }} }}
"""


def outlets(count: int) -> str:
    """A recording of so many outlets, all on; the simulator keeps what is written to them."""
    plugs = (f"{OUTLET_CONTROL}.{n + 1}|2:writecache|value=1\n" for n in range(count))
    return "1.3.6.1.2.1.1.3.0|67|100\n" + "".join(plugs)


@contextmanager
def snmpsim(directory: Path, recordings: Sequence[Path], *, user: Sequence[str] = ()) -> Iterator[Service]:
    """A simulator; each recording is an agent whose community is the file's name without ending.

    Args:
        user: options that make a v3 user, whose context is the same name.
    """
    home = directory / "snmpsim"
    data = home / "data"
    data.mkdir(parents=True)
    for recording in recordings:
        shutil.copy(recording, data)
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("snmpsim-command-responder")),
        *(f"--data-dir={data}", f"--cache-dir={home / 'cache'}"),
        # The simulator changes to another user when it is root; it may stay who it is.
        *("--process-user=root", "--process-group=root"),
        *user,
        f"--agent-udpv4-endpoint=127.0.0.1:{port}",
    ]
    ready = _answers(port, Community(recordings[0].stem))
    with spawn(command, home, name="snmpsim", port=port, scheme="udp", ready=ready) as service:
        yield service


@contextmanager
def snmpd(directory: Path, config: str = "") -> Iterator[Service]:
    """net-snmp's agent, with the community ``public`` and what `config` adds."""
    home = directory / "snmpd"
    home.mkdir()
    port = free_port()
    file = home / "snmpd.conf"
    file.write_text(_SNMPD_CONFIG.format(port=port) + config)
    command = [need("snmpd", "snmpd"), "-f", "-Lo", "-C", "-c", str(file)]
    with spawn(
        command,
        home,
        name="snmpd",
        port=port,
        scheme="udp",
        ready=_answers(port, Community("public")),
        environment={"SNMP_PERSISTENT_DIR": str(home / "state"), "MIBS": ""},
    ) as service:
        yield service


def _answers(port: int, security: Security) -> Callable[[], bool]:
    """Whether an agent answers there; UDP tells nothing of listening."""

    def answers() -> bool:
        session = Session(("127.0.0.1", port), security, timeout_s=0.2, retries=0, silent="")
        try:
            session.get([_UPTIME])
        except DriverError:
            return False
        finally:
            session.close()
        return True

    return answers


def many_outlets(recording: Path, target: Path, place: int, under: Sequence[str], count: int) -> Path:
    """A recording with `count` outlets like the first of another.

    Args:
        place: where in its variables' names an outlet's number stands.
        under: the beginnings of those names.
    """
    rows: dict[tuple[int, ...], str] = {}
    for line in recording.read_text("utf-8").splitlines():
        text, _, rest = line.partition("|")
        name = tuple(map(int, text.split(".")))
        outlet = any(text.startswith(f"{front}.") for front in under)
        for number in range(1, count + 1) if outlet and name[place] == 1 else [0]:
            own = (*name[:place], number, *name[place + 1 :]) if number else name
            rows.setdefault(own, rest)
    lines = [".".join(map(str, name)) + f"|{rest}" for name, rest in sorted(rows.items())]
    target.write_text("\n".join(lines) + "\n")
    return target
