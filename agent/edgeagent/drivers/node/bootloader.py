"""A node that waits in its boot loader: a new image goes there by SMP, which `smpclient` speaks."""

from __future__ import annotations

import asyncio
import binascii
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from edgeagent.drivers.node.imagefile import Image
from edgeagent_sdk.errors import EdgeError

if TYPE_CHECKING:
    from smpclient import SMPClient

#: The slowest answer is the last of an upload: the node checks the whole image first.
_ANSWER_S: Final = 4.0

#: After a piece was lost on the line, the upload goes on where it was.
_TRIES: Final = 8

_TRY_S: Final = 0.5


class Rejected(EdgeError):
    """The node refused the image."""


def require_smpclient() -> None:
    """Raises EdgeError if `smpclient` is not installed."""
    try:
        import smpclient  # noqa: F401
    except ImportError:
        raise EdgeError("smpclient is not installed: pip install 'edgeagent[flash]'") from None
    for name in ("smp", "smpclient"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what fails is told by us, once


def waits(port: str, baud: int, timeout_s: float) -> bool:
    """Whether a boot loader answers at a port, tried for `timeout_s`."""
    from smpclient.generics import success
    from smpclient.requests.os_management import MCUMgrParametersRead

    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            if success(_ask(port, baud, lambda client: client.request(MCUMgrParametersRead(), _TRY_S))):
                return True
        except _trouble():
            pass
        if time.monotonic() > deadline_s:
            return False


def send(port: str, baud: int, image: Image, sent: Callable[[int], None]) -> None:
    """Upload an image, have it tried at the next reset, and reset the node.

    Args:
        sent: is told how many bytes the node has.

    Raises:
        Rejected: the node did not take it.
        EdgeError: it does not answer.
    """
    trouble: Exception | None = None
    for _ in range(_TRIES):
        try:
            _ask(port, baud, lambda client: _send(client, image, sent))
            return
        except _trouble() as error:
            trouble = error
    raise EdgeError(f"{port}: the boot loader does not answer: {trouble or 'silence'}")


def _ask(port: str, baud: int, dialogue: Callable[[SMPClient], Any]) -> Any:
    from smpclient import SMPClient
    from smpclient.transport.serial import SMPSerialTransport

    async def hold() -> Any:
        async with SMPClient(SMPSerialTransport(baudrate=baud, exclusive=True), port, _TRY_S) as client:
            return await dialogue(client)

    return asyncio.run(hold())


async def _send(client: SMPClient, image: Image, sent: Callable[[int], None]) -> None:
    from smpclient.requests.os_management import ResetWrite

    try:
        await _offer(client, image, sent)
    except Rejected:
        await client.request(ResetWrite(), _ANSWER_S)  # back to work with the old image
        raise
    _accepted(await client.request(ResetWrite(), _ANSWER_S))


async def _offer(client: SMPClient, image: Image, sent: Callable[[int], None]) -> None:
    from smpclient.exceptions import SMPUploadError
    from smpclient.requests.image_management import ImageStatesWrite

    try:
        async for offset in client.upload(
            image.data, first_timeout_s=_ANSWER_S, subsequent_timeout_s=_ANSWER_S
        ):
            sent(offset)
    except SMPUploadError as error:
        raise Rejected(f"the node refuses it: {_reason(error.args[0])}") from None
    _accepted(await client.request(ImageStatesWrite(hash=image.digest), _ANSWER_S))


def _accepted(answer: Any) -> None:
    from smpclient.generics import error

    if error(answer):
        raise Rejected(f"the node refuses it: {_reason(answer)}")


def _reason(answer: Any) -> str:
    """The node tells it in words; if it is another boot loader, by a code."""
    return getattr(answer, "rsn", None) or str(getattr(answer, "rc", answer))


def _trouble() -> tuple[type[Exception], ...]:
    """What a disturbed or silent line leads to."""
    from smp.exceptions import SMPException
    from smpclient.exceptions import SMPClientException
    from smpclient.transport import SMPTransportDisconnected

    return TimeoutError, SMPException, SMPClientException, SMPTransportDisconnected, binascii.Error, OSError
