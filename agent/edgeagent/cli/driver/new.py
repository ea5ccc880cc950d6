"""`edgeagent driver new`: a package with a driver that works, to be made one's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from edgeagent_sdk.errors import EdgeError

#: The package as it will be; its files' names and contents have %{places} for what depends on the name.
_TEMPLATE = Path(__file__).parent / "template"
_SUFFIX = ".template"

#: So that the package's name fits wherever names of packages go.
_NAME_MAX = 40


def new(
    name: Annotated[str, typer.Argument(help="What the driver is called in agent.toml.", show_default=False)],
    directory: Annotated[Path, typer.Option("--dir", help="Where the package's directory is made.")] = Path(),
) -> None:
    """Write a package with a driver that works as it is, with its tests: edgeagent-NAME."""
    words = _words(name)
    target = directory / words["project"]
    _write(target, words)
    print(
        f"{target}: a driver {name!r} that works. Next, in that directory:\n"
        "  pip install --editable '.[test]'\n"
        "  pytest                              # the conformance kit\n"
        "  edgeagent driver list               # it is among them\n"
        f"Then read README.md, and make {words['sensor']} in src/{words['package']}/__init__.py your own."
    )


def _words(name: str) -> dict[str, str]:
    """What the template's places are filled with. Raises EdgeError for a name that cannot be used."""
    import re

    from edgeagent_sdk.names import slug
    from edgeagent_sdk.plugins import DRIVERS, installed

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > _NAME_MAX:
        near = (
            re.sub(r"[^a-z0-9]+", "-", slug(name).lstrip("0123456789._-"))[:_NAME_MAX].strip("-") or "thermo"
        )
        raise EdgeError(
            f"driver {name!r}: a name has words of a-z and 0-9 with - between them, {_NAME_MAX} characters at"
            f" most, and starts with a letter; {near!r} would do"
        )
    package = f"edgeagent_{name.replace('-', '_')}"
    if name in installed(DRIVERS):
        raise EdgeError(
            f"driver {name!r}: is installed already (`edgeagent driver list`); choose another name"
        )
    if find_spec(package):
        raise EdgeError(f"driver {name!r}: there is a package {package} already; choose another name")
    title = "".join(word.capitalize() for word in name.split("-"))
    return {
        "name": name,
        "project": f"edgeagent-{name}",
        "package": package,
        "sensor": f"{title}Sensor",
        "options": f"{title}Options",
    }


def _write(target: Path, words: Mapping[str, str]) -> None:
    """Write all files, or none. Raises EdgeError if `target` exists or cannot be written."""
    if target.exists():
        raise EdgeError(f"{target} exists already; move it away, or give another --dir")
    draft = target.with_name(f".{target.name}.new")
    try:
        for path, content in _files(words):
            file = draft / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, "utf-8")
        draft.rename(target)
    except OSError as error:
        raise EdgeError(f"{target}: cannot be written: {(error.strerror or str(error)).lower()}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _files(words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name and content of each file, its places filled."""
    from string import Template

    class Filled(Template):
        delimiter = "%"

    for path in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}")):
        name = str(path.relative_to(_TEMPLATE)).removesuffix(_SUFFIX)
        yield Filled(name).substitute(words), Filled(path.read_text("utf-8")).substitute(words)
