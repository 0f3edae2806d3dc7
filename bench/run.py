"""Measures the gateway against nginx and against no gateway at all, in one run on one machine: ``make bench``.

The gateway and nginx are pinned to one core, load and upstream to another, and the cases take turns, so that what
disturbs the machine disturbs them alike. Figures of one run may be compared; figures of two runs may not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench import machine, report
from bench.process import FIXED, PROXY, Pinned, free_port, nginx, shell_words

ROOT = Path(__file__).parent.parent
# As in config.yaml, chat.lua and sse_load.py.
CLIENT_KEY = "sk-bench-client-0000000000000000000000000000000000000000000"
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-bench0000000000000000",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "bench-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "About as many as the gate lets through."},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 41},
        "system_fingerprint": "fp_bench",
    }
)
GATEWAY_COMMAND = f"{Path(sys.executable).with_name('penstock')} serve --config {{config}} --port {{port}}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 20 seconds: fewer cases, shorter rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gateway-command", default=GATEWAY_COMMAND, help="with {config}, {port} and {upstream}")
    parser.add_argument("--gateway-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    return parser.parse_args()


def probe(server: Pinned) -> None:
    """End the run with the answer's text when one request does not get a 200: no figure of an error is worth having."""
    body = b'{"model":"bench","messages":[{"role":"user","content":"Hello."}]}'
    headers = {"content-type": "application/json", "authorization": f"Bearer {CLIENT_KEY}"}
    client = HTTPConnection("127.0.0.1", server.port, timeout=10)
    client.request("POST", "/v1/chat/completions", body, headers)
    answer = client.getresponse()
    text = answer.read()
    client.close()
    if answer.status != HTTPStatus.OK:
        raise SystemExit(f"{server.name} answers {answer.status}: {text.decode(errors='replace')[:2000]}")


class Bench:
    """One run: its options, its folder, and the rows it has collected."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.rounds: report.Rounds = {}
        self.rss_mb: dict[str, float] = {}
        self.connections = [32] if options.quick else [32, 1, 256]
        self.streams = [100] if options.quick else [100, 300]
        self.closed_s = 1 if options.quick else 5
        self.paced_s = 2 if options.quick else 6

    def gateway(self, upstream: int) -> Pinned:
        """The gateway under test, in a folder of its own, with this upstream."""
        port = free_port()
        config = self.folder / f"gateway-{upstream}.yaml"
        text = (ROOT / "bench" / "config.yaml").read_text()
        config.write_text(text.replace("18000", str(port)).replace("18001", str(upstream)))
        words = shell_words(self.options.gateway_command, config=config, port=port, upstream=upstream)
        return Pinned("penstock", words, core=self.options.gateway_core, port=port, folder=self.folder)

    def nginx(self, name: str, block: str, *, core: int, **values: object) -> Pinned:
        port = free_port()
        rest = block.format(port=port, **values)
        return nginx(name, rest, core=core, port=port, folder=self.folder)

    def closed_loop(self) -> None:
        """Fixed answers as fast as they come."""
        with ExitStack() as stack:
            core = self.options.gateway_core
            direct = stack.enter_context(self.nginx("upstream", FIXED, core=self.options.load_core, body=COMPLETION))
            proxy = stack.enter_context(self.nginx("nginx", PROXY, core=core, upstream=direct.port))
            gateway = stack.enter_context(self.gateway(direct.port))
            self.rss_mb["idle"] = gateway.rss_mb()
            for server in (direct, proxy, gateway):
                probe(server)
                self.wrk(server, connections=8, seconds=1)
            for _ in range(self.options.rounds):
                for connections in self.connections:
                    for through, server in (("direct", direct), ("nginx", proxy), ("penstock", gateway)):
                        row = self.wrk(server, connections=connections, seconds=self.closed_s)
                        self.collect("closed", connections, through, row)
            self.rss_mb["after the closed loop"] = gateway.rss_mb()

    def wrk(self, server: Pinned, *, connections: int, seconds: int) -> report.Figures:
        command = ["taskset", "-c", str(self.options.load_core), machine.path("wrk"), "-t1", f"-c{connections}"]
        command += [f"-d{seconds}s", "-s", str(ROOT / "bench" / "chat.lua"), f"http://127.0.0.1:{server.port}"]
        before_s = server.cpu_s()
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        used_s = server.cpu_s() - before_s
        figures = json.loads(said.partition("FIGURES ")[2])
        requests = max(figures["requests"], 1)
        return {
            "requests_per_s": requests / figures["duration_us"] * 1e6,
            "cpu_us_per_request": used_s / requests * 1e6,
            "p50_us": figures["p50_us"],
            "p99_us": figures["p99_us"],
            "errors": figures["errors"],
        }

    def paced(self) -> None:
        """Streams at the pace at which a model writes."""
        with ExitStack() as stack:
            port = free_port()
            words = [sys.executable, str(ROOT / "bench" / "sse_upstream.py"), str(port), str(self.paced_s)]
            core = self.options.gateway_core
            upstream = Pinned("sse", words, core=self.options.load_core, port=port, folder=self.folder)
            stack.enter_context(upstream)
            proxy = stack.enter_context(self.nginx("nginx", PROXY, core=core, upstream=port))
            gateway = stack.enter_context(self.gateway(port))
            for _ in range(1 if self.options.quick else self.options.rounds):
                for streams in self.streams:
                    for through, server in (("nginx", proxy), ("penstock", gateway)):
                        self.collect("paced", streams, through, self.sse(server, streams))
            self.rss_mb["after the paced streams"] = gateway.rss_mb()

    def sse(self, server: Pinned, streams: int) -> report.Figures:
        words = [sys.executable, str(ROOT / "bench" / "sse_load.py"), str(server.port), str(streams)]
        before_s = server.cpu_s()
        said = subprocess.run(
            ["taskset", "-c", str(self.options.load_core), *words], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        used_s = server.cpu_s() - before_s
        figures: report.Figures = json.loads(said)
        chunks = max(figures.pop("chunks"), 1)
        del figures["streams"]
        return {"chunks_per_s": chunks / self.paced_s, "cpu_us_per_chunk": used_s / chunks * 1e6, **figures}

    def collect(self, load: str, count: int, through: str, row: report.Figures) -> None:
        self.rounds.setdefault((load, count, through), []).append(row)
        said = {name: round(value, 1) for name, value in row.items()}
        print(f"{load:<6} {count:>4} {through:<9} {said}", flush=True)


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        bench = Bench(options, Path(folder))
        bench.closed_loop()
        bench.paced()
    rows = report.medians(bench.rounds)
    report.compare(rows)
    made: dict[str, Any] = {
        "date": report.today(),
        "quick": options.quick,
        "cores": {"gateway": options.gateway_core, "load": options.load_core},
        "machine": machine.describe(),
        "gateway_rss_mb": bench.rss_mb,
        "rows": rows,
    }
    page = report.write(made, options.results)
    print(f"\n{page.read_text()}\nwritten: {page}")


if __name__ == "__main__":
    main()
