"""Which model is measured: what was declared of it, and what its headers say."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.record import (
    WORD,
    FileName,
    Name,
    Record,
    RecordError,
    Repo,
    Revision,
    Sha256,
    Slug,
    Time,
    check_bounds,
    stays_inside,
)

KV_TYPES = ("F32", "F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0")
DTYPES = ("float32", "bfloat16", "float16")
DEVICES = ("cpu", "cuda")
ENGINES = ("llama.cpp", "ik")
"""Dialects of llama.cpp, as `--slm-engine` names them."""
KERNELS = ("F16", "F32")
"""Types in which quantized weights can be computed unpacked, as `--slm-kernels` names them."""


def _setting(
    meaning: str, example: str, engine: str = "both", *, declared: bool = True, least: int = 1, most: int = WORD
) -> Any:
    """A field of EngineSettings, with what docs/settings.md and --help say of it; what is not ``declared`` by
    submissions is the user's own word alone. ``least`` and ``most`` are for whole numbers."""
    about = {"meaning": meaning, "example": example, "engine": engine, "declared": declared}
    about |= {"least": least, "most": most}
    return dataclasses.field(default=None, metadata=about)


@dataclass(frozen=True, kw_only=True)
class EngineSettings(Record):
    """What a submission or the command line asks of an engine; None leaves the choice to the backend.

    Whatever was chosen in the end stands in the backend's description, and so in the report. Sizes are in tokens:
    ``n_ctx`` is the longest sequence, ``n_batch`` what goes through the engine at once, ``kv_cells`` the KV memory that
    all sequences share; ``n_seq`` is how many sequences may be in memory together. ``kv_type``, ``flash_attention``,
    ``n_seq`` and ``kv_cells`` are llama.cpp's, ``dtype`` and ``device`` are those of transformers. ``engine`` says
    which dialect of llama.cpp computes, ``engine_lib`` the path of a libllama that the user has built. ``gpu_layers``,
    ``main_gpu`` and ``tensor_split`` say what of the model is on which GPU; ``lora`` is the path of an adapter with
    ``:SCALE`` behind it, ``draft_model`` that of a small model that drafts what the measured one writes.
    """

    engine: str | None = _setting("which dialect of llama.cpp computes", "ik", "llama.cpp")
    engine_lib: str | None = _setting("a libllama of your own", "./libllama.so", "llama.cpp", declared=False)
    threads: int | None = _setting("threads of the engine", "4")
    n_ctx: int | None = _setting("context length, in tokens: of a conversation with its answer", "4096")
    n_batch: int | None = _setting("tokens that go through the engine at once", "512", most=1 << 14)
    n_seq: int | None = _setting("sequences that may be in memory together", "64", "llama.cpp", most=255)
    kv_cells: int | None = _setting("tokens of KV memory that all sequences share", "16384", "llama.cpp")
    kv_type: str | None = _setting("number format of the KV memory", "Q8_0", "llama.cpp")
    flash_attention: bool | None = _setting("whether attention is computed in one kernel", "off", "llama.cpp")
    dtype: str | None = _setting("number format of the weights and of computing", "float32", "transformers")
    device: str | None = _setting("where it is computed", "cuda", "transformers")

    gpu_layers: int | None = _setting(
        "layers that a GPU computes (999: all)", "999", "llama.cpp", declared=False, least=0
    )
    main_gpu: int | None = _setting(
        "the GPU that does what is not split, from 0", "0", "llama.cpp", declared=False, least=0, most=255
    )
    tensor_split: tuple[float, ...] | None = _setting(
        "how much of the model each GPU has, in proportion", "3,1", "llama.cpp", declared=False
    )
    lora: str | None = _setting(
        "a LoRA adapter (GGUF), with its scale behind a colon", "./law.gguf:0.5", "llama.cpp", declared=False
    )
    draft_model: str | None = _setting(
        "a small model (GGUF) of the same vocabulary that drafts what is written",
        "./tiny.gguf",
        "llama.cpp",
        declared=False,
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type(value) is int:
                check_bounds(field.name, value, field.metadata["least"], field.metadata["most"])
        if self.tensor_split is not None and not (min(self.tensor_split, default=-1.0) >= 0 < sum(self.tensor_split)):
            raise RecordError("tensor_split has a number for each GPU, of at least 0, and not all of them are 0")
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise RecordError(f"{name} must be one of {', '.join(known)}, not {value!r:.40}")

    @property
    def adapter(self) -> tuple[str, float] | None:
        """Path and scale of the LoRA adapter, if there is one."""
        if self.lora is None:
            return None
        path, colon, scale = self.lora.rpartition(":")
        try:
            return (path, float(scale)) if colon and path else (self.lora, 1.0)
        except ValueError:  # a colon of the path's own
            return self.lora, 1.0

    def overridden_by(self, other: EngineSettings) -> EngineSettings:
        """These settings, with what ``other`` says instead wherever it says something."""
        said = {field.name: getattr(other, field.name) for field in dataclasses.fields(other)}
        return dataclasses.replace(self, **{name: value for name, value in said.items() if value is not None})


WHOLE_NUMBERS = ("threads", "n_ctx", "n_batch", "n_seq", "kv_cells")
CHOICES = {"engine": ENGINES, "kv_type": KV_TYPES, "dtype": DTYPES, "device": DEVICES}
ENGINE_KEYS = tuple(field.name for field in dataclasses.fields(EngineSettings) if field.metadata["declared"])
"""What a submission may say. Not which library is loaded: that is code, and only the user's own word starts code. Nor
what is of the user's machine, or makes another model of its weights."""


@dataclass(frozen=True, kw_only=True)
class Quantization(Record):
    """One file (or folder) of weights of a model: ``name`` as people say it (Q8_0, FP16), ``format`` gguf, safetensors
    or the name of another backend's format; ``source`` a Hub repo, ``pkg:`` reference or folder; ``file`` in it;
    ``engine`` what its engine is told beyond what the submission says for all."""

    name: FileName
    format: Name
    source: str | None = None
    file: str | None = None
    engine: EngineSettings = EngineSettings()
    derived_from: FileName | None = None
    """The quantization of the same submission that it is made from, if it is not published but derived here."""
    kernels: str | None = None
    """One of KERNELS: the same numbers, unpacked into that type, so that its kernels compute with them."""
    base: FileName | None = None
    """The name in the submission, where a session measures one file in several ways."""

    @property
    def declared(self) -> str:
        """The name in the submission."""
        return self.base or self.name

    @property
    def made(self) -> str | None:
        """The type that its file has to be made in first, from that of another; None where the file is published."""
        return self.kernels or (self.declared if self.derived_from is not None else None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format in ("gguf", "safetensors") and self.file is not None and not stays_inside(self.file):
            raise RecordError(f"file: expected a path inside of its source, got {self.file!r:.80}")


@dataclass(frozen=True, kw_only=True)
class Derivation(Record):
    """How a GGUF was made from another by quantizing its weights again. A derived file is never better than its source:
    what the source's own quantization has lost stays lost."""

    source_file: str
    source_sha256: Sha256
    source_quantization: str | None
    quantization: str
    sha256: Sha256
    file_size: int
    engine: str
    created: Time
    """UTC, ISO 8601."""


@dataclass(frozen=True, kw_only=True)
class Submission(Record):
    """A model and its quantizations, as declared by a YAML file or derived from a model reference."""

    slug: Slug
    name: Name
    quantizations: tuple[Quantization, ...]
    family: str | None = None
    hf_repo: Repo | None = None
    revision: Revision | None = None
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
class WeightsHeader(Record):
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
    bytes_per_token: int | None = None
    """Bytes of the weights that every token reads, or fewer."""
    name: str | None = None
    license: str | None = None
    rope_scaling: str | None = None
    chat_template: str | None = None
    chat_template_sha256: str | None = None
    revision: Revision | None = None
    gated: bool | None = None
    other_use: str | None = None
    """What the model is made for, where that is not to write text one token after the other."""
    derivation: Derivation | None = None
    """How the file was made, where it was derived on this machine."""
