"""Orders known to every optimizer of a site, so that who takes over goes on with them.

All of them are one retained message. Each merges what it hears into its book, and says what it knows when
another does not; nothing is ever taken out by a merge, so messages that cross do no harm.
"""

from __future__ import annotations

import logging
import time

import paho.mqtt.client as paho

from edgeagent_central.optimize.power.book import Book
from edgeagent_central.optimize.power.orders import Order
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.messages import Message, decode
from edgeagent_sdk.mqtt import Broker, Session
from edgeagent_sdk.names import Identity
from edgeagent_sdk.topics import PREFIX, topic

_LOG = logging.getLogger("edgeagent")


class Orders(Message):
    """Retained: every order of a site that is not long over."""

    orders: list[Order]


class Sharing:
    """One book's connection to those of the other optimizers.

    Args:
        identity: the site, and the optimizers' name among its nodes.
    """

    def __init__(self, broker: Broker, identity: Identity, book: Book, *, prefix: str = PREFIX) -> None:
        self._book, self._topic = book, topic(identity, "orders", prefix=prefix)
        book.changed = self._say
        self._session = Session(
            broker,
            f"edge-orders-{time.time_ns():x}",
            on_connect=self._connected,
            on_message=self._heard,
        )

    def start(self) -> None:
        """Begin to listen."""
        self._session.start()

    def stop(self) -> None:
        """Leave."""
        self._session.stop()

    def _connected(self, session: Session) -> None:
        session.subscribe(self._topic)
        if self._book.orders():  # the broker may have lost what it had retained
            self._say()

    def _say(self) -> None:
        self._session.publish(self._topic, Orders(orders=self._book.orders()).encode(), retain=True)

    def _heard(self, message: paho.MQTTMessage) -> None:
        if not message.payload:
            return
        try:
            theirs = decode(bytes(message.payload), Orders).orders
        except EdgeError as error:
            _LOG.warning("%s: %s", message.topic, error)
            return
        self._book.merge(theirs, time.time())
        known = {order.id: order for order in theirs}
        if any(_news(order, known.get(order.id)) for order in self._book.orders()):
            self._say()


def _news(ours: Order, theirs: Order | None) -> bool:
    """Whether we know something of an order that they do not."""
    if theirs is None:
        return True
    return ours.measured > theirs.measured or (ours.cancelled and not theirs.cancelled)
