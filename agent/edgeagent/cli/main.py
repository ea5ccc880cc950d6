"""The command line put together: our own commands, and those that other packages bring."""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from edgeagent_sdk.cli import fail
from edgeagent_sdk.errors import EdgeError, PluginError
from edgeagent_sdk.plugins import COMMANDS, installed, load, remedy

#: In the order of `edgeagent --help`: what a newcomer needs first stands first.
_OWN = (
    "up",
    "probe",
    "init",
    "check",
    "read",
    "run",
    "top",
    "cap",
    "dvfs",
    "model",
    "node",
    "driver",
    "outbox",
)

_HELP = """Make the power and heat of machines visible: read sensors, send every reading over MQTT, lose none.

Begin with [bold]edgeagent up[/bold] (everything on this machine), or with [bold]edgeagent init[/bold]
and [bold]edgeagent run[/bold] (an agent for a broker that you have)."""


def main() -> None:
    """Run the command line; a mistake of the user's ends it with one line and an exit code other than 0."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ≥ shows a ?, not a traceback
    try:
        build(_command())(prog_name="edgeagent")
    except EdgeError as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        entry = installed(COMMANDS).get(_command())
        if entry is None:
            raise
        fail(f"{entry.name} needs a package that is missing: {error}; {remedy(entry)}")


def build(wanted: str = "") -> typer.Typer:
    """All commands, or only the `wanted` one if there is such: the others need not be imported for it.

    Their modules are imported, so these import nothing heavy before they run.
    """
    known = {*_OWN, *installed(COMMANDS)}
    chosen = {wanted} & known or known
    app = typer.Typer(
        name="edgeagent",
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(_edgeagent)
    for name in (name for name in _OWN if name in chosen):
        _add(app, name, getattr(import_module(f"edgeagent.cli.{name}"), name), "On this machine")
    for name in (name for name in installed(COMMANDS) if name in chosen):
        try:
            _add(app, name, load(COMMANDS, name), "For a fleet")
        except PluginError as error:
            _add_missing(app, name, str(error))
    return app


def _add(app: typer.Typer, name: str, command: Any, panel: str) -> None:
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, rich_help_panel=panel)
    else:
        app.command(name, rich_help_panel=panel)(command)


def _add_missing(app: typer.Typer, name: str, reason: str) -> None:
    """In the place of a command that does not load: one that takes anything and says what is missing."""

    @app.command(
        name,
        help=f"Not installed: {reason}",
        rich_help_panel="Not installed",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def missing() -> None:
        fail(reason)


def _command() -> str:
    return next((arg for arg in sys.argv[1:] if not arg.startswith("-")), "")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"edgeagent {version('edgeagent')}")
        except PackageNotFoundError:
            print("edgeagent, run from its sources")
        raise typer.Exit


def _edgeagent(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
