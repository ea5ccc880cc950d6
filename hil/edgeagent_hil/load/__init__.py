"""A fleet of made-up nodes that load broker, aggregator and store as so many agents would.

Each node is a connection of its own with a will, publishes state and describe (retained), sends
batches QoS 1 in the true wire format, and takes its acks as an agent does, resending what nobody
acknowledged. All nodes of a process share one loop, as no machine has 2,000 threads to spare.
"""

from __future__ import annotations

import resource
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor

from edgeagent_hil.load.herd import Herd
from edgeagent_hil.load.plan import Plan, Tally
from edgeagent_sdk.errors import BrokerError, EdgeError
from edgeagent_sdk.mqtt import try_broker

__all__ = ["Plan", "Tally", "run"]

#: Descriptors that a process needs beside its connections.
_FILES_BESIDE = 64


def run(plan: Plan) -> Tally:
    """Carry out the plan. Ctrl-C ends the sending early; what was sent is still awaited and cleaned up.

    Raises:
        BrokerError: no broker, or it does not take that many connections.
        EdgeError: too few file descriptors, or batches larger than the wire allows.
    """
    try:
        try_broker(plan.broker, f"edge-load-{uuid.uuid4().hex[:8]}")
    except ConnectionError as error:
        raise BrokerError(str(error)) from None
    parts = [range(i, plan.nodes, plan.processes) for i in range(min(plan.processes, plan.nodes))]
    if len(parts) == 1:
        return _run_part(plan, parts[0])
    tally = Tally()
    with ProcessPoolExecutor(len(parts)) as pool:
        for part in [pool.submit(_run_part, plan, numbers) for numbers in parts]:
            tally.add(_result(part))
    return tally


def _result(part: Future[Tally]) -> Tally:
    while True:
        try:
            return part.result()
        except KeyboardInterrupt:  # the child has it too, and comes to its end
            continue


def _run_part(plan: Plan, numbers: Sequence[int]) -> Tally:
    _allow_files(len(numbers) + _FILES_BESIDE)
    return Herd(plan, numbers).run()


def _allow_files(need: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if need <= soft:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, max(hard, need)))
    except (OSError, ValueError):
        raise EdgeError(
            f"{need - _FILES_BESIDE} connections need {need} file descriptors, and {hard} are allowed: "
            "raise the limit (ulimit -n), or use more --processes or fewer --nodes"
        ) from None
