"""A way to a real tracking server on which chosen requests fail, as before an overloaded one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FailingWay:
    """An HTTP proxy on a port of its own; `with` closes it in the end.

    Attributes:
        fails: What a request holds, path or body, and the status that answers it.
        delay_seconds: Before each request that writes.
    """

    def __init__(self, server: str) -> None:
        self.fails: dict[bytes, int] = {}
        self.delay_seconds = 0.0
        target = server.removeprefix("http://")
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, target))
        self._proxy.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._proxy.server_port}"

    def __enter__(self) -> FailingWay:
        threading.Thread(target=self._proxy.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()

    def status_for(self, request: bytes) -> int | None:
        return next((status for word, status in self.fails.items() if word in request), None)


def _handler(way: FailingWay, target: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Nothing: it would go to the terminal."""

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.command != "GET" and not self.path.endswith("experiments/search"):
                time.sleep(way.delay_seconds)
            status, answer = way.status_for(self.path.encode() + body), b""
            if status is None:
                status, answer = self._ask(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _ask(self, body: bytes) -> tuple[int, bytes]:
            further = HTTPConnection(target, timeout=20)
            kept = {key: text for key, text in self.headers.items() if key.lower() != "host"}
            further.request(self.command, self.path, body, kept)
            found = further.getresponse()
            answer = found.read()
            further.close()
            return found.status, answer

    passes: Callable[[Handler], None] = Handler._pass
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", passes)
    return Handler
