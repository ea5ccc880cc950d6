"""What the pages take from elsewhere: READMEs that stand where a driver is, and the table of quantities."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from edgeagent_sdk.quantities import QUANTITIES

_ROOT = Path(__file__).parents[1]
_DRIVERS = _ROOT / "agent" / "edgeagent" / "drivers"

#: How the pages link to a driver's README, which on GitHub is right as it is.
_LINK = re.compile(r"\]\(\.\./agent/edgeagent/drivers/(\w+)/README\.md")

#: Other links out of this directory: the words stay, for there is no page to go to.
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")


def on_files(files: Files, config: Any) -> Files:
    """Each driver's README becomes a page drivers/NAME.md."""
    for page in sorted(_DRIVERS.glob("*/README.md")):
        content = page.read_text("utf-8")
        files.append(File.generated(config, f"drivers/{page.parent.name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to those READMEs lead to the pages; the table of quantities is filled in."""
    if not page.file.src_uri.startswith("drivers/"):
        markdown = _LINK.sub(r"](drivers/\1.md", markdown)
    return _OUTSIDE.sub(r"\1", markdown).replace("<!-- the table of quantities -->", _quantities())


def _quantities() -> str:
    rows = [
        f"| `{q.name}` | {q.unit} | {q.kind} | {q.minimum:g} to {q.maximum:g} | {q.meaning} |"
        for q in QUANTITIES.values()
    ]
    head = ["| quantity | unit (UCUM) | kind | plausible | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])
