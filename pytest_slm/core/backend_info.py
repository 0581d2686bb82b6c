"""What is said of an open model: by its backend, by the process that holds it, and of the machine where that runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_slm.core.record import Record
from pytest_slm.core.request import GenerationSettings, Thinking
from pytest_slm.core.rounds import Conditions


@dataclass(frozen=True, kw_only=True)
class Device(Record):
    """Something that an engine can compute on, as the engine tells it. ``kind``: CPU, GPU, integrated GPU or
    accelerator; ``description`` is its maker's name of it, ``driver`` the version of that. Memory in bytes; what is
    free is told in listings alone. None: the engine does not tell."""

    name: str
    kind: str | None = None
    description: str | None = None
    memory_total: int | None = None
    memory_free: int | None = None
    driver: str | None = None

    @property
    def apart(self) -> bool:
        """Whether it is something else than the CPU, with memory or arithmetic of its own."""
        return self.kind not in ("CPU", "accelerator")


WRONG_NMSE = 0.3
"""Of logits, the mean squared difference as a share of their variance. Sound kernels of eleven quantizations differ by
0.000 to 0.008, those that are wrong by 1.6 and 1.9; random numbers by 2."""
DOUBTFUL_NMSE = 0.03
"""Sound kernels of all quantizations differ by less than 0.01, wrong ones by more than 1."""


@dataclass(frozen=True, kw_only=True)
class Agreement(Record):
    """How far an engine's logits are from those of a ``reference``: the mean squared difference as a share of their
    variance (``nmse``), the greatest difference, and in how many of the ``places`` the likeliest token is the same."""

    reference: str
    nmse: float
    greatest: float
    same: int
    places: int


def correctness(engine: str, kernels_nmse: float | None, beside: Sequence[Agreement]) -> tuple[str, ...]:
    """Whether what this engine, of this build, computed so fast was right, one line for each other way to compute the
    same; none where nobody looked."""
    said = [("small batches", kernels_nmse, "")]
    if kernels_nmse is not None and kernels_nmse > WRONG_NMSE:  # such an engine is held to small steps, or refused
        held = f"correct while timed: {engine} was held to small batches; logits of large ones were wrong"
        return (f"{held} (NMSE {kernels_nmse:.2g})", *correctness(engine, None, beside))
    for one in beside:
        same = f", {one.same} of {one.places} likeliest tokens the same, greatest difference {one.greatest:.2g}"
        said.append((one.reference, one.nmse, same))
    return tuple(
        f"perhaps wrong while timed: {engine}, whose logits differ from those of {other} (NMSE {nmse:.2g}{same})"
        if nmse > DOUBTFUL_NMSE
        else f"correct while timed: {engine}, whose logits match those of {other} (NMSE {nmse:.2g}{same})"
        for other, nmse, same in said
        if nmse is not None
    )


@dataclass(frozen=True, kw_only=True)
class BackendInfo(Record):
    """What a backend says of itself and of the model it has opened: all that an answer depends on besides the question.

    ``engine`` is the engine's own name, ``engine_build`` what it was built for and the GPU it computes on. Sizes in
    tokens and settings are those of ``EngineSettings``; ``n_outputs`` is how many rows of a batch may say something,
    ``n_ubatch`` how many of its tokens are computed at once, ``kernels_nmse`` how far the engine's logits for many
    tokens at once differ from those for a few (mean squared, as a share of their variance), ``plain_attention_cells``
    up to how many tokens attention is not flash, ``packs`` whether texts are packed into one row, ``thinking`` whether
    the model was to think before it answered, or the most tokens of that, ``chat_template_notes`` what a reader should
    know of the prompts, ``lora`` an adapter's name, hash and scale, ``draft_model`` the name and hash of the model that
    drafts. None: not known, or not a thing of this backend. ``extra``: what else a plugin's backend wants to be told.
    ``devices``: what the engine computes on, as it tells; ``kernels_beside``: how far its logits are from those of a
    CPU.

    Of a model that a server holds: its address (``server``), the name that it serves the model by (``served_model``)
    and the digest that it tells of the weights (``weights_digest``), which nobody has verified.
    """

    name: str
    engine_version: str
    n_ctx: int | None
    engine: str | None = None
    engine_build: str | None = None
    weights_sha256: str | None = None
    chat_template_sha256: str | None = None
    chat_template_notes: tuple[str, ...] = ()
    threads: int | None = None
    exact: bool | None = None
    thinking: Thinking | None = None
    kv_type: str | None = None
    flash_attention: bool | None = None
    dtype: str | None = None
    device: str | None = None
    devices: tuple[Device, ...] = ()
    gpu_layers: int | None = None
    main_gpu: int | None = None
    tensor_split: tuple[float, ...] | None = None
    lora: str | None = None
    draft_model: str | None = None
    n_batch: int | None = None
    n_ubatch: int | None = None
    n_seq: int | None = None
    n_outputs: int | None = None
    kv_cells: int | None = None
    plain_attention_cells: int | None = None
    packs: bool | None = None
    model_description: str | None = None
    parameters: int | None = None
    weights_bytes: int | None = None
    file_bytes: int | None = None
    vocab_size: int | None = None
    adds_bos: bool | None = None
    kernels_nmse: float | None = None
    kernels_beside: tuple[Agreement, ...] = ()
    kv_bytes_per_token: int | None = None
    server: str | None = None
    served_model: str | None = None
    weights_digest: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def correctness(self) -> tuple[str, ...]:
        """Whether what was so fast was right: what the engine computes, beside other ways to compute it."""
        return correctness(self.engine_and_build, self.kernels_nmse, self.kernels_beside)

    @property
    def engine_and_build(self) -> str:
        """Who computed: package and version, a library's name and hash, or else the backend's name and version."""
        return self.engine_version if " " in self.engine_version else f"{self.name} {self.engine_version}".strip()

    @property
    def known(self) -> dict[str, Any]:
        """What it says, by name, without what it does not."""
        said = {name: value for name, value in self.to_json().items() if value not in (None, [])}
        extra = said.pop("extra")
        return {**said, **extra}


# Every field of BackendInfo is in one of these: what numbers may be put together, or compared, is decided here.

ENGINE = ("name", "engine", "engine_version", "engine_build")
"""Who computed. Reports of two engines, or of two versions, are never put together."""

SETTINGS = (
    *("weights_sha256", "chat_template_sha256", "threads", "n_ctx"),
    *("exact", "thinking", "kv_type", "flash_attention", "dtype", "device"),
    *("gpu_layers", "main_gpu", "tensor_split", "lora"),
    *("server", "served_model", "weights_digest"),
)
"""What decides answers and times: reports in which one of these differs are never put together, and a comparison tells
it beside the difference."""

BATCHING = ("n_batch", "n_ubatch", "n_seq", "n_outputs", "kv_cells", "plain_attention_cells", "packs", "draft_model")
"""What is computed together. It moves the last digits of likelihoods, and times: a comparison tells it, and answers are
taken over from an earlier session only where it is the same."""

CONSEQUENCES = (
    *("model_description", "parameters", "weights_bytes", "file_bytes", "vocab_size", "adds_bos"),
    *("kernels_nmse", "kernels_beside", "devices"),
    *("kv_bytes_per_token", "chat_template_notes"),
)
"""What follows from the weights and all of the above."""

ANSWERS = (*ENGINE, *SETTINGS, *BATCHING, "extra")
"""What must be equal for one answer to stand for another."""

TIMINGS = (*SETTINGS, *BATCHING)
"""What is told, where it differs, beside a difference of times or answers; and how threads wait (``HostInfo``)."""


def setup_of(backend: BackendInfo | None, generation: GenerationSettings = GenerationSettings()) -> tuple[str, ...]:
    """What must be equal in reports that are put together, besides the engine (its name and version): how it is set up,
    and everything that the user wants of texts instead of what tasks say."""
    asked = json.dumps(generation.said, sort_keys=True)
    return (*(str(getattr(backend, name, None)) for name in SETTINGS), asked)


def answered_by(backend: BackendInfo | None) -> tuple[str, ...]:
    """What must be equal for two runs of a model to have been asked the same of the same: engine and setup, but for the
    threads and the room for texts, which decide how fast it answers and how much it can be asked."""
    names = (name for name in (*ENGINE, *SETTINGS) if name not in ("threads", "n_ctx"))
    return tuple(str(getattr(backend, name, None)) for name in names)


@dataclass(frozen=True, kw_only=True)
class HostInfo(Record):
    """The process that holds a model. Nothing that the model answers depends on it; how fast it answers may.

    ``load_s``: seconds to open the model; ``start_s``: from the start of the process until it could be asked, importing
    the engine and hashing the weights included; ``starting``: what went on around it meanwhile. ``thread_wait``: how
    long its threads wait for each other before they sleep, where an environment variable says it. ``lacks``: why a
    capability is not there, where the backend knows it.
    """

    pid: int
    capabilities: tuple[str, ...]
    load_s: float
    start_s: float | None = None
    starting: Conditions | None = None
    thread_wait: str | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HostDescription(Record):
    """All that the process with a model says when it is ready; ``machine`` is that of docs/machine.md."""

    backend: BackendInfo
    host: HostInfo
    machine: Mapping[str, Any]

    @property
    def machine_id(self) -> str | None:
        """Which machine the model is on."""
        return machine_id(self.machine, self.backend)


def device_facts(backend: BackendInfo | None) -> dict[str, Any]:
    """The device that a backend computes on, with the engine's build, in which a GPU has its name, and what the engine
    tells of each device beside the CPU; nothing for the CPU, which the fingerprint knows."""
    if backend is None:
        return {}
    beside = ", ".join(one.description or one.name for one in backend.devices if one.apart)
    device = accelerator(backend.device) or beside or None
    apart = [[one.name, one.description, one.memory_total] for one in backend.devices if one.apart]
    facts = {"device": device, "engine_build": backend.engine_build} if device else {}
    return {**facts, "devices": apart} if apart else facts


def machine_id(machine: Mapping[str, Any], backend: BackendInfo | None) -> str | None:
    """The fingerprint of a machine, with a hash of the device where that is not the CPU (docs/machine.md); None if it
    has none, or if the model is a server's: two unknown machines are never the same one."""
    if backend is not None and backend.server is not None:
        return None
    fingerprint, device = machine.get("fingerprint"), device_facts(backend)
    if fingerprint is None or not device:
        return None if fingerprint is None else str(fingerprint)
    return f"{fingerprint}-{hashlib.sha256(json.dumps(device, sort_keys=True).encode()).hexdigest()[:8]}"


def accelerator(device: str | None) -> str | None:
    """The device by name; None for the CPU, and where none is named."""
    name = str(device or "cpu")  # of a registry, which anybody may have written
    return None if name.casefold() == "cpu" else name
