"""Which run goes on: the newest unfinished one with the same settings, whose process is gone."""

import dataclasses
import json
import os

import psutil
import pytest

from pytest_slm.answers import FOLDER, begin, choose, close
from pytest_slm.answers.unfinished import NAME
from pytest_slm.core.config import RunConfig
from pytest_slm.errors import UsageError

CONFIG = RunConfig(model="fake", resume=True, seed=7)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "reports" / "fake" / "Q8_0"


@pytest.fixture
def killed(place):
    """Makes the folder of a run whose process is gone: ``killed("r1", began=5.0, limit=20)``."""

    def make(run_id, *, began=1.0, limits=None, reason=None, **settings):
        config = dataclasses.replace(CONFIG, run_id=run_id, **settings)
        folder = place / run_id
        folder.mkdir(parents=True)
        begin(folder, config, limits or {}, reason)
        path = folder / FOLDER / NAME
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "process_began": began}))
        return folder

    return make


def test_the_newest_of_the_same_settings_goes_on(killed, place):
    killed("old", began=1.0)
    killed("new", began=2.0)
    killed("other", began=3.0, limit=20)
    beginning, told = choose(CONFIG, [place])
    assert beginning.run_id == "new"
    assert told == "resuming run new"


def test_without_one_a_new_run_begins(place):
    assert choose(CONFIG, [place]) == (None, "nothing to resume, a new run begins")


def test_a_difference_is_told_with_both_values(killed, place):
    killed("r1", limit=20)
    beginning, told = choose(CONFIG, [place])
    assert beginning is None
    assert told == "run r1 is not finished, but it has --slm-limit 20, not None: a new run begins"


@pytest.mark.parametrize("free", [{"gates": {"core": 0.5}}, {"request_timeout": 9.0}, {"reports": "/elsewhere"}])
def test_what_changes_no_answer_may_be_different(killed, place, free):
    killed("r1", **free)
    assert choose(CONFIG, [place])[0].run_id == "r1"


@pytest.mark.parametrize(
    "other", [{"seed": 8}, {"data": "/mirror"}, {"mode": "full"}, {"exact": True}, {"budget": 9.0}]
)
def test_what_changes_answers_may_not(killed, place, other):
    killed("r1", **other)
    assert choose(CONFIG, [place])[0] is None


def test_a_run_that_was_named_goes_on_or_is_an_error(killed, place):
    killed("r1", began=1.0)
    killed("r2", began=2.0, limit=20)
    named = dataclasses.replace(CONFIG, run_id="r1")
    assert choose(named, [place])[0].run_id == "r1"
    with pytest.raises(UsageError, match=r"--slm-limit 20, not None: give the same options.*resume-other"):
        choose(dataclasses.replace(CONFIG, run_id="r2"), [place])
    (place / "done").mkdir()
    with pytest.raises(UsageError, match=r"this run is finished.*resume-finished"):
        choose(dataclasses.replace(CONFIG, run_id="done"), [place])
    assert choose(dataclasses.replace(CONFIG, run_id="ignore_kept-of"), [place])[0] is None


def test_a_run_that_is_still_going_on_is_left_alone(killed, place):
    folder = killed("r1")
    parent = psutil.Process(os.getppid())  # surely alive, and not this process
    path = folder / FOLDER / NAME
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "pid": parent.pid, "process_began": parent.create_time()}))
    with pytest.raises(UsageError, match=r"run r1 is still going on.*resume-going-on"):
        choose(CONFIG, [place])
    # the same number is another process if it was born at another time, or on another computer
    path.write_text(json.dumps({**content, "pid": parent.pid, "process_began": parent.create_time() - 60}))
    assert choose(CONFIG, [place])[0].run_id == "r1"
    path.write_text(
        json.dumps({**content, "pid": parent.pid, "process_began": parent.create_time(), "computer": "elsewhere"})
    )
    assert choose(CONFIG, [place])[0].run_id == "r1"


def test_an_earlier_session_of_this_very_process_has_ended(killed, place):
    # as in a notebook, or where a script calls pytest.main twice
    path = killed("r1") / FOLDER / NAME
    me = psutil.Process()
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": me.pid, "process_began": me.create_time()}))
    assert choose(CONFIG, [place])[0].run_id == "r1"


def test_the_samples_that_were_chosen_go_on_too_with_their_reason(killed, place):
    killed("r1", limits={"core/arithmetic[Q8_0]": 40}, reason={"asked_s": 600.0, "why": "as many of each"})
    beginning, _ = choose(CONFIG, [place])
    assert beginning.limits == {"core/arithmetic[Q8_0]": 40}
    assert beginning.budget == {"asked_s": 600.0, "why": "as many of each"}


def test_a_run_that_was_begun_before_reasons_were_kept_goes_on(killed, place):
    path = killed("r1", limits={"core/arithmetic[Q8_0]": 40}) / FOLDER / NAME
    content = json.loads(path.read_text())
    del content["budget"]
    path.write_text(json.dumps(content))
    beginning, _ = choose(CONFIG, [place])
    assert (beginning.limits, beginning.budget) == ({"core/arithmetic[Q8_0]": 40}, None)


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"schema": 2}', '{"schema": 1, "run_id": "r1"}'])
def test_a_damaged_beginning_is_no_run(killed, place, content):
    (killed("r1") / FOLDER / NAME).write_text(content)
    assert choose(CONFIG, [place])[0] is None


def test_a_beginning_that_was_copied_elsewhere_is_no_run(killed, place):
    # its answers would be those of the folder it says it is
    killed("r1").rename(place / "copy")
    assert choose(CONFIG, [place])[0] is None


def test_answers_are_forgotten_when_the_report_is_complete(killed):
    folder = killed("r1")
    (folder / FOLDER / "a.jsonl").write_text("")
    close(folder, complete=False)
    assert (folder / FOLDER / "a.jsonl").exists()
    close(folder, complete=True)
    assert not (folder / FOLDER).exists()
    close(folder, complete=True)  # and again is no harm


def test_a_run_without_answers_leaves_nothing(killed):
    folder = killed("r1")
    close(folder, complete=False)
    assert list(folder.iterdir()) == []
