"""Names of pages: safe in every file system and in every address."""

from __future__ import annotations

import functools
import hashlib
import re

MOST_BYTES = 112_000
"""Of a page: with the style sheet, which it asks for, that is less than 150 kB."""
UNKNOWN = "unknown"
"""The page of what has no name."""
RESERVED = re.compile(rf"index|{UNKNOWN}|name-[0-9a-f]{{16}}|con|prn|aux|nul|(com|lpt)[0-9]", re.IGNORECASE)
"""The page of a folder, those of no name and of names that are not plain, and the names that Windows keeps for devices,
whatever their ending."""


@functools.lru_cache(4096)
def page_name(name: str) -> str:
    """The name of a page without its ending: the name where that is plain, else a hash of it. No two names have one."""
    if not name:
        return UNKNOWN
    plain = re.fullmatch(r"[A-Za-z0-9][\w.-]{0,60}", name, flags=re.ASCII)
    if plain and not RESERVED.fullmatch(name.partition(".")[0]):
        return name
    return f"name-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"
