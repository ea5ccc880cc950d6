"""The driver's configuration keys, and the session that they make."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgeagent.drivers.credentials import secret, shown
from edgeagent.drivers.snmp.keys import User
from edgeagent.drivers.snmp.message import Community, Security
from edgeagent.drivers.snmp.profile import AUTO, load
from edgeagent.drivers.snmp.session import Session
from edgeagent.drivers.snmp.usm import UserSecurity
from edgeagent_sdk.config import ConfigError, Problem
from edgeagent_sdk.driver import Options
from edgeagent_sdk.errors import DriverError

_SILENT_V2C = (
    "is SNMP v2c enabled there, is the community right (a wrong one is met with silence), and does no "
    "firewall stand between?"
)
_SILENT_V3 = (
    "is SNMP v3 enabled there, is privacy_password right (some meet a wrong one with silence), and does "
    "no firewall stand between?"
)

_SECRETS = ("community", "auth_password", "privacy_password")

#: RFC 3414 section 11.2.
_PASSWORD_MIN = 8


def _key(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class SnmpOptions(Options):
    """Which device, and how it is asked."""

    host: Annotated[str, _key("the device's name or address")]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="its UDP port")] = 161
    profile: Annotated[
        str, _key("what it is: auto, the name of a shipped profile, or the path of a .toml of your own")
    ] = AUTO
    tables: Annotated[
        tuple[str, ...], _key("read these tables of the profile only, e.g. outlet, inlet; empty for all")
    ] = ()
    serial_number: Annotated[str, _key("read the device with this serial number only; empty for any")] = ""
    version: Annotated[Literal["2c", "3"], _key("of SNMP; only 3 proves who asks and keeps secrets")] = "2c"
    community: Annotated[str, _key("v2c: the community; better kept in community_file")] = "public"
    community_file: Annotated[str, _key("v2c: file whose first line is the community")] = ""
    community_env: Annotated[str, _key("v2c: environment variable with the community")] = ""
    user: Annotated[str, _key("v3: the user")] = ""
    auth: Annotated[
        Literal["", "md5", "sha", "sha224", "sha256", "sha384", "sha512"],
        _key("v3: how the user proves itself; empty for not at all"),
    ] = "sha"
    auth_password: Annotated[str, _key("v3: better kept in auth_password_file")] = ""
    auth_password_file: Annotated[str, _key("v3: file whose first line is the password")] = ""
    auth_password_env: Annotated[str, _key("v3: environment variable with the password")] = ""
    privacy: Annotated[Literal["", "aes128", "aes192", "aes256"], _key("v3: encryption; empty for none")] = (
        "aes128"
    )
    privacy_password: Annotated[str, _key("v3: better kept in privacy_password_file")] = ""
    privacy_password_file: Annotated[str, _key("v3: file whose first line is the password")] = ""
    privacy_password_env: Annotated[str, _key("v3: environment variable with the password")] = ""
    context: Annotated[str, _key("v3: the context; usually empty")] = ""
    timeout_ms: Annotated[
        int, msgspec.Meta(ge=10, le=60_000, description="for an answer; then it is asked again")
    ] = 1000
    retries: Annotated[int, msgspec.Meta(ge=0, le=10, description="how often it is asked again")] = 2
    answer_bytes: Annotated[
        int,
        msgspec.Meta(ge=484, le=65_507, description="answers should not be larger; 1472 fit into one packet"),
    ] = 1400

    def __post_init__(self) -> None:
        """See that the profile is one and has the tables. Raises ConfigError."""
        if self.profile == AUTO:
            return  # what the device is, and so what tables it has, it must say itself
        try:
            profile = load(self.profile)
        except DriverError as error:
            raise ConfigError([Problem("", 0, "profile", str(error))]) from None
        try:
            profile.check_tables(self.tables)
        except DriverError as error:
            raise ConfigError([Problem("", 0, "tables", str(error))]) from None

    def __repr__(self) -> str:
        """Everything but the secrets."""
        return shown(self, *_SECRETS)


def new_session(options: SnmpOptions) -> Session:
    """A session with the device. Raises DriverError for options that can never do."""
    address = (options.host, options.port)
    return Session(
        address,
        _security(options, f"{options.host}:{options.port}"),
        timeout_s=options.timeout_ms / 1e3,
        retries=options.retries,
        silent=_SILENT_V3 if options.version == "3" else _SILENT_V2C,
    )


def _security(options: SnmpOptions, where: str) -> Security:
    if options.version == "2c":
        return Community(secret(options, "community"))
    if not options.user:
        raise DriverError(f"{where}: SNMP v3 has no community but a user", "set user")
    if options.privacy and not options.auth:
        raise DriverError(f"{where}: privacy without auth proves nothing", 'set auth, or privacy = ""')
    auth = _password(options, "auth") if options.auth else ""
    privacy = _password(options, "privacy") if options.privacy else ""
    user = User(options.user, options.auth, auth, options.privacy, privacy)
    return UserSecurity(user, where, options.context)


def _password(options: SnmpOptions, kind: str) -> str:
    password = secret(options, f"{kind}_password")
    if len(password) < _PASSWORD_MIN:
        raise DriverError(
            f"{kind}_password has {len(password)} characters; SNMP v3 wants {_PASSWORD_MIN} or more",
            f'set {kind}_password_file, or {kind} = "" if the device asks for none',
        )
    return password
