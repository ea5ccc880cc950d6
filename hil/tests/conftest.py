"""What the rig's tests ask of an environment. They run on whatever `--lg-env` names; see hil/env-*.yaml.

What an environment lacks skips the tests that need it, and says what is lacking. Nothing else differs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from labgrid import Target
from labgrid.exceptions import NoDriverFoundError
from labgrid.protocol import PowerProtocol

from edgeagent_hil.rig.drivers import NodeProtocol, QemuNode
from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.master import Master
from edgeagent_hil.rig.stimulus import NoInstrument, Stimulus
from hil.tests.registers import Registers
from hil.tests.settings import Settings


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """A test that asks an instrument for what it cannot do is skipped."""
    try:
        return (yield)
    except NoInstrument as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def node(target: Target) -> Iterator[NodeProtocol]:
    """The node, ready to answer; where it is emulated, a new one for each file of tests.

    After the file a node that stays has the settings that it came with.
    """
    driver = target.get_driver(NodeProtocol, activate=False)
    target.activate(driver)
    try:
        driver.wait_ready()
        with Registers.at(driver.port) as registers:
            settings = Settings.of(registers)
        yield driver
        with Registers.at(driver.port) as registers:
            settings.write_back(registers)
    finally:
        target.deactivate(driver)


@pytest.fixture
def machine(node: NodeProtocol) -> Machine:
    """The emulated board, for faults that no bench can provoke."""
    if not isinstance(node, QemuNode):
        pytest.skip("only an emulated board lets the rig reach into it")
    return node.machine


@pytest.fixture
def stimulus(target: Target, node: NodeProtocol) -> Stimulus:
    """What acts on the node's sensors and sees its relays."""
    try:
        found: Stimulus = target.get_driver(Stimulus)
    except NoDriverFoundError:
        pytest.skip("the environment file names no instrument that acts on the node's sensors")
    return found


@pytest.fixture
def power(target: Target, node: NodeProtocol) -> PowerProtocol:
    """The switch in the board's supply."""
    try:
        return target.get_driver(PowerProtocol)
    except NoDriverFoundError:
        pytest.skip("the environment file names no switch in the board's supply")


@pytest.fixture
def registers(node: NodeProtocol) -> Iterator[Registers]:
    """The node's registers, setpoints unlocked; locked, and without leases, afterwards."""
    with Master(node.port) as master:
        registers = Registers(master)
        registers.unlock()
        yield registers
        registers.release()
