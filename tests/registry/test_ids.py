"""A model's id is a file name and an anchor: plain, and no two models share one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.submission import Derivation
from pytest_slm.registry import build_registry
from pytest_slm.registry.identity import model_id, plain_id
from pytest_slm.registry.store import StoredReport

REPO = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}", fullmatch=True).filter(
    lambda name: ".." not in name
)
SLUG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", fullmatch=True)


def _of(run, name):
    named = {"hf_repo": name} if "/" in name else {"hf_repo": None, "slug": name}
    return replace(run, submission=replace(run.submission, **named))


def test_organisations_with_a_model_of_one_name_do_not_collide(factory):
    ids = {model_id(factory.make_run(hf_repo=repo)) for repo in ("a/b-c", "a-b/c", "a/b_c", "a/b.c")}
    assert len(ids) == 4


@given(REPO | SLUG)
def test_an_id_is_always_a_plain_file_name(factory, name):
    run = factory.make_run(results=[])
    made = model_id(_of(run, name))
    assert made
    assert made == made.lower()
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert not made.startswith((".", "-"))
    assert len(made) < 200


@given(REPO | SLUG, REPO | SLUG)
def test_two_names_never_share_an_id(factory, one, two):
    run = factory.make_run(results=[])
    ids = {model_id(_of(run, name)) for name in (one, two)}
    assert len(ids) == 2 or one.lower() == two.lower()


def stored(run, name):
    return StoredReport(path=f"{name}/report.json", sha256="0" * 64, run=run)


def by_path(factory, quantization="Q8_0", **changes):
    """The same file, named by its path: no repository, no version, a slug of its own."""
    run = factory.make_run(quantization, slug="model", name="model", hf_repo=None, run_id="by-path", day=2, **changes)
    published = factory.make_run(quantization)
    return replace(
        run,
        submission=replace(run.submission, revision=None),
        backend=replace(run.backend, weights_sha256=published.backend.weights_sha256),
    )


def test_a_file_by_path_and_by_name_is_one_model(factory):
    found = [stored(factory.make_run(), "a"), stored(by_path(factory, suites=("core",)), "b")]
    (entry,) = build_registry(found).models
    assert entry.id == "huggingfacetb--smollm2-135m-instruct"
    assert entry.revision == found[0].run.submission.revision
    assert [(one.path[0], one.used) for one in entry.provenance.reports] == [("a", True), ("b", True)]
    assert build_registry(reversed(found)) == build_registry(found)


def test_other_weights_are_another_model_whatever_the_file_is_called(factory):
    other = by_path(factory)
    other = replace(other, backend=replace(other.backend, weights_sha256="1" * 64))
    assert len(build_registry([stored(factory.make_run(), "a"), stored(other, "b")]).models) == 2


def test_two_repositories_stay_two_models_even_with_the_same_file(factory):
    other = replace(by_path(factory), submission=factory.make_run(hf_repo="org/copy").submission)
    assert len(build_registry([stored(factory.make_run(), "a"), stored(other, "b")]).models) == 2


def test_a_quantization_that_was_made_from_a_file_is_of_the_same_model(factory):
    source = factory.make_run().backend.weights_sha256
    made = by_path(factory, "Q4_0")
    derivation = Derivation(
        source_file="a.gguf", source_sha256=source, source_quantization="Q8_0", quantization="Q4_0", sha256="2" * 64,
        file_size=1, engine="llama.cpp", created="2026-11-01T10:00:00Z",
    )  # fmt: skip
    made = replace(
        made,
        detected=replace(made.detected, derivation=derivation),
        backend=replace(made.backend, weights_sha256="2" * 64),
    )
    (entry,) = build_registry([stored(factory.make_run(), "a"), stored(made, "b")]).models
    assert set(entry.quantizations) == {"Q8_0", "Q4_0"}


@pytest.mark.parametrize("name", ["index.js", "a.html", "org/A.JS", "a.HTML"])
def test_an_id_is_never_called_like_a_file_of_the_site(name):
    made = plain_id(name)
    assert "." not in made
    assert made != plain_id(name.replace(".", "-"))


@pytest.mark.parametrize("name", ["org/llama-3.2-1b", "qwen2.5", "a.htmlx", "js", "x.json"])
def test_other_names_with_a_dot_stay_as_they_are(name):
    assert plain_id(name) == name.replace("/", "--")
