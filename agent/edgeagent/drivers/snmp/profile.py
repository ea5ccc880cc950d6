"""Profiles: which columns a kind of device has, and what their numbers mean. TOML, the MIB named."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec

from edgeagent_sdk.errors import DriverError
from edgeagent_sdk.plugins import nearest
from edgeagent_sdk.quantities import QUANTITIES

#: The option `profile`: the device is asked which of the shipped ones fits.
AUTO = "auto"

OidText = Annotated[str, msgspec.Meta(pattern=r"^[012](\.\d+)+$")]
Code = Annotated[str, msgspec.Meta(pattern=r"^-?\d+$")]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Meaning(_Strict, frozen=True, kw_only=True):
    """What a number is: `quantity` in its unit = number x `scale`."""

    quantity: str
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise ValueError(
                f"unknown quantity {self.quantity!r}; {nearest(self.quantity, list(QUANTITIES))}"
            )


class Write(_Strict, frozen=True, kw_only=True):
    """One INTEGER to write into a column's instance."""

    oid: OidText
    value: int


class Switch(_Strict, frozen=True, kw_only=True):
    """What turns the row's outlet on and off."""

    on: Write
    off: Write


class Column(_Strict, frozen=True, kw_only=True):
    """One column to be read, each instance of which is a channel.

    Args:
        oid: the column's, without index.
        quantity, scale: what its numbers are; or `kind` says it for each row.
        kind: where the row's kind stands: an OID, or (``"index.2"``) a place in its index, from 0.
        kinds: kind -> meaning; rows of other kinds are left out.
        codes: number -> value, for states; other numbers are faults.
        missing: numbers that say "not available"; so do those less than `least`.
        digits: OID of a column: so many decimal places are in the number.
        exponent: OID of a column: the number counts so many powers of ten.
        prefix: OID of a column: the number's SI prefix by RFC 3433, EntitySensorDataScale.
        fahrenheit: an OID and the number in it which says that the number is of °F.
        wraps: the counter begins again after so many counts; by default it is not known to.
        switch: how what this column tells can be set.
    """

    oid: OidText
    quantity: str = ""
    scale: float = 1.0
    kind: str = ""
    kinds: dict[Code, Meaning] = {}
    codes: dict[Code, float] = {}
    missing: list[int] = []
    least: int | None = None
    digits: OidText | None = None
    exponent: OidText | None = None
    prefix: OidText | None = None
    fahrenheit: tuple[OidText, int] | None = None
    wraps: int | None = None
    switch: Switch | None = None

    def __post_init__(self) -> None:
        if bool(self.quantity) == bool(self.kind):
            raise ValueError("a column has either quantity or kind")
        if self.quantity:
            Meaning(quantity=self.quantity)
        if self.switch and not self.codes:
            raise ValueError("a column with a switch has codes")


class Table(_Strict, frozen=True, kw_only=True):
    """Columns that share their rows' names.

    Args:
        name: what users call it; channel names begin so, e.g. ``"outlet"`` for ``outlet-3``.
        bare: they do not, since the rows' own names say enough.
        number: places in the index, from 0, that number the rows.
        numbers: OIDs of columns that do, in the place of `number`.
        unit: the place of the unit (of several linked ones) in the index, or an OID; `main` is the first's.
            The rows of the others have ``unit2-`` or the like before their names.
        through: OID of a column of another table, whose index ends with the first part of this one's: names,
            labels and kinds are then looked up by that index.
        id: OIDs of columns with the rows' own names; the first that is not empty names the row.
        label: OID of the column with the name that the user gave; it becomes the description.
        state: OID of a column that says how the row's sensor is; the numbers in `faults`, the profile's if
            the table has none, say why it is not well, those in `absent` that there is none.
    """

    name: str
    bare: bool = False
    number: list[int] = []
    numbers: list[OidText] = []
    unit: int | OidText | None = None
    main: int = 1
    through: OidText | None = None
    id: list[OidText] = []
    label: OidText | None = None
    state: OidText | None = None
    faults: dict[Code, str] | None = None
    absent: list[int] = []
    column: list[Column]


class Profile(_Strict, frozen=True, kw_only=True):
    """A kind of device.

    Args:
        title: for people.
        source: the MIB and where it is published.
        system: the beginnings of the sysObjectIDs of such devices.
        probe: OIDs; under one of them, such devices have something.
        generic: other profiles come before this one when a device answers to several.
        serial: OID of the serial number, with its index, or a column of them.
        watch: OIDs under which something changes when rows come or go.
        faults: for tables that have none of their own.
    """

    title: str
    source: str
    system: list[OidText] = []
    probe: list[OidText]
    generic: bool = False
    serial: OidText | None = None
    watch: list[OidText] = []
    faults: dict[Code, str] = {}
    table: list[Table]

    def check_tables(self, names: Collection[str]) -> None:
        """Raise DriverError for the first of `names` that is none of its tables."""
        known = [table.name for table in self.table]
        for name in names:
            if name not in known:
                raise DriverError(f"the profile has no table {name!r}", nearest(name, known))


def profiles() -> Mapping[str, Profile]:
    """The shipped profiles by name, generic ones last."""
    files = resources.files(__package__).joinpath("profiles").iterdir()
    found = {file.name.removesuffix(".toml"): _parse(file.name, file.read_text("utf-8")) for file in files}
    return dict(sorted(found.items(), key=lambda item: (item[1].generic, item[0])))


def load(name: str) -> Profile:
    """A shipped profile, or the file ``….toml`` that `name` is the path of. Raises DriverError."""
    if name.endswith(".toml"):
        try:
            return _parse(name, Path(name).read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise DriverError(
                f"profile {name}: {words.lower()}", "name a shipped profile or a file"
            ) from None
    shipped = profiles()
    if name not in shipped:
        raise DriverError(f"profile {name!r} is not there; {nearest(name, [AUTO, *shipped])}")
    return shipped[name]


def _parse(name: str, text: str) -> Profile:
    try:
        return msgspec.convert(tomllib.loads(text), Profile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DriverError(f"profile {name}: {error}", "correct the file") from None
