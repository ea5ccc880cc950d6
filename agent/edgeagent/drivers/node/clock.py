"""The node's clock on ours: when, by the host's monotonic clock, the node's uptime was this or that.

An answer bears the uptime at which it was made: some moment between the request's leaving and the
answer's arrival. The faster the round trip, the less doubt; so the fastest of each few seconds counts.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from edgeagent.modbus.master import Exchange

_MS = 1_000_000

#: The fastest round trip of each such span is kept, and so many of them.
_SPAN_NS = 5 * 10**9
_SPANS = 24

#: A drift is believed once it is known this well, and up to what oscillators do; until then, so much
#: is possible. Each is in parts of time.
_DRIFT_DOUBT, _DRIFT_MAX, _DRIFT_UNKNOWN = 1e-4, 0.02, 1e-3


class _Sample(NamedTuple):
    at_ns: int  # host
    offset_ns: int  # host less node
    doubt_ns: int


class NodeClock:
    """Learns from every answer; forgets when the node has begun again.

    Attributes:
        drift: seconds that the node gains on the host per host second; 0 until it can be told.
    """

    def __init__(self) -> None:
        self.drift = 0.0
        self._drift_known = False
        self._best: deque[_Sample] = deque(maxlen=_SPANS)
        self._reference = _Sample(0, 0, 0)
        self._span_ns = 0

    @property
    def known(self) -> bool:
        """Whether there has been an answer since the last reset."""
        return bool(self._best)

    def learn(self, exchange: Exchange, uptime_ms: int) -> None:
        """Take the uptime that an answer bears."""
        half_ns = (exchange.received_ns - exchange.sent_ns) // 2
        at_ns = exchange.sent_ns + half_ns
        # The node counts whole milliseconds: on average half of one has gone by.
        sample = _Sample(at_ns, at_ns - uptime_ms * _MS - _MS // 2, half_ns + _MS // 2)
        if not self._best or at_ns - self._span_ns >= _SPAN_NS:
            self._best.append(sample)
            self._span_ns = at_ns
        elif sample.doubt_ns <= self._doubt(self._best[-1], at_ns):
            self._best[-1] = sample
        else:
            return
        self._fit()

    def forget(self) -> None:
        """The node began again."""
        self._best.clear()
        self.drift, self._drift_known = 0.0, False

    def host_ns(self, uptime_ms: int) -> int:
        """The host's monotonic time of a moment of the node's. Only while `known`."""
        best = self._reference
        near_ns = uptime_ms * _MS + best.offset_ns
        return near_ns - round(self.drift * (near_ns - best.at_ns))

    def doubt_ns(self, host_ns: int) -> int:
        """By how much `host_ns` results may be wrong about that time. Only while `known`."""
        return self._doubt(self._reference, host_ns)

    def _doubt(self, sample: _Sample, at_ns: int) -> int:
        """Grows with the sample's age."""
        grows = _DRIFT_DOUBT if self._drift_known else _DRIFT_UNKNOWN
        return sample.doubt_ns + round(grows * abs(at_ns - sample.at_ns))

    def _fit(self) -> None:
        first, last = self._best[0], self._best[-1]
        span_ns = last.at_ns - first.at_ns
        if first.doubt_ns + last.doubt_ns < _DRIFT_DOUBT * span_ns:
            drift = (first.offset_ns - last.offset_ns) / span_ns
            self.drift = max(-_DRIFT_MAX, min(_DRIFT_MAX, drift))
            self._drift_known = True
        self._reference = min(self._best, key=lambda sample: self._doubt(sample, last.at_ns))
