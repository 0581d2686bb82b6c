"""The headers of a Hugging Face folder: config.json, tokenizer files, and the table of tensors of each shard.

The format: https://github.com/huggingface/safetensors#format, eight bytes of length, then JSON. Only the headers are
read, so that a folder of gigabytes costs kilobytes.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from pytest_slm.core.types import WeightsHeader
from pytest_slm.errors import UsageError
from pytest_slm.files import open_regular, parse_json, read_bytes, read_text
from pytest_slm.models.bytes import ByteSource

MAX_JSON = 16 << 20
"""Of a header or configuration. The format's own reader takes 100 MB, but 3 billion parameters need some 100 kB."""
MAX_TEMPLATE = 1 << 20

BITS: Mapping[str, int] = {
    **{"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F6_E2M3": 6},
    **{"F6_E3M2": 6, "F4": 4, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8},
    **{"BOOL": 8, "C64": 64},
}
INDEX = "model.safetensors.index.json"
Table = dict[str, tuple[str, list[int]]]
"""Of each tensor its dtype and shape."""
BUFFERS = (".inv_freq", ".masked_bias", ".position_ids")
"""Tensors that are computed, not learned, and that older checkpoints store all the same."""


def detect_folder(folder: Path) -> WeightsHeader:
    """What the headers in ``folder`` say. Raises UsageError: safetensors-corrupt, safetensors-truncated."""
    shards = [folder / name for name in shard_names(folder)]
    tables = ((shard, read_table(shard)) for shard in shards)
    return told(folder, tables, sum(shard.stat().st_size for shard in shards))


def told(folder: Path, tables: Iterable[tuple[Path, Table]], size: int) -> WeightsHeader:
    """What the small files in ``folder`` and the tables of tensors say, with shards of ``size`` bytes in all."""
    config = _json(folder / "config.json")
    text_config = config.get("text_config")
    if isinstance(text_config, dict):
        config = {**config, **text_config}
    tensors: Table = {}
    for shard, table in tables:
        for name, tensor in table.items():
            if name in tensors:
                raise corrupt(shard, f"the tensor {name!r:.80} stands in two files")
            tensors[name] = tensor
    elements, bits = _count(tensors, config)
    total = sum(elements.values())
    packed = isinstance(config.get("quantization_config"), dict)
    heads = _whole(config, "num_attention_heads", "n_head")
    template = _template(folder)
    return WeightsHeader(
        format="safetensors",
        architecture=_text(config, "model_type"),
        # Packed weights hold several parameters in one element: their number is not in the headers.
        parameters=None if packed else total or None,
        context_length=_whole(config, "max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length"),
        vocab_size=_whole(config, "vocab_size"),
        hidden_size=_whole(config, "hidden_size", "n_embd", "d_model"),
        num_layers=_whole(config, "num_hidden_layers", "n_layer", "num_layers"),
        kv_heads=_whole(config, "num_key_value_heads") or heads,
        quantization=_method(config) if packed else (elements.most_common(1)[0][0] if elements else None),
        bits_per_weight=None if packed or not total else bits / total,
        file_size=size,
        rope_scaling=_rope_scaling(config),
        other_use=_other_use(folder, config),
        chat_template=template,
        chat_template_sha256=hashlib.sha256(template.encode()).hexdigest() if template else None,
    )


HEADS = {
    "MaskedLM": "an encoder with a head for masked words",
    "SequenceClassification": "a classifier or reranker",
    "TokenClassification": "a classifier of words",
    "QuestionAnswering": "a model that marks answers in a text",
    "MultipleChoice": "a classifier of choices",
    "EncoderModel": "an encoder",
}


