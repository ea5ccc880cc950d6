"""The optimizer's HTTP API, as far as a run asks it."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from edgeagent_sdk.errors import EdgeError

_TIMEOUT_S: Final = 5.0


class Optimizer:
    """One optimizer at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def trouble(self) -> str:
        """Why it is not in charge, or not well; empty if it is."""
        try:
            health = self._ask("GET", "/healthz")
        except EdgeError as error:
            return str(error)
        role = str(health.get("role", ""))
        return str(health.get("reason", "")) or ("" if role == "is in charge" else f"it {role}")

    def curtail(self, share: float, for_s: float) -> str:
        """Order so much less than before, from now on; the order's id."""
        asked = {"by": share, "for_s": for_s, "who": "edgeagent rig run curtailment"}
        return str(self._ask("POST", "/v1/orders", asked)["id"])

    def baseline_w(self, order: str) -> float | None:
        """What an order is reckoned from; None until it has begun. Raises EdgeError."""
        known = {report["id"]: report["baseline_w"] for report in self._ask("GET", "/v1/orders")}
        if order not in known:
            raise EdgeError(f"the optimizer knows no order {order}")
        return None if known[order] is None else float(known[order])

    def cancel(self, order: str) -> None:
        """Take an order back."""
        self._ask("DELETE", f"/v1/orders/{order}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urlopen(request, timeout=_TIMEOUT_S) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code == 503:  # it tells what ails it
                return json.load(error)
            raise EdgeError(
                f"optimizer {self._url}{path} answers {error.code}: {error.read(200)!r}"
            ) from None
        except (URLError, OSError, ValueError) as error:
            raise EdgeError(f"optimizer {self._url}: {getattr(error, 'reason', error)}") from None
