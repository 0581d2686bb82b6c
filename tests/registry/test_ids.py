"""A model's id is a file name and an anchor: plain, and no two models share one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.registry.merge import model_id

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
