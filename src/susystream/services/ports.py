"""Free ports of 127.0.0.1 and whether a process answers there.

In: nothing, or a port. Out: port numbers, True or False.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import psutil

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def listens(pid: int, port: int) -> bool:
    """True when this very process listens at the port, not one that took it before us."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(
        one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
        for one in connections
    )


def answers(port: int, *, deadline_seconds: float = 5.0) -> bool:
    """True when something accepts connections at the port; a busy server may need a moment."""
    ends = time.monotonic() + deadline_seconds
    while True:
        with socket.socket() as one:
            one.settimeout(1.0)
            if one.connect_ex((HOST, port)) == 0:
                return True
        if time.monotonic() > ends:
            return False
        time.sleep(0.1)
