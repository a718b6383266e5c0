"""A way to a tracking server that can be closed: the server is then gone for who comes by it."""

from __future__ import annotations

import contextlib
import socket
import threading


class Passage:
    """A proxy on a port of its own; `with` closes it in the end.

    Attributes:
        deaf: Requests go through, and each connection breaks before the answer comes back.
    """

    def __init__(self, server: str) -> None:
        self.deaf = False
        self._target = int(server.rpartition(":")[2])
        self._ends: list[socket.socket] = []
        self._port = 0
        self.open()
        self.address = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Passage:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def open(self) -> None:
        """On the same port as before."""
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self._ends = [listener]
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def close(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._ends += [near, far]
            for pair in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and not (answers and self.deaf):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR if answers and self.deaf else socket.SHUT_WR)
