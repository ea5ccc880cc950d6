"""The topic tree: ``<prefix>/v1/<site>/<node>/<kind>[/<name>]``."""

from __future__ import annotations

from typing import NamedTuple

from edgeagent_sdk.errors import WireError
from edgeagent_sdk.names import Identity, check_name

PREFIX = "edge"
VERSION = "v1"
KINDS = ("data", "describe", "state", "event", "cmd", "reply", "ack", "lease", "orders")


class Topic(NamedTuple):
    """A topic taken apart. `name` is the command's, and empty for every other kind."""

    identity: Identity
    kind: str
    name: str = ""


def topic(identity: Identity, kind: str, name: str = "", *, prefix: str = PREFIX) -> str:
    """Where `identity` publishes or hears messages of `kind`."""
    base = f"{prefix}/{VERSION}/{identity.site}/{identity.node}/{kind}"
    return f"{base}/{name}" if name else base


def everyone(kind: str, *, prefix: str = PREFIX, group: str = "") -> str:
    """The filter for `kind` of all nodes; with `group`, a shared subscription that replicas split."""
    tree = f"{prefix}/{VERSION}/+/+/{kind}" + ("/+" if kind == "cmd" else "")
    return f"$share/{group}/{tree}" if group else tree


def parse_topic(text: str, *, prefix: str = PREFIX) -> Topic:
    """Take a topic apart.

    Raises:
        WireError: not one of ours.
        NameInvalid: a site or node name that the wire cannot carry.
    """
    head = f"{prefix}/{VERSION}/"
    parts = text.removeprefix(head).split("/")
    if not text.startswith(head) or len(parts) not in (3, 4) or parts[2] not in KINDS:
        raise WireError(f"topic {text!r} is not {head}<site>/<node>/<kind>")
    if (len(parts) == 4) != (parts[2] == "cmd"):
        raise WireError(f"topic {text!r}: only cmd takes one more level, the command's name")
    identity = Identity(check_name(parts[0], "site"), check_name(parts[1], "node"))
    return Topic(identity, parts[2], parts[3] if len(parts) == 4 else "")
