"""Whether rows are made once and held, or whenever they are used."""

import os
import pathlib


def is_held(size: int, cache: str) -> tuple[bool, str]:
    """Decides whether rows are held in memory.

    Args:
        size: The bytes that they take.
        cache: "memory", "none", or "auto": memory where they take less than a
            quarter of what is free.

    Returns:
        A pair: whether they are, and what is to be said of their size, in
        brackets and behind a blank; may be empty.
    """
    room = free_memory() // 4
    if cache == "none":
        return False, ""
    if cache == "auto" and size > room:
        return False, f" ({_mb(size)}, of {_mb(room)} for them)"
    return True, f" ({_mb(size)})"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def free_memory() -> int:
    """Returns the bytes that this process may still take, roughly."""
    meminfo = _words("/proc/meminfo")
    if "MemAvailable:" in meminfo:
        free = int(meminfo[meminfo.index("MemAvailable:") + 1]) * 1024
    else:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    # Of a container.
    limit = _words("/sys/fs/cgroup/memory.max")
    used = _words("/sys/fs/cgroup/memory.current")
    if limit and used and limit[0].isdigit():
        free = min(free, max(int(limit[0]) - int(used[0]), 0))
    return free


def _words(path: str) -> list[str]:
    try:
        return pathlib.Path(path).read_text().split()
    except OSError:
        return []
