"""Which constraint decides: told when it has changed for good, not at each decision."""

from __future__ import annotations

from collections import Counter, deque

#: What decided most of the time over so long is what decides.
_SPAN_S = 3.0

#: Of the decisions in that time, a new constraint must have made this share.
_SHARE = 0.6


class Constraint:
    """The words before any colon of each decision's `why`, and which of them has prevailed.

    Attributes:
        words: what decides now; empty before that is clear.
    """

    def __init__(self) -> None:
        self.words = ""
        self._recent: deque[tuple[float, str]] = deque()

    def changed(self, why: str, now_s: float) -> str:
        """Take a decision in; if another constraint prevails since, the one before it, else an empty word."""
        self._recent.append((now_s, why.partition(":")[0].strip()))
        while self._recent[0][0] < now_s - _SPAN_S:
            self._recent.popleft()
        if now_s - self._recent[0][0] < 0.8 * _SPAN_S:
            return ""
        ((words, count),) = Counter(words for _, words in self._recent).most_common(1)
        before = self.words
        if words == before or count < _SHARE * len(self._recent):
            return ""
        self.words = words
        return before