def _other_use(folder: Path, config: Mapping[str, Any]) -> str | None:
    """By what sentence-transformers puts into a folder, and by the class that the model was saved from."""
    names = config.get("architectures")
    name = next((name for name in names if isinstance(name, str)), "") if isinstance(names, list) else ""
    if (folder / "modules.json").is_file():
        return "an embedding model (modules.json of sentence-transformers)"
    if config.get("is_encoder_decoder") is True:
        return f"an encoder-decoder ({name:.80})"
    head = next((told for end, told in HEADS.items() if name.endswith(end)), None)
    bare = name.endswith("Model") and "bert" in name.lower()
    return f"{head or 'an encoder'} ({name:.80})" if head or bare else None


def shard_names(folder: Path) -> tuple[str, ...]:
    """The weight files of ``folder``: those of the index, else ``model*.safetensors``, else every .safetensors."""
    index = folder / INDEX
    if index.is_file():
        weights = _json(index).get("weight_map")
        names = set(weights.values()) if isinstance(weights, dict) and _all_text(weights.values()) else set()
        if not names or any(Path(name).name != name or "\\" in name for name in names):
            raise corrupt(index, "its weight_map does not name files of this folder")
        for name in sorted(names):
            if not (folder / name).is_file():
                raise UsageError(
                    f"{folder / name}: missing, though the index names it; download it again",
                    slug="safetensors-truncated",
                )
        return tuple(sorted(names))
    every = sorted(path.name for path in folder.glob("*.safetensors"))
    if not every:
        raise UsageError(f"{folder}: no *.safetensors in it; choose another folder", slug="weights-unreadable")
    return tuple(weight_files(every))


def weight_files(files: list[str]) -> list[str]:
    """Of several sets in one folder (``consolidated.safetensors``) the one that libraries load."""
    found = [name for name in files if name.endswith(".safetensors") and "/" not in name]
    return [name for name in found if name.startswith("model")] or found


def read_table(path: Path) -> Table:
    """Tensor name to (dtype, shape) of one .safetensors file, checked against the size of the file."""
    try:
        with open_regular(path) as file:
            return table_of(file, os.fstat(file.fileno()).st_size, path)
    except OSError as error:
        raise _unreadable(path, error) from None


