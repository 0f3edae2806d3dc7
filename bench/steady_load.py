"""Sends requests at a constant rate over N connections, and prints latencies as JSON.

``python -m bench.steady_load PORT CONNECTIONS REQUESTS_PER_S SECONDS``. A latency counts from when the request was due,
not from when a connection was free for it: else a server that stalls would be asked less while it stalls (coordinated
omission). select(2), because its timeout is in microseconds; that of epoll and of event loops is in milliseconds.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections import deque

from bench.chat import QUESTION, request
from bench.figures import Figures, percentile

LIMIT_S = 10.0
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due_s = 0.0
        self._received = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, message: bytes, due_s: float) -> None:
        self.due_s = due_s
        self._received = b""
        self.socket.sendall(message)

    def receive(self) -> bool | None:
        """True when the answer is whole and a 200, None when more is to come, False when it failed."""
        data = self.socket.recv(65536)
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not data or (blank and length is None):
            return False
        if length is None or len(body) < int(length[1]):
            return None
        return head.startswith(b"HTTP/1.1 200")


class Load:
    """A constant rate over idle and busy connections."""

    def __init__(self, port: int, connections: int, message: bytes) -> None:
        self._message = message
        self._idle = deque(Connection(port) for _ in range(connections))
        self._busy: set[Connection] = set()
        self.latencies_us: list[float] = []
        self.errors = 0

    def run(self, requests_per_s: float, seconds: float) -> None:
        """Send every request of the time, and wait for the last answer; what has none after 10 s is an error."""
        total, sent = round(requests_per_s * seconds), 0
        start_s = time.perf_counter()
        while sent < total or self._busy:
            now_s = time.perf_counter()
            while sent < total and self._idle and start_s + sent / requests_per_s <= now_s:
                connection = self._idle.popleft()
                self._busy.add(connection)
                connection.send(self._message, start_s + sent / requests_per_s)
                sent += 1
            waits = sent < total and self._idle
            timeout_s = max(0.0, start_s + sent / requests_per_s - time.perf_counter()) if waits else LIMIT_S
            readable = select.select(self._busy, [], [], timeout_s)[0]
            if not (readable or waits):
                break
            for connection in readable:
                self._take(connection)
        self.errors += total - len(self.latencies_us) - self.errors

    def _take(self, connection: Connection) -> None:
        good = connection.receive()
        if good is None:
            return
        self._busy.remove(connection)
        if good:
            self.latencies_us.append((time.perf_counter() - connection.due_s) * 1e6)
            self._idle.append(connection)
        else:
            self.errors += 1
            connection.socket.close()

    def close(self) -> None:
        for connection in (*self._idle, *self._busy):
            connection.socket.close()

    def figures(self) -> Figures:
        ordered = sorted(self.latencies_us)
        named = {"p50_us": 0.5, "p99_us": 0.99, "max_us": 1.0} if ordered else {}
        return {name: percentile(ordered, share) for name, share in named.items()} | {"errors": self.errors}


def main() -> None:
    port, connections = int(sys.argv[1]), int(sys.argv[2])
    requests_per_s, seconds = float(sys.argv[3]), float(sys.argv[4])
    load = Load(port, connections, request(QUESTION, stream=False))
    began_s, used_s = time.perf_counter(), time.process_time()
    load.run(requests_per_s, seconds)
    used = {"took_s": time.perf_counter() - began_s, "cpu_s": time.process_time() - used_s}
    load.close()
    print(json.dumps(load.figures() | used))


if __name__ == "__main__":
    main()
