"""A network of transformers with its tokenizer: how it is loaded, and what it computes."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from pytest_slm.backends.control import end_of_turn
from pytest_slm.backends.finite import broken_logits
from pytest_slm.backends.hf import gguf, weights
from pytest_slm.backends.hf.tokenizer import TransformersTokenizer
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import BackendError
from pytest_slm.machine.hardware import threads

UNLIMITED = 2048
"""The context of models that know no limit (recurrent ones), as in lm-eval's HFLM."""

CACHES = ("cache", "past_key_values", "cache_params", "state")
"""What architectures call the memory that they return and take (the first since transformers 5.23)."""


class Model:
    """An open model, with the settings that were chosen. Raises BackendError if transformers does not open it."""

    def __init__(self, path: str, settings: EngineSettings, chat_template: str | None = None) -> None:
        self.path = Path(path)
        self.files = weights.weight_files(self.path)
        if self.path.is_file():
            gguf.check_installed(self.path)
        self.device = choose_device(settings.device)
        self.threads = threads(settings.threads)
        torch.set_num_threads(self.threads)
        transformers.utils.logging.disable_progress_bar()
        with _opening(self.path):
            self.tokenizer = TransformersTokenizer(_load_tokenizer(self.path), chat_template)
            self.network = _load_network(self.path, settings.dtype).to(self.device)
        self.network.eval()
        self.config = self.network.config.get_text_config(decoder=True)
        self.dtype: torch.dtype = self.network.dtype
        self.n_vocab = int(self.network.get_input_embeddings().num_embeddings)
        self.context_length = getattr(self.config, "max_position_embeddings", None) or UNLIMITED
        self.n_ctx = min(settings.n_ctx or self.context_length, self.context_length)
        self.ends = frozenset(self._ends())
        takes = inspect.signature(self.network.forward).parameters
        self._selects = "logits_to_keep" in takes
        self._memory = next((name for name in CACHES if name in takes), None)

    def describe(self) -> dict[str, Any]:
        """What the weights say of themselves."""
        tensors = list(self.network.parameters())
        return {
            "model_description": f"{type(self.network).__name__} {str(self.dtype).removeprefix('torch.')}",
            "parameters": sum(tensor.numel() for tensor in tensors),
            "weights_bytes": sum(tensor.numel() * tensor.element_size() for tensor in tensors),
            "vocab_size": self.n_vocab,
            "adds_bos": self.tokenizer.adds_bos,
        }

    @property
    def kv_bytes(self) -> int | None:
        """Bytes that keys and values of one token take in all layers; None where the configuration does not say."""
        config = self.config
        layers, heads = getattr(config, "num_hidden_layers", None), getattr(config, "num_attention_heads", None)
        width = getattr(config, "head_dim", None) or (config.hidden_size // heads if layers and heads else None)
        if self._memory is None or not layers or not heads or not width:
            return None
        return int(2 * layers * (getattr(config, "num_key_value_heads", None) or heads) * width * self.dtype.itemsize)

    def _ends(self) -> Iterator[int]:
        """The tokens with which the model says that it is done."""
        generation = getattr(self.network, "generation_config", None)
        for said in (getattr(generation, "eos_token_id", None), getattr(self.config, "eos_token_id", None)):
            yield from said if isinstance(said, list | tuple) else [] if said is None else [said]
        if self.tokenizer.eos >= 0:
            yield self.tokenizer.eos
        if (token := end_of_turn(self.tokenizer)) is not None:
            yield token

    # -- computing -----------------------------------------------------------------------------------------------

    def tensor(self, values: Any, dtype: torch.dtype = torch.long) -> Tensor:
        """Numbers on the model's device."""
        return torch.tensor(values, dtype=dtype, device=self.device)

    def logits(self, rows: Sequence[Sequence[int]], wanted: Sequence[int], memory: Any = None, **inputs: Any) -> Tensor:
        """Logits of shape (rows, wanted, vocabulary) after the ``wanted`` places of texts of equal length.

        ``memory`` is that of earlier tokens, and grows; ``inputs`` are passed on: position_ids, attention_mask.
        """
        if self._memory is not None and memory is not None:
            inputs[self._memory] = memory
        return self._run(rows, wanted, use_cache=memory is not None, **inputs)[0]

    def step(self, ids: Sequence[int], memory: Any) -> tuple[Tensor, Any]:
        """Logits after the last of some tokens, and the memory of all tokens up to there. ``memory`` is what the step
        before returned, None at first; it stays None where the architecture keeps none."""
        inputs = {self._memory: memory} if self._memory is not None and memory is not None else {}
        logits, output = self._run([ids], [len(ids) - 1], use_cache=True, **inputs)
        return logits[0, -1], None if self._memory is None else getattr(output, self._memory, None)

    def favourite(self, logits: Tensor, after: int) -> int:
        """The likeliest token after the token ``after``, from logits of shape (vocabulary,). Raises BackendError
        (not-finite) where there is none."""
        token = int(logits.argmax())
        greatest = float(logits[token])
        if not math.isfinite(greatest):
            raise broken_logits(str(self.path), greatest, self.tokenizer.spelled(after))
        return token

    def forward(self, ids: Tensor, memory: Any) -> tuple[Any, Tensor]:
        """The memory after computing more tokens of each sequence, shape (sequences, tokens), None where the
        architecture keeps none; and the logits of the last tokens, of shape (sequences, vocabulary)."""
        inputs = {self._memory: memory} if self._memory is not None and memory is not None else {}
        if self._selects:
            inputs["logits_to_keep"] = 1
        with torch.inference_mode(), _telling_where_memory_ends(self.device):
            output = self.network(input_ids=ids, use_cache=True, **inputs)
        return None if self._memory is None else getattr(output, self._memory, None), output.logits[:, -1]

    def _run(self, rows: Sequence[Sequence[int]], wanted: Sequence[int], **inputs: Any) -> tuple[Tensor, Any]:
        keep = self.tensor(wanted)
        selection = {"logits_to_keep": keep} if self._selects else {}
        with torch.inference_mode(), _telling_where_memory_ends(self.device):
            output = self.network(input_ids=self.tensor(rows), **selection, **inputs)
            logits = output.logits if self._selects else output.logits[:, keep]
        return logits, output


def choose_device(asked: str | None) -> torch.device:
    """The device that was asked for, else CUDA where there is one. Raises BackendError if there is none."""
    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise BackendError(
            f"device cuda: torch {torch.__version__} finds no CUDA device here; leave device out, or choose cpu",
            slug="engine-settings",
        )
    return torch.device(asked or ("cuda" if available else "cpu"))


def _load_network(path: Path, dtype: str | None) -> Any:
    models = transformers.AutoModelForCausalLM
    if path.is_file():
        # Blocks are unpacked: the reference computes with exactly the numbers that the file stands for.
        return models.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            dtype=getattr(torch, dtype or "float32"),
            quantization_config=transformers.GgufConfig(dequantize=True),
            local_files_only=True,
            trust_remote_code=False,
        )
    return models.from_pretrained(
        str(path),
        use_safetensors=True,
        dtype=getattr(torch, dtype) if dtype else "auto",
        local_files_only=True,
        trust_remote_code=False,
    )


