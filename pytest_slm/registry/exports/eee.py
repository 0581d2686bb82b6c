"""Every Eval Ever: records of evaluations as its data store keeps them, schema 0.3.0 (https://evalevalai.com)."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm import __version__
from pytest_slm.core.record import is_file_name, utc
from pytest_slm.core.types import MEASURED
from pytest_slm.registry.entry import Item, RegistryEntry, ReportReference
from pytest_slm.registry.store import to_text

VERSION = "0.3.0"
COLLECTION = "pytest-slm"


def every_eval_ever(entry: RegistryEntry) -> Mapping[str, str]:
    """``data/pytest-slm/<developer>/<model>/<uuid>.json`` for each report that a number of the model is from."""
    made = {}
    reports = {reference.path: reference for reference in entry.provenance.reports}
    for name, quantization in sorted(entry.quantizations.items()):
        items: dict[str, list[Item]] = {}
        for item in quantization.items:
            if item.outcome in MEASURED and item.value is not None and item.n and item.report in reports:
                items.setdefault(item.report, []).append(item)
        for report, measured in sorted(items.items()):
            record = _record(entry, name, reports[report], measured)
            token = hashlib.sha256(f"{entry.id} {name} {report} {reports[report].sha256}".encode()).digest()
            file = f"{uuid.UUID(bytes=token[:16], version=4)}.json"
            made[f"data/{COLLECTION}/{record['model_info']['id']}/{file}"] = to_text(record)
    return made


def _record(entry: RegistryEntry, name: str, reference: ReportReference, items: Sequence[Item]) -> dict[str, Any]:
    quantization = entry.quantizations[name]
    began, ended = (str(int(utc(time).timestamp())) for time in (reference.created, reference.finished))
    engine, _, version = (reference.engine or "unknown").partition(" ")
    repo = entry.hf_repo or f"local/{entry.id}"
    developer, model = repo.split("/")
    if not is_file_name(model) or not is_file_name(developer):
        developer, model = "local", f"model-{hashlib.sha256(repo.encode()).hexdigest()[:16]}"
    machine = entry.provenance.machines.get(reference.machine or "", {})
    details = {
        "deployment_type": "unknown" if quantization.server else "self_deployed",
        "model_availability": "open_weights" if entry.hf_repo else "unknown",
        "quantization": name,
        "bits_per_weight": quantization.bits_per_weight,
        "size_bytes": quantization.size_bytes,
        "format": quantization.format,
        "weights_sha256": quantization.weights_sha256,
        "revision": reference.revision,
        "machine": reference.machine,
        "cpu": machine.get("cpu"),
    }
    return {
        "schema_version": VERSION,
        "evaluation_id": f"{COLLECTION}/{developer}_{model}_{name}/{reference.run_id}/{ended}",
        "evaluation_timestamp": began,
        "retrieved_timestamp": ended,
        "source_metadata": {
            "source_name": "pytest-slm",
            "source_type": "evaluation_run",
            "source_organization_name": entry.submitted_by or "unknown",
            "evaluator_relationship": "other",
            "additional_details": _texts({"report": reference.path, "report_sha256": reference.sha256}),
        },
        "eval_library": {
            "name": "pytest-slm",
            "version": str(reference.versions.get("pytest-slm") or __version__),
            "additional_details": _texts({key: value for key, value in reference.versions.items() if value}),
        },
        "model_info": {
            "name": f"{entry.name} {name}",
            "id": f"{developer}/{model}",
            "developer": developer,
            "inference_engine": {"name": engine, "version": version or "unknown"},
            "additional_details": _texts(details),
        },
        "evaluation_results": [_result(item, reference) for item in items],
    }


def _result(item: Item, reference: ReportReference) -> dict[str, Any]:
    place = "-".join(part for part in (f"{item.suite}/{item.task}", item.variant) if part)
    share = item.unit == "share"
    interval = item.interval
    details = {"mode": item.mode, "limit": reference.limit, "settings": reference.settings, "outcome": item.outcome}
    details |= {"data_set_questions": item.part[1]} if item.part else {}
    return {
        "evaluation_result_id": f"{place}/{item.metric}",
        "evaluation_name": place,
        "source_data": _source(item),
        "metric_config": {
            "metric_id": re.sub(r"[^a-z0-9_.]+", "_", str(item.metric).lower()),
            "metric_name": str(item.metric),
            "metric_unit": "proportion" if share else str(item.unit),
            "lower_is_better": not item.higher_is_better,
            "score_type": "continuous",
            "min_score": 0.0 if share else "-Infinity",
            "max_score": 1.0 if share else "Infinity",
            "additional_details": _texts({"chance": item.chance, "task_version": item.version}),
        },
        "score_details": {
            "score": item.value,
            "details": _texts({**details, "n_unscored": item.n_unscored}),
            "uncertainty": {
                **(
                    {"confidence_interval": {"lower": interval[0], "upper": interval[1], "confidence_level": 0.95}}
                    if interval
                    else {}
                ),
                "num_samples": item.n,
            },
        },
    }


def _source(item: Item) -> dict[str, Any]:
    if item.dataset.count("/") == 1:
        return {"dataset_name": item.task, "source_type": "hf_dataset", "hf_repo": item.dataset}
    return {"dataset_name": f"{item.suite}/{item.task}", "source_type": "other"}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value not in (None, "")}
