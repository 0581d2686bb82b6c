"""A text that was interrupted goes on behind what is known of it, and is the text that it would have been."""

import json
from dataclasses import replace

import pytest

from pytest_slm.answers import keeping
from pytest_slm.backends.lookup import Backends
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request
from pytest_slm.hosts.sources import InProcessHosts

LENGTH = 24


def written(backend, requests, at):
    """The answers, and what had been told of each when ``at`` steps were done."""
    steps, told = 0, {}

    def beat(*_):
        nonlocal steps, told
        steps += 1
        if steps == at:
            told = {number: tuple(ids) for number, ids in backend.begun().items()}

    return backend.generate(requests, beat), told


@pytest.fixture
def requests(prompts):
    return [Request(prompt=prompt, max_tokens=LENGTH + number) for number, prompt in enumerate(prompts)]


@pytest.mark.parametrize("settings", [{}, {"n_seq": 2}, {"n_batch": 8}, {"exact": True}], ids=str)
def test_texts_go_on_where_they_were(limited, requests, settings):
    backend = limited(**settings)
    whole, begun = written(backend, requests, 9)
    assert begun
    assert all(0 < len(ids) <= LENGTH for ids in begun.values())
    again, _ = written(backend, [replace(one, begun=begun.get(n, ())) for n, one in enumerate(requests)], 0)
    assert [one.text for one in again] == [one.text for one in whole]
    assert [(one.n_output, one.finish, one.n_prompt) for one in again] == [
        (one.n_output, one.finish, one.n_prompt) for one in whole
    ]
    # nobody has timed what was known
    assert [one.timings is None for one in again] == [number in begun for number in range(len(requests))]
    assert backend.begun() == {}


def test_a_text_that_lacks_one_token_gets_it(backend, requests):
    (whole,), _ = written(backend, requests[:1], 0)
    tokens = {}
    backend.generate(requests[:1], lambda *_: tokens.update(backend.begun()))
    known = tuple(tokens[0])
    assert len(known) == LENGTH
    for n in (
        1,
        LENGTH - 1,
        LENGTH,
    ):  # one that is complete is an answer, and not begun: its last token is written again
        (again,) = backend.generate([replace(requests[0], begun=known[:n])])
        assert (again.text, again.n_output) == (whole.text, LENGTH)


def test_a_stop_string_may_begin_in_what_is_known(backend, requests):
    (whole,), _ = written(backend, requests[:1], 0)
    tokens = {}
    backend.generate(requests[:1], lambda *_: tokens.update(backend.begun()))
    middle = whole.text[len(whole.text) // 2 :][:3]
    stops = replace(requests[0], stop=(middle,))
    (expected,) = backend.generate([stops])
    for n in range(1, LENGTH, 5):
        if len(known := tuple(tokens[0][:n])) < expected.n_output:
            (again,) = backend.generate([replace(stops, begun=known)])
            assert (again.text, again.finish, again.n_output) == (expected.text, "stop", expected.n_output)


@pytest.mark.parametrize("how", [{"temperature": 0.8}, {"forced_length": True}, {"grammar": 'root ::= "a"+'}])
def test_what_does_not_follow_from_the_tokens_alone_begins_anew(backend, requests, how):
    told = {}
    request = replace(requests[0], **how)
    (whole,) = backend.generate([request], lambda *_: told.update(backend.begun()))
    assert told == {}
    (again,) = backend.generate([replace(request, begun=(1, 2, 3))])
    assert again.text == whole.text


def test_a_run_that_goes_on_continues_what_was_being_written(small_model, requests, tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "PART_S", 0.0)
    monkeypatch.setattr("pytest_slm.hosts.host.BEGUN_S", 0.0)
    monkeypatch.setattr("pytest_slm.hosts.host.BEAT_S", 0.0)
    spec = ModelSpec(path=str(small_model), format="gguf", settings=EngineSettings(threads=1))
    hosts = InProcessHosts({"Q": lambda: (Backends().find("gguf"), spec)})

    def watched():
        keeper = keeping.Keeper(tmp_path / "a.jsonl", {"task": "t", "seed": 1}, resume=True)
        return keeper, keeper.watch(hosts.open("Q"))

    steps = iter(range(100))

    def killed(*_):
        if next(steps) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched()[1].generate(requests, killed)
    kept = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    tokens = dict(pair for line in kept if line["batch"].endswith(keeping.BEGUN) for pair in line["answers"])
    assert len(tokens) == len(requests)
    assert min(map(len, tokens.values())) >= 3
    keeper, backend = watched()
    again = backend.generate(requests)
    assert all(one.timings is None for one in again), "each of them goes on"
    whole = hosts.open("Q").generate(requests)
    assert [(one.text, one.n_output) for one in again] == [(one.text, one.n_output) for one in whole]
    assert keeper.told().notes
    hosts.close()
