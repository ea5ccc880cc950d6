"""A new image for a node: taken when it is signed, kept when it works, and whatever happens, one runs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from smpclient import SMPClient
from smpclient.exceptions import SMPUploadError
from smpclient.requests.image_management import ImageErase, ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import EchoWrite, MCUMgrParametersRead, ResetWrite
from smpclient.transport.serial import SMPSerialTransport

from edgeagent.drivers.node.bootloader import send, waits
from edgeagent.drivers.node.imagefile import load_image
from edgeagent_hil.rig import faults
from edgeagent_hil.rig.drivers import NodeProtocol, QemuNode
from edgeagent_hil.rig.line import Line
from edgeagent_hil.rig.machine import Machine
from edgeagent_hil.rig.master import BAUD, Master
from edgeagent_sdk.nodemap import DIAGNOSTICS, IDENTITY, RESET_PLAIN, RESET_TO_BOOT, Capability, EventCode
from hil.tests import firmwares
from hil.tests.registers import Registers
from tests.integration.cli import Result, edgeagent
from tests.services import wait_until

#: What the boot loader takes at most to answer, on a busy machine.
ANSWER_S = 10.0

#: What the new image calls itself.
NEW = "9.0.1"


class Images(NamedTuple):
    """Signed images: the one that boards come with, a newer one, and ones that are no good."""

    standard: Path
    new: Path
    hangs: Path
    mute: Path
    foreign: Path


class Cut(Exception):
    """The power went."""


@pytest.fixture(scope="module", autouse=True)
def able(node: NodeProtocol) -> None:
    """Only where there is a boot loader, and where the rig can cut the power."""
    if not isinstance(node, QemuNode):
        pytest.skip("only an emulated board has the boot loader whose key is at hand")
    with Master(node.port) as master:
        abilities = Registers(master).read(IDENTITY)["capabilities"]
    if not Capability(abilities) & Capability.UPDATE:
        pytest.skip("this board takes no new image")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    home = tmp_path_factory.mktemp("images")
    new = firmwares.build(tmp_path_factory.mktemp("new"), *firmwares.version(NEW))
    mute = firmwares.build(tmp_path_factory.mktemp("mute"), *firmwares.version("9.0.2"), firmwares.MUTE)
    hangs = home / "hangs.bin"
    hangs.write_bytes(firmwares.HANGS)
    stranger = firmwares.new_key(home / "stranger.pem")
    return Images(
        firmwares.STANDARD,
        firmwares.sign(new, home / "new.img", NEW),
        firmwares.sign(hangs, home / "hangs.img", "9.0.3"),
        firmwares.sign(mute, home / "mute.img", "9.0.2"),
        firmwares.sign(new, home / "foreign.img", NEW, stranger),
    )


@pytest.fixture
def as_before(registers: Registers, node: NodeProtocol) -> Iterator[None]:
    """At the end the version of the beginning runs, and is the one that stays."""
    before = running(registers)
    yield
    registers.return_to(node)
    assert running(registers) == before
    assert registers.read(DIAGNOSTICS)["image_confirmed"] == 1


def running(registers: Registers) -> str:
    """The version that the node tells."""
    identity = registers.read(IDENTITY)
    return ".".join(str(identity[f"version_{part}"]) for part in ("major", "minor", "patch"))


def flash(registers: Registers, node: NodeProtocol, image: Path) -> Result:
    registers.master.close()
    return edgeagent("node", "flash", image, "--port", node.port, "--json", timeout_s=150)


def in_boot(registers: Registers, port: Path, dialogue: Callable[[SMPClient], Any]) -> None:
    """Have the node wait for an image, and speak with its boot loader by SMP."""
    registers.reset(RESET_TO_BOOT)
    registers.master.close()

    async def speak() -> None:
        async with SMPClient(SMPSerialTransport(), str(port), timeout_s=ANSWER_S) as client:
            await dialogue(client)

    assert waits(str(port), BAUD, 10.0)
    asyncio.run(speak())


async def upload(client: SMPClient, data: bytes, until: int | None = None) -> None:
    """Raises Cut once the node has `until` bytes."""
    async for offset in client.upload(data, first_timeout_s=ANSWER_S):
        if until is not None and offset >= until:
            raise Cut


async def told(client: SMPClient, request: Any) -> Any:
    """What the boot loader answers."""
    return await client.request(request)


async def mark(client: SMPClient) -> None:
    """Have the image that is not confirmed be tried at the next reset."""
    (new,) = [state for state in (await told(client, ImageStatesRead())).images if not state.confirmed]
    await told(client, ImageStatesWrite(hash=new.hash))


def test_a_good_image_stays(
    node: NodeProtocol, machine: Machine, registers: Registers, images: Images
) -> None:
    (result,) = flash(registers, node, images.new).json
    assert result == {"version": NEW, "bytes": images.new.stat().st_size, "state": "confirmed"}
    registers.return_to(node)
    assert registers.has_event(EventCode.IMAGE_CONFIRMED, 0)
    assert running(registers) == NEW
    registers.reset(RESET_PLAIN)
    registers.return_to(node)
    assert running(registers) == NEW
    with faults.powerless(machine):
        pass
    registers.return_to(node)
    assert running(registers) == NEW


@pytest.mark.usefixtures("as_before")
def test_a_foreign_signature(node: NodeProtocol, registers: Registers, images: Images) -> None:
    assert "not signed by the right key" in flash(registers, node, images.foreign).mistake


@pytest.mark.usefixtures("as_before")
def test_an_image_that_hangs(node: NodeProtocol, registers: Registers, images: Images) -> None:
    assert "the old image is back" in flash(registers, node, images.hangs).mistake


@pytest.mark.usefixtures("as_before")
def test_an_image_that_is_not_well(node: NodeProtocol, registers: Registers, images: Images) -> None:
    """It answers, but never says that it is well: a reset takes the node back, whoever makes it."""

    async def try_it(client: SMPClient) -> None:
        await upload(client, images.mute.read_bytes())
        await mark(client)
        await told(client, ResetWrite())

    in_boot(registers, node.port, try_it)
    registers.return_to(node)
    assert running(registers) == "9.0.2"
    assert registers.read(DIAGNOSTICS)["image_confirmed"] == 0
    registers.reset(RESET_PLAIN)


@pytest.mark.usefixtures("as_before")
def test_a_damaged_image(node: NodeProtocol, registers: Registers, images: Images) -> None:
    """The node looks at all of it: header, program, fields and signature."""
    whole = images.new.read_bytes()

    async def offer(client: SMPClient) -> None:
        for at in (0, 13, 600, len(whole) // 2, len(whole) - 200, len(whole) - 1):
            damaged = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
            with pytest.raises(SMPUploadError):
                await upload(client, damaged)
        await told(client, ResetWrite())

    in_boot(registers, node.port, offer)


@pytest.mark.usefixtures("as_before")
def test_what_else_a_client_asks(node: NodeProtocol, registers: Registers) -> None:
    before = running(registers)

    async def ask(client: SMPClient) -> None:
        assert (await told(client, EchoWrite(d="Grüße, 世界"))).r == "Grüße, 世界"
        assert (await told(client, MCUMgrParametersRead())).buf_size == 1024
        (state,) = [state for state in (await told(client, ImageStatesRead())).images if state.confirmed]
        assert (state.version, state.active, state.pending) == (before, True, False)
        assert (await told(client, ImageErase())).rc == 8  # not supported
        assert (await told(client, ImageStatesWrite(hash=bytes(64)))).rc == 5  # no such image
        await told(client, ResetWrite())

    in_boot(registers, node.port, ask)


@pytest.mark.usefixtures("as_before")
def test_nobody_speaks_to_the_boot_loader(node: NodeProtocol, registers: Registers) -> None:
    """It goes back to work by itself; `as_before` waits for that."""
    registers.reset(RESET_TO_BOOT)


@contextmanager
def seeded() -> Iterator[random.Random]:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    yield random.Random(seed)


@pytest.mark.usefixtures("as_before")
def test_power_cuts_in_an_upload(
    node: NodeProtocol, machine: Machine, registers: Registers, images: Images
) -> None:
    """The old image runs after each; and in the end an upload goes through."""
    standard, data = running(registers), images.new.read_bytes()
    with seeded() as chance:
        for until in (*(chance.randrange(1, len(data)) for _ in range(3)), None):
            with suppress(Cut):
                in_boot(registers, node.port, partial(upload, data=data, until=until))
            with faults.powerless(machine):
                pass
            registers.return_to(node)
            assert running(registers) == standard


def test_power_cuts_when_an_image_is_to_be_tried(
    node: NodeProtocol, machine: Machine, registers: Registers, images: Images
) -> None:
    """Whenever the power goes between the marking and the confirming, one of the two runs in the end."""
    before, data = running(registers), images.standard.read_bytes()

    async def try_it(client: SMPClient) -> None:
        await upload(client, data)
        await mark(client)
        await told(client, ResetWrite())

    with seeded() as chance:
        for _ in range(3):
            in_boot(registers, node.port, try_it)
            time.sleep(chance.uniform(0.0, 0.5))
            with faults.powerless(machine):
                pass
            registers.return_to(node)
            if not registers.read(DIAGNOSTICS)["image_confirmed"]:
                registers.reset(RESET_PLAIN)
                registers.return_to(node)
            assert registers.read(DIAGNOSTICS)["image_confirmed"] == 1
            assert running(registers) == before


def test_unplugged_in_an_upload(
    node: NodeProtocol, registers: Registers, images: Images, tmp_path: Path
) -> None:
    """It goes on where it was; here with an older version than the one that runs."""
    image = load_image(images.standard)
    registers.reset(RESET_TO_BOOT)
    registers.master.close()
    offsets: list[int] = []
    with Line(node.port, tmp_path / "port") as line:

        def sent(offset: int) -> None:
            if offsets and offsets[-1] < len(image.data) // 2 <= offset:
                with line.unplugged():
                    time.sleep(0.2)
            offsets.append(offset)

        assert waits(str(line.port), BAUD, 10.0)
        send(str(line.port), BAUD, image, sent)
    assert offsets == sorted(offsets)
    registers.return_to(node)
    assert running(registers) == image.version_text
    wait_until(lambda: registers.read(DIAGNOSTICS)["image_confirmed"] == 1, "it is confirmed", 30.0)


def test_a_node_without_an_image(
    node: NodeProtocol, machine: Machine, registers: Registers, images: Images
) -> None:
    """A chip that is empty: the boot loader waits for as long as it takes."""
    registers.master.close()
    with faults.powerless(machine):
        machine.flash.write_bytes(b"\xff" * machine.flash.stat().st_size)
    assert flash(registers, node, images.standard).code == 0
    registers.return_to(node)
    assert registers.read(DIAGNOSTICS)["image_confirmed"] == 1
