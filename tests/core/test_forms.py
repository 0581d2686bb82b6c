"""Texts that become files, addresses and lines check themselves, however they are born."""

import ast
import dataclasses
import typing
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core import record
from pytest_slm.core.record import Form, RecordError, is_file_name, is_name, stays_inside, utc
from pytest_slm.core.types import (
    Derivation,
    ItemId,
    Metric,
    Quantization,
    Result,
    Submission,
    SuiteFacts,
    WeightsHeader,
)
from pytest_slm.data.manifest import DatasetEntry, FileEntry, Manifest
from pytest_slm.models.naming import as_file_name, as_name
from pytest_slm.registry.entry import Item, RegistryEntry, ReportReference

WAYS_OUT = ("../x", "..", "a/../../x", "/etc/passwd", "C:\\x", "\\\\host\\share", "a\0b", "..\\x", "a\nb")
NO_NAMES = ("", "a\nb", "\0", "\x1b[2J", "\u202e", "a\u2028b", "\ud800", "x" * 201, "\u200b")
NO_FILE_NAMES = (*NO_NAMES, "..", ".", "a/b", "a\\b", "../x", ".hidden", "con", "NUL.txt", "a:b", "a ", "a.", "a?")
NO_TIMES = ("", "2026-11-01", "2026-11-01T10:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "now")

MODEL = {"slug": "m", "name": "M", "quantizations": ()}
ITEM = {"suite": "s", "task": "t", "variant": "v", "quantization": "q"}
RESULT = {**ITEM, "mode": "full", "outcome": "passed"}
DERIVED = {
    **{"source_file": "a", "source_sha256": "0" * 64, "source_quantization": None, "quantization": "Q4_0"},
    **{"sha256": "0" * 64, "file_size": 1, "engine": "e", "created": "2026-11-01T10:00:00Z"},
}
REFERENCE = {
    **{"path": "a/report.json", "sha256": "0" * 64, "run_id": "r", "quantization": "q", "revision": None},
    **{"mode": "full", "limit": None, "seed": 0, "created": "2026-11-01T10:00:00Z", "finished": "2026-11-01T10:00:00Z"},
    **{"complete": True, "engine": None, "machine": None, "versions": {}, "used": True},
}
ENTRY = {
    **{"id": "org--m", "name": "M", "quantization": "q", "date_added": "2026-11-01"},
    **{"provenance": {"reports": (), "machines": {}}, "quantizations": {"q": {"format": "gguf"}}},
}
SHOWN = {**ITEM, "version": 1, "outcome": "passed", "mode": "full", "report": "a"}
SHOWN.pop("quantization")
DATASET = {
    **{"source": "s", "revision": None, "license": None, "pulled": "2026-11-01T10:00:00Z", "configs": ()},
    "files": {"a": {"size": 1, "sha256": "0" * 64}},
}

WRONG = [
    (Submission, MODEL, {"slug": ("", "../x", "a/b", ".a", "a b", "x" * 201), "name": NO_NAMES}),
    (Submission, MODEL, {"hf_repo": (*WAYS_OUT, "", "a", "a/b/c", "../a", "a/..b"), "revision": (*WAYS_OUT, "", "-x")}),
    (Quantization, {"name": "q", "format": "gguf"}, {"name": NO_FILE_NAMES, "derived_from": NO_FILE_NAMES}),
    (Quantization, {"name": "q", "format": "safetensors"}, {"file": (*WAYS_OUT, "")}),
    (WeightsHeader, {"format": "gguf"}, {"revision": WAYS_OUT}),
    (Derivation, DERIVED, {"sha256": ("0", "g" * 64, "0" * 65), "created": NO_TIMES}),
    (ItemId, ITEM, {"suite": NO_NAMES, "task": NO_NAMES, "variant": NO_NAMES[1:], "quantization": NO_FILE_NAMES}),
    (Result, RESULT, {"samples": WAYS_OUT, "task": NO_NAMES, "quantization": NO_FILE_NAMES, "primary": NO_NAMES}),
    (Metric, {"name": "m", "value": 1.0, "n": 1}, {"name": NO_NAMES}),
    (ReportReference, REFERENCE, {"path": WAYS_OUT, "sha256": ("x",), "run_id": NO_FILE_NAMES, "finished": NO_TIMES}),
    (RegistryEntry, ENTRY, {"id": (*WAYS_OUT, "", "a/b", ".a"), "name": NO_NAMES, "quantization": NO_FILE_NAMES}),
    (Item, SHOWN, {"report": WAYS_OUT, "task": NO_NAMES}),
    (FileEntry, {"size": 1, "sha256": "0" * 64}, {"sha256": ("x", "0" * 63)}),
    (DatasetEntry, DATASET, {"files": tuple({name: DATASET["files"]["a"]} for name in WAYS_OUT), "pulled": NO_TIMES}),
    (Manifest, {}, {"datasets": tuple({name: DATASET} for name in WAYS_OUT)}),
]


def test_from_files_and_by_hand_and_by_replacement():
    tried = 0
    for kind, right, wrong in WRONG:
        sound = kind.from_json(right)
        for name, values in wrong.items():
            for value in values:
                with pytest.raises(RecordError, match=name):
                    kind.from_json({**right, name: value})
                if isinstance(value, str):
                    with pytest.raises(RecordError, match=name):
                        dataclasses.replace(sound, **{name: value})
                tried += 1
    assert tried > 200


def test_keys_are_checked_too():
    with pytest.raises(RecordError, match="quantizations"):
        RegistryEntry.from_json({**ENTRY, "quantizations": {"../../x": {"format": "gguf"}}})
    for name in NO_NAMES:  # a rate becomes a metric of this name
        with pytest.raises(RecordError, match="rates"):
            SuiteFacts.from_json({"title": "S", "rates": {name: {"task": "t", "metric": "m"}}})
        with pytest.raises(RecordError, match="domain_scores"):
            RegistryEntry.from_json({**ENTRY, "domain_scores": {name: 1.0}})


def test_a_message_names_the_place_in_the_file_and_is_short():
    with pytest.raises(RecordError, match=r"^Manifest\.datasets\.a: files: expected a path inside") as error:
        Manifest.from_json({"datasets": {"a": {**DATASET, "files": {"/" + "x" * 5_000: DATASET["files"]["a"]}}}})
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "name", ["Q4_K_M", "UD-Q4_K_XL", "F16 (1)", "通义", "naïve", "👩\u200d🔬", "gguf+mmproj", "1024", "U8"]
)
def test_ordinary_names_are_names(name):
    assert is_name(name)
    assert is_file_name(name)


