"""What a model's process may not: outlive the agent, take its memory or its privileges, push others aside."""

from __future__ import annotations

import ctypes  # numpy takes it as well
import fcntl
import os
import resource
import select
import signal

#: Behind everything that controls or samples, before nothing.
_NICE = 5

#: The first that the kernel ends when the machine runs out of memory (proc(5), oom_score_adj).
_OOM_FIRST = "1000"

_STDIN = 0

#: prctl(2) and capset(2); linux/capability.h, version 3: two times effective, permitted, inheritable.
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_NO_CAPABILITIES = ctypes.c_uint32 * 6

#: For what is still to be saved at the end.
_LAST_S = 5


def confine(memory_bytes: int) -> None:
    """Bind this process to the agent's life, and bound what it can take.

    Its standard input is a pipe that the agent holds open and never writes to. When the agent ends, however
    it ends, the kernel sends SIGIO, whose default is to end the process, in the middle of an endless loop of
    native code as well. PR_SET_PDEATHSIG would go by the thread that started us, which may end before.

    Args:
        memory_bytes: what it may write to at most (RLIMIT_DATA: heap, private mappings, stacks of threads).
    """
    # Ctrl-C and systemd's SIGTERM reach all processes: this one ends when the agent has let go of it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - pathlib is not worth its memory here
            file.write(_OOM_FIRST)
    except OSError:
        pass  # a container may not let us
    _drop_privileges()
    fcntl.fcntl(_STDIN, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(_STDIN, fcntl.F_SETFL, fcntl.fcntl(_STDIN, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(_STDIN, 0)
    if poll.poll(0):  # it ended before we could ask to be told
        os._exit(0)


def part() -> None:
    """From now on this process may outlive the agent, for a moment: it saves what it has learned."""
    fcntl.fcntl(_STDIN, fcntl.F_SETFL, fcntl.fcntl(_STDIN, fcntl.F_GETFL) & ~os.O_ASYNC)
    signal.alarm(_LAST_S)


def _drop_privileges() -> None:
    """The agent may be root, or read what its user may not: a model needs its own file only."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    libc.capset(ctypes.byref(header), ctypes.byref(_NO_CAPABILITIES()))
