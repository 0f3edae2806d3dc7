"""Locks pyproject.toml into requirements/*.txt with hashes, and checks that the locks still fit.

``python -m tools.lock`` needs uv and a registry; ``--check`` needs neither. A lock's first line holds a digest of the
requirements it was made from, so any change of pyproject.toml asks for a new lock.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Each is an environment of its own, beside the gateway's.
APART = ("conformance", "instructor", "litellm")
LOCKS = {
    "base": ["pyproject.toml"],
    "build": ["--group", "build"],
    "dev": ["pyproject.toml", "--group", "dev", "--group", "build"],
    **{name: ["--group", name] for name in APART},
}


def wanted(name: str) -> list[str]:
    """The requirements of pyproject.toml that a lock is made from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    requirements = {
        "base": project["project"]["dependencies"],
        "build": groups["build"],
        "dev": [*project["project"]["dependencies"], *groups["dev"], *groups["build"]],
        **{each: groups[each] for each in APART},
    }[name]
    return sorted([*requirements, f"python{project['project']['requires-python']}"])


def first_line(name: str) -> str:
    digest = hashlib.sha256("\n".join(wanted(name)).encode()).hexdigest()[:16]
    return f'# Made by "make lock" from pyproject.toml ({digest}); not edited by hand.'


def write(name: str, constraint: str | None) -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    path = ROOT / "requirements" / f"{name}.txt"
    command = [uv, "pip", "compile", *LOCKS[name], "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--upgrade", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet"]
    if constraint:
        command += ["--constraint", f"requirements/{constraint}.txt"]
    locked = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    path.write_text(f"{first_line(name)}\n{locked}")
    print(f"{path.relative_to(ROOT)}: {len(re.findall('^[a-z0-9]', locked, re.MULTILINE))} packages")


def faults(name: str) -> list[str]:
    """What is wrong with one lock file."""
    path = ROOT / "requirements" / f"{name}.txt"
    if not path.exists():
        return [f"requirements/{name}.txt is missing"]
    text = path.read_text()
    found = []
    if not text.startswith(first_line(name)):
        found.append(f"requirements/{name}.txt does not fit pyproject.toml")
    if re.search(r"^\s*-(?!-hash)|://", text, re.MULTILINE):
        found.append(f"requirements/{name}.txt names an option or an address")
    blocks = re.findall(r"^([a-zA-Z0-9][^\n]*\\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    if len(blocks) != len(re.findall(r"^[a-zA-Z0-9]", text, re.MULTILINE)):
        found.append(f"requirements/{name}.txt has a requirement without hashes")
    return found


def main() -> int:
    if "--check" in sys.argv:
        found = [fault for name in LOCKS for fault in faults(name)]
        print("\n".join([*found, "run: make lock"] if found else ["locks fit"]))
        return 1 if found else 0
    write("base", None)
    write("build", "base")
    write("dev", "base")
    for apart in APART:
        write(apart, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
