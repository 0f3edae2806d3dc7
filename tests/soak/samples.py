"""What the gateway's process holds: from /proc, and from its own /metrics."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from msgspec import Struct

_WAIT_S = 10.0


class Sample(Struct, frozen=True):
    """One look. ``rss_mb`` is resident memory, ``files`` are open file descriptors, sockets among them."""

    at_s: float
    rss_mb: float
    files: float
    in_flight: float
    tasks: float
    calls: float


class Probe:
    """Looks at one gateway."""

    def __init__(self, address: str, pid: int, admin_key: str) -> None:
        self._host, _, self._port = address.partition(":")
        self._process = Path(f"/proc/{pid}")
        self._request = (
            f"GET /metrics HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {admin_key}\r\nconnection: close\r\n\r\n"
        ).encode()

    async def look(self) -> Sample:
        """Take a sample. Raises ``OSError`` when the gateway is gone and ``TimeoutError`` when it does not answer."""
        text = await self.metrics()
        status = (self._process / "status").read_text()
        rss_kb = re.search(r"^VmRSS:\s*(\d+)", status, re.MULTILINE)
        return Sample(
            time.monotonic(),
            float(rss_kb[1]) / 1024 if rss_kb else 0.0,
            sum(1 for _ in (self._process / "fd").iterdir()),
            total(text, "penstock_calls_in_flight"),
            total(text, "penstock_tasks"),
            total(text, "llm_requests_total"),
        )

    async def metrics(self) -> str:
        """The page of metrics."""
        async with asyncio.timeout(_WAIT_S):
            reader, writer = await asyncio.open_connection(self._host, int(self._port))
            writer.write(self._request)
            try:
                return (await reader.read()).decode()
            finally:
                writer.close()


def total(metrics: str, name: str, label: str = "") -> float:
    """The sum of a metric's series whose labels hold ``label``."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", metrics, re.MULTILINE)
    return sum(float(value) for labels, value in found if label in labels)
