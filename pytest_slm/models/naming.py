"""Names: of quantizations in file names, of split files, and of models as slugs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pytest_slm.core.record import LONGEST_NAME, is_file_name, is_name
from pytest_slm.errors import UsageError

QUANTIZATION = re.compile(
    r"(?<![A-Za-z0-9])"
    r"((?:UD-)?(?:"
    r"IQ[1-4]_(?:XXS|XS|NL|S|M)"
    r"|Q[2-8]_K(?:_(?:XXS|XS|XL|S|M|L))?"
    r"|Q4_0_[48]_[48]|Q[1458]_0|Q[458]_1"
    r"|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4"
    r"|BF16|FP?16|FP?32"
    r"))(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
SPLIT = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})\.gguf", re.IGNORECASE)
NO_MODELS = re.compile(r"(^|[-_.])(mmproj|imatrix|mtp)([-_.]|$)", re.IGNORECASE)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
LONGEST = 100


def quantization_name(file: str) -> str | None:
    """The quantization that a file name tells, in its usual spelling: ``model.q4_k_m.gguf`` is Q4_K_M.

    The last one counts: a model may be called after a precision, and folders (``BF16/model-00001-of-00002.gguf``)
    come before the file.
    """
    found = QUANTIZATION.findall(file.removesuffix(".gguf"))
    return found[-1].upper().replace("FP16", "F16").replace("FP32", "F32") if found else None


def model_name(stem: str) -> str:
    """The name of a model as its file tells it: without the extension and without the quantization at its end."""
    return re.sub(rf"[-_. ]*{QUANTIZATION.pattern}$", "", stem, flags=re.IGNORECASE) or stem


def plain_quantization(name: str) -> str:
    """A quantization's name for comparison: FP16 and f16 are the same."""
    return re.sub(r"^fp(16|32)$", r"f\1", name.strip().casefold())


def models_among(files: Iterable[str]) -> dict[str, str]:
    """Quantization to GGUF file (the first part of a split one); projectors, importance matrices and sets with a
    missing part are left out. Two files of one quantization keep their own names."""
    listed = sorted(file for file in files if file.lower().endswith(".gguf"))
    names: dict[str, str] = {}
    for file in listed:
        base = PurePosixPath(file).name
        split = SPLIT.fullmatch(base)
        if NO_MODELS.search(base.removesuffix(".gguf")):
            continue
        if split and (int(split["part"]) != 1 or not set(part_names(file)) <= set(listed)):
            continue
        stem = split["stem"] if split else base[: -len(".gguf")]
        own = as_file_name(stem)
        name = quantization_name(file) or own
        free = (one for one in (name, own, as_file_name(file), slugify(file)) if one not in names)
        names[next(free)] = file
    return names


def part_names(file: str) -> tuple[str, ...]:
    """All parts of a split GGUF, ``file`` itself if it is none."""
    split = SPLIT.fullmatch(PurePosixPath(file).name)
    if split is None:
        return (file,)
    parts = int(split["parts"])
    folder = file[: len(file) - len(split[0])]
    if not 1 <= int(split["part"]) <= parts <= 1000:
        return (file,)
    return tuple(f"{folder}{split['stem']}-{part:05}-of-{parts:05}.gguf" for part in range(1, parts + 1))


def split_parts(path: Path) -> tuple[Path, ...]:
    """The files of a split GGUF beside ``path``. Raises UsageError (gguf-truncated) if one is missing."""
    parts = tuple(path.with_name(name) for name in part_names(path.name))
    for part in parts:
        if not part.is_file():
            raise UsageError(
                f"{path}: the part {part.name} is missing beside it; download it too", slug="gguf-truncated"
            )
    return parts


def as_name(text: str) -> str:
    """``text`` of a file or its header as a name for people, without what nobody could see; at most 200 characters."""
    seen = "".join(letter if is_name(letter) else "?" for letter in text[:LONGEST_NAME]).strip()
    return seen or "model"


def as_file_name(text: str) -> str:
    """``text`` of a file or its header as the name of a quantization, which becomes the name of a folder."""
    clean = re.sub(r'[/\\\\:*?"<>|]+', "-", as_name(text)[:LONGEST]).strip(". ")
    return clean if is_file_name(clean) else slugify(text)


def slugify(text: str) -> str:
    """``text`` as a name that every file system takes: a-z, 0-9, '.', '_', '-'; at most 100 characters.

    Whatever had to be replaced is told apart by a hash, so that two texts that differ in more than case never meet.
    """
    lower = text.lower()
    clean = re.sub(r"[^a-z0-9._-]+", "-", lower).strip(".-") or "model"
    if clean == lower and len(clean) <= LONGEST and not RESERVED.fullmatch(clean):
        return clean
    mark = hashlib.sha256(lower.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"model-{mark}" if RESERVED.fullmatch(clean) else f"{clean[: LONGEST - 9].rstrip('.-')}-{mark}"


def repo_slug(repo: str) -> str:
    """``org--name`` of a Hub repo id; the Hub allows no ``--`` in names, so this loses nothing."""
    return slugify(repo.replace("/", "--"))