def table_of(file: ByteSource, size: int, path: Path) -> Table:
    """The same of an open file of ``size`` bytes; ``path`` is for messages."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        if length > MAX_JSON:
            raise corrupt(path, f"claims a header of {length} bytes", 0)
        raise truncated(path, size, 8 + length)
    if length > MAX_JSON or length < 2:
        raise corrupt(path, f"claims a header of {length} bytes", 0)
    return _check_table(path, _parsed(path, file.read(length), 8), size, 8 + length)


def _check_table(path: Path, table: dict[str, Any], size: int, start: int) -> Table:
    table.pop("__metadata__", None)
    tensors: Table = {}
    spans: list[tuple[int, int]] = []
    for name, entry in table.items():
        fields = entry if isinstance(entry, dict) else {}
        dtype, shape, span = (fields.get(key) for key in ("dtype", "shape", "data_offsets"))
        if not isinstance(dtype, str) or dtype not in BITS or not _wholes(shape) or not _wholes(span) or len(span) != 2:
            raise corrupt(path, f"the tensor {name!r:.80} is not described by dtype, shape and data_offsets", 8)
        if len(shape) > 64 or math.prod(shape) * BITS[dtype] != 8 * (span[1] - span[0]):
            raise corrupt(
                path, f"the tensor {name!r:.80} has the shape {shape!r:.60}, which does not fill its bytes", 8
            )
        tensors[name] = (dtype, shape)
        spans.append((span[0], span[1]))
    end = 0
    for first, last in sorted(spans):
        if first != end:
            raise corrupt(path, f"two tensors overlap or leave a hole at byte {start + min(first, end)}", 8)
        end = last
    if start + end > size:
        raise truncated(path, size, start + end)
    return tensors


def _count(tensors: Table, config: Mapping[str, Any]) -> tuple[Counter[str], int]:
    """Learned elements by dtype, and their bits. An output matrix that is tied to the embeddings is no second one."""
    elements: Counter[str] = Counter()
    for name, (dtype, shape) in tensors.items():
        mask = name.endswith(".attn.bias") and len(shape) == 4
        tied = name == "lm_head.weight" and config.get("tie_word_embeddings") is True and _has_embeddings(tensors)
        if not (mask or tied or name.endswith(BUFFERS) or dtype in ("BOOL", "I64")):
            elements[dtype] += math.prod(shape)
    return elements, sum(BITS[dtype] * count for dtype, count in elements.items())


def _has_embeddings(tensors: Mapping[str, object]) -> bool:
    return any(name.endswith(("embed_tokens.weight", "wte.weight", "embed_in.weight")) for name in tensors)


def _template(folder: Path) -> str | None:
    """The chat template: the file of its own wins, as in transformers; of several the one called default."""
    path = folder / "chat_template.jinja"
    if path.exists():
        try:
            return read_text(path, MAX_TEMPLATE) or None
        except OSError as error:
            if error.errno == errno.EFBIG:
                return None
            raise _unreadable(path, error) from None
        except UnicodeDecodeError:
            raise corrupt(path, "is not UTF-8 text") from None
    tokenizer = folder / "tokenizer_config.json"
    template = _json(tokenizer).get("chat_template") if tokenizer.is_file() else None
    if isinstance(template, list):
        named = [item for item in template if isinstance(item, dict) and item.get("name") == "default"]
        template = named[0].get("template") if named else None
    if not isinstance(template, str) or not 0 < len(template) <= MAX_TEMPLATE:
        return None
    if not _writable(template):
        raise corrupt(tokenizer, "its chat_template holds half a character (a surrogate)")
    return template


def _rope_scaling(config: Mapping[str, Any]) -> str | None:
    scaling = config.get("rope_scaling") or config.get("rope_parameters")
    if not isinstance(scaling, dict):
        return None
    kind, factor = scaling.get("rope_type") or scaling.get("type"), scaling.get("factor")
    if not isinstance(kind, str) or kind == "default" or not _writable(kind):
        return None
    finite = isinstance(factor, int | float) and math.isfinite(factor)
    return f"{kind} x{factor:g}" if finite else kind


def _method(config: Mapping[str, Any]) -> str | None:
    quantization = config["quantization_config"]
    return _text(quantization, "quant_method")


def _whole(config: Mapping[str, Any], *keys: str) -> int | None:
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 48:
            return value
    return None


def _text(config: Mapping[str, Any], key: str) -> str | None:
    value = config.get(key)
    return value if isinstance(value, str) and value and _writable(value) else None


def _writable(text: str) -> bool:
    """JSON can escape half a character; no file of ours could say it."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _wholes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 63 for item in value)


def _all_text(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _json(path: Path) -> dict[str, Any]:
    try:
        data = read_bytes(path, MAX_JSON)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise corrupt(path, f"larger than {MAX_JSON >> 20} MiB") from None
        raise _unreadable(path, error) from None
    return _parsed(path, data, 0)


def _parsed(path: Path, data: bytes, at: int) -> dict[str, Any]:
    try:
        value = parse_json(data)
    except ValueError as error:
        raise corrupt(path, f"no valid JSON ({error!s:.100})", at) from None
    if not isinstance(value, dict):
        raise corrupt(path, "its JSON is no object", at)
    return value


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: cannot be read ({error.strerror or error})", slug="weights-unreadable")


def corrupt(path: Path, problem: str, at: int | None = None) -> UsageError:
    """A UsageError that names path, problem, byte offset and remedy."""
    where = "" if at is None else f" (at byte {at})"
    return UsageError(f"{path}: {problem}{where}; the file is damaged, download it again", slug="safetensors-corrupt")


def truncated(path: Path, size: int, end: int) -> UsageError:
    """A UsageError for a file that ends too early."""
    return UsageError(
        f"{path}: ends at byte {size}, but its header reaches for byte {end}; download it again",
        slug="safetensors-truncated",
    )
