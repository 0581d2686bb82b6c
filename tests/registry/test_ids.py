"""A model's id is a file name and an anchor: plain, and no two models share one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.registry.merge import model_id


def test_organisations_with_a_model_of_one_name_do_not_collide(factory):
    ids = {model_id(factory.make_run(hf_repo=repo)) for repo in ("a/b-c", "a-b/c", "a/b_c", "a/b.c")}
    assert len(ids) == 4


@given(st.text(min_size=1))
def test_an_id_is_always_a_plain_file_name(factory, name):
    run = factory.make_run(results=[])
    made = model_id(replace(run, submission=replace(run.submission, hf_repo=name)))
    assert made
    assert made == made.lower()
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert not made.startswith((".", "-"))
    assert len(made) < 200


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_names_never_share_an_id(factory, one, two):
    run = factory.make_run(results=[])
    ids = {model_id(replace(run, submission=replace(run.submission, hf_repo=name))) for name in (one, two)}
    assert len(ids) == 2 or one.lower() == two.lower()
