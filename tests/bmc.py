"""A BMC on loopback that serves a tree of Redfish resources, with the habits, good and bad, of real ones."""

from __future__ import annotations

import base64
import gzip
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TREES = Path(__file__).parent / "unit" / "drivers" / "redfish" / "trees"

USER, PASSWORD = "edge", "sesame"

_SESSIONS = "/redfish/v1/SessionService/Sessions"

Json = dict[str, Any]


def tree(name: str) -> dict[str, Json]:
    """One of the trees, as a copy of one's own."""
    loaded: dict[str, Json] = json.loads((TREES / f"{name}.json").read_text("utf-8"))
    return loaded


@dataclass
class Habits:
    """How the BMC behaves; any of it may be changed while it serves.

    Args:
        hangs: requests with this in them are not answered until `release` is set.
        sessions: whether it has a session service; `sessions_max` how many it keeps.
        tags: resources have an ETag, and no PATCH is taken without it.
        raw: bytes to be sent in the place of a resource.
        moved: path → where a GET is sent on to.
        keeps: whether connections are kept.
        expands: whether it does what it says of ``$expand``.
        accepts_s: a PATCH is only accepted (202), and done after so many seconds; 0 to do it at once.
    """

    hangs: str = ""
    release: threading.Event = field(default_factory=threading.Event)
    sessions: bool = True
    sessions_max: int = 4
    tags: bool = False
    raw: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    keeps: bool = True
    expands: bool = True
    accepts_s: float = 0.0


class Bmc:
    """What it knows, what was asked of it, and who is logged in."""

    def __init__(self, resources: dict[str, Json], habits: Habits) -> None:
        self.resources, self.habits = resources, habits
        self.requests: list[str] = []
        self.moved_with: list[dict[str, str]] = []
        self.tokens: list[str] = []
        self.logins = 0
        self.connections = 0
        self.busy = self.busiest = 0
        self.url = ""
        self.lock = threading.Lock()

    def expire(self) -> None:
        """Forget all sessions, as after a time-out."""
        self.tokens.clear()

    def tag(self, path: str) -> str:
        """The ETag of a resource."""
        return f'W/"{hash(json.dumps(self.resources[path])) & 0xFFFFFFFF:08x}"'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: two of them wait for each other's acknowledgement
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.bmc.connections += 1

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_POST(self) -> None:
        self._serve(self._post)

    def do_PATCH(self) -> None:
        self._serve(self._patch)

    def do_DELETE(self) -> None:
        self._serve(self._delete)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self, act: Any) -> None:
        bmc = self.server.bmc
        length = int(self.headers.get("Content-Length", 0))
        self.content = json.loads(self.rfile.read(length)) if length else {}
        with bmc.lock:
            bmc.requests.append(f"{self.command} {self.path}")
            bmc.busy += 1
            bmc.busiest = max(bmc.busiest, bmc.busy)
        if bmc.habits.hangs and bmc.habits.hangs in self.path:
            bmc.habits.release.wait(30.0)
        if not bmc.habits.keeps:
            self.close_connection = True
        with bmc.lock:
            bmc.busy -= 1
            act()

    def _get(self) -> None:
        bmc, path = self.server.bmc, urlsplit(self.path).path
        if path in bmc.habits.moved:
            bmc.moved_with.append(dict(self.headers))
            return self._answer(308, None, Location=bmc.habits.moved[path])
        if path != "/redfish/v1/" and not self._known():
            return self._refuse(401, "Authorization failed.")
        if path in bmc.habits.raw:
            return self._send(200, bmc.habits.raw[path], {})
        if path not in bmc.resources:
            return self._refuse(404, "The resource was not found.")
        headers = {"ETag": bmc.tag(path)} if bmc.habits.tags else {}
        return self._answer(200, self._expanded(bmc.resources[path]), **headers)

    def _expanded(self, body: Json) -> Json:
        if not self.server.bmc.habits.expands or "$expand=." not in self.path or "Members" not in body:
            return body
        members = [self.server.bmc.resources[member["@odata.id"]] for member in body["Members"]]
        return body | {"Members": members}

    def _post(self) -> None:
        bmc = self.server.bmc
        if self.path != _SESSIONS or not bmc.habits.sessions:
            return self._refuse(404, "The resource was not found.")
        if (self.content.get("UserName"), self.content.get("Password")) != (USER, PASSWORD):
            return self._refuse(401, "The user name or password is wrong.")
        if len(bmc.tokens) >= bmc.habits.sessions_max:
            return self._refuse(503, "There are too many sessions.")
        bmc.logins += 1
        token = f"t{bmc.logins}"
        bmc.tokens.append(token)
        return self._answer(201, {"Id": token}, **{"X-Auth-Token": token, "Location": f"{_SESSIONS}/{token}"})

    def _patch(self) -> None:
        bmc = self.server.bmc
        if not self._known():
            return self._refuse(401, "Authorization failed.")
        if bmc.habits.tags and self.headers.get("If-Match") != bmc.tag(self.path):
            return self._refuse(412 if "If-Match" in self.headers else 428, "The ETag does not match.")
        if bmc.habits.accepts_s:
            later = threading.Timer(
                bmc.habits.accepts_s, _merge, (bmc.resources[self.path], dict(self.content))
            )
            later.daemon = True
            later.start()
            return self._answer(202, None, Location="/redfish/v1/TaskService/TaskMonitors/1")
        _merge(bmc.resources[self.path], self.content)
        return self._answer(200, bmc.resources[self.path])

    def _delete(self) -> None:
        bmc, token = self.server.bmc, self.path.rsplit("/", 1)[-1]
        if token not in bmc.tokens:
            return self._refuse(404, "The resource was not found.")
        bmc.tokens.remove(token)
        return self._answer(204, None)

    def _known(self) -> bool:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        token = self.headers.get("X-Auth-Token")
        return token in self.server.bmc.tokens or self.headers.get("Authorization") == f"Basic {basic}"

    def _refuse(self, status: int, message: str) -> None:
        error = {"code": "Base.1.0.GeneralError", "message": "See @Message.ExtendedInfo."}
        self._answer(status, {"error": error | {"@Message.ExtendedInfo": [{"Message": message}]}})

    def _answer(self, status: int, body: Json | None, **headers: str) -> None:
        self._send(status, b"" if body is None else json.dumps(body).encode(), headers)

    def _send(self, status: int, raw: bytes, headers: Json) -> None:
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(raw) > 1000:
            raw, headers = gzip.compress(raw), headers | {"Content-Encoding": "gzip"}
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(raw))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


def _merge(resource: Any, change: Any) -> None:
    """PATCH, by DSP0266: objects are merged, members of arrays by their place."""
    for key, value in change.items() if isinstance(change, dict) else enumerate(change):
        if isinstance(value, dict | list) and resource[key] is not None:
            _merge(resource[key], value)
        else:
            resource[key] = value


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bmc: Bmc

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up is what some tests are about


@contextmanager
def serve(
    resources: dict[str, Json], habits: Habits | None = None, *, pair: tuple[Path, Path] | None = None
) -> Iterator[Bmc]:
    """A BMC that serves; over TLS if it is given a pair of certificate and key."""
    server = _Server(("127.0.0.1", 0), _Handler)
    bmc = server.bmc = Bmc(resources, habits or Habits())
    if pair:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*pair)
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    bmc.url = f"{'https' if pair else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield bmc
    finally:
        bmc.habits.release.set()
        server.shutdown()
        server.server_close()
