"""Runs a gateway in its own process under streams, cancels, slow readers and faults, and says whether it stayed flat."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from soak.load import KINDS, Load
from soak.provider import Provider, providing
from soak.samples import Probe, Sample, total
from soak.verdict import Growth, Tolerance, growth
from support.server import Gateway, running

CONFIG = """
server: {{workers: 1, log_format: json}}
store: {{cache: {{max_entries: 200}}}}
providers:
  provider: {{kind: openai_compatible, base_url: "http://127.0.0.1:{port}/v1", api_key: $SOAK_PROVIDER_KEY}}
  simulated: {{kind: simulated, latency_ms: 20, tokens_per_s: 20, fail_rate: 0.2}}
models:
  good: {{provider: provider, model_id: good, cost_per_1k_tokens_usd: 0.001}}
  flood: {{provider: provider, model_id: flood, cost_per_1k_tokens_usd: 0.001}}
  bad: {{provider: provider, model_id: bad, cost_per_1k_tokens_usd: 0.001}}
  simulated: {{provider: simulated, model_id: simulated, cost_per_1k_tokens_usd: 0.001}}
routing:
  even: {{primary: good, first_content_ms: 30000, attempt_timeout_ms: 30000, idle_gap_ms: 20000}}
  odd: {{primary: bad, first_content_ms: 1500, attempt_timeout_ms: 1500, idle_gap_ms: 1500}}
tenant_tiers:
  soak: {{allowed_models: [good, flood, bad, simulated], daily_budget_usd: 1000000, max_output_tokens: 4096,
          requests_per_minute: 100000000, concurrent_requests: 100000}}
tenants:
  soak: {{tier: soak, keys: [{{name: load, key: $SOAK_KEY}}]}}
admin_keys: [$SOAK_ADMIN_KEY]
"""
SECRETS = {"SOAK_KEY": "sk-soak-" + "a" * 40, "SOAK_ADMIN_KEY": "sk-admin-" + "b" * 40, "SOAK_PROVIDER_KEY": "sk-p"}
# The first part of a run fills caches, pools and the allocator: it is left out.
WARM_UP = 0.4
TOLERANCES = {
    "rss_mb": Tolerance(4.0, 0.04),
    "files": Tolerance(8.0, 0.04),
    "in_flight": Tolerance(8.0, 0.04),
    "tasks": Tolerance(8.0, 0.04),
}
DRAIN_S = 10.0


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="make soak ARGS=...", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--words-per-s", type=float, default=5, help="pace of one stream")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


async def soak(options: argparse.Namespace, folder: Path) -> list[str]:
    """Run, print the table, and return what is wrong."""
    async with providing(options.words_per_s, options.seed) as provider:
        config = folder / "penstock.yaml"
        config.write_text(CONFIG.format(port=provider.port))
        with running(config, folder, **SECRETS) as gateway:
            probe = Probe(gateway.address, gateway.process.pid, SECRETS["SOAK_ADMIN_KEY"])
            load = Load(
                gateway.address,
                SECRETS["SOAK_KEY"],
                seconds_per_stream=min(8.0, options.seconds / 8),
                words_per_s=options.words_per_s,
            )
            samples, wrong = await under_load(options, probe, load)
            if not wrong:
                wrong = await drained(probe, provider)
        wrong += judged(samples) + load.broken[:5] + logged(gateway)
        print_outcomes(load)
        return wrong


async def under_load(options: argparse.Namespace, probe: Probe, load: Load) -> tuple[list[Sample], list[str]]:
    """Sample every few seconds while the callers are at it."""
    callers = [asyncio.create_task(load.call_forever(options.seed + number)) for number in range(options.streams)]
    start_s = time.monotonic()
    samples: list[Sample] = []
    say(f"{'second':>7} {'RSS MB':>8} {'files':>6} {'in flight':>9} {'tasks':>6} {'calls over':>10} {'broken':>6}")
    try:
        while (passed_s := time.monotonic() - start_s) < options.seconds:
            await asyncio.sleep(min(5.0, options.seconds / 40, options.seconds - passed_s))
            sample = await probe.look()
            samples.append(sample)
            say(
                f"{sample.at_s - start_s:7.1f} {sample.rss_mb:8.1f} {sample.files:6.0f} {sample.in_flight:9.0f} {sample.tasks:6.0f} "
                f"{sample.calls:10.0f} {len(load.broken):6}"
            )
    except (OSError, TimeoutError) as error:
        return samples, [f"the gateway stopped answering: {type(error).__name__}"]
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    return samples, []


async def drained(probe: Probe, provider: Provider) -> list[str]:
    """Once the callers have gone nothing of them is left: no call, no socket, no money held."""
    until_s = time.monotonic() + DRAIN_S
    while True:
        page = await probe.metrics()
        in_flight = total(page, "penstock_calls_in_flight")
        if not in_flight or time.monotonic() > until_s:
            break
        await asyncio.sleep(0.1)
    sample = await probe.look()
    held_usd = total(page, "llm_quota_used", 'window="day_usd"') - total(page, "llm_estimated_cost_usd_total")
    say(
        f"drained: {in_flight:.0f} calls in flight, {sample.files:.0f} files ({provider.connections} to the provider), "
        f"{held_usd:+.9f} USD held, RSS {sample.rss_mb:.1f} MB"
    )
    found = {
        f"{in_flight:.0f} calls are in flight with nobody there": in_flight > 0,
        f"{held_usd:.9f} USD are held for no call": abs(held_usd) > 1e-9,
    }
    return [text for text, is_wrong in found.items() if is_wrong]


def judged(samples: Sequence[Sample]) -> list[str]:
    """The verdict on every figure, printed."""
    measured = samples[round(len(samples) * WARM_UP) :]
    wrong = []
    try:
        verdicts: dict[str, Growth] = {
            name: growth([each.at_s for each in measured], [getattr(each, name) for each in measured], tolerance)
            for name, tolerance in TOLERANCES.items()
        }
    except ValueError as error:
        return [str(error)]
    for name, verdict in verdicts.items():
        say(
            f"{name:>9}: {verdict.level:.1f}, grew by {verdict.grown:+.2f} over {measured[-1].at_s - measured[0].at_s:.0f} s "
            f"(allowed {verdict.allowed:.2f}): {'flat' if verdict.flat else 'GROWS'}"
        )
        if not verdict.flat:
            wrong.append(f"{name} grows")
    return wrong


def logged(gateway: Gateway) -> list[str]:
    """What the gateway's log tells of faults in itself."""
    lines = [line for line in gateway.log.splitlines() if '"level": "error"' in line or "Traceback" in line]
    return [f"the gateway's log has {len(lines)} errors, the first: {lines[0][:300]}"] if lines else []


def print_outcomes(load: Load) -> None:
    """How the calls of each kind ended."""
    for kind in KINDS:
        ends = {end: count for (of, end), count in sorted(load.outcomes.items()) if of == kind}
        say(f"{kind:>9}: " + ", ".join(f"{count} {end}" for end, count in ends.items()))


def say(line: str) -> None:
    """Print at once: a run is long."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Exit status 0 when everything is flat and nothing broke."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="penstock-soak-") as folder:
        wrong = uvloop.run(soak(options, Path(folder)))
    say("\n".join(f"WRONG: {text}" for text in wrong) if wrong else "verdict: flat, nothing broke")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
