"""One way to reach the broker, for every program of ours: where it is, and a session that comes back.

paho-mqtt speaks the protocol; what stands here is what it leaves to its user: reasons in words,
reconnecting with backoff and jitter, and bounded queues (paho's own are unlimited by default).
"""

from __future__ import annotations

import random
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edgeagent_sdk.errors import BrokerError

SCHEMES = {"mqtt": 1883, "mqtts": 8883}

_BACKOFF_MIN_S, _BACKOFF_MAX_S = 0.5, 30.0


def _key(description: str) -> Any:
    return msgspec.Meta(description=description)


class Broker(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Where the MQTT broker is and how to prove who we are; the ``[broker]`` table of a configuration."""

    url: Annotated[str, _key("mqtt://host[:1883] or mqtts://host[:8883]; may carry user:password@")] = (
        "mqtt://127.0.0.1:1883"
    )
    username: Annotated[str, _key("user name; empty for none")] = ""
    password: Annotated[str, _key("password; better kept in password_file")] = ""
    password_file: Annotated[str, _key("file whose first line is the password")] = ""
    ca: Annotated[str, _key("PEM file of the CA that signed the broker; empty for the system's CAs")] = ""
    cert: Annotated[str, _key("PEM file of our certificate, for mutual TLS")] = ""
    key: Annotated[str, _key("PEM file of our private key, for mutual TLS")] = ""
    keepalive_s: Annotated[
        int, msgspec.Meta(ge=5, le=3600, description="silence after which the connection counts as dead")
    ] = 15

    def address(self) -> tuple[str, int]:
        """Host and port of `url`. Raises BrokerError if the URL is none of ours."""
        host, port, _ = self._split()
        return host, port

    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")

    def login(self) -> tuple[str, str]:
        """User name and password, from the keys, the URL or the file. Raises BrokerError."""
        _, _, (user, password) = self._split()
        user, password = self.username or user, self.password or password
        if self.password_file:
            try:
                password = Path(self.password_file).read_text("utf-8").split("\n", 1)[0]
            except (OSError, UnicodeDecodeError) as error:
                raise BrokerError(f"broker.password_file {self.password_file}: {_words(error)}") from None
        return user, password

    def _split(self) -> tuple[str, int, tuple[str, str]]:
        try:
            parts = urlsplit(self.url)
            port = parts.port or SCHEMES[parts.scheme]
            if parts.scheme in SCHEMES and parts.hostname:
                return parts.hostname, port, (unquote(parts.username or ""), unquote(parts.password or ""))
        except (ValueError, KeyError):
            pass
        shown = self.url.rsplit("@", 1)[-1]
        raise BrokerError(f"broker.url {shown!r}: write mqtt://host[:port] or mqtts://host[:port]")


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ssl.SSLError):
        return error.strerror.lower()
    return str(error) or type(error).__name__


def explain(broker: Broker, error: BaseException) -> str:
    """Why the broker could not be reached, and what to do, in one line."""
    host, port = broker.address()
    where = f"broker {host}:{port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{where}: its certificate does not verify ({error.verify_message}); "
            "check broker.ca and the host name"
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"{where}: TLS failed ({getattr(error, 'reason', '') or error}); "
            "check mqtts:// and the port, broker.cert and broker.key"
        )
    if isinstance(error, socket.gaierror):
        return f"{where}: no such host; check broker.url"
    if isinstance(error, ConnectionRefusedError):
        return f"{where}: nothing listens there; start the broker or check broker.url"
    if isinstance(error, TimeoutError):
        return f"{where}: no answer; check broker.url, the network and the firewall"
    return f"{where}: {_words(error)}"


def _unanswered(broker: Broker) -> str:
    host, port = broker.address()
    hint = "check broker.cert and broker.key" if broker.tls() else "is that a TLS port? then write mqtts://"
    return f"broker {host}:{port}: it took the connection but did not answer; {hint}"


def permanent(error: BaseException) -> bool:
    """Whether `error` is a wrong configuration rather than an absent network."""
    return isinstance(error, ssl.SSLError)


def new_client(
    broker: Broker, client_id: str, *, persistent: bool = False, manual_ack: bool = False
) -> paho.Client:
    """A paho client set up for `broker`, not yet connected.

    Raises:
        BrokerError: a file that the settings name cannot be read, or does not hold what it should.
    """
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=not persistent,
        protocol=paho.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=manual_ack,
    )
    user, password = broker.login()
    if user:
        client.username_pw_set(user, password)
    if broker.tls():
        for name in ("ca", "cert", "key"):
            path = getattr(broker, name)
            if path and not Path(path).is_file():
                raise BrokerError(f"broker.{name} {path}: no such file")
        if broker.key and not broker.cert:
            raise BrokerError("broker.key without broker.cert: a key alone proves nothing; set both")
        try:
            client.tls_set(broker.ca or None, broker.cert or None, broker.key or None)
        except (OSError, ValueError) as error:
            raise BrokerError(
                f"broker.ca, broker.cert or broker.key cannot be used: {_words(error)}"
            ) from None
    client.connect_timeout = 5.0
    return client


class Session:
    """A connection to the broker that is kept up until `stop`, in threads of its own.

    Args:
        broker: where it is.
        client_id: unique at the broker; a second connection with the same id ends the first.
        persistent: the broker keeps our subscriptions and their QoS 1 messages while we are away.
        will: topic and payload that the broker publishes, retained, if we fall silent.
        manual_ack: each QoS 1 message is acknowledged by `acknowledge` only.
        on_connect: called after each connect; subscribe here.
        on_message: called with topic, payload and message; from the network thread, so be short.
        on_published: called with the message id once the broker holds a QoS 1 message.
        on_trouble: called with a reason in words whenever a connection fails or ends.
        on_refused: called with a topic filter that the broker does not let us subscribe to.

    Raises:
        BrokerError: the settings cannot be used.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        persistent: bool = False,
        will: tuple[str, bytes] | None = None,
        manual_ack: bool = False,
        on_connect: Callable[[Session], None] = lambda session: None,
        on_message: Callable[[paho.MQTTMessage], None] = lambda message: None,
        on_published: Callable[[int], None] = lambda mid: None,
        on_trouble: Callable[[str], None] = lambda reason: None,
        on_refused: Callable[[str], None] = lambda topic_filter: None,
        in_flight: int = 64,
    ) -> None:
        self.broker = broker
        self.generation = 0
        self.connected = threading.Event()
        self.trouble = ""
        self._answered = False
        self._settled = threading.Event()  # connected, or refused for a reason that waiting does not cure
        self._stopping = threading.Event()
        self._down = threading.Event()
        self._on_connect, self._on_trouble, self._on_refused = on_connect, on_trouble, on_refused
        self._asked: dict[int, str] = {}  # filters by the message id of their subscription
        client = self._client = new_client(broker, client_id, persistent=persistent, manual_ack=manual_ack)
        client.max_inflight_messages_set(in_flight)
        client.max_queued_messages_set(4 * in_flight)
        if will:
            client.will_set(will[0], will[1], qos=1, retain=True)
        client.on_connect = self._connack
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._suback
        client.on_message = lambda _client, _data, message: on_message(message)
        client.on_publish = lambda _client, _data, mid, _code, _properties: on_published(mid)
        self._thread = threading.Thread(target=self._keep_up, name="mqtt-session", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def connect_or_raise(self, timeout_s: float = 10.0) -> None:
        """Start, and wait until connected. Raises BrokerError with the reason if that fails."""
        self.start()
        self._settled.wait(timeout_s)
        if not self.connected.is_set():
            self.stop()
            raise BrokerError(self.trouble or f"broker {self.broker.url}: no answer within {timeout_s:g} s")

    def stop(self, timeout_s: float = 2.0) -> None:
        """Disconnect cleanly: the broker does not publish the will."""
        self._stopping.set()
        self._client.disconnect()
        self._down.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def subscribe(self, topic_filter: str, qos: int = 1) -> None:
        """Ask for messages; on a clean session again after each connect, so do it in `on_connect`."""
        _, mid = self._client.subscribe(topic_filter, qos)
        if mid is not None:
            self._asked[mid] = topic_filter

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> int | None:
        """Hand a message to the network thread; its message id, or None if the queue is full or down.

        A QoS 1 message once handed over is sent again by itself after a reconnect.
        """
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        return info.mid if info.rc == paho.MQTT_ERR_SUCCESS else None

    def acknowledge(self, mid: int, generation: int) -> None:
        """Acknowledge a QoS 1 message that came in connection number `generation`.

        A message of an earlier connection is left: the broker has sent it again, perhaps under
        another id, and its own acknowledgement will follow.
        """
        if generation == self.generation and self.connected.is_set():
            self._client.ack(mid, 1)

    def reconnect(self) -> None:
        """Drop the connection and take it up again, so that the broker sends again what is unacknowledged."""
        self._client.disconnect()

    def _connack(self, _client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self._answered = True
        if code.is_failure:
            host, port = self.broker.address()
            self._say(
                f"broker {host}:{port} refuses us: {str(code).lower()}; "
                "check broker.username and its access rules"
            )
            self._settled.set()
            return
        self.generation += 1
        self.trouble = ""
        self.connected.set()
        self._on_connect(self)
        self._settled.set()

    def _suback(self, _client: paho.Client, _data: Any, mid: int, codes: Any, _properties: Any) -> None:
        topic_filter = self._asked.pop(mid, "a topic filter")
        if any(code.is_failure for code in codes):
            self._on_refused(topic_filter)

    def _disconnected(
        self, _client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any
    ) -> None:
        was = self.connected.is_set()
        self.connected.clear()
        if was and not self._stopping.is_set():
            host, port = self.broker.address()
            self._say(f"broker {host}:{port}: connection lost ({str(code).lower()})")
        elif not self._answered and not self._stopping.is_set():
            self._say(_unanswered(self.broker))
        self._down.set()

    def _say(self, reason: str) -> None:
        self.trouble = reason
        self._on_trouble(reason)

    def _keep_up(self) -> None:
        pause_s = _BACKOFF_MIN_S
        host, port = self.broker.address()
        while not self._stopping.is_set():
            self._down.clear()
            self._answered = False
            try:
                self._client.connect(host, port, self.broker.keepalive_s)
            except (OSError, ValueError) as error:
                self._say(explain(self.broker, error))
                if permanent(error):
                    self._settled.set()
            else:
                before = self.generation
                self._client.loop_start()
                self._down.wait()
                self._client.loop_stop()
                if self.generation > before:
                    pause_s = _BACKOFF_MIN_S
            # Jitter keeps a fleet from coming back in step after the broker's restart.
            self._stopping.wait(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(2 * pause_s, _BACKOFF_MAX_S)


def try_broker(broker: Broker, client_id: str, timeout_s: float = 6.0) -> None:
    """Connect once and leave again.

    Raises:
        BrokerError: the settings are wrong: credentials, CA, URL. Waiting would not help.
        ConnectionError: the broker is not there now; a running agent would wait for it.
    """
    client = new_client(broker, client_id)
    answer: list[Any] = []
    done = threading.Event()

    def connack(_client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        answer.append(code)
        done.set()

    client.on_connect = connack
    client.on_disconnect = lambda *_: done.set()
    host, port = broker.address()
    try:
        client.connect(host, port)
    except (OSError, ValueError) as error:
        text = explain(broker, error)
        raise (BrokerError(text) if permanent(error) else ConnectionError(text)) from None
    client.loop_start()
    done.wait(timeout_s)
    client.disconnect()
    client.loop_stop()
    if not answer:
        raise ConnectionError(_unanswered(broker))
    if answer[0].is_failure:
        raise BrokerError(
            f"broker {host}:{port} refuses us: {str(answer[0]).lower()}; "
            "check broker.username and broker.password"
        )
