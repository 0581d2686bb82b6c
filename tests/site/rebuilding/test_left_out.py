"""A model of which no page can be made is left out of the site, with a line, and all others are in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.cli.main import main
from pytest_slm.errors import ReportError
from pytest_slm.registry import build_registry, write_registry
from pytest_slm.site import build, models
from pytest_slm.site.build import build_site
from pytest_slm.site.kept import keeping
from pytest_slm.site.left_out import odd_ones

ODD = "qwen--qwen3-0.6b"
OTHERS = {"google--gemma-3-270m", "huggingfacetb--smollm2-135m-instruct"}
SAMPLES = [(f"samples/{name}{end}", "text") for name in (ODD, f"{ODD}-2") for end in (".html", "/0-0.js")]
MISTAKES = [ValueError("-1 successes out of 400"), OverflowError("infinity"), TypeError("None"), RecursionError("deep")]


def broken(monkeypatch, where, mistake=MISTAKES[0], odd=(ODD,)):
    """No page can be made of these models."""
    module, name = {
        "pages": (models, "model_files"),
        "facts": (models, "model_facts"),
        "sums": (models, "summarized"),
        "slots": (models, "slots_of"),
        "together": (build, "wide_pages"),
    }[where]
    make = getattr(module, name)

    def fails(first, *others, **options):
        if set(odd) & ({model.id for model in first.models} if where == "together" else {first.id}):
            raise mistake
        return make(first, *others, **options)

    monkeypatch.setattr(module, name, fails)


def check_left_out(site, built, content):
    assert list(built.left_out) == [ODD]
    assert f"models/{ODD}.json: left out of the site" in built.left_out[ODD]
    assert "[registry-odd]" in built.left_out[ODD]
    assert f"models/{ODD}.html" not in built.pages
    files = content(site)
    assert {path for path in files if path.startswith("models/")} == {f"models/{name}.html" for name in OTHERS}
    assert [path for path, text in files.items() if ODD.encode() in text.replace(f"{ODD}-2".encode(), b"")] == []
    assert {path for path in files if path.startswith("samples/")} == {path for path, _ in SAMPLES[2:]}
    assert {path for path in built.pages if path.startswith("models/")} < files.keys()


@pytest.mark.parametrize("where", ["pages", "facts", "sums", "slots", "together"])
@pytest.mark.parametrize("kept", [True, False])
def test_the_pages_of_all_others_are_made(tmp_path, registry, monkeypatch, where, kept, content):
    monkeypatch.setattr(keeping, "ENOUGH", 1 if kept else 50)
    monkeypatch.setattr(keeping, "SHARDS", 1)  # all have the facts of one file
    broken(monkeypatch, where)
    check_left_out(tmp_path / "site", build_site(registry, tmp_path / "site", samples=SAMPLES), content)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: type(one).__name__)
def test_whatever_goes_wrong_is_told(tmp_path, registry, monkeypatch, mistake):
    broken(monkeypatch, "pages", mistake)
    assert f"({type(mistake).__name__}: {mistake})" in build_site(registry, tmp_path / "site").left_out[ODD]


@pytest.mark.parametrize("where", ["sums", "together"])
def test_a_site_that_is_built_again_is_the_one_that_would_be_built_anew(
    tmp_path, registry, factory, runs, monkeypatch, where, content
):
    build_site(registry, tmp_path / "site", samples=SAMPLES)
    newer = [replace(run, finished="2026-11-09T10:00:00Z") if run.submission.slug == "qwen3" else run for run in runs]
    write_registry(
        registry, build_registry(factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(newer))
    )
    with monkeypatch.context() as patched:
        broken(patched, where)
        for _ in range(2):  # it is told each time
            check_left_out(tmp_path / "site", build_site(registry, tmp_path / "site", samples=SAMPLES), content)
        build_site(registry, tmp_path / "anew", samples=SAMPLES)
        assert content(tmp_path / "anew") == content(tmp_path / "site")
    assert not build_site(registry, tmp_path / "site", samples=SAMPLES).left_out
    build_site(registry, tmp_path / "again", samples=SAMPLES)
    assert content(tmp_path / "again") == content(tmp_path / "site")
    assert f"models/{ODD}.html" in content(tmp_path / "site")


@pytest.mark.parametrize("where", ["pages", "together"])
def test_a_site_of_nothing_is_none(tmp_path, registry, monkeypatch, where, content):
    build_site(registry, tmp_path / "site")
    before = content(tmp_path / "site")
    broken(monkeypatch, where, odd={ODD, *OTHERS})
    for kept in (True, False):
        if not kept:
            keeping.forget(tmp_path / "site")
        monkeypatch.setattr(keeping, "code_hash", lambda: "other")  # all is made again
        with pytest.raises(ReportError, match=r"no page can be made of it.*registry-odd"):
            build_site(registry, tmp_path / "site")
    assert content(tmp_path / "site") == before


def test_what_goes_wrong_with_no_model_in_particular_is_told(tmp_path, registry, monkeypatch):
    def fails(wide, *_):
        if len(wide.models) > 2:
            raise ValueError("three are too many")
        return {}

    monkeypatch.setattr(build, "wide_pages", fails)
    with pytest.raises(ReportError, match=r"registry: no page .*three are too many.*registry-odd"):
        build_site(registry, tmp_path / "site")


def test_several_of_many_are_found():
    odd, tried = {"model 7", "model 8", "model 990"}, []

    def make(some):
        tried.append(len(some))
        if found := odd & set(some):
            raise KeyError(len(found))

    assert set(odd_ones([f"model {n}" for n in range(1000)], make)) == odd
    assert len(tried) < 60
    assert odd_ones([], make) == {}


def test_the_command_says_what_is_missing_and_succeeds(tmp_path, registry, monkeypatch, capsys):
    broken(monkeypatch, "pages")
    assert main(["site", "build", str(registry), "-o", str(tmp_path / "site")]) == 0
    said = capsys.readouterr()
    assert said.err.startswith(f"warning: {registry}/models/{ODD}.json: left out of the site")
    assert "(ValueError: -1 successes out of 400)" in said.err
    assert said.out.endswith("pages, 1 model left out\n")
    broken(monkeypatch, "pages", odd={ODD, *OTHERS})
    assert main(["site", "build", str(registry), "-o", str(tmp_path / "none")]) != 0
