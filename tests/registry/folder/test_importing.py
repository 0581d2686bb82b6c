"""Registries of schema 2.0.0: their numbers are shown as claims, and never ranked."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from pytest_slm.errors import ReportError
from pytest_slm.registry import build_folder, read_registry, write_registry
from pytest_slm.registry.folder import import_registry
from pytest_slm.registry.rows import rows

NOW = datetime(2026, 12, 1, tzinfo=UTC)
REPO = "HuggingFaceTB/SmolLM2-135M-Instruct"


def older(**model):
    """An older registry with one model."""
    told = {
        "id": "../../etc",
        "name": "SmolLM2",
        "hf_repo": REPO,
        "date_added": "2026-01-05T10:00:00",
        "use_cases": {"rag": {"score": 82.2, "recommended": True}, "coding": {"score": None}},
        "aggregates": {"marketplace": {"score": 75.76, "rank": 1}},
        "performance": {"quantizations": {"Q4_K_M": {"size_gb": 0.1, "ram_gb": 0.0, "tps_output": 45}}},
        **model,
    }  # fmt: skip
    return {"metadata": {"schema_version": "2.0.0"}, "models": [told]}


def put(folder, document):
    path = folder / "marketplace.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_numbers_become_claims_beside_what_was_measured(tmp_path, factory, build):
    measured = build(factory.make_run())
    registry, count, errors = import_registry(put(tmp_path, older()), measured)
    assert (count, errors) == (4, ())  # a score that is null, and a memory of 0, are no numbers
    (entry,) = registry.models
    assert [(one.kind, one.name, one.quantization, one.value) for one in entry.claims] == [
        ("use_cases", "rag", None, 82.2),
        ("aggregates", "marketplace", None, 75.76),
        ("speed", "size_gb", "Q4_K_M", 0.1),
        ("speed", "tps_output", "Q4_K_M", 45.0),
    ]
    assert {one.source for one in entry.claims} == {"marketplace.json"}
    assert entry.use_cases == measured.models[0].use_cases
    assert entry.aggregates == measured.models[0].aggregates
    assert import_registry(tmp_path / "marketplace.json", registry)[0] == registry


def test_a_model_of_claims_alone_has_a_row_and_no_rank(tmp_path, build):
    registry, _, _ = import_registry(put(tmp_path, older()), build())
    write_registry(tmp_path / "registry", registry)
    assert read_registry(tmp_path / "registry") == registry
    (row,) = rows(registry)
    assert (row.quantization, row.scores, row.aggregates, row.speed) == ("Q4_K_M", {}, {}, None)
    assert len(row.claims) == 4
    assert "unverified" in row.unverified
    (entry,) = registry.models
    assert (entry.id, entry.date_added) == ("huggingfacetb--smollm2-135m-instruct", "2026-01-05")


def test_two_entries_of_one_model_are_put_together(tmp_path, build):
    (first,) = older()["models"]
    second = {"name": "again", "hf_repo": REPO.lower(), "use_cases": {"coding": 60, "rag": 1}}
    path = put(tmp_path, {**older(), "models": [first, second]})
    registry, count, errors = import_registry(path, build())
    (entry,) = registry.models
    assert count == len(entry.claims) == 5
    assert [(one.name, one.value) for one in entry.claims if one.kind == "use_cases"] == [("rag", 82.2), ("coding", 60)]
    assert "models[1]: is 'huggingfacetb--smollm2-135m-instruct' once more" in str(errors[0])
    assert import_registry(path, registry)[:2] == (registry, 5)


def test_what_a_later_version_of_the_file_does_not_say_goes(tmp_path, factory, build):
    measured = build(factory.make_run())
    (known,) = older()["models"]
    gone = {"name": "Gone", "hf_repo": "org/gone", "use_cases": {"rag": 50}}
    registry, _, _ = import_registry(put(tmp_path, {**older(), "models": [known, gone]}), measured)
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps({**older(), "models": [{**known, "use_cases": {"rag": 7}}]}))
    registry, _, _ = import_registry(elsewhere, registry)
    assert len(registry.models) == 2
    other = {"name": "Other", "hf_repo": "org/other", "use_cases": {"rag": 1}}
    registry, count, _ = import_registry(put(tmp_path, {**older(), "models": [other]}), registry)
    assert count == 1
    assert [entry.id for entry in registry.models] == ["huggingfacetb--smollm2-135m-instruct", "org--other"]
    assert {one.source for one in registry.models[0].claims} == {"elsewhere.json"}
    assert registry.models[0].use_cases == measured.models[0].use_cases


def test_claims_stay_where_the_registry_is_kept(tmp_path, factory):
    reports, folder = tmp_path / "reports", tmp_path / "registry"
    factory.store_run(reports, factory.make_run())
    build_folder(reports, folder, now=NOW)
    write_registry(folder, import_registry(put(tmp_path, older()), read_registry(folder))[0])
    build_folder(reports, folder, now=NOW, keep=True)
    assert len(read_registry(folder).models[0].claims) == 4
    build_folder(reports, folder, now=NOW)
    assert read_registry(folder).models[0].claims == ()


@pytest.mark.parametrize(
    "model",
    [
        None, 7, {}, {"name": ""}, {"name": "a\u202eb"}, {"name": "x" * 1_000_000}, {"name": 3, "hf_repo": ["a"]},
    ],
)  # fmt: skip
def test_a_model_that_is_none_is_left_out_with_a_line(tmp_path, build, model):
    document = {**older(), "models": [*older()["models"], model]}
    registry, count, errors = import_registry(put(tmp_path, document), build())
    assert len(registry.models) == 1
    assert count == 4
    (error,) = errors
    assert "models[1]" in str(error)
    assert len(str(error)) < 1_100


@pytest.mark.parametrize(
    "values",
    [
        {"use_cases": [1]}, {"use_cases": {"rag": {"score": True}}},
        {"use_cases": {"rag": {"score": 2**70 * 10**280}}}, {"license": "\n"},
        {"use_cases": {"\u0000": {"score": 1}}}, {"performance": {"quantizations": {"../x": {"tps_output": 1}}}},
        {"performance": {"quantizations": {"con": 3}}}, {"performance": 4, "safety": {"bias": "low"}},
    ],
)  # fmt: skip
def test_odd_values_are_no_numbers(tmp_path, build, values):
    registry, _, errors = import_registry(put(tmp_path, older(**values)), build())
    assert errors == ()
    write_registry(tmp_path / "registry", registry)
    assert read_registry(tmp_path / "registry") == registry


@pytest.mark.parametrize(
    "document",
    ["", "{", '{"metadata": {"schema_version": "2.0.0"}, "models": NaN}', "[" * 10_000, "[]",
     '{"metadata": {"schema_version": "2.1.0"}, "models": []}',
     '{"metadata": {"schema_version": "2.0.0"}, "models": 1}'],
)  # fmt: skip
def test_what_is_no_such_registry_is_refused_with_a_line(tmp_path, build, document):
    with pytest.raises(ReportError, match=r"marketplace\.json"):
        import_registry(put(tmp_path, document), build())
