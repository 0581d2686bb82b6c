"""Work that is shared by processes is that of one, in its order, whatever happens to them."""

from __future__ import annotations

import io
import json
import os
import signal

import pytest

from pytest_slm import workers
from pytest_slm.workers import serve, spread


@pytest.fixture
def task(monkeypatch, tmp_path):
    """A task that other processes know, too: they read their modules where this one says."""
    (tmp_path / "echo_work.py").write_text(
        "import os\n"
        "def answer(about, order):\n"
        "    if order == 'die' and os.getpid() != about['home']:\n"
        "        os.kill(os.getpid(), 9)\n"
        "    if order == 'fail':\n"
        "        raise KeyError('no such thing')\n"
        "    return [order, os.getpid()]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(workers.TASKS, "pages", "echo_work:answer")
    # The name stands in the module that the other process imports: there it is another one.
    monkeypatch.setattr(workers, "COMMAND", ["-c", STARTED])
    return "pages"


STARTED = (
    "import sys; from pytest_slm import workers; workers.TASKS['pages'] = 'echo_work:answer'; "
    "workers.serve(sys.argv[1], sys.stdin, sys.stdout)"
)


def test_answers_come_in_the_order_of_what_was_asked(task):
    found = list(spread(task, {"home": os.getpid()}, list(range(20)), 2))
    assert [order for order, _ in found] == list(range(20))
    assert os.getpid() not in {where for _, where in found}


def test_one_process_is_this_one(task):
    assert {where for _, where in spread(task, {"home": os.getpid()}, [1, 2], 1)} == {os.getpid()}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9")
def test_what_a_killed_process_leaves_is_done_here(task):
    found = list(spread(task, {"home": os.getpid()}, ["a", "die", "b", "c"], 2))
    assert [order for order, _ in found] == ["a", "die", "b", "c"]
    assert found[1][1] == os.getpid()


def test_an_error_is_the_one_that_it_would_be_here(task):
    with pytest.raises(KeyError, match="no such thing"):
        list(spread(task, {"home": os.getpid()}, ["a", "fail"], 2))


def test_an_answer_is_a_line(task):
    answers = io.StringIO()
    serve(task, io.StringIO('{"home": 0}\n"x\\n"\n"fail"\n'), answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert first["done"][0] == "x\n"
    assert "failed" in second
