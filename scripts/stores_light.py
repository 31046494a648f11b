"""A store on loopback that takes what it is sent and forgets it: what a client costs beside a server that costs little.

It speaks as much of S3 as one bucket and one run need, and keeps objects of up to a megabyte, as manifests are.
"""

import http.server
import socket
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

LARGEST_KEPT = 1 << 20
TAG = '"00000000000000000000000000000000"'
TIME = "2026-01-15T08:00:00.000Z"


class Light:
    scheme = "s3"

    def __init__(self):
        # Name of an object to its size, and to its bytes as far as they are kept.
        self.sizes, self.bodies = {}, {}
        self.uploads, self.lock = {}, threading.Lock()
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def handle_one_request(self):
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                super().handle_one_request()

            def answer(self, code, body=b"", headers=(), size=None):
                self.send_response(code)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) if size is None else size))
                self.end_headers()
                self.wfile.write(body)

            def asked(self):
                path, _, query = self.path.partition("?")
                key = urllib.parse.unquote(path).removeprefix("/book").lstrip("/")
                return key, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

            def body(self):
                left = size = int(self.headers.get("Content-Length") or 0)
                kept, room = bytearray(), memoryview(bytearray(min(size, LARGEST_KEPT)))
                while left:
                    read = self.rfile.readinto(room[:min(left, len(room))])
                    if not read:
                        raise ConnectionError("the request ends early")
                    if size <= LARGEST_KEPT:
                        kept += room[:read]
                    left -= read
                return size, bytes(kept) if size <= LARGEST_KEPT else None

            def do_PUT(self):
                key, query = self.asked()
                size, kept = self.body()
                with store.lock:
                    if "uploadId" in query:
                        store.uploads[query["uploadId"]][int(query["partNumber"])] = size
                    elif self.headers.get("If-None-Match") == "*" and key in store.sizes:
                        return self.answer(412)
                    else:
                        store.keep(key, size, kept)
                return self.answer(200, headers=[("ETag", TAG)])

            def do_POST(self):
                key, query = self.asked()
                self.body()
                with store.lock:
                    if "uploads" in query:
                        number = str(len(store.uploads))
                        store.uploads[number] = {}
                        text = (f"<InitiateMultipartUploadResult><Bucket>book</Bucket><Key>{escape(key)}</Key>"
                                f"<UploadId>{number}</UploadId></InitiateMultipartUploadResult>")
                    else:
                        store.keep(key, sum(store.uploads[query["uploadId"]].values()), None)
                        text = (f"<CompleteMultipartUploadResult><Bucket>book</Bucket><Key>{escape(key)}</Key>"
                                f"<ETag>{TAG}</ETag></CompleteMultipartUploadResult>")
                self.answer(200, text.encode())

            def do_DELETE(self):
                key, _ = self.asked()
                with store.lock:
                    store.sizes.pop(key, None)
                    store.bodies.pop(key, None)
                self.answer(204)

            def do_GET(self):
                key, query = self.asked()
                if "list-type" in query:
                    return self.answer(200, store.listed(query.get("prefix", ""), query.get("delimiter")).encode())
                with store.lock:
                    size, body = store.sizes.get(key), store.bodies.get(key)
                if body is None:
                    return self.answer(404)
                headers = [("ETag", TAG), ("Last-Modified", "Thu, 15 Jan 2026 08:00:00 GMT")]
                wanted = self.headers.get("Range")
                if wanted:
                    first, last = wanted.removeprefix("bytes=").split("-")
                    first, last = int(first), min(int(last), size - 1)
                    headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
                    return self.answer(206, memoryview(body)[first:last + 1], headers)
                return self.answer(200, body, headers)

            def do_HEAD(self):
                key, _ = self.asked()
                size = store.sizes.get(key)
                headers = [("ETag", TAG), ("Last-Modified", "Thu, 15 Jan 2026 08:00:00 GMT")]
                self.answer(404 if size is None else 200, headers=headers, size=size or 0)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def keep(self, key, size, body):
        self.sizes[key] = size
        if body is None:
            self.bodies.pop(key, None)
        else:
            self.bodies[key] = body

    def put(self, key, body):
        """An object whose bytes are kept, whatever its size."""
        self.keep(key, len(body), body)

    def listed(self, prefix, delimiter):
        found, folders = [], set()
        with self.lock:
            names = sorted(self.sizes.items())
        for key, size in names:
            if not key.startswith(prefix):
                continue
            rest = key[len(prefix):]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                continue
            found.append(f"<Contents><Key>{escape(key)}</Key><LastModified>{TIME}</LastModified><Size>{size}</Size>"
                         f"<ETag>{escape(TAG)}</ETag></Contents>")
        found += [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders)]
        return (f"<ListBucketResult><Name>book</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found)}</KeyCount>"
                f"<IsTruncated>false</IsTruncated>{''.join(found)}</ListBucketResult>")

    def environment(self, unsigned=False):
        return {"AWS_ACCESS_KEY_ID": "light", "AWS_SECRET_ACCESS_KEY": "light", "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT": f"http://127.0.0.1:{self.port}", "AWS_ALLOW_HTTP": "true",
                "AWS_UNSIGNED_PAYLOAD": str(unsigned).lower()}

    def cpu_seconds(self):
        """CPU time of this process, whose threads the server is."""
        return time.process_time()

    def stop(self):
        self.server.shutdown()
