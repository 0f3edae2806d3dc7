"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("penstock", "uvicorn", "uvloop", "httptools", "msgspec")


def cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or "unknown"


def describe() -> dict[str, str]:
    """CPU, cores, memory, kernel, and the versions of what took part."""
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    facts = {
        "cpu": cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory_gib": f"{int(memory.group(1)) / 2**20:.0f}" if memory else "unknown",
        "kernel": platform.release(),
        "python": platform.python_version(),
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


def path(program: str) -> str:
    """Where a program is; Debian keeps nginx out of a user's PATH."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"{program} is missing; on Debian: apt-get install {program}")
    return found
