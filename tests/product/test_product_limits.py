"""What a gateway asks of the system that runs it."""

from __future__ import annotations

import resource
from pathlib import Path

from support.configs import DEMO
from support.server import running


def test_the_soft_limit_on_open_files_is_raised_to_the_hard_one(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard, 512), hard))
    try:
        with running(DEMO, tmp_path) as gateway:
            limits = (Path("/proc") / str(gateway.process.pid) / "limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert line.split()[3:5] == [str(hard), str(hard)]
    assert hard > 512
