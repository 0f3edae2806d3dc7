"""Measures the gateway against nginx and against no gateway at all, in one run on one machine: ``make bench``."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench import answers, machine, report, starts, streams
from bench.doubts import doubts, shared
from bench.figures import Key
from bench.goals import verdicts
from bench.stand import FULL, QUICK, ROOT, Cores, Plan, Stand

CASES: dict[str, Callable[[Stand], None]] = {
    "start": starts.starts,
    "closed": answers.closed,
    "steady": answers.steady,
    "prompts": answers.prompts,
    "streams": streams.paced,
    "slow": streams.slow,
}
ABOUT = """\
Measures the gateway against nginx and against no gateway at all, in one run on one machine.

The gateway and nginx are pinned to one core, load and upstream to another, and they take turns, so that what disturbs
the machine disturbs them alike. Figures of one run may be compared; figures of two runs may not. The table that comes
first says what must be reached and what was; the page says, too, where the machine was noisy or the load was the limit.

cases, for --only:
"""
EXAMPLES = """\
examples:
  make bench                                        everything, under ten minutes
  make bench ARGS=--quick                           half a minute, one round each: for while you work
  make bench ARGS="--only closed --only steady"     some cases
  make bench-peers                                  LiteLLM and Portkey in the same run
"""
OPEN_FILES = 8192


def arguments() -> argparse.Namespace:
    shape = argparse.RawDescriptionHelpFormatter
    about = ABOUT + "".join(f"  {name:<8} {case.__doc__}\n" for name, case in CASES.items())
    parser = argparse.ArgumentParser("make bench ARGS=...", description=about, epilog=EXAMPLES, formatter_class=shape)
    penstock = Path(sys.executable).with_name("penstock")
    several = sorted(os.sched_getaffinity(0))
    parser.add_argument(
        "--quick", action="store_true", help="half a minute: fewer sizes, one short round each, no slow readers"
    )
    parser.add_argument("--only", action="append", choices=CASES, metavar="NAME", help="this case; may be repeated")
    parser.add_argument("--rounds", type=int, help="rounds of each case instead of 3")
    parser.add_argument("--peers", action="store_true", help="with what bench/peers/install.sh has installed")
    parser.add_argument(
        "--gateway-command",
        default=f"{penstock} serve --config {{config}} --port {{port}}",
        help="what is measured, with {config}, {port} and {upstream}",
    )
    parser.add_argument("--gateway-core", type=int, default=several[0], help="core of the servers")
    parser.add_argument("--load-core", type=int, default=several[1 % len(several)], help="core of the load")
    parser.add_argument(
        "--upstream-core", type=int, help="core of the upstream; a third one where there is one, else the load's"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results", help="folder for JSON and Markdown")
    options = parser.parse_args()
    if options.upstream_core is None:
        options.upstream_core = several[2] if len(several) > 2 else options.load_core
    if options.gateway_core in {options.load_core, options.upstream_core}:
        parser.error("the gateway needs a core of its own: two cores at least")
    return options


def plan(options: argparse.Namespace) -> Plan:
    chosen = QUICK if options.quick else FULL
    if options.peers:
        chosen = chosen._replace(connections=(32, 1), streams=(100,), starts=1)
    return chosen._replace(rounds=options.rounds) if options.rounds else chosen


def chosen(options: argparse.Namespace) -> list[str]:
    """The cases in their order; a quick run has no time for slow readers unless they are asked for."""
    usual = set(CASES) - ({"slow"} if options.quick else set())
    return [name for name in CASES if name in (options.only or usual)]


def allow_open_files() -> None:
    """2,000 streams are 4,000 sockets; a usual shell allows 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < OPEN_FILES:
        raise SystemExit(f"at most {most} open files are allowed here, the bench needs {OPEN_FILES}: raise ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, most))


def measure(stand: Stand, names: Iterable[str]) -> list[str]:
    """Run the cases, and return what is to be said of those that failed: the others are not lost with them."""
    failures = []
    for name in names:
        print(f"\n{name}: {CASES[name].__doc__}", flush=True)
        try:
            stand.reference()
            CASES[name](stand)
        except (SystemExit, subprocess.CalledProcessError) as error:
            failures.append(f"The case {name} failed: {error}")
            print(failures[-1], flush=True)
    stand.reference()
    return failures


def main() -> None:
    options = arguments()
    allow_open_files()
    cores = Cores(options.gateway_core, options.load_core, options.upstream_core)
    os.sched_setaffinity(0, {cores.load})
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        stand = Stand(plan(options), cores, Path(folder), gateway_command=options.gateway_command, peers=options.peers)
        failures = measure(stand, chosen(options))
    measured = stand.measured
    foreign_share = stand.foreign_s / max(stand.measured_s, 1)
    made: dict[str, Any] = {
        "date": report.today(),
        "quick": options.quick,
        "plan": stand.plan._asdict(),
        "cores": cores._asdict(),
        "machine": machine.describe()
        | {"python reference loop": f"{measured.median(Key('python', 0, 'reference'), 'loop_ms'):.1f} ms"},
        "peers": {peer.name: {"version": peer.version, "without": peer.without} for peer in stand.peers},
        "verdicts": [verdict._asdict() for verdict in verdicts(measured, shared=shared(foreign_share))],
        "doubts": [*failures, *doubts(measured, foreign_share=foreign_share)],
        "rows": measured.rows(),
    }
    page = report.write(made, options.results)
    print(f"\n{page.read_text()}\nwritten: {page}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