def _load_tokenizer(path: Path) -> Any:
    if path.is_file():
        # Not AutoTokenizer: it reads the configuration first, all arrays included, which takes seconds.
        tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(
            str(path.parent), gguf_file=path.name, local_files_only=True
        )
        gguf.split_as_trained(path, tokenizer)
        return tokenizer
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(path), local_files_only=True, trust_remote_code=False)
    if not tokenizer.encode("a"):
        raise BackendError(
            f"{path}: no tokenizer in it (tokenizer.json or tokenizer.model); download the folder with all files",
            slug="model-load",
        )
    return tokenizer


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[None]:
    """Whatever transformers raises, told as what could not be opened and why."""
    try:
        yield
    except BackendError:
        raise
    except Exception as error:  # OSError, ValueError, KeyError, ImportError, safetensors' and torch's own
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        if path.is_dir() and weights.needs_remote_code(path):
            raise BackendError(
                f"{path}: the model needs Python code of its own (auto_map), which is never run; choose a model that "
                f"transformers {transformers.__version__} knows ({reason:.120})",
                slug="remote-code",
            ) from None
        raise BackendError(
            f"{path}: transformers {transformers.__version__} cannot open it ({reason})", slug="model-load"
        ) from None


@contextlib.contextmanager
def _telling_where_memory_ends(device: torch.device) -> Iterator[None]:
    """No memory left on the device is an expected failure, with a remedy."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise BackendError(
            f"no memory on {device} for a batch ({str(error).splitlines()[0]:.200}); choose a smaller n_batch or n_ctx",
            slug="context-memory",
        ) from None
