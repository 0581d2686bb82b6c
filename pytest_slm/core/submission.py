"""Which model is measured: what was declared of it, and what its headers say."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_slm.core.engine import EngineSettings
from pytest_slm.core.record import Record


@dataclass(frozen=True, kw_only=True)
class Quantization(Record):
    """One file (or folder) of weights of a model: ``name`` as people say it (Q8_0, FP16), ``format`` gguf, safetensors
    or the name of another backend's format; ``source`` a Hub repo, ``pkg:`` reference or folder; ``file`` in it;
    ``engine`` what its engine is told beyond what the submission says for all."""

    name: str
    format: str
    source: str | None = None
    file: str | None = None
    engine: EngineSettings = EngineSettings()
    derived_from: str | None = None
    """The quantization of the same submission that it is made from, if it is not published but derived here."""


@dataclass(frozen=True, kw_only=True)
class Derivation(Record):
    """How a GGUF was made from another by quantizing its weights again. A derived file is never better than its source:
    what the source's own quantization has lost stays lost."""

    source_file: str
    source_sha256: str
    source_quantization: str | None
    quantization: str
    sha256: str
    file_size: int
    engine: str
    created: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, kw_only=True)
class Submission(Record):
    """A model and its quantizations, as declared by a YAML file or derived from a model reference."""

    slug: str
    name: str
    quantizations: tuple[Quantization, ...]
    family: str | None = None
    hf_repo: str | None = None
    revision: str | None = None
    parameters: str | None = None
    architecture: str | None = None
    context_length: int | None = None
    license: str | None = None
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    submitted_by: str | None = None
    submitted_date: str | None = None
    contact: str | None = None
    engine: EngineSettings = EngineSettings()
    derive: bool = False
    """Whether quantizations that are not listed may be made from those that are."""
    origin: str = ""
    """The reference it came from: a path, ``pkg:...`` or repo id."""


@dataclass(frozen=True, kw_only=True)
class Detected(Record):
    """What the headers of a weights file say. ``None`` means that the header does not say it."""

    format: str
    architecture: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    vocab_size: int | None = None
    hidden_size: int | None = None
    num_layers: int | None = None
    kv_heads: int | None = None
    quantization: str | None = None
    bits_per_weight: float | None = None
    file_size: int | None = None
    name: str | None = None
    license: str | None = None
    rope_scaling: str | None = None
    chat_template: str | None = None
    chat_template_sha256: str | None = None
    revision: str | None = None
    gated: bool | None = None
    derivation: Derivation | None = None
    """How the file was made, where it was derived on this machine."""
