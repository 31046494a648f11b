"""Servers on loopback for scripts/stores.py: SeaweedFS, Azurite, a web server, and a proxy that misbehaves.

Clients of S3 and Azure are written here a second time, as small as possible, so that what is in a store is not told by
the program under test.
"""

import base64
import datetime
import hashlib
import hmac
import http.server
import os
import pathlib
import random
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

KEY, SECRET = "loopback", "loopback-secret-that-nobody-may-see"
# The account of every emulator of Azure, from its documentation.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(ready, process, what):
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"{what} ended with {process.returncode}")
        try:
            return ready()
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise SystemExit(f"{what} does not answer")


class S3:
    """SeaweedFS with one bucket."""

    scheme = "s3"

    def __init__(self, tools, place):
        self.port = free_port()
        place.mkdir()
        (place / "s3.json").write_text(
            '{"identities": [{"name": "test", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], '
            '"actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}' % (KEY, SECRET))
        ports = [f"-{name}.port={free_port()}" for name in ("master", "volume", "filer")]
        ports += [f"-{name}.port.grpc={free_port()}" for name in ("master", "volume", "filer", "s3")]
        self.log = open(place / "log", "w")
        # Nothing is reported to anybody.
        self.process = subprocess.Popen(
            [tools / "venv/bin/weed", "server", f"-dir={place}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports, "-s3",
             f"-s3.port={self.port}", f"-s3.config={place / 's3.json'}", "-master.telemetry=false", "-volume.max=50",
             "-master.volumeSizeLimitMB=256", "-s3.port.iceberg=0"],
            stdout=self.log, stderr=self.log)
        wait_for(lambda: self.request("PUT", "/book"), self.process, "SeaweedFS")

    def environment(self, port=None):
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT": f"http://127.0.0.1:{port or self.port}", "AWS_ALLOW_HTTP": "true"}

    def request(self, method, path, query="", body=b""):
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        host, digest = f"127.0.0.1:{self.port}", hashlib.sha256(body).hexdigest()
        headers = f"host:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{stamp}\n"
        names = "host;x-amz-content-sha256;x-amz-date"
        canonical = "\n".join([method, urllib.parse.quote(path), query, headers, names, digest])
        scope = f"{day}/us-east-1/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + SECRET).encode()
        for part in (day, "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        url = f"http://{host}{urllib.parse.quote(path)}" + (f"?{query}" if query else "")
        request = urllib.request.Request(url, data=body if method == "PUT" else None, method=method, headers={
            "x-amz-content-sha256": digest, "x-amz-date": stamp,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def put(self, key, body):
        self.request("PUT", f"/book/{key}", body=body)

    def get(self, key):
        try:
            return self.request("GET", f"/book/{key}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def keys(self, prefix):
        query = "list-type=2&prefix=" + urllib.parse.quote(prefix, safe="")
        text = self.request("GET", "/book", query).decode()
        assert "<IsTruncated>true" not in text
        return sorted(urllib.parse.unquote(key) for key in re.findall(r"<Key>([^<]*)</Key>", text))

    def cpu_seconds(self):
        """CPU time of the server so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Azure:
    """Azurite with one container."""

    scheme = "az"

    def __init__(self, tools, place):
        self.port = free_port()
        place.mkdir()
        self.log = open(place / "log", "w")
        self.process = subprocess.Popen(
            [tools / "node_modules/.bin/azurite-blob", "--location", place, "--blobHost", "127.0.0.1", "--blobPort",
             str(self.port), "--silent", "--skipApiVersionCheck", "--disableTelemetry"], stdout=self.log, stderr=self.log)
        wait_for(lambda: self.request("PUT", "/book", {"restype": "container"}), self.process, "Azurite")

    def environment(self, port=None):
        return {"AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
                "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port or self.port}/{AZURE_ACCOUNT}",
                "AZURE_ALLOW_HTTP": "true"}

    def request(self, method, path, query=None, body=b""):
        query = query or {}
        headers = {"x-ms-date": datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT"),
                   "x-ms-version": "2021-08-06"}
        kind = ""
        if method == "PUT":
            # Else urllib adds one of its own, which is not signed.
            headers["Content-Type"] = kind = "application/octet-stream"
            if "restype" not in query:
                headers["x-ms-blob-type"] = "BlockBlob"
        named = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-ms"))
        resource = f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}{urllib.parse.quote(path)}"
        resource += "".join(f"\n{name}:{query[name]}" for name in sorted(query))
        length = str(len(body)) if body else ""
        text = f"{method}\n\n\n{length}\n\n{kind}\n\n\n\n\n\n\n{named}{resource}"
        signed = hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(signed).decode()}"
        url = f"http://127.0.0.1:{self.port}/{AZURE_ACCOUNT}{urllib.parse.quote(path)}"
        url += "?" + urllib.parse.urlencode(query) if query else ""
        request = urllib.request.Request(url, data=body if method == "PUT" else None, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    put = S3.put
    get = S3.get
    stop = S3.stop
    cpu_seconds = S3.cpu_seconds

    def keys(self, prefix):
        text = self.request("GET", "/book", {"restype": "container", "comp": "list", "prefix": prefix}).decode()
        return sorted(re.findall(r"<Blob><Name>([^<]*)</Name>", text))


class Web:
    """A web server over a folder, which answers ranges and lists nothing."""

    scheme = "http"

    def __init__(self, folder):
        folder = pathlib.Path(folder)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                file = folder / self.path.lstrip("/")
                if not file.is_file():
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = file.read_bytes()
                size, wanted = len(body), re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
                if wanted:
                    first, last = int(wanted[1]), min(int(wanted[2]), size - 1)
                    body = body[first:last + 1]
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
                else:
                    self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Last-Modified", "Thu, 15 Jan 2026 08:00:00 GMT")
                self.send_header("ETag", f'"{hashlib.md5(file.read_bytes()).hexdigest()}"')
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Proxy:
    """Hands bytes on to a server. `drops`: the share of connections that are cut after some bytes. `slows`: the share
    that is answered with 503 Slow Down."""

    def __init__(self, port, seed, drops=0.0, slows=0.0):
        self.target, self.rng, self.drops, self.slows = port, random.Random(seed), drops, slows
        self.counts = {"connections": 0, "dropped": 0, "slowed": 0}
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.counts["connections"] += 1
            chance = self.rng.random()
            if chance < self.slows:
                self.counts["slowed"] += 1
                threading.Thread(target=self.slow, args=(client,), daemon=True).start()
                continue
            left = [self.rng.randrange(200, 3_000_000)] if chance < self.slows + self.drops else None
            self.counts["dropped"] += left is not None
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, sink, left), daemon=True).start()

    def slow(self, client):
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(65536)
                if not part:
                    return
                head += part
            client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except OSError:
            pass
        finally:
            client.close()

    def pump(self, source, sink, left):
        try:
            while part := source.recv(65536):
                if left is not None:
                    left[0] -= len(part)
                    if left[0] <= 0:
                        sink.sendall(part[:max(0, len(part) + left[0])])
                        break
                sink.sendall(part)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.socket.close()
