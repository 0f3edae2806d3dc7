"""Runs every check, prints each with its time, and the output of those that fail."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
# The slowest first: they run two at a time.
CHECKS = {
    "types": [f"{BIN}/mypy"],
    "directions": [f"{BIN}/lint-imports", "--no-cache"],
    "lint": [f"{BIN}/ruff", "check"],
    "format": [f"{BIN}/ruff", "format", "--check"],
    "imports": [sys.executable, "-m", "tools.imports"],
    "ceilings": [sys.executable, "-m", "tools.ceilings"],
    "hygiene": [sys.executable, "-m", "tools.hygiene"],
    "locks": [sys.executable, "-m", "tools.lock", "--check"],
}


class Result(NamedTuple):
    """How one check ended."""

    name: str
    passed: bool
    took_s: float
    output: str


def run(name: str) -> Result:
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": "src", "NO_COLOR": "1"}
    ran = subprocess.run(
        CHECKS[name],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Result(name, ran.returncode == 0, time.perf_counter() - start, ran.stdout)


def main() -> int:
    names = [name for name in CHECKS if name in sys.argv[1:]] or list(CHECKS)
    failed = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for result in pool.map(run, names):
            print(f"{'ok  ' if result.passed else 'FAIL'} {result.name:<11} {result.took_s:5.1f} s", flush=True)
            if not result.passed:
                failed.append(result.name)
                print(result.output, flush=True)
    print(f"check: failed: {', '.join(failed)}" if failed else "check: all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