@given(st.text())
def test_what_comes_from_a_header_becomes_a_name(text):
    assert is_name(as_name(text))
    assert is_file_name(as_file_name(text))
    if is_file_name(text) and len(text) <= 100:
        assert as_file_name(text) == text


@pytest.mark.parametrize("name", NO_FILE_NAMES)
def test_what_no_file_can_be_called_becomes_something_else(name):
    assert is_file_name(as_file_name(name))


@given(st.text())
def test_paths_that_stay_inside_do(path):
    if stays_inside(path):
        assert ".." not in path.replace("\\", "/").split("/")
        assert not path.startswith(("/", "\\"))


@given(st.datetimes(), st.integers(-1439, 1439))
def test_times_are_times_of_utc_or_none(moment, minutes):
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    try:
        assert utc(moment.isoformat()) == moment
    except ValueError:
        assert moment.year in (1, 9999)


def test_every_record_checks_its_forms_when_it_is_born():
    """A record with a ``__post_init__`` of its own has to call that of ``Record``."""
    forms = {name for name, value in vars(record).items() if typing.get_origin(value) is typing.Annotated}
    assert {"Name", "FileName", "Inside", "Sha256", "Time"} <= forms
    found = 0
    for path in Path(record.__file__).parents[1].rglob("*.py"):
        for kind in [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ClassDef)]:
            fields = [node.annotation for node in kind.body if isinstance(node, ast.AnnAssign)]
            if not forms & {node.id for field in fields for node in ast.walk(field) if isinstance(node, ast.Name)}:
                continue
            found += 1
            own = [node for node in kind.body if isinstance(node, ast.FunctionDef) and node.name == "__post_init__"]
            assert all("super().__post_init__()" in ast.unparse(node) for node in own), f"{path.name}: {kind.name}"
    assert found > 12


def test_other_types_are_not_a_forms_business():
    assert Form("letters", str.isalpha).check(5, "x") is None
