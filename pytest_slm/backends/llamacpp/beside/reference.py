"""The same weights beside the engine that is measured, on a CPU.

An engine may be fast and wrong: a GPU whose kernels were built for another, a library with a fault. So what it computes
of eight texts is compared with what the CPU computes. The reference is opened in a process of its own (``python -m``
and this module), so that its memory is none of the measured process's: it reads one JSON object from standard input
(``path``, ``engine``, ``lib``, ``threads``, ``n_ctx``) and writes a line of JSON (``shape`` and ``name``, or ``error``)
with the logits behind it, as 32-bit numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from pytest_slm.backends.llamacpp import limits, soundness
from pytest_slm.backends.llamacpp.binding import installed
from pytest_slm.backends.llamacpp.limits import EngineLimits
from pytest_slm.backends.llamacpp.model import Model
from pytest_slm.backends.llamacpp.soundness import MOST_NMSE, Logits
from pytest_slm.core.backend_info import Agreement
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import BackendError

MODULE = "pytest_slm.backends.llamacpp.beside.reference"
PATIENCE_S = 600

TEXTS = (
    soundness.TEXT,
    "The capital of France is Paris, and that of Spain is",
    "def mean(values):\n    return sum(values) / len(",
    "1, 1, 2, 3, 5, 8, 13, 21,",
    "Es war einmal ein König, der hatte drei Söhne;",
    '{"name": "Ada", "born": 1815, "languages": ["English", "French"',
    "Water boils at 100 degrees and freezes at",
    "Q: Which is larger, 17 or 71?\nA:",
)
MOST_TOKENS = 48


def check(model: Model, held: EngineLimits, settings: EngineSettings) -> tuple[Agreement, ...]:
    """How far the logits of the measured engine are from those of each reference that there is: the same library on the
    CPU where something else computes too; the installed llama.cpp where the library is the user's own. Raises
    BackendError (kernels-wrong) where they have little to do with each other."""
    wanted = [(settings.engine, settings.engine_lib)] if settings.gpu_layers or model.library.log.places else []
    if settings.engine_lib is not None and installed.PACKAGES["llama.cpp"].path is not None:
        wanted.append(("llama.cpp", None))
    if not wanted or settings.lora is not None:  # an adapter is not of the reference
        return ()
    found = logits(model, held, step=MOST_TOKENS)
    agreed = []
    for engine, lib in wanted:
        reference, name = _reference(model, held, engine, lib)
        agreed.append(agreement(name, reference, found))
        if agreed[-1].nmse > MOST_NMSE:
            raise BackendError(
                f"{model.path}: {model.library.engine} ({model.library.version}) computes other logits than {name} "
                f"(NMSE {agreed[-1].nmse:.2g}, {agreed[-1].same} of {agreed[-1].places} likeliest tokens are the "
                "same): how fast it is means nothing; choose another build, device or quantization",
                slug="kernels-wrong",
            )
    return tuple(agreed)


def agreement(name: str, reference: Logits, found: Logits) -> Agreement:
    """How far logits are from those of a reference; rows are places."""
    if reference.shape != found.shape:
        raise BackendError(f"{name} gives logits of shape {reference.shape}, not {found.shape}", slug="kernels-wrong")
    return Agreement(
        reference=name,
        nmse=min(soundness.difference(reference, found), 1e9),  # no numbers at all: infinity is none of JSON's
        greatest=float(np.abs(np.nan_to_num(reference.astype(np.float64) - found, nan=1e9)).max()),
        same=int((reference.argmax(-1) == found.argmax(-1)).sum()),
        places=len(found),
    )


def logits(model: Model, held: EngineLimits, *, step: int) -> Logits:
    """Those of all texts, computed in steps of so many tokens."""
    return np.concatenate([soundness.computed(model, held, ids, min(step, len(ids))) for ids in _prompts(model, held)])


def _prompts(model: Model, held: EngineLimits) -> Iterator[list[int]]:
    for text in TEXTS:
        ids = model.tokenize(text, add_special=True, parse_special=False)
        yield ids[: min(MOST_TOKENS, held.n_ctx, held.n_batch)]


def _reference(model: Model, held: EngineLimits, engine: str | None, lib: str | None) -> tuple[Logits, str]:
    order = {"path": model.path, "engine": engine, "lib": lib, "threads": held.threads, "n_ctx": held.n_ctx}
    # -P: the working directory must not be able to replace a module of the process.
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", MODULE],
            input=json.dumps(order).encode() + b"\n",
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
        head, _, data = done.stdout.partition(b"\n")
        said = json.loads(head)
    except subprocess.TimeoutExpired:
        raise _failed(model, f"no answer within {PATIENCE_S} s") from None
    except ValueError:
        last = done.stderr.decode("utf-8", "replace").strip()[-200:]
        raise _failed(model, f"its process ended with code {done.returncode}: …{last}") from None
    if "error" in said:
        raise _failed(model, said["error"])
    numbers = np.frombuffer(data, dtype=np.float32)
    return numbers.reshape(said["shape"]), said["name"]


def _failed(model: Model, why: str) -> BackendError:
    return BackendError(
        f"{model.path}: the reference on the CPU could not be computed ({why}); is there memory for the weights twice?",
        slug="kernels-reference",
    )


def main() -> None:
    """Carry out the order on standard input. Steps are small: kernels for many tokens may be what is wrong, and a build
    for a GPU takes that for many tokens, wherever the weights are."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    order = json.loads(sys.stdin.readline())
    try:
        engine = installed.library(order["engine"], order["lib"])
        model = Model(order["path"], engine)
        held = limits.choose(model, EngineSettings(threads=order["threads"], n_ctx=order["n_ctx"]))
        found = logits(model, held, step=soundness.FEW)
    except BackendError as error:
        answer.write(json.dumps({"error": error.args[0]}).encode() + b"\n")
    else:
        said = {"shape": found.shape, "name": f"{engine.engine} on the CPU ({engine.version})"}
        answer.write(json.dumps(said).encode() + b"\n" + found.astype(np.float32).tobytes())
    answer.flush()


if __name__ == "__main__":
    main()
