"""Which resources of a BMC carry readings: found by following links, never by guessing addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from edgeagent.drivers.redfish.session import ROOT, Client, Missing
from edgeagent_sdk.errors import DriverError

Json = dict[str, Any]

#: From a chassis to what it measures; ``[]`` is each member of a collection.
_NEW_POWER = {"PowerSubsystem/PowerSupplies[]/Metrics": "PowerSupplyMetrics"}
_NEW_THERMAL = {"ThermalSubsystem/ThermalMetrics": "ThermalMetrics", "ThermalSubsystem/Fans[]": "Fan"}

#: Both schemas were deprecated in 2020; many BMCs show old and new side by side.
_OLD = (("PowerSubsystem", _NEW_POWER, "Power"), ("ThermalSubsystem", _NEW_THERMAL, "Thermal"))

#: No collection goes on longer than this many pages.
_PAGES_MAX = 100


class Source(NamedTuple):
    """A resource with readings in it: its schema, its address, and the chassis that it is of."""

    kind: str
    uri: str
    chassis: str = ""


class Chassis(NamedTuple):
    """A box, a board or a bay that measures something, and where its readings are."""

    uri: str
    name: str
    body: Json
    sources: list[Source]

    @property
    def serial_number(self) -> str:
        """What tells it from another of its kind; empty if it does not say."""
        return serial_number(self.body)


class Root(NamedTuple):
    """What the BMC says of itself before anybody logs in."""

    body: Json

    @property
    def sessions(self) -> str:
        """Where sessions are opened; empty if it does not say."""
        links = self.body.get("Links")
        return link(links, "Sessions") if isinstance(links, dict) else ""

    @property
    def uuid(self) -> str:
        """The BMC's own; empty if it does not say."""
        return serial_number({"UUID": self.body.get("UUID")})

    @property
    def expand(self) -> str:
        """The query that makes a collection show its members' contents; empty if the BMC cannot."""
        features = self.body.get("ProtocolFeaturesSupported")
        expand = features.get("ExpandQuery") if isinstance(features, dict) else None
        if not isinstance(expand, dict) or expand.get("NoLinks") is not True:
            return ""
        return "?$expand=." + ("($levels=1)" if expand.get("Levels") is True else "")


def link(body: Json, name: str) -> str:
    """The address of a linked resource; empty if there is none."""
    target = body.get(name)
    uri = target.get("@odata.id") if isinstance(target, dict) else None
    return uri if isinstance(uri, str) and uri.startswith("/") else ""


class Walker:
    """Looks through the tree, and looks at each resource once.

    Args:
        sensors: look for single sensors as well.
    """

    def __init__(self, client: Client, *, sensors: bool) -> None:
        self._client, self._sensors = client, sensors
        self.root = Root(client.get(ROOT))
        self._seen: dict[str, Json] = {}

    def chassis(self, wanted: str) -> list[Chassis]:
        """Every chassis that measures something, or the one called `wanted`.

        Raises:
            DriverError: there is none.
        """
        found = list(self.members(self.root.body, "Chassis"))
        named = {uri: str(body.get("Id") or uri.rsplit("/", 1)[-1]) for uri, body in found}
        if wanted and wanted not in named.values():
            known = ", ".join(named.values()) or "none"
            raise DriverError(
                f"{self._client.http.url}: no chassis {wanted!r}", f"set chassis to one of: {known}"
            )
        made = [
            Chassis(uri, named[uri], body, [s._replace(chassis=named[uri]) for s in self._sources(body)])
            for uri, body in found
            if wanted in ("", named[uri])
        ]
        return [chassis for chassis in made if chassis.sources]

    def get(self, uri: str) -> Json:
        """A resource. Raises Missing if the BMC does not have it, or gives nonsense in its place."""
        if uri not in self._seen:
            self._seen[uri] = self._client.get(uri)
        return self._seen[uri]

    def find(self, uri: str) -> Json | None:
        """A resource; None if it is missing or broken."""
        try:
            return self.get(uri)
        except Missing:
            return None

    def members(self, body: Json, name: str) -> Iterator[tuple[str, Json]]:
        """The resources of a collection that `body` links to, those left out that are broken."""
        for _, page in self._pages(link(body, name)):
            for uri in _addresses(page):
                if (member := self.find(uri)) is not None:
                    yield uri, member

    def _sources(self, chassis: Json) -> Iterator[Source]:
        if environment := link(chassis, "EnvironmentMetrics"):
            yield Source("EnvironmentMetrics", environment)
        for subsystem, paths, old in _OLD:
            if link(chassis, subsystem):
                for path, kind in paths.items():
                    yield from (Source(kind, uri) for uri in self._follow(chassis, path.split("/")))
            elif uri := link(chassis, old):
                yield Source(old, uri)
        if self._sensors and (sensors := link(chassis, "Sensors")):
            yield from (Source("Sensor", uri) for uri in self._collection(sensors))

    def _follow(self, body: Json, path: list[str]) -> Iterator[str]:
        step, *rest = path
        name = step.removesuffix("[]")
        uri = link(body, name)
        if not uri:
            return
        if not rest:
            yield from self._collection(uri) if step != name else (uri,)
        elif step != name:
            for _, member in self.members(body, name):
                yield from self._follow(member, rest)
        elif (found := self.find(uri)) is not None:
            yield from self._follow(found, rest)

    def _collection(self, uri: str) -> Iterator[str]:
        """What to ask for to see all members: the collection's pages if it can be expanded, else each."""
        if self.root.expand and _is_expanded(self.find(uri + self.root.expand)):
            yield from (page for page, _ in self._pages(uri + self.root.expand))
        else:
            yield from (member for _, page in self._pages(uri) for member in _addresses(page))

    def _pages(self, uri: str) -> Iterator[tuple[str, Json]]:
        for _ in range(_PAGES_MAX):
            page = self.find(uri) if uri else None
            if page is None:
                return
            yield uri, page
            following = page.get("Members@odata.nextLink")
            if not isinstance(following, str) or not following.startswith("/"):
                return
            uri = following


def serial_number(chassis: Json) -> str:
    """What tells this chassis from another of its kind; empty if it does not say."""
    for name in ("SerialNumber", "UUID"):
        text = chassis.get(name)
        if isinstance(text, str) and text.strip():
            return text.strip()
    return ""


def _is_expanded(page: Json | None) -> bool:
    """Whether a page has its members' contents, and not only their addresses."""
    members = (page or {}).get("Members")
    return isinstance(members, list) and any(len(m) > 1 for m in members if isinstance(m, dict))


def _addresses(page: Json) -> Iterator[str]:
    members = page.get("Members")
    for member in members if isinstance(members, list) else ():
        uri = member.get("@odata.id") if isinstance(member, dict) else None
        if isinstance(uri, str) and uri.startswith("/"):
            yield uri
