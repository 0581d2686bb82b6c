"""The one hash of a model's weights, whether they are a file or several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pytest_slm.files import open_regular


def sha256_of(files: Iterable[Path]) -> str:
    """The SHA-256 of a file; of several, that of their sorted hashes, one a line. Raises OSError."""
    hashes = []
    for path in files:
        with open_regular(path) as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
