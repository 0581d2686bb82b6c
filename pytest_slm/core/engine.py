"""How an engine is set up: the choices that change speed, memory and, a little, the numbers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from pytest_slm.core.record import Record, RecordError

KV_TYPES = ("F32", "F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0")
DTYPES = ("float32", "bfloat16", "float16")
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class EngineSettings(Record):
    """What a submission or the command line asks of an engine; None leaves the choice to the backend.

    Whatever was chosen in the end stands in the backend's description, and so in the report. Sizes are in tokens:
    ``n_ctx`` is the longest sequence, ``n_batch`` what goes through the engine at once, ``kv_cells`` the KV memory that
    all sequences share; ``n_seq`` is how many sequences may be in memory together. ``kv_type``, ``flash_attention``,
    ``n_seq`` and ``kv_cells`` are llama.cpp's, ``dtype`` and ``device`` are those of transformers.
    """

    threads: int | None = None
    n_ctx: int | None = None
    n_batch: int | None = None
    n_seq: int | None = None
    kv_cells: int | None = None
    kv_type: str | None = None
    flash_attention: bool | None = None
    dtype: str | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        for name in WHOLE_NUMBERS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecordError(f"{name} must be at least 1, not {value}")
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise RecordError(f"{name} must be one of {', '.join(known)}, not {value!r:.40}")

    def overridden_by(self, other: EngineSettings) -> EngineSettings:
        """These settings, with what ``other`` says instead wherever it says something."""
        said = {field.name: getattr(other, field.name) for field in dataclasses.fields(other)}
        return dataclasses.replace(self, **{name: value for name, value in said.items() if value is not None})


WHOLE_NUMBERS = ("threads", "n_ctx", "n_batch", "n_seq", "kv_cells")
CHOICES = {"kv_type": KV_TYPES, "dtype": DTYPES, "device": DEVICES}
ENGINE_KEYS = tuple(field.name for field in dataclasses.fields(EngineSettings))
