"""When units of work arrive."""

from __future__ import annotations

import csv
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from edgeagent_hil.twin.units import Array
from edgeagent_sdk.errors import EdgeError

#: Below a data folder: one hour of LLM requests (Azure Public Dataset, 2023), a column TIMESTAMP.
_REQUESTS: Final = "llm_requests/azure_conv_2023-11-16.csv"

#: Without that file: a Poisson process whose rate is low or high (shares of the mean), for so many seconds on
#: average. An estimate after the look of that trace.
_CALM: Final = (0.75, 20.0)
_BURST: Final = (2.0, 5.0)

#: A day's demand, as a share of its peak, each two hours from midnight on. An estimate in the manner of
#: interactive services: low at night, a peak in the forenoon and a higher one in the evening.
_DAY: Final = (0.35, 0.22, 0.16, 0.22, 0.5, 0.8, 0.75, 0.65, 0.7, 0.85, 1.0, 0.7)

#: Gaps between arrivals of the day: the sum of so many exponential ones (Erlang), more regular than Poisson.
_ERLANG: Final = 4


def frames(period_s: float, duration_s: float) -> Array:
    """One in each period, the first at once."""
    return np.arange(0.0, duration_s, period_s)


def requests(rate_hz: float, duration_s: float, rng: np.random.Generator, data: Path | None) -> Array:
    """Requests at a mean rate, as they came to a real service, or as like them as made-up ones are.

    Args:
        data: folder of the recorded ones; a window of them is stretched in time to `rate_hz`.

    Raises:
        EdgeError: the file is not there, or is not one.
    """
    if data is None:
        return _made_up(rate_hz, duration_s, rng)
    recorded_s = _times(recorded(data))
    wanted = int(rate_hz * duration_s)
    first = int(rng.integers(len(recorded_s)))
    turns = -(-(first + wanted + 1) // len(recorded_s))
    length_s = recorded_s[-1] * (1 + 1 / len(recorded_s))
    endless_s = np.concatenate([recorded_s + turn * length_s for turn in range(turns)])
    window_s = endless_s[first : first + wanted + 1] - endless_s[first]
    arrival_s: Array = window_s[:-1] * (duration_s / window_s[-1])
    return arrival_s


def recorded(data: Path) -> Path:
    """The file of recorded requests in a data folder."""
    return data / _REQUESTS


def daily(rate_hz: float, day_s: float, duration_s: float, rng: np.random.Generator) -> Array:
    """Arrivals whose rate follows the day, with `rate_hz` at its peak.

    A regular process runs on a clock that goes as fast as the rate (time change of a renewal process).
    """
    time_s = np.arange(0.0, duration_s + 0.1, 0.1)
    hours = np.linspace(0.0, day_s, len(_DAY), endpoint=False)
    share = np.interp(time_s, hours, _DAY, period=day_s)
    expected = np.concatenate([[0.0], np.cumsum((share[1:] + share[:-1]) / 2 * 0.1 * rate_hz)])
    gaps = rng.gamma(_ERLANG, 1 / _ERLANG, int(expected[-1] * 1.2) + 50)
    at = np.cumsum(gaps)
    arrival_s: Array = np.interp(at[at < expected[-1]], expected, time_s)
    return arrival_s


def _made_up(rate_hz: float, duration_s: float, rng: np.random.Generator) -> Array:
    """A Poisson process that is modulated by a Markov chain of two states."""
    arrivals: list[Array] = []
    now_s, high = 0.0, False
    while now_s < duration_s:
        share, mean_s = _BURST if high else _CALM
        stay_s = rng.exponential(mean_s)
        count = rng.poisson(share * rate_hz * stay_s)
        arrivals.append(now_s + np.sort(rng.uniform(0.0, stay_s, count)))
        now_s, high = now_s + stay_s, not high
    arrival_s = np.concatenate(arrivals)
    inside: Array = arrival_s[arrival_s < duration_s]
    return inside


@cache
def _times(path: Path) -> Array:
    """Times of the requests in a file, from its first one on, s."""
    try:
        with path.open(newline="") as file:
            # Fractions have seven digits there; datetime takes six.
            stamps = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in csv.DictReader(file)]
    except OSError as error:
        raise EdgeError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (KeyError, ValueError) as error:
        raise EdgeError(f"{path}: not a table of requests with a column TIMESTAMP: {error}") from None
    if len(stamps) < 2:
        raise EdgeError(f"{path}: no requests in it")
    return np.array([(stamp - stamps[0]).total_seconds() for stamp in stamps])
