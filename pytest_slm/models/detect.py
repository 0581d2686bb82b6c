"""What the headers of a weights file or folder say about the model, and whether that is what was declared."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from pytest_slm.core.types import Quantization, Submission, WeightsHeader
from pytest_slm.errors import UsageError
from pytest_slm.models.derivation import derivation_of
from pytest_slm.models.ggml import FILE_TYPES, GUESSED
from pytest_slm.models.gguf import Header, read_header
from pytest_slm.models.naming import plain_quantization, split_parts

LARGEST = 3.3e9
"""Nominal 3 billion parameters; models sold as 3B count up to 3.21e9, hence 10 % more."""

UNITS = {"": 0, "K": 3, "M": 6, "B": 9, "T": 12}


def detect(path: Path) -> WeightsHeader:
    """What the headers of a ``.gguf`` file or of a folder with safetensors say. Raises UsageError; loads no weights."""
    if path.is_dir():
        from pytest_slm.models.safetensors import detect_folder  # at use: needs json only then

        return detect_folder(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; check the path, or download it", slug="weights-unreadable")
    return replace(told([read_header(part) for part in split_parts(path)]), derivation=derivation_of(path))


def known_sha256(path: Path, detected: WeightsHeader | None) -> str | None:
    """The SHA-256 that a file of weights must have: what was noted when it was made, or its name in the Hub's cache,
    where files are stored by their hash. None where nobody has said it, for folders and for models of several files."""
    if detected and detected.derivation:
        return detected.derivation.sha256
    stored = path.resolve()
    by_hash = stored.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", stored.name)
    return stored.name if by_hash and len(split_parts(path)) == 1 else None


def told(headers: list[Header]) -> WeightsHeader:
    """What the headers of a GGUF's parts say together. Raises UsageError (gguf-corrupt)."""
    first = headers[0]
    declared = first.count("split.count") or 1
    if declared != len(headers):
        first.fail(f"says that it is one of {declared} parts, but is named as one of {len(headers)}")
    elements = sum(header.elements for header in headers)
    architecture = first.text("general.architecture")
    template = first.text("tokenizer.chat_template")
    layers, heads = (first.count(f"{architecture}.{key}") for key in ("block_count", "attention.head_count"))
    return WeightsHeader(
        format="gguf",
        architecture=architecture,
        parameters=elements or None,
        context_length=first.count(f"{architecture}.context_length"),
        vocab_size=first.lengths.get("tokenizer.ggml.tokens") or first.count(f"{architecture}.vocab_size"),
        hidden_size=first.count(f"{architecture}.embedding_length"),
        num_layers=layers,
        kv_heads=_kv_heads(first, architecture, heads),
        quantization=_quantization(headers),
        bits_per_weight=8 * sum(header.tensor_bytes for header in headers) / elements if elements else None,
        file_size=sum(header.size for header in headers),
        bytes_per_token=_bytes_per_token(headers),
        name=first.text("general.name"),
        license=first.text("general.license"),
        rope_scaling=_rope_scaling(first, architecture),
        chat_template=template,
        chat_template_sha256=hashlib.sha256(template.encode()).hexdigest() if template else None,
        other_use=_other_use(first, architecture),
    )


def _bytes_per_token(headers: list[Header]) -> int | None:
    """All tensors without those of which a token needs a part: experts, and a table of rows that is looked up. Where
    there is no output of its own, the table of rows is that."""
    uses = sum((header.bytes_by_use for header in headers), start=type(headers[0].bytes_by_use)())
    return uses["all"] + (uses["output"] or uses["looked_up"]) or None


ENCODERS = frozenset(
    "bert modern-bert neo-bert nomic-bert nomic-bert-moe jina-bert-v2 jina-bert-v3 eurobert gemma-embedding "
    "llama-embed t5encoder clip".split()
)
"""llama.cpp's names of architectures that read a text as a whole, and write none."""


def _other_use(header: Header, architecture: str | None) -> str | None:
    kind, pooling = header.text("general.type"), header.values.get(f"{architecture}.pooling_type")
    if kind in ("adapter", "mmproj"):
        return {"adapter": "an adapter for another model", "mmproj": "the part of a model that sees pictures"}[kind]
    if architecture in ENCODERS or pooling in (1, 2, 3):
        return f"an encoder or embedding model ({architecture})"
    if pooling == 4:
        return f"a reranker ({architecture})"
    if header.values.get(f"{architecture}.attention.causal") is False:
        return f"a model that reads a text in both directions ({architecture})"
    return f"an encoder-decoder ({architecture})" if architecture == "t5" else None


