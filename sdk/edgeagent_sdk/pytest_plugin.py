"""The pytest plugin of the conformance kit: a rule that is broken is told as advice, not as our code.

Found by pytest through the entry-point group `pytest11`. Anybody's test runs load it, so it imports nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

_KIT = Path(__file__).parent / "conformance"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In the report of a check that failed: the rule, what happened, and what to do."""
    report = yield
    if not report.failed or call.excinfo is None or not _is_check(item):
        return report
    rule = (getattr(item, "function").__doc__ or "").strip()  # noqa: B009 - not every item has one
    error = call.excinfo.value
    if isinstance(error, AssertionError) and Path(call.excinfo.traceback[-1].path).parent == _KIT:
        report.longrepr = f"The rule: {rule}\n\nBroken: {str(error).partition(_INTROSPECTION)[0]}"
    else:
        report.sections.append(("the rule that was checked", rule))
    return report


#: What follows it was added by pytest, and shows our code.
_INTROSPECTION = "\nassert "


def _is_check(item: pytest.Item) -> bool:
    function = getattr(item, "function", None)
    return function is not None and function.__module__.startswith("edgeagent_sdk.conformance.")
