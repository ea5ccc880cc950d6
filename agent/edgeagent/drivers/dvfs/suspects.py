"""Who else on this machine sets clocks: looked for among its processes when one has been changed under us.

A process's name in /proc/PID/comm has 15 characters at most (Linux, proc_pid_comm(5)).
"""

from __future__ import annotations

from edgeagent.drivers.sysfs import listing, text
from edgeagent_sdk.driver import Host

#: What their processes are called, and what they are.
_PROCESSES = {
    "thermald": "thermald",
    "power-profiles-": "power-profiles-daemon",
    "tuned": "tuned",
    "tuned-ppd": "tuned",
    "auto-cpufreq": "auto-cpufreq",
    "tlp": "tlp",
    "cpufreqd": "cpufreqd",
    "cpufreqctl": "cpufreqd",
    "cpupower": "cpupower",
    "gamemoded": "gamemode",
    "system76-power": "system76-power",
    "laptop_mode": "laptop-mode-tools",
    "powertop": "powertop",
    "nvidia-smi": "nvidia-smi",
    "nv-hostengine": "DCGM",
    "nvpmodel": "nvpmodel",
    "jetson_clocks": "jetson_clocks",
}

#: Those that set clocks once and end, and by which files they show.
_PASSING = {
    "run/tlp": "tlp",
    "etc/init.d/cpufrequtils": "cpufrequtils",
    "etc/default/cpupower": "cpupower",
}


def suspects(host: Host) -> list[str]:
    """Names, with their process where they have one; those that run stand first."""
    found: dict[str, str] = {}
    for comm in listing(host.path("/proc"), "[0-9]*/comm"):
        if name := _PROCESSES.get(text(comm)):
            found.setdefault(name, f"{name} (process {comm.parent.name})")
    for path, name in _PASSING.items():
        if host.path(path).exists():
            found.setdefault(name, name)
    return list(found.values())
