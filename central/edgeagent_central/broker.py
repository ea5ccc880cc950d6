"""``edgeagent broker``: the embedded MQTT broker (amqtt), for one machine and for trying things out.

It keeps retained messages and wills but no sessions (amqtt 0.12: what comes while a client is away, or
is not acknowledged, is gone), nothing over a restart, and knows no shared subscriptions. The agents'
outboxes make good for the first two, ten seconds later; `edgeagent aggregate --unshared` for the last.
A fleet wants Mosquitto or another grown broker (packaging/mosquitto.conf).
"""

from __future__ import annotations

from typing import Annotated

import typer

from edgeagent_sdk.cli import fail


def broker(
    listen: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1:1883",
) -> None:
    """Run the embedded MQTT broker."""
    import asyncio
    import logging

    logging.basicConfig(level=logging.ERROR)
    try:
        asyncio.run(_serve(listen))
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", "") or str(error)).lower()
        fail(f"listen {listen}: {reason}; end what uses it or choose another address")


async def _serve(listen: str) -> None:
    import asyncio
    import logging
    import signal

    from amqtt.broker import Broker
    from amqtt.errors import BrokerError

    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    server = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": listen, "max_connections": 0}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    try:
        await server.start()
    except BrokerError as error:
        raise OSError(str(error.__cause__ or error)) from None
    print(f"MQTT broker at {listen}", flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await server.shutdown()
