"""Batches of made-up readings in the true wire format, at a few microseconds for a thousand readings.

A node's lines never change but for stamp and value, so they are made once, with a placeholder for
each, and a batch is two bulk replacements.
"""

from __future__ import annotations

from edgeagent_sdk.batch import PAYLOAD_MAX_BYTES, Header, encode_header
from edgeagent_sdk.errors import EdgeError
from edgeagent_sdk.lineproto import head
from edgeagent_sdk.names import Identity

#: The placeholders: characters that no line has.
_STAMP, _DIGITS = "@", "#"

#: What a server has many of, in plausible proportion: quantity, and value around which it moves.
_MIX = (
    ("power", 400),
    ("temperature", 60),
    ("utilization", 0),
    ("frequency", 2_400_000_000),
    ("energy", 7_200_000),
    ("voltage", 12),
    ("current", 33),
    ("speed", 4200),
)

#: Channels of one device; a node with more has more devices.
_DEVICE_CHANNELS = 64


class Payloads:
    """The batches of one node, numbered from 1.

    Args:
        channels: series of the node; each has one reading in a batch.
        boot, instance: stand in each header.

    Attributes:
        series: quantity, device and channel of each.

    Raises:
        EdgeError: a batch would be larger than the wire allows.
    """

    def __init__(self, identity: Identity, channels: int, boot: str, instance: str) -> None:
        self.identity, self.channels, self.boot, self.instance = identity, channels, boot, instance
        self.seq = 0
        self._time_ms = 0
        self.series = [_series(i) for i in range(channels)]
        self._template = "".join(self._line(i) for i in range(channels)).encode()
        size = len(self._template) + 24 * channels + 1024
        if size > PAYLOAD_MAX_BYTES:
            raise EdgeError(
                f"{channels} readings make a batch of {size} bytes; the wire takes {PAYLOAD_MAX_BYTES}: "
                "use fewer channels"
            )

    def next(self, time_ns: int) -> tuple[int, bytes]:
        """The next batch, read at `time_ns`: its seq and its payload.

        Stamps are whole milliseconds, as some stores keep no finer ones, and never repeat.
        """
        self.seq += 1
        self._time_ms = max(time_ns // 1_000_000, self._time_ms + 1)
        stamp = f"{self._time_ms}000000"
        header = Header(
            self.identity, self.boot, self.seq, self.channels, "synced", int(stamp), self.instance
        )
        # The fraction runs through all its values, so that no store can compress a constant away.
        digits = f"{self.seq * 7919 % 10_000:04}"
        body = self._template
        for placeholder, text in ((_DIGITS, digits), (_STAMP, stamp)):
            body = body.replace(placeholder.encode(), text.encode())
        return self.seq, encode_header(header).encode() + body

    def _line(self, i: int) -> str:
        quantity, device, channel = self.series[i]
        name = head(quantity, channel, device, self.identity)
        return f"{name} value={_MIX[i % len(_MIX)][1]}.{_DIGITS} {_STAMP}\n"


def _series(i: int) -> tuple[str, str, str]:
    """Quantity, device and channel of a node's `i`-th series."""
    return _MIX[i % len(_MIX)][0], f"dev{i // _DEVICE_CHANNELS}", f"c{i % _DEVICE_CHANNELS // len(_MIX)}"
