"""TLS: the server's own authority and a given certificate, with clients that trust it and without."""

import json
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.request

import boto3
from botocore.exceptions import SSLError

from support import clients
from support.case import PATIENCE_SECONDS, ServerCase
from support.clients import create_stream, read_stream
from support.deploy import deploy, invoke
from support.package import PUT_SOURCE
from support.server import REGION, Server, binary

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# An empty SETTINGS frame.
SETTINGS = bytes(3) + b"\x04" + bytes(5)


def trusting(service, address, authority):
    return boto3.client(service, endpoint_url=address, region_name=REGION, verify=str(authority), **clients.CREDENTIALS)


class SelfSigned(ServerCase):
    @classmethod
    def setUpClass(cls):
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="millstream-tls-test-"))
        cls.addClassCleanup(shutil.rmtree, scratch, ignore_errors=True)
        cls.authority = scratch / "ca.pem"
        cls.server = Server(arguments=["--tls", "self-signed", "--tls-ca-file", str(cls.authority), "--tls-name", "streams.test"])
        cls.addClassCleanup(cls.server.kill)
        cls.address = cls.server.address
        cls.kinesis = trusting("kinesis", cls.address, cls.authority)
        cls.functions = trusting("lambda", cls.address, cls.authority)

    def connect(self, protocols=None, name="127.0.0.1"):
        context = ssl.create_default_context(cafile=self.authority)
        if protocols:
            context.set_alpn_protocols(protocols)
        plain = socket.create_connection(self.server.host_and_port(), timeout=PATIENCE_SECONDS)
        return context.wrap_socket(plain, server_hostname=name)

    def test_a_client_that_trusts_the_authority_is_served(self):
        self.assertTrue(self.address.startswith("https://"))
        create_stream(self.kinesis, "secret")
        self.kinesis.put_record(StreamName="secret", PartitionKey="k", Data=b"x")
        self.assertEqual(read_stream(self.kinesis, "secret")[0]["Data"], b"x")

    def test_a_client_that_does_not_is_not(self):
        with self.assertRaises(SSLError):
            clients.client("kinesis", self.address).list_streams()

    def test_the_certificate_has_the_names_that_were_asked_for(self):
        for name in ("127.0.0.1", "localhost", "streams.test"):
            self.connect(name=name).close()
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(name="other.test")

    def test_alpn_chooses_and_who_offers_none_may_speak_http_2_too(self):
        for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (None, None)):
            with self.connect(offered) as connection:
                self.assertEqual(connection.selected_alpn_protocol(), chosen)
                if chosen == "http/1.1":
                    connection.sendall(b"GET /_millstream/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    self.assertEqual(connection.recv(12), b"HTTP/1.1 200")
                else:
                    # As older Java SDKs do: the preface without any ALPN. The server's own SETTINGS come first.
                    connection.sendall(PREFACE + SETTINGS)
                    header = connection.recv(9)
                    self.assertEqual(header[3], 4, header)

    def test_plain_http_is_told_what_to_do(self):
        with socket.create_connection(self.server.host_and_port(), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            answer = b""
            while part := connection.recv(4096):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 400 "), head)
        self.assertIn("use https://", json.loads(body)["message"])

    def test_one_who_says_nothing_keeps_nobody_out(self):
        with socket.create_connection(self.server.host_and_port(), timeout=PATIENCE_SECONDS) as silent:
            self.kinesis.list_streams()
            # The server gives up waiting for the handshake.
            self.assertEqual(silent.recv(1), b"")

    def test_requests_may_be_for_the_names_of_the_certificate(self):
        for name in (b"streams.test", b"localhost"):
            with self.connect(["http/1.1"]) as connection:
                connection.sendall(b"POST / HTTP/1.1\r\nHost: " + name + b"\r\nX-Amz-Target: Kinesis_20131202.ListStreams\r\n"
                                   b"Content-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\n\r\n{}")
                self.assertEqual(connection.recv(12), b"HTTP/1.1 200", name)

    def test_functions_call_home_without_knowing_of_it(self):
        create_stream(self.kinesis, "home")
        deploy(self.functions, "home", f"{PUT_SOURCE}\ndef handler(event, context):\n    return put('home', event)['ShardId']\n")
        _, shard = invoke(self.functions, "home", {"from": "inside"})
        self.assertEqual(shard, "shardId-000000000000")
        self.assertEqual(json.loads(read_stream(self.kinesis, "home")[0]["Data"]), {"from": "inside"})
        # Links to code are for clients: they lead through the port that speaks TLS.
        link = self.functions.get_function(FunctionName="home")["Code"]["Location"]
        self.assertTrue(link.startswith(self.address))
        with urllib.request.urlopen(link, context=ssl.create_default_context(cafile=self.authority), timeout=PATIENCE_SECONDS) as zipped:
            self.assertEqual(zipped.read(2), b"PK")


class Restarts(unittest.TestCase):
    def test_the_authority_stays_and_its_key_is_private(self):
        with tempfile.TemporaryDirectory() as data:
            files = pathlib.Path(data) / "tls"
            with Server(data=data, arguments=["--tls", "self-signed"]) as server:
                first = (files / "ca.pem").read_bytes()
                self.assertIn(str(files / "ca.pem"), server.log())
                trusting("kinesis", server.address, files / "ca.pem").list_streams()
            self.assertEqual((files / "ca.key").stat().st_mode & 0o777, 0o600)
            with Server(data=data, arguments=["--tls", "self-signed", "--tls-name", "later.test"]) as server:
                self.assertEqual((files / "ca.pem").read_bytes(), first)
                trusting("kinesis", server.address, files / "ca.pem").list_streams()


@unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificates, and is not installed")
class Given(unittest.TestCase):
    def make(self, scratch, name):
        certificate, key = scratch / f"{name}.pem", scratch / f"{name}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
             "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)
        return str(certificate), str(key)

    def shown(self, server):
        """The certificate that a new connection sees, in DER."""
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(server.host_and_port(), timeout=PATIENCE_SECONDS))

    def until(self, what, holds):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    def alive(self, connection):
        connection.sendall(b"GET /_millstream/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self.assertEqual(connection.recv(65_536)[:12], b"HTTP/1.1 200")

    def test_a_certificate_is_read_anew_on_sighup_and_no_connection_ends(self):
        with tempfile.TemporaryDirectory() as directory:
            scratch = pathlib.Path(directory)
            (certificate, key), (other, other_key) = self.make(scratch, "one"), self.make(scratch, "other")
            first, second = (ssl.PEM_cert_to_DER_cert(pathlib.Path(file).read_text()) for file in (certificate, other))
            with Server(arguments=["--tls-cert", certificate, "--tls-key", key]) as server:
                self.assertEqual(self.shown(server), first)
                context = ssl.create_default_context(cafile=certificate)
                plain = socket.create_connection(server.host_and_port(), timeout=PATIENCE_SECONDS)
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as old:
                    self.alive(old)
                    # A file that is broken keeps the certificate from before, and the log says so.
                    shutil.copy(other, certificate)
                    server.process.send_signal(signal.SIGHUP)
                    self.until("the broken pair is logged", lambda: "the one from before stays" in server.log())
                    self.assertIn("cannot be used together", server.log())
                    self.assertEqual(self.shown(server), first)
                    self.alive(old)
                    # Both files of the new pair are there.
                    shutil.copy(other_key, key)
                    server.process.send_signal(signal.SIGHUP)
                    self.until("the new certificate is shown", lambda: self.shown(server) == second)
                    self.alive(old)
                    trusting("kinesis", server.address, other).list_streams()
                    pathlib.Path(certificate).unlink()
                    server.process.send_signal(signal.SIGHUP)
                    self.until("the missing file is logged", lambda: f"cannot read {certificate}" in server.log())
                    self.assertEqual(self.shown(server), second)
                    self.alive(old)

    def test_a_given_certificate_is_used_and_a_wrong_pair_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            scratch = pathlib.Path(directory)
            (certificate, key), (_, other_key) = self.make(scratch, "one"), self.make(scratch, "other")
            with Server(arguments=["--tls-cert", certificate, "--tls-key", key]) as server:
                trusting("kinesis", server.address, certificate).list_streams()
            missing = str(scratch / "gone.pem")
            for arguments, words in (
                (["--tls-cert", certificate, "--tls-key", other_key], "cannot be used together"),
                (["--tls-cert", missing, "--tls-key", key], f"cannot read {missing}"),
                (["--tls-cert", key, "--tls-key", key], "no certificate"),
                (["--tls-cert", certificate, "--tls-key", certificate], "no private key"),
                (["--tls-cert", certificate], "--tls-key"),
                (["--tls", "self-signed", "--tls-name", "not a name\u00e9"], "no name for a certificate"),
            ):
                done = subprocess.run(
                    [binary(), "serve", "--memory", "--bind", "127.0.0.1:0", *arguments],
                    capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, done.stdout + done.stderr)