def _kv_heads(header: Header, architecture: str | None, heads: int | None) -> int | None:
    key = f"{architecture}.attention.head_count_kv"
    if key in header.lengths:  # one number per layer: there is no single answer
        return None
    # The format says: without this key the model has as many key-value heads as heads.
    return header.count(key) or heads


def _quantization(headers: list[Header]) -> str | None:
    kind = headers[0].values.get("general.file_type")
    if isinstance(kind, int) and kind & ~GUESSED in FILE_TYPES:
        return FILE_TYPES[kind & ~GUESSED]
    by_type = sum((header.elements_by_type for header in headers), start=type(headers[0].elements_by_type)())
    return by_type.most_common(1)[0][0] if by_type else None


def _rope_scaling(header: Header, architecture: str | None) -> str | None:
    kind = header.text(f"{architecture}.rope.scaling.type")
    factor = header.values.get(f"{architecture}.rope.scaling.factor")
    if kind in (None, "none"):
        return None
    return f"{kind} x{factor:g}" if isinstance(factor, int | float) and math.isfinite(factor) else kind


def too_large(detected: WeightsHeader) -> str | None:
    """Why the model is too large to be submitted, or None."""
    if detected.parameters is None or detected.parameters <= LARGEST:
        return None
    return (
        f"the weights hold {detected.parameters:,} parameters, and at most {LARGEST:,.0f} are measured here "
        "(3 billion and 10 %); choose a smaller model"
    )


def check_writes(path: str, detected: WeightsHeader) -> None:
    """Raise UsageError (writes-no-text) for an encoder and whatever else writes no text."""
    if detected.other_use:
        raise UsageError(
            f"{path}: {detected.other_use}, which writes no text; choose a model that does", slug="writes-no-text"
        )


def check_declared(submission: Submission, detected: WeightsHeader) -> tuple[str, ...]:
    """One sentence for each difference between what was declared and what was counted, with both values."""
    problems = []
    if submission.parameters and detected.parameters and not _rounds_to(submission.parameters, detected.parameters):
        problems.append(f"parameters: declared {submission.parameters}, counted {detected.parameters:,}")
    for key, plain in (("architecture", _plain_architecture), ("context_length", str), ("license", _plain_license)):
        declared, found = getattr(submission, key), getattr(detected, key)
        if declared is not None and found is not None and plain(declared) != plain(found):
            problems.append(f"{key}: declared {declared}, the file says {found}")
    return tuple(f"{problem}; correct the submission" for problem in problems)


def check_quantization(quantization: Quantization, detected: WeightsHeader) -> str | None:
    """A sentence if a GGUF's header tells another of the known quantizations than its entry declares."""
    declared = plain_quantization(quantization.kernels or quantization.declared)
    found = plain_quantization(detected.quantization or "")
    known = {plain_quantization(name) for name in FILE_TYPES.values()}
    if detected.format != "gguf" or declared == found or not {declared, found} <= known:
        return None
    return (
        f"quantization: declared {quantization.declared}, the file says {detected.quantization}; correct the submission"
    )


def differences(submission: Submission, found: Mapping[str, WeightsHeader]) -> list[str]:
    """What a submission declares and the headers of its quantizations do not say."""
    problems = []
    for quantization in submission.quantizations:
        detected = found[quantization.name]
        others = (check_quantization(quantization, detected), too_large(detected))
        told = [*check_declared(submission, detected), *filter(None, others)]
        problems += [f"{quantization.name}: {problem}" for problem in told]
    return problems


def _rounds_to(declared: str, counted: int) -> bool:
    """Is ``declared`` (``1.7B``) the counted number rounded to its own digits, or within 5 % of it?"""
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?\s?([KMBT]?)", declared.strip().upper(), re.ASCII)
    if match is None:
        return False
    whole, digits, unit = match[1], match[2] or "", match[3]
    step = Decimal(10) ** (UNITS[unit] - len(digits))
    distance = abs(Decimal(f"{whole}.{digits or 0}") * Decimal(10) ** UNITS[unit] - counted)
    return distance <= step / 2 or distance <= Decimal("0.05") * counted


def _plain_architecture(name: str) -> str:
    """``LlamaForCausalLM``, ``Llama`` and ``llama`` are one thing."""
    return re.sub(r"[^a-z0-9]", "", name.lower().removesuffix("forcausallm"))


def _plain_license(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().lower())
