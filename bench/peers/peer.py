"""The gateways to compare with that ``bench/peers/install.sh`` has installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.process import Program

HERE = Path(__file__).parent


class Peer(NamedTuple):
    """One installed gateway: its words have ``{port}`` and ``{config}``, its config the upstream's port 18001."""

    name: str
    version: str
    command: Sequence[str]
    environment: Mapping[str, str]
    config: str
    without: str
    """What Penstock does for every call and this does not, as configured here."""

    def program(self, folder: Path, *, port: int, upstream: int) -> Program:
        """Portkey takes its config as headers, LiteLLM as a file."""
        text = (HERE / self.config).read_text().replace("18001", str(upstream))
        config = folder / self.config
        config.write_text(text)
        command = [word.format(port=port, config=config) for word in self.command]
        headers = text.splitlines() if self.config.endswith(".headers") else []
        return Program(self.name, command, self.environment, headers)


def installed(root: Path) -> list[Peer]:
    """Those whose installation has ended well."""
    litellm, portkey = root / ".peers" / "litellm", root / ".peers" / "portkey"
    server = portkey / "node_modules/@portkey-ai/gateway/build/start-server.js"
    known = {
        litellm: Peer(
            name="litellm",
            version="",
            command=[f"{litellm}/bin/litellm", "--config", "{config}", "--host", "127.0.0.1", "--port", "{port}"],
            # No download of prices at the start, no line per request.
            environment={
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOG": "ERROR",
                "LITELLM_MODE": "PRODUCTION",
                "PYTHONPATH": "",
            },
            config="litellm.yaml",
            without="no limits, no budget, no audit",
        ),
        portkey: Peer(
            name="portkey",
            version="",
            command=["node", str(server), "--headless", "--port={port}"],
            environment={"NODE_ENV": "production"},
            config="portkey.headers",
            without="no keys, no limits, no budget, no audit",
        ),
    }
    return [
        peer._replace(version=(folder / "version").read_text().strip())
        for folder, peer in known.items()
        if (folder / "version").exists()
    ]
