"""One kept-alive HTTP connection, with a store's failures put into words."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from edgeagent_central.stores.base import StoreDown, StoreMisconfigured, TooMuch, seconds

#: More than `POINTS_MAX` points take, in the JSON of any store.
_ANSWER_MAX_BYTES = 64 << 20

_PARTIAL = re.compile(
    r'partial write: (?:.*on measurement \\?"(?P<measurement>\w+)\\?")?.*dropped=(?P<dropped>\d+)'
)


class Response(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The first line of the body, not too long."""
        return self.body[:300].decode("utf-8", "replace").strip().replace("\n", " ")


class HttpConnection:
    """A connection that opens again by itself. For one thread.

    Args:
        url: ``http://[user:password@]host[:port]`` or ``https://…``.

    Raises:
        StoreMisconfigured: the URL is none.
    """

    def __init__(self, url: str, timeout_s: float = 30.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StoreMisconfigured(f"store.url {url!r}: write http://host:port or https://host:port")
        self.shown = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._headers = {}
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        self._base = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_s)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Response:
        """Send one request. Raises StoreDown if there is no answer, TooMuch if it is too long."""
        for attempt in (1, 2):
            fresh = self._connection.sock is None
            try:
                if fresh:
                    self._connection.connect()
                    self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connection.request(method, self._base + path, body, self._headers | (headers or {}))
                response = self._connection.getresponse()
                answer = response.read(_ANSWER_MAX_BYTES)
                if not response.isclosed():
                    self._connection.close()
                    raise TooMuch
                return Response(response.status, {k.lower(): v for k, v in response.headers.items()}, answer)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                # A server may close a connection that was idle: that is worth one new try.
                if fresh or attempt == 2 or isinstance(error, TimeoutError):
                    raise StoreDown(f"store {self.shown}: {_words(error)}") from None
        raise AssertionError("both attempts returned or raised")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def complain(where: str, response: Response) -> None:
    """Raise for an answer that no retry of ours with other data would cure; return for 2xx and 400."""
    status = response.status
    if 200 <= status < 300 or status in (400, 413, 422):
        return
    if status in (401, 403):
        raise StoreMisconfigured(
            f"store {where} refuses us ({status}): {response.text}; check user, password or token"
        )
    retry_s = seconds(response.headers.get("retry-after"))
    raise StoreDown(f"store {where} answers {status}: {response.text}", retry_s)


def refused_lines(text: str, body: bytes) -> list[bytes] | None:
    """The lines of `body` that an InfluxDB dropped, out of the answer to a partial write.

    It tells how many, and for a conflict of types of which measurement; None if that does not say which.
    Source: ``PartialWriteError`` and ``ErrFieldTypeConflict``, InfluxDB 1.6 tsdb/{shard,store}.go.
    """
    told = _PARTIAL.search(text)
    if told is None:
        return None
    lines = body.splitlines()
    if told["measurement"] and int(told["dropped"]) < len(lines):
        start = told["measurement"].encode() + b","
        lines = [line for line in lines if line.startswith(start)]
    return lines if len(lines) == int(told["dropped"]) else None


def _words(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; start it or check store.url"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {getattr(error, 'reason', '') or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
