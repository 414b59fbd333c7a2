"""What the numbers were measured on: processor, system, versions, commit, date."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Others", "commit", "describe_machine"]


class Others:
    """How busy all other processes kept the machine since this was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), _busy_seconds(), _own_seconds()

    def share(self) -> float | None:
        """The part of the cores' time that went to others than this process and its ended children; None if unknown."""
        then, busy, own = self._start
        now_busy, cores = _busy_seconds(), os.cpu_count()
        if busy is None or now_busy is None or not cores:
            return None
        others = (now_busy - busy) - (_own_seconds() - own)
        return round(max(0.0, others / ((time.perf_counter() - then) * cores)), 3)


def _busy_seconds() -> float | None:
    """Seconds that all cores together have not been idle, where the system tells it."""
    path = Path("/proc/stat")
    if not path.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, path.read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])


def describe_machine() -> dict[str, Any]:
    """Processor, cores usable by this process and how busy they are, memory, operating system, Python, time in UTC."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "memory_gib": _memory_gib(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    """The processor's model name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        facts = [line.partition(":") for line in cpuinfo.read_text().splitlines()]
        known = {key.strip(): value.strip() for key, _, value in facts}
        if "model name" in known:
            family = ", ".join(f"{key} {known[key]}" for key in ("cpu family", "model") if key in known)
            return f"{known['model name']} ({family})" if family else known["model name"]
    if platform.system() == "Darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def commit(root: Path) -> str | None:
    """The checked-out commit, with `+` if files differ from it; None outside a git checkout."""
    found = _output("git", "-C", str(root), "rev-parse", "--short=12", "HEAD")
    if not found:
        return None
    changed = _output("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no")
    return found + ("+" if changed else "")


def _output(*command: str) -> str:
    """What a command prints; empty if it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
