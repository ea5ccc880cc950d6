"""Broker settings: what a URL means, where a password comes from, and failures in words."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeagent_sdk.errors import BrokerError
from edgeagent_sdk.mqtt import Broker, explain, new_client, permanent


@pytest.mark.parametrize(
    ("url", "address", "tls", "login"),
    [
        ("mqtt://h", ("h", 1883), False, ("", "")),
        ("mqtts://h", ("h", 8883), True, ("", "")),
        ("mqtt://10.0.0.1:1", ("10.0.0.1", 1), False, ("", "")),
        ("mqtt://[::1]:65535", ("::1", 65535), False, ("", "")),
        ("mqtt://me@h", ("h", 1883), False, ("me", "")),
        ("mqtt://me:pass@h:7", ("h", 7), False, ("me", "pass")),
        ("mqtt://me:p%40ss%3A@h", ("h", 1883), False, ("me", "p@ss:")),
    ],
)
def test_urls(url: str, address: tuple[str, int], tls: bool, login: tuple[str, str]) -> None:
    broker = Broker(url=url)
    assert (broker.address(), broker.tls(), broker.login()) == (address, tls, login)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "h:1883",
        "http://h",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://h:0x",
        "mqtt://h:70000",
        "mqtt://[::1",
        "mqtt//h",
    ],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(BrokerError, match="write mqtt://host"):
        Broker(url=url).address()


def test_a_wrong_url_does_not_show_its_password() -> None:
    with pytest.raises(BrokerError) as caught:
        Broker(url="http://me:secret@h").address()
    assert "secret" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    for url in (text, f"mqtt://{text}"):
        try:
            host, port = Broker(url=url).address()
        except BrokerError:
            continue
        assert host and 0 < port < 65536


@pytest.mark.parametrize(
    ("keys", "login"),
    [
        ({"username": "you"}, ("you", "inside")),
        ({"password": "other"}, ("me", "other")),
        ({"password_file": "first"}, ("me", "from file")),
        ({"password_file": "first", "password": "other"}, ("me", "from file")),
        ({"password_file": "empty"}, ("me", "")),
    ],
)
def test_what_outranks_what(keys: dict[str, str], login: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "first").write_text("from file\nsecond line\n")
    (tmp_path / "empty").touch()
    if name := keys.get("password_file"):
        keys = keys | {"password_file": str(tmp_path / name)}
    assert Broker(url="mqtt://me:inside@h", **keys).login() == login  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"password_file": "{home}/none"}, "broker.password_file {home}/none: no such file or directory"),
        ({"password_file": "{home}"}, "broker.password_file {home}: is a directory"),
        ({"password_file": "{home}/binary"}, "broker.password_file {home}/binary: "),
        ({"url": "mqtts://h", "ca": "{home}/none"}, "broker.ca {home}/none: no such file"),
        ({"url": "mqtts://h", "cert": "{home}"}, "broker.cert {home}: no such file"),
        (
            {"url": "mqtts://h", "ca": "{home}/binary"},
            "broker.ca, broker.cert or broker.key cannot be used: ",
        ),
        ({"url": "mqtts://h", "key": "{home}/binary"}, "broker.key without broker.cert: "),
    ],
)
def test_files_that_cannot_be_used(keys: dict[str, str], said: str, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    keys = {name: text.format(home=tmp_path) for name, text in keys.items()}
    with pytest.raises(BrokerError) as caught:
        new_client(Broker(**keys), "test")  # type: ignore[arg-type]
    assert str(caught.value).startswith(said.format(home=tmp_path))
    assert "\n" not in str(caught.value)


def _certificate_error(reason: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "long")
    error.verify_message = reason
    return error


@pytest.mark.parametrize(
    ("error", "said", "for_good"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "nothing listens there; start the broker", False),
        (TimeoutError(), "no answer; check broker.url, the network", False),
        (socket.gaierror(-2, "Name or service not known"), "no such host; check broker.url", False),
        (OSError(113, "No route to host"), "no route to host", False),
        (_certificate_error("self-signed certificate"), "does not verify (self-signed certificate)", True),
        (ssl.SSLError(1, "wrong version number"), "TLS failed (", True),
        (ValueError("odd"), "odd", False),
        (EOFError(), "EOFError", False),
    ],
)
def test_failures_in_words(error: BaseException, said: str, for_good: bool) -> None:
    text = explain(Broker(url="mqtt://me:secret@h:7"), error)
    assert text.startswith(f"broker h:7: {said}") or said in text
    assert "secret" not in text and "\n" not in text
    assert permanent(error) is for_good
