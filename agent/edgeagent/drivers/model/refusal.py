"""Why a model is not taken."""

from __future__ import annotations


class Refusal(Exception):
    """A model that cannot be used as configured.

    Args:
        reason: what is wrong with it, in one line.
        remedy: what to do; empty if nothing.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason, self.remedy = one_line(reason), remedy


#: So much of what a runtime says is told on.
_LONG = 240


def one_line(text: str) -> str:
    """The text of a runtime's error, on one line and not too long."""
    words = " ".join(text.split())
    return words if len(words) <= _LONG else f"{words[:_LONG]}…"
