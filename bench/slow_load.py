"""Opens N streams and reads each a little at a time: 2 KB every 50 ms, from a model that writes without end.

``python -m bench.slow_load PORT STREAMS SECONDS``. Prints how many bytes came, and how many streams broke, as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time

from bench.chat import request

SIP_BYTES = 2048
SIP_S = 0.05
LIMIT_S = 10.0


def connect(port: int) -> socket.socket:
    """A connection whose receive buffer is the smallest there is, so that not reading is felt at the other end."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(LIMIT_S)
    client.connect(("127.0.0.1", port))
    client.sendall(request("Flood me with water.", stream=True))
    client.setblocking(False)
    return client


def main() -> None:
    port, count, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    clients = [connect(port) for _ in range(count)]
    broken, taken_bytes = 0, 0
    end_s = time.monotonic() + seconds
    while clients and time.monotonic() < end_s:
        for client in list(clients):
            try:
                sip = client.recv(SIP_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                sip = b""
            taken_bytes += len(sip)
            if not sip:
                broken += 1
                clients.remove(client)
        time.sleep(SIP_S)
    for client in clients:
        client.close()
    print(json.dumps({"slow_broken": broken, "taken_bytes": taken_bytes}))


if __name__ == "__main__":
    main()
