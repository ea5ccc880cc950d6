"""One kept connection to a BMC: JSON in, JSON out, gzip, redirects, TLS.

On top of the standard library's http.client. What a package would add, pools, cookies and proxies, a
BMC has no use for; what matters here, where credentials may follow a redirect and how much an answer
may weigh, would have to be written around a package as well; and the bare agent reads a BMC as it is.
"""

from __future__ import annotations

import socket
import ssl
import zlib
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from edgeagent_sdk.errors import DriverError

#: A BMC that takes no connection within this will not take one later.
_CONNECT_S = 5.0

#: The largest trees of real BMCs have some hundred KiB.
_BODY_MAX_BYTES = 8 << 20

_REDIRECTS_MAX = 4
_REDIRECTS = {301, 302, 303, 307, 308}

#: What a server that closed a kept connection meanwhile lets us see.
_CLOSED = (ConnectionError, HTTPException, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Answer(NamedTuple):
    """What came back. `body` is None if it was empty, or is no JSON of an object."""

    status: int
    headers: HTTPMessage
    body: dict[str, Any] | None


class Http:
    """Requests one after the other on one connection, which is opened again when it was closed.

    Args:
        url: the BMC's root, ``https://host[:port]``.
        timeout_s: of a silence; a slow BMC is silent for all the time it needs.
    """

    def __init__(self, url: str, tls: ssl.SSLContext, timeout_s: float) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._tls = tls
        self._place = _split(url, url)
        self._connection: HTTPConnection | None = None
        self._ended = False

    @property
    def base(self) -> str:
        """The address that answers: the url, or where it redirected to."""
        return f"{self._place.scheme}://{self._place.netloc}"

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send a request, and follow where a GET is sent on to, on the same host.

        Raises:
            DriverError: no answer, or one that is none of HTTP.
        """
        for _ in range(_REDIRECTS_MAX + 1):
            answer = self._once(method, path, headers, body)
            if answer.status not in _REDIRECTS or method != "GET":
                return answer
            path = self._follow(path, answer.headers.get("Location", ""))
        raise DriverError(
            f"{self.url}{path}: redirects in a circle", "ask the BMC's vendor for a newer firmware"
        )

    def close(self) -> None:
        """End it, from any thread: a request that another thread waits in fails at once."""
        self._ended = True
        self.drop()

    def drop(self) -> None:
        """Drop the connection; the next request opens a new one."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(OSError):
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _follow(self, path: str, location: str) -> str:
        place = _split(urljoin(f"{self._place.scheme}://{self._place.netloc}{path}", location), location)
        if place.hostname != self._place.hostname or (place.scheme, self._place.scheme) == ("http", "https"):
            # Whoever is named there would be handed our credentials.
            raise DriverError(
                f"{self.url}{path}: redirects to {place.scheme}://{place.netloc}",
                "if that is the BMC, make it the url",
            )
        if (place.scheme, place.netloc) != (self._place.scheme, self._place.netloc):
            self.drop()
            self._place = place
        return place.path + (f"?{place.query}" if place.query else "")

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        for kept in (self._connection is not None, False):
            try:
                return self._exchange(method, path, headers, body)
            except _CLOSED as error:
                self.drop()
                # The server may close a kept connection at any time, and then took no request.
                if not kept or self._ended or isinstance(error, ConnectionRefusedError):
                    raise self._trouble(path, error) from None
            except (OSError, ValueError) as error:
                self.drop()
                raise self._trouble(path, error) from None
        raise AssertionError("unreachable")

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        connection = self._connection = self._connection or self._connect()
        if self._ended:
            raise ConnectionAbortedError("closed")
        connection.request(method, path, body or None, dict(headers))
        with connection.getresponse() as response:
            raw = response.read(_BODY_MAX_BYTES + 1)
            if response.getheader("Content-Encoding", "").lower() == "gzip":
                raw = _gunzip(raw)
            if len(raw) > _BODY_MAX_BYTES:
                self.drop()
                raise ValueError(f"an answer of more than {_BODY_MAX_BYTES >> 20} MiB")
            return Answer(response.status, response.headers, _json(raw))

    def _connect(self) -> HTTPConnection:
        host, port = self._place.hostname or "", self._place.port
        connect_s = min(_CONNECT_S, self.timeout_s)
        if self._place.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(host, port, timeout=connect_s, context=self._tls)
        else:
            connection = HTTPConnection(host, port, timeout=connect_s)
        connection.connect()
        connection.sock.settimeout(self.timeout_s)
        return connection

    def _trouble(self, path: str, error: Exception) -> DriverError:
        where = f"{self.url}{path}"
        match error:
            case ssl.SSLCertVerificationError():
                return DriverError(
                    f"{self.url}: its certificate does not verify ({error.verify_message})",
                    "give the CA that signed it as ca_file, or set verify = false on a network you trust",
                )
            case ssl.SSLError():
                return DriverError(
                    f"{self.url}: TLS failed ({error.reason or error})", "is that a https port?"
                )
            case socket.gaierror():
                return DriverError(f"{self.url}: no such host", "check url")
            case ConnectionRefusedError():
                return DriverError(
                    f"{self.url}: nothing listens there", "check url, and that Redfish is enabled"
                )
            case TimeoutError():
                return DriverError(
                    f"{where}: no answer within {self.timeout_s:g} s", "raise timeout_s if it is slow"
                )
            case HTTPException() | ValueError():
                return DriverError(
                    f"{where}: no sound answer ({str(error) or type(error).__name__})", "check url"
                )
            case OSError():
                return DriverError(f"{where}: {(error.strerror or str(error)).lower()}")
            case _:
                return DriverError(f"{where}: {error}")


def _split(url: str, shown: str) -> SplitResult:
    try:
        place = urlsplit(url)
        _ = place.port
        if place.scheme in ("http", "https") and place.hostname and not place.username:
            return place
    except ValueError:
        pass
    raise DriverError(f"{shown.rsplit('@', 1)[-1]!r} is no address of a BMC", "write https://host[:port]")


def _gunzip(raw: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(raw, _BODY_MAX_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"gzip: {error}") from None


def _json(raw: bytes) -> dict[str, Any] | None:
    if not raw.strip():
        return None
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return body if isinstance(body, dict) else None
