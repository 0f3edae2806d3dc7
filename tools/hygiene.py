"""Finds what must not be in the repository: registry addresses, somebody's home folder, secrets, large files."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What git ignores, for a checkout without git.
SKIPPED = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".hypothesis", "__pycache__", "dist", "var"}
LARGEST_BYTES = 1_000_000
RULES = {
    "a registry address": re.compile(
        r"pypi\.org/simple|pythonhosted\.org|--(?:extra-)?index-url[ =]\S*:|--find-links[ =]"
    ),
    "a home folder": re.compile(r"(?<![\w.:/-])/(?:home/[a-z]\w*|Users/[A-Za-z]\w*|root)/"),
    "a secret": re.compile(
        r"\bsk-(?!demo-|test-|bench-|ant-test)[A-Za-z0-9_-]{24,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}|"
        r"\bxox[abprs]-[A-Za-z0-9-]{20,}|\bAIza[A-Za-z0-9_-]{35}|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"
    ),
}


def repository_files() -> Iterable[Path]:
    """What git tracks or would track; every file where there is no git."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        out = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [
            path
            for path in ROOT.rglob("*")
            if not SKIPPED & set(path.relative_to(ROOT).parts)
            and path.is_file()
            and not path.name.startswith("penstock.db")
        ]
    return [path for name in out.splitlines() if (path := ROOT / name).is_file()]


def main() -> int:
    found = []
    files = list(repository_files())
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if path.stat().st_size > LARGEST_BYTES:
            found.append(f"{name}: {path.stat().st_size} bytes, at most {LARGEST_BYTES}")
        if name == "tools/hygiene.py":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            found += [f"{name}:{number}: {what}" for what, pattern in RULES.items() if pattern.search(line)]
    print("\n".join(found) if found else f"{len(files)} files are clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
