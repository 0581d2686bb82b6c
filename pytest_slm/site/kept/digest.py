"""What pages about many models have to know of each: a small part of its entry, packed."""

from __future__ import annotations

from typing import Any

from pytest_slm.core.record.packed import Packer
from pytest_slm.core.types import MEASURED
from pytest_slm.registry.entry import Item, Provenance, QuantizationEntry, RegistryEntry
from pytest_slm.registry.rows.row import ANY_PEAK, PEAK
from pytest_slm.registry.speeds import Performance, QuantizationSpeed

_PACKER = Packer(
    {
        RegistryEntry: (
            *("id", "name", "quantization", "date_added", "family", "hf_repo", "revision", "parameters"),
            *("architecture", "context_length", "license", "tags", "performance", "performance_elsewhere", "suites"),
            *("quantizations", "claims", "provenance"),
        ),
        QuantizationEntry: (
            *("format", "size_bytes", "bits_per_weight", "weights_sha256", "made_from", "server"),
            *("use_cases", "aggregates", "elsewhere", "items"),
        ),
        QuantizationSpeed: (
            *("mode", "engine", "report", "tps_output", "ttft_ms", "prefill_tps", "generate_tps"),
            *("energy_per_token", "memory", "kv_bytes_per_token", "kv_type"),
        ),
        Item: (
            *("suite", "task", "variant", "version", "outcome", "mode", "report", "metric", "value", "unit"),
            *("interval", "higher_is_better", "n", "n_unscored", "chance"),
        ),
        Provenance: ("reports", "machines"),
    }
)


MEMORY = (PEAK, ANY_PEAK, "weights", "kv_cache", "compute_buffers", "other")
"""What pages about many models, and the calculators, take of a model's memory."""


def digest(entry: RegistryEntry) -> Any:
    """What is needed of a model, in JSON's own types."""
    timing = {name for name, facts in entry.suites.items() if not facts.scored}
    return _PACKER.pack(
        entry.but(
            performance=entry.performance and _speeds(entry.performance),
            performance_elsewhere=tuple(map(_speeds, entry.performance_elsewhere)),
            quantizations={
                name: one.but(items=tuple(item for item in one.items if _told(item) and item.suite not in timing))
                for name, one in entry.quantizations.items()
            },
        )
    )


def entry_of(data: Any) -> RegistryEntry:
    """The entry of what ``digest`` made, with that in it."""
    entry: RegistryEntry = _PACKER.unpacker(RegistryEntry)(data)
    return entry


def _told(item: Item) -> bool:
    return item.outcome in MEASURED and bool(item.metric) and item.value is not None


def _speeds(one: Performance) -> Performance:
    return one.but(
        quantizations={
            name: speed.but(memory={key: speed.memory[key] for key in MEMORY if key in speed.memory})
            for name, speed in one.quantizations.items()
        },
    )
