"""What the figures were measured on, and what else ran there."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("penstock", "uvicorn", "uvloop", "httptools", "msgspec")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or "unknown"


def describe() -> dict[str, str]:
    """CPU, cores, memory, kernel, and the versions of what took part."""
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    facts = {
        "cpu": cpu_model(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{int(memory.group(1)) / 2**20:.0f}" if memory else "unknown",
        "kernel": platform.release(),
        "commit": commit(Path(__file__).parent),
        "python": f"{platform.python_version()} ({platform.python_compiler()})",
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    for program in ("nginx", "wrk"):
        said = subprocess.run([path(program), "-v"], capture_output=True, text=True, check=False)
        facts[program] = (re.findall(r"\d+\.\d+(?:\.\d+)?", said.stderr + said.stdout) or ["unknown"])[0]
    return facts


def busy_s(cores: Iterable[int]) -> float:
    """Time that programs of anyone have run on these cores since boot, or that the host gave to other machines.

    Interrupts are left out: they belong to whoever waits for them (proc(5), /proc/stat).
    """
    lines = dict(line.split(maxsplit=1) for line in Path("/proc/stat").read_text().splitlines())
    ticks = 0
    for core in cores:
        user, nice, system, _idle, _wait, _irq, _softirq, steal, *_ = map(int, lines[f"cpu{core}"].split())
        ticks += user + nice + system + steal
    return ticks / TICKS_PER_S


def commit(root: Path) -> str:
    """What was measured; "unknown" where there is no git."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def path(program: str) -> str:
    """Where a program is; Debian keeps nginx out of a user's PATH."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"{program} is missing; on Debian: apt-get install {program}")
    return found
