"""What the pages take from elsewhere: READMEs beside what they are about, and the table of quantities."""

from __future__ import annotations

import posixpath
import re
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from edgeagent_sdk.quantities import QUANTITIES

_ROOT = Path(__file__).parents[1]
_DRIVERS = _ROOT / "agent" / "edgeagent" / "drivers"

#: Pages that are READMEs elsewhere.
_PAGES = {
    "models.md": "agent/edgeagent/models/README.md",
    "guard.md": "agent/edgeagent/guard/README.md",
    "governor.md": "agent/edgeagent/dvfs/README.md",
    "governors-compared.md": "hil/edgeagent_hil/dvfs/README.md",
    "governors-of-linux.md": "hil/edgeagent_hil/dvfs/baselines/README.md",
    "optimizers.md": "central/edgeagent_central/optimize/README.md",
    "power.md": "central/edgeagent_central/optimize/power/README.md",
} | {f"drivers/{page.parent.name}.md": str(page.relative_to(_ROOT)) for page in _DRIVERS.glob("*/README.md")}

_PAGE_OF = {source: page for page, source in _PAGES.items()}

#: Links to files; those to the web and within a page are left alone.
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Each of those READMEs becomes a page."""
    for page, source in sorted(_PAGES.items()):
        files.append(File.generated(config, page, content=(_ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links lead to pages; the table of quantities is filled in."""
    markdown = _LINK.sub(partial(_led, page.file.src_uri), markdown)
    return markdown.replace("<!-- the table of quantities -->", _quantities())


def _led(page: str, link: re.Match[str]) -> str:
    """A link as the pages need it; where there is no page to go to, the words alone."""
    words, path, anchor = link.groups()
    home = posixpath.dirname(_PAGES.get(page, f"docs/{page}"))
    target = posixpath.normpath(posixpath.join(home, path))
    found = _PAGE_OF.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else "")
    if not found:
        return words
    return f"[{words}]({posixpath.relpath(found, posixpath.dirname(page) or '.')}{anchor or ''})"


def _quantities() -> str:
    rows = [
        f"| `{q.name}` | {q.unit} | {q.kind} | {q.minimum:g} to {q.maximum:g} | {q.meaning} |"
        for q in QUANTITIES.values()
    ]
    head = ["| quantity | unit (UCUM) | kind | plausible | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])
