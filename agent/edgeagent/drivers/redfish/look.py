"""One look at all resources with readings: the values, and why some are not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from edgeagent.drivers.redfish.readings import Item, Json, items
from edgeagent.drivers.redfish.session import Missing
from edgeagent.drivers.redfish.tree import Source

Key = tuple[str, str]
"""The resource, and the place in it."""


class Pass(NamedTuple):
    """What one look brought: the readings, and the resources that gave none."""

    found: dict[Key, Item]
    failed: dict[str, str]


def look(get: Callable[[str], Json], sources: Sequence[Source]) -> Pass:
    """Read `sources` one after the other; `get` gives a resource.

    A broken one costs its own readings only. Raises DriverError if the BMC itself does not answer.
    """
    found: dict[Key, Item] = {}
    failed: dict[str, str] = {}
    for source in sources:
        try:
            body = get(source.uri)
        except Missing as error:
            failed[source.uri] = str(error)
            continue
        for item in items(source.kind, source.uri, body):
            found[_free(found, item)] = item._replace(chassis=source.chassis)
    return Pass(found, failed)


def _free(found: dict[Key, Item], item: Item) -> Key:
    """Its key; a BMC that numbers two members alike gets them both."""
    uri, place = item.uri, item.key
    while (uri, place) in found:
        place += "'"
    return uri, place
