"""TLS, with certificates that the test makes."""

from __future__ import annotations

import contextlib
import logging
import shutil
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.collector.settings import CollectorSettings, Limits, Tls
from whiteout.collector.tls import Certificates
from whiteout.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is needed to make certificates"
)


def make_certificate(folder: Path, name: str) -> Tls:
    """A certificate for `localhost` whose subject is `name`, in place of what is there."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-days", "2"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return Tls(certificate=str(certificate), key=str(key))


def connect(port: int, tls: Tls) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=tls.certificate)
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(client, server_hostname="localhost")


def subject(client: ssl.SSLSocket | ssl.SSLObject) -> object:
    certificate: Any = client.getpeercert()
    return certificate["subject"][0][0][1]


def served(certificates: Certificates, tls: Tls) -> object:
    """The subject of the certificate that a new connection gets."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=tls.certificate)
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = certificates.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):  # flights of a handshake
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return subject(client)


def test_events_come_over_tls(start: Callable[..., Any], tmp_path: Path) -> None:
    tls = make_certificate(tmp_path, "first")
    collector = start(CollectorSettings(tls=tls))

    with connect(collector.port, tls) as client:
        client.sendall(b"GET /i?e=pv HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [payload.querystring for payload in collector.payloads()] == ["e=pv"]
    assert [payload.ip_address for payload in collector.payloads()] == ["127.0.0.1"]


def test_sockets_that_begin_no_handshake_are_bounded(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    """Else anybody could keep any number of files open, half a minute each."""
    tls = make_certificate(tmp_path, "first")
    collector = start(CollectorSettings(tls=tls, limits=Limits(connections=2)))

    def silent() -> socket.socket:
        return socket.create_connection(("127.0.0.1", collector.port), timeout=10)

    with silent(), silent(), silent() as third, contextlib.suppress(ConnectionResetError):
        assert third.recv(1) == b""  # closed, in the order of arrival

    deadline = time.monotonic() + 10
    while True:
        try:
            with connect(collector.port, tls) as client:
                assert subject(client) == "first"
            break
        except OSError:  # the two may not have been missed yet
            assert time.monotonic() < deadline


def test_old_versions_are_refused(start: Callable[..., Any], tmp_path: Path) -> None:
    collector = start(CollectorSettings(tls=make_certificate(tmp_path, "first")))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", collector.port), timeout=10) as client,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(client)


def test_a_changed_certificate_is_for_new_connections_and_a_wrong_one_for_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = make_certificate(tmp_path, "first")
    certificates = Certificates(tls)
    assert served(certificates, tls) == "first"

    make_certificate(tmp_path, "second")
    certificates.reload_if_changed()
    assert served(certificates, tls) == "second"

    (tmp_path / "key.pem").write_text("nonsense")
    with caplog.at_level(logging.ERROR):
        certificates.reload_if_changed()
        certificates.reload_if_changed()  # told of once
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert served(certificates, tls) == "second"


def test_files_that_cannot_be_used_are_named_at_the_start(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path, "first")
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        Certificates(Tls(certificate=str(tmp_path / "missing.pem")))
    with pytest.raises(ConfigurationError, match=r"certificate\.pem"):
        Certificates(Tls(certificate=tls.certificate))  # no key in it
