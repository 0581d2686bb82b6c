"""From what the Hub's client tells of a repository to our record of it. What is not as a Hub tells it is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from pytest_slm import hub
from pytest_slm.core.record import RecordError, stays_inside
from pytest_slm.errors import UsageError
from pytest_slm.handbook.facts import Attention, HubFile, HubModel, HubQuantization, Relative, ReportedScore
from pytest_slm.models.hub import COMMIT
from pytest_slm.models.naming import as_name, models_among, part_names
from pytest_slm.models.safetensors import weight_files

TOLD = (".gguf", ".onnx", ".bin", ".pt", ".pth", ".ipynb")
SMALL = ("config.json", "tokenizer.json", "tokenizer.model", "chat_template.jinja", "modules.json", "model_index.json")
MOST_FILES, MOST_TEXTS, MOST_SCORES = 300, 40, 100
MOST = 10**15
"""More than any count or size of the Hub."""
RELATIONS = ("finetune", "quantized", "adapter", "merge")


def model_of(repo: str, info: Any, known: HubModel) -> HubModel:
    """``known`` with everything that ``info``, a ModelInfo, says. Raises UsageError (hub-answer, hub-private) where it
    is not of a public repository."""
    if getattr(info, "private", None) is True:
        raise UsageError(f"{repo}: is private, so nothing of it is written; leave it out", slug="hub-private")
    if not isinstance(info.sha, str) or not COMMIT.fullmatch(info.sha) or not isinstance(info.siblings, list):
        raise hub.no_answer(repo, "commit and files are not told as a Hub does")
    card, config, gguf = _mapping(info.card_data), _mapping(info.config), _mapping(info.gguf)
    sizes = {
        one.rfilename: count(one.size)
        for one in info.siblings
        if isinstance(one.rfilename, str) and stays_inside(one.rfilename)
    }
    safetensors = getattr(info, "safetensors", None)
    dtypes = {as_name(str(name)): number for name, n in _mapping(getattr(safetensors, "parameters", None)).items()
              if (number := count(n)) is not None}  # fmt: skip
    license_ = _text(card.get("license")) or _tagged(info.tags, "license:")
    scores, odd = reported(info, card)
    same = info.sha == known.revision
    return replace(
        known,
        revision=info.sha,
        created=_day(info.created_at),
        modified=_day(info.last_modified),
        downloads=count(info.downloads),
        likes=count(info.likes),
        license=license_,
        license_name=_text(card.get("license_name")),
        languages=_texts(card.get("language")),
        tags=_texts([tag for tag in _list(info.tags) if isinstance(tag, str) and ":" not in tag]),
        gated=_gated(info.gated),
        library=_text(info.library_name),
        pipeline=_text(info.pipeline_tag),
        architecture=_text(config.get("model_type")) or _text(gguf.get("architecture")),
        parameters=count(getattr(safetensors, "total", None)) or count(gguf.get("total")) or None,
        dtypes=dtypes,
        context_length=(known.context_length if same else None) or count(gguf.get("context_length")) or None,
        attention=known.attention if same else None,
        configured=known.configured and same,
        files=_files(sizes),
        n_files=len(sizes),
        total_bytes=_sum(sizes.values()),
        quantizations=_quantizations(sizes),
        bases=_bases(info.tags, card),
        reported=scores,
        reported_odd=odd,
        trouble=None,
    )


def derived_of(infos: Iterable[Any], repo: str) -> tuple[Relative, ...]:
    """The repositories of a listing of what was made from ``repo``."""
    found = []
    for info in infos:
        name = getattr(info, "id", None)
        if isinstance(name, str) and is_repo(name) and name.lower() != repo.lower():
            found.append(Relative(repo=name, relation="quantized", downloads=count(info.downloads)))
    return tuple(sorted(found, key=lambda one: (-(one.downloads or 0), one.repo.lower())))


def configured(model: HubModel, config: object, source: str) -> HubModel:
    """The model with what the ``config.json`` of ``source`` says of contexts and of the KV cache."""
    told = _mapping(config)
    told = {**told, **_mapping(told.get("text_config"))}
    longest = _whole(told, "max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length")
    return replace(
        model,
        configured=True,
        architecture=model.architecture or _text(told.get("model_type")),
        context_length=longest or model.context_length,
        attention=attention(told, source),
    )


def attention(config: Mapping[str, Any], source: str) -> Attention | None:
    """What the KV cache is made of by a configuration; None where that does not say it, or keeps something else."""
    if any(config.get(key) for key in _OTHER):
        return None
    layers, heads = (
        _whole(config, "num_hidden_layers", "n_layer", "num_layers"),
        _whole(config, "num_attention_heads", "n_head"),
    )
    # Without this key a model has as many key-value heads as heads; the format says so.
    kv_heads = _whole(config, "num_key_value_heads") if config.get("num_key_value_heads") is not None else heads
    hidden = _whole(config, "hidden_size", "n_embd", "d_model")
    size = _whole(config, "head_dim")
    if size is None and heads and hidden and hidden % heads == 0:
        size = hidden // heads
    if not layers or not kv_heads or not size:
        return None
    kept = _layers(config, layers)
    if kept is None:
        return None
    try:
        return Attention(kv_heads=kv_heads, head_size=size, source=source, **kept)
    except RecordError:  # numbers that no model has
        return None


_OTHER = (
    *("kv_lora_rank", "ssm_cfg", "mamba_d_state", "attn_layer_period", "hybrid_override_pattern", "state_size"),
    *("full_attention_interval", "attn_layer_indices", "full_attn_idxs", "block_types", "layers_block_type"),
)
"""Keys of models that keep something else than keys and values of every layer, in ways of their own."""
_FULL, _WINDOWED = ("full_attention", "attention"), ("sliding_attention", "chunked_attention")


def _layers(config: Mapping[str, Any], layers: int) -> dict[str, Any] | None:
    """How many layers keep every token, and how many the last ones only."""
    window = _whole(config, "sliding_window", "attention_chunk_size")
    types, every = config.get("layer_types"), _whole(config, "sliding_window_pattern")
    if isinstance(types, list):
        full, windowed = (sum(one in names for one in types) for names in (_FULL, _WINDOWED))
        if len(types) != layers or (windowed and not window):
            return None
        other = layers - full - windowed
        return {
            "layers": full,
            "window_layers": windowed,
            "window": window if windowed else None,
            "other_layers": other,
        }
    if every and window:  # each so many-th layer keeps everything
        full = layers // every
        return {"layers": full, "window_layers": layers - full, "window": window}
    return {"layers": layers, "at_most": bool(window) and config.get("use_sliding_window") is not False}


def reported(info: Any, card: Mapping[str, Any]) -> tuple[tuple[ReportedScore, ...], int]:
    """The scores that the author reports in the card, each once, and how many of them are no numbers."""
    entries: list[tuple[object, ...]] = []
    for one in _list(card.get("eval_results")):  # as the client has read the card's model-index
        name, kind, value = (getattr(one, f"metric_{what}", None) for what in ("name", "type", "value"))
        entries.append((getattr(one, "dataset_name", None), name or kind, value))
    for index in _list(info.model_index):
        for result in map(_mapping, _list(_mapping(index).get("results"))):
            dataset = _mapping(result.get("dataset")).get("name")
            for metric in map(_mapping, _list(result.get("metrics"))):
                entries.append((dataset, metric.get("name") or metric.get("type"), metric.get("value")))
    for entry in _list(getattr(info, "eval_results", None)):
        entries.append(tuple(getattr(entry, what, None) for what in ("dataset_id", "task_id", "value")))
    found: dict[tuple[str, str, float], ReportedScore] = {}
    odd = 0
    for benchmark, metric_name, value in entries[: MOST_SCORES * 10]:
        # Whole numbers may have thousands of digits; NaN is not less than anything.
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e300:
            odd += 1
            continue
        score = ReportedScore(
            benchmark=_text(benchmark) or "not named", metric=_text(metric_name) or "not named", value=float(value)
        )
        found.setdefault((score.benchmark, score.metric, score.value), score)
    scores = sorted(found.values(), key=lambda score: (score.benchmark.lower(), score.metric, score.value))
    return tuple(scores[:MOST_SCORES]), odd


def parameters_of(info: Any) -> int | None:
    """The parameters that a listing tells of a repository."""
    return count(getattr(getattr(info, "safetensors", None), "total", None)) or count(_mapping(info.gguf).get("total"))


def is_repo(name: str) -> bool:
    """Whether a text can be the name of a repository."""
    try:
        Relative(repo=name, relation="-")
    except RecordError:
        return False
    return True


def count(value: object) -> int | None:
    """A whole number that something can be counted to; None for everything else."""
    sound = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST
    return value if sound and isinstance(value, int) else None


def _gated(value: object) -> Literal["auto", "manual", "no"] | None:
    if value is False:
        return "no"
    return "auto" if value == "auto" else "manual" if value == "manual" else None


def _files(sizes: Mapping[str, int | None]) -> tuple[HubFile, ...]:
    names = [*weight_files(list(sizes)), *(name for name in sizes if name in SMALL or name.lower().endswith(TOLD))]
    return tuple(HubFile(name=name, size=sizes[name]) for name in sorted(set(names))[:MOST_FILES])


def _quantizations(sizes: Mapping[str, int | None]) -> tuple[HubQuantization, ...]:
    found = []
    for name, file in sorted(models_among(sizes).items())[:MOST_FILES]:
        parts = part_names(file)
        found.append(
            HubQuantization(name=name, file=file, size=_sum([sizes[part] for part in parts]), parts=len(parts))
        )
    return tuple(found)


def _bases(tags: object, card: Mapping[str, Any]) -> tuple[Relative, ...]:
    """By the tags that the Hub makes (``base_model:quantized:org/name``), else as the card says, with no relation."""
    found: dict[str, str] = {}
    for tag in _list(tags):
        kind, _, name = tag.removeprefix("base_model:").partition(":") if isinstance(tag, str) else ("", "", "")
        if isinstance(tag, str) and tag.startswith("base_model:") and kind in RELATIONS and is_repo(name):
            found[name] = kind
    declared = card.get("base_model")
    for name in [declared] if isinstance(declared, str) else _list(declared):
        if isinstance(name, str) and is_repo(name):
            found.setdefault(name, "not told")
    return tuple(Relative(repo=name, relation=found[name]) for name in sorted(found))[:10]


def _day(value: object) -> str | None:
    if not isinstance(value, datetime):
        return None
    try:
        return value.astimezone(UTC).date().isoformat()
    except (OverflowError, ValueError):
        return None


def _whole(config: Mapping[str, Any], *keys: str) -> int | None:
    return next((number for key in keys if (number := count(config.get(key)))), None)


def _sum(sizes: Iterable[int | None]) -> int | None:
    told = list(sizes)
    known = [size for size in told if size is not None]
    return sum(known) if told and len(known) == len(told) else None


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    inner = getattr(value, "__dict__", None)  # the client's CardData
    return inner if isinstance(inner, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: object) -> str | None:
    return as_name(value) if isinstance(value, str) and value.strip() else None


def _texts(value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else _list(value)
    return tuple(dict.fromkeys(as_name(one) for one in listed[:MOST_TEXTS] if isinstance(one, str) and one.strip()))


def _tagged(tags: object, beginning: str) -> str | None:
    told = (tag for tag in _list(tags) if isinstance(tag, str) and tag.startswith(beginning))
    return next((as_name(tag.removeprefix(beginning)) for tag in told if len(tag) > len(beginning)), None)
