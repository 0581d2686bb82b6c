"""Small files in which a kernel writes numbers: /proc, /sys and control groups, below a root that tests replace."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def read_text(path: Path) -> str | None:
    """The stripped text of a file; None if it is not there, not readable, or empty."""
    try:
        return path.read_text(errors="replace").strip() or None
    except (OSError, ValueError):
        return None


def read_int(path: Path) -> int | None:
    """The integer that is all of a file's text; None if there is none."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def read_keyed(path: Path) -> dict[str, int]:
    """Lines of ``key number`` (``cpu.stat``, ``memory.events``), or of ``Key: number kB`` (``/proc/self/status``), in
    bytes. Lines of any other form are left out; no file, no keys.
    """
    numbers = {}
    for line in (read_text(path) or "").splitlines():
        words = line.split()
        if len(words) in (2, 3) and words[1].isdecimal():
            numbers[words[0].rstrip(":")] = int(words[1]) * (1024 if words[2:] == ["kB"] else 1)
    return numbers
