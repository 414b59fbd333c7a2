"""A server on this machine that misbehaves as it is told, for tests of downloads."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 1200  # 300 KB


class Handler(BaseHTTPRequestHandler):
    """The first part of a path says how it is answered; requests are noted as (path, where they began)."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        pass

    def do_GET(self):
        kind, _, name = self.path.strip("/").partition("/")
        content = self.server.files.get(name, CONTENT)
        asked = self.headers.get("Range")
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        with self.server.lock:
            self.server.requests.append((self.path, begin))
            count = sum(path == self.path for path, _ in self.server.requests)
        if kind == "missing":
            return self.send_error(404)
        if kind == "busy" and count < 3:
            return self.send_error(503)
        if kind == "silent":
            return self.server.ended.wait(5)
        if kind == "wrong":
            content = content[:-1] + b"!"
        if kind == "short":
            content = content[:-1]
        if kind in ("plain", "cutplain", "slow", "endless", "chunked"):
            begin = 0
        if kind == "shifted" and asked:
            begin += 1
        if begin and begin >= len(content):
            return self.send_error(416)
        part = content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if kind not in ("chunked", "endless"):
            self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if kind in ("cut", "cutplain", "shifted"):
            part = part[:70_000]
        for start in range(0, len(part), 30_000):
            if kind == "slow":
                time.sleep(0.02)
            self.wfile.write(part[start : start + 30_000])
        while kind == "endless" and not self.server.ended.is_set():
            self.wfile.write(part)


class Server(ThreadingHTTPServer):
    """Use as a context manager; `requests` is what was asked for, `files` what is given by name."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.files = [], {}
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # clients that go away

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.ended.set()
        self.shutdown()
        self.thread.join()
        self.server_close()

    def begins(self, kind):
        """Where the requests for one kind of answer began."""
        return [begin for path, begin in self.requests if path.strip("/").partition("/")[0] == kind]
