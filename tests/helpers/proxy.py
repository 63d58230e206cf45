"""A real HTTP proxy on 127.0.0.1 that writes down what it is asked for."""

from __future__ import annotations

import http.client
import http.server
import select
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RecordingProxy:
    """Passes everything on, plain requests and tunnels; `asked` has the address of each.

    `elsewhere` maps hosts that do not exist to the (host, port) that answers for them; with a
    `status` other than 200 nothing is passed on.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.elsewhere: dict[str, tuple[str, int]] = {}
        self.status = 200
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve on a free port until the block ends."""
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *details: Any) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self._pass_on()

            def do_POST(self) -> None:
                self._pass_on()

            def _refused(self) -> bool:
                proxy.asked.append(self.path)
                proxy.headers.append(dict(self.headers))
                if proxy.status == 200:
                    return False
                self.send_response(proxy.status, "Proxy says no")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return True

            def _pass_on(self) -> None:
                if self._refused():
                    return
                parts = urllib.parse.urlsplit(self.path)
                host = parts.hostname or ""
                there = proxy.elsewhere.get(host, (host, parts.port or 80))
                connection = http.client.HTTPConnection(*there, timeout=10)
                size = int(self.headers.get("Content-Length") or 0)
                page = parts.path + (f"?{parts.query}" if parts.query else "")
                connection.request(self.command, page, self.rfile.read(size), dict(self.headers))
                reply = connection.getresponse()
                body = reply.read()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.headers.get("Content-Type") or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                connection.close()

            def do_CONNECT(self) -> None:
                if self._refused():
                    return
                host, _, port = self.path.rpartition(":")
                there = proxy.elsewhere.get(host, (host, int(port)))
                with socket.create_connection(there, timeout=10) as other:
                    self.send_response(200)
                    self.end_headers()
                    pipes = {self.connection: other, other: self.connection}
                    while True:
                        ready, _, _ = select.select(list(pipes), [], [], 10)
                        for end in ready:
                            data = end.recv(65536)
                            if not data:
                                return
                            pipes[end].sendall(data)
                        if not ready:
                            return

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)
