"""The words and signs of an expression, and in which column each stands."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from edgeagent_sdk.errors import EdgeError

_TOKENS_MAX: Final = 1000

_TOKEN: Final = re.compile(
    r"\s*(\{[^{}]*\}|\[[^\[\]]*\]|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[a-z_]+|\*\*|[-+*/(),])"
)


class ExpressionError(EdgeError):
    """An expression that cannot be understood, or whose units do not go together.

    Args:
        column: where, counted from 1; 1 if it is the whole.
    """

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


class Token(NamedTuple):
    """A word, a sign, a channel in braces or a unit in brackets; columns are counted from 1."""

    text: str
    column: int


def tokens(text: str) -> list[Token]:
    """What an expression is made of. Raises ExpressionError."""
    found: list[Token] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if not match:
            raise ExpressionError(f"{text!r}: not understood from {text[at:]!r} on", at + 1)
        found.append(Token(match[1], match.start(1) + 1))
        if len(found) > _TOKENS_MAX:
            raise ExpressionError(f"{text[:40]!r}…: more than {_TOKENS_MAX} words and signs; use * in sum(…)")
        at = match.end()
    if not found:
        raise ExpressionError("an empty expression")
    return found
