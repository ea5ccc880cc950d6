"""Who we are at a BMC: one session for all that we ask, taken up anew when it has expired.

Source: DMTF DSP0266, Redfish Specification, "Authentication" (sessions, X-Auth-Token, basic
authentication) and "HTTP" (ETag, If-Match).
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from edgeagent.drivers.redfish.http import Answer, Http
from edgeagent_sdk.errors import DriverError

ROOT = "/redfish/v1/"

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "OData-Version": "4.0"}

#: HTTP's "precondition failed": the tag is no longer the resource's.
_CHANGED = 412

#: BMCs lock an account after a few wrong passwords: it is tried no more often than this.
_REFUSED_RETRY_S = 300.0

#: Saying goodbye is worth no longer wait.
_LOGOUT_S = 2.0


class Session:
    """The credentials that every `Client` of one BMC shares; for any thread.

    Args:
        basic: send user name and password with each request, and open no session.
    """

    def __init__(self, username: str, password: str, *, basic: bool = False) -> None:
        self._username, self._password = username, password
        self._lock = threading.Lock()
        self._headers: dict[str, str] = {}
        self._location = ""
        self._basic = basic
        self._sessions = ""
        #: How often it had to be begun: after that, it may be another BMC that answers.
        self.generation = 0

    @property
    def headers(self) -> dict[str, str]:
        """What proves who we are."""
        return self._headers

    def begin(self, http: Http, sessions: str) -> None:
        """Log in. `sessions` is where sessions are opened; empty if the BMC has none. Raises as `renew`."""
        self._sessions = sessions
        self._basic = self._basic or not sessions
        self.renew(http, self._headers)

    def renew(self, http: Http, old: dict[str, str]) -> None:
        """Replace the proof `old`, unless another thread already has.

        Raises:
            DriverError: user name or password are wrong, or the BMC gives no session.
        """
        with self._lock:
            if not self._username or self._headers is not old:
                return
            self.generation += 1
            if not self._basic:
                answer = self._log_in(http)
                token = answer.headers.get("X-Auth-Token", "")
                if answer.status in (200, 201, 204) and token:
                    self._headers, self._location = {"X-Auth-Token": token}, _path(answer)
                    return
                if answer.status in (401, 403):
                    raise refused(http, answer)
                self._basic = True  # it has no sessions, or none left
            pair = base64.b64encode(f"{self._username}:{self._password}".encode()).decode()
            self._headers = {"Authorization": f"Basic {pair}"}

    def end(self, http: Http) -> None:
        """Log out, so that the BMC's few sessions do not fill up. Never raises."""
        with self._lock:
            location, headers = self._location, self._headers
            self._location, self._headers = "", {}
        if location:
            try:
                http.request("DELETE", location, _HEADERS | headers)
            except DriverError:
                pass  # it forgets us after its time-out

    def _log_in(self, http: Http) -> Answer:
        body = msgspec.json.encode({"UserName": self._username, "Password": self._password})
        return http.request("POST", self._sessions, _HEADERS | {"Content-Type": "application/json"}, body)


class Client:
    """Resources of one BMC, on one connection; for one thread.

    Args:
        session: shared with the other clients of this BMC.
    """

    def __init__(self, http: Http, session: Session) -> None:
        self.http, self.session = http, session

    def get(self, path: str) -> dict[str, Any]:
        """The JSON of a resource.

        Raises:
            Missing: the BMC has no such resource, or gives nonsense in its place.
            DriverError: no answer, or no right to it.
        """
        return self.look(path).body or {}

    def look(self, path: str) -> Answer:
        """As `get`, with the answer's headers."""
        answer = self._request("GET", path)
        if answer.status != 200:
            raise _failure(self.http, path, answer)
        if answer.body is None:
            raise Missing(f"{self.http.url}{path}: its JSON is malformed")
        return answer

    def change(self, path: str, make: Callable[[dict[str, Any]], dict[str, Any]]) -> Answer:
        """PATCH a resource with what `make` makes of it as it is now.

        Where the BMC tags its resources, what another has changed meanwhile is looked at again first.

        Raises:
            DriverError: refused, with the BMC's own words.
        """
        for _ in range(2):
            seen = self.look(path)
            body = seen.body or {}
            tag = seen.headers.get("ETag") or body.get("@odata.etag")
            match = {"If-Match": tag} if isinstance(tag, str) else {}
            answer = self._request("PATCH", path, match, msgspec.json.encode(make(body)))
            if answer.status != _CHANGED:
                break
        if answer.status not in (200, 202, 204):
            raise _failure(self.http, path, answer)
        return answer

    def log_out(self) -> None:
        """End the session and the connection."""
        self.http.drop()  # the next one has the shorter timeout
        self.http.timeout_s = min(_LOGOUT_S, self.http.timeout_s)
        self.session.end(self.http)
        self.http.close()

    def _request(
        self, method: str, path: str, extra: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        headers = _HEADERS | (extra or {}) | ({"Content-Type": "application/json"} if body else {})
        proof = self.session.headers
        answer = self.http.request(method, path, headers | proof, body)
        if answer.status == 401:
            self.session.renew(self.http, proof)
            answer = self.http.request(method, path, headers | self.session.headers, body)
        if answer.status == 401:
            raise refused(self.http, answer)
        return answer


class Missing(DriverError):
    """One resource is not there, or is broken; the others may be well."""


def refused(http: Http, answer: Answer) -> DriverError:
    """The BMC does not take our user name or password."""
    return DriverError(
        f"{http.url}: refuses our user ({_words(answer)})",
        "check username and password",
        retry_s=_REFUSED_RETRY_S,
    )


def _failure(http: Http, path: str, answer: Answer) -> DriverError:
    why = f"{http.url}{path}: {_words(answer)}"
    if answer.status == 403:
        return Missing(why, "give the user the right to it (Login to read, ConfigureComponents to set)")
    return Missing(why)


def _words(answer: Answer) -> str:
    """The BMC's own words for a failure, or else the status."""
    error = (answer.body or {}).get("error")
    error = error if isinstance(error, dict) else {}
    extended = error.get("@Message.ExtendedInfo")
    first = extended[0] if isinstance(extended, list) and extended and isinstance(extended[0], dict) else {}
    said = first.get("Message") or error.get("message")
    status = f"HTTP status {answer.status}"
    return f"{status}: {' '.join(said.split())[:200]}" if isinstance(said, str) else status


def _path(answer: Answer) -> str:
    """The path in `Location`, which may be a whole URL."""
    location = answer.headers.get("Location", "") or (answer.body or {}).get("@odata.id", "")
    return "/" + location.split("://", 1)[-1].partition("/")[2] if "://" in location else str(location)
