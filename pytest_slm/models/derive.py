"""Further quantizations of a GGUF, made by llama.cpp's own quantizer and kept in the cache with their provenance.

    <cache>/quantized/<16 digits of the source's SHA-256>/<model>-<type>.gguf
    <cache>/quantized/<16 digits of the source's SHA-256>/<model>-<type>.gguf.derivation.json

The cache is the user's cache folder of pytest-slm, or what the environment variable PYTEST_SLM_CACHE names.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from pytest_slm.core.types import Derivation, Quantization
from pytest_slm.errors import BackendError, UsageError, did_you_mean, writing_failed
from pytest_slm.files import open_regular
from pytest_slm.models.derivation import derivation_of, note_of
from pytest_slm.models.detect import detect
from pytest_slm.models.ggml import FILE_TYPES
from pytest_slm.models.naming import model_name, plain_quantization

QUANTIZER = "pytest_slm.backends.llamacpp.quantize"

TYPES = {
    name: number
    for number, name in FILE_TYPES.items()
    if name not in ("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ1_S", "IQ1_M", "IQ3_XXS", "Q2_K_S")
    if name not in ("TQ1_0", "TQ2_0", "MXFP4_MOE", "NVFP4", "Q1_0")
}
"""What can be made of any model: llama.cpp's names and numbers. The types below need more than the weights."""

NEED_IMATRIX = ("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ1_S", "IQ1_M", "IQ3_XXS", "Q2_K_S")
"""llama.cpp makes these only with an importance matrix, which says how much each weight matters on real text."""


def type_named(name: str) -> str:
    """The type of that name, in llama.cpp's spelling. Raises UsageError for one that cannot be made."""
    known = {plain_quantization(known): known for known in TYPES}
    found = known.get(plain_quantization(name))
    if found is not None:
        return found
    if name.strip().upper() in NEED_IMATRIX:
        raise UsageError(
            f"{name.strip().upper()} cannot be derived: llama.cpp makes it only with an importance matrix; "
            "take a file that its publisher made, or a type such as IQ4_XS",
            slug="quantization-type",
        )
    raise UsageError(
        f"{name.strip()!r:.80} is no type that can be derived. {did_you_mean(name.strip().upper()[:80], TYPES)} "
        f"There are: {', '.join(TYPES)}.",
        slug="quantization-type",
    )


def cache_folder(given: Path | None = None) -> Path:
    """Where derived files go: ``given``, else PYTEST_SLM_CACHE, else the user's cache folder of pytest-slm."""
    return given or Path(os.environ.get("PYTEST_SLM_CACHE") or platformdirs.user_cache_dir("pytest-slm"))


def best_source(offered: Iterable[Quantization]) -> Quantization | None:
    """The GGUF to derive from: the one that has lost least, by its declared type; None if there is none."""
    ggufs = [quantization for quantization in offered if quantization.format == "gguf"]
    order = [plain_quantization(name) for name in ("F32", "BF16", "F16", "Q8_0", "Q6_K")]

    def rank(quantization: Quantization) -> int:
        name = plain_quantization(quantization.name)
        return order.index(name) if name in order else len(order)

    return min(ggufs, key=rank, default=None)


def derived(source: Path, name: str, *, cache: Path | None = None) -> Path | None:
    """The GGUF ``source`` in another type if it is in the cache; nothing is made."""
    digest = _sha256(source)
    target = _target(source, digest, type_named(name), cache)
    return target if _is_derived(target, digest, verify=False) else None


def derive(source: Path, name: str, *, cache: Path | None = None, verify: bool = False, threads: int = 0) -> Path:
    """The GGUF ``source`` in another type, made now or found in the cache.

    ``verify`` reads a cached file whole and compares its SHA-256. Raises UsageError for a source or type that will not
    do, BackendError if the quantizer fails, ReportError if the file cannot be written. A half-made file is removed.
    """
    kind = type_named(name)
    before = detect(source)  # a broken header is told before a C library reads the file
    if before.format != "gguf":
        raise UsageError(
            f"{source}: only a GGUF can be quantized; convert the model first (llama.cpp's convert_hf_to_gguf.py)",
            slug="quantization-source",
        )
    if "-00001-of-" in source.name:
        raise UsageError(
            f"{source}: one of several parts; merge them first (llama-gguf-split --merge)", slug="quantization-source"
        )
    digest = _sha256(source)
    target = _target(source, digest, kind, cache)
    folder = target.parent
    if _is_derived(target, digest, verify=verify):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=folder, prefix=f".{target.name}.", suffix=".part")
        os.close(handle)
    except OSError as error:
        raise writing_failed(folder, error) from None
    made = Path(unfinished)
    try:
        engine = _quantize(source, made, TYPES[kind], threads)
        derivation = Derivation(
            source_file=source.name,
            source_sha256=digest,
            source_quantization=before.quantization,
            quantization=kind,
            sha256=_sha256(made),
            file_size=made.stat().st_size,
            engine=engine,
            created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
        note = made.with_suffix(".json")
        note.write_text(json.dumps(derivation.to_json(), indent=2, sort_keys=True) + "\n", "utf-8")
        # Whoever comes second replaces the file by an equal one; who reads it meanwhile keeps the old one open.
        made.chmod(0o644)  # a temporary file is private, what is in the cache need not be
        made.replace(target)
        note.replace(note_of(target))
    except OSError as error:
        raise writing_failed(target, error) from None
    finally:
        for leftover in (made, made.with_suffix(".json")):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)
    return target


def _target(source: Path, digest: str, kind: str, cache: Path | None) -> Path:
    return cache_folder(cache) / "quantized" / digest[:16] / f"{model_name(source.stem)}-{kind}.gguf"


def _is_derived(target: Path, digest: str, *, verify: bool) -> bool:
    found = derivation_of(target)
    if found is None or found.source_sha256 != digest:
        return False
    return not verify or _sha256(target) == found.sha256


def _quantize(source: Path, target: Path, file_type: int, threads: int) -> str:
    order = {"source": str(source.absolute()), "target": str(target), "file_type": file_type, "threads": threads}
    # -P: the working directory must not be able to replace a module of the process.
    done = subprocess.run(
        [sys.executable, "-P", "-m", QUANTIZER],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {"error": f"the quantizer ended with exit code {done.returncode}: …{done.stderr.strip()[-300:]}"}
    if "error" in answer:
        if answer.get("slug") == "missing-extra":
            raise UsageError(f"quantizing: {answer['error']}", slug="missing-extra")
        raise BackendError(f"{source}: {answer['error']}", slug="quantize")
    return str(answer["ok"])


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
