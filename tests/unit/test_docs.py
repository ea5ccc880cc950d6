"""The pages: they build without a warning, show without the internet, and leave nothing out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgeagent_sdk
from edgeagent_sdk.plugins import DRIVERS, installed

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built as strictly as `make docs` does."""
    home = tmp_path_factory.mktemp("docs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(home)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        build, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def test_every_page_shows_without_the_internet(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        wanted = re.findall(
            r"<(?:script|link|img)\b[^>]*(?:src|href)=\"?(https?:[^\"> ]+)", page.read_text("utf-8")
        )
        assert not wanted, f"{page.name} needs {wanted}"


@pytest.mark.parametrize("name", sorted({*edgeagent_sdk.__all__, "DriverConformance", "Bench"}))
def test_every_stable_name_is_listed_and_explained(site: Path, name: str) -> None:
    page = (site / "reference.html").read_text("utf-8")
    assert f"<code>{name}</code>" in page
    explained = {anchor.rsplit(".", 1)[-1] for anchor in re.findall(r'id="(edgeagent_sdk\.[\w.]+)"', page)}
    assert name in explained


def test_every_driver_of_ours_is_in_the_table_and_no_other() -> None:
    table = (ROOT / "docs" / "drivers.md").read_text("utf-8")
    rows = re.findall(r"^\| \[?`([\w-]+)`", table, re.MULTILINE)
    ours = [name for name, entry in installed(DRIVERS).items() if entry.module.startswith("edgeagent.")]
    assert sorted(rows) == sorted(ours)
