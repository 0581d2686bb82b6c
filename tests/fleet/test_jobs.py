"""What travels to a node: options, the text of a submission, and weights by their hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pytest_slm.fleet.holder import Holder
from pytest_slm.fleet.job import GroupJob, Hello, Offer, WeightsFile
from pytest_slm.fleet.jobs import BESIDE, jobs_of
from pytest_slm.fleet.session import arguments

TEXT = """\
model:
  name: Somebody
  quantizations:
    - {name: Q4_0, format: gguf, source: ./weights, file: m.gguf}
    - {name: Q8_0, format: gguf, source: ./weights, file: n.gguf}
"""


@pytest.fixture
def submission(tmp_path):
    path = tmp_path / "somebody.yml"
    path.write_text(TEXT)
    return path


def test_a_submission_travels_as_text_and_has_a_job_for_each_quantization(submission, tmp_path):
    said = []
    jobs = jobs_of([str(submission)], options=["--slm-exact"], offline=True, warn=said.append)
    assert list(jobs) == ["somebody Q4_0", "somebody Q8_0"]
    job, group = jobs["somebody Q4_0"]
    assert (job.model, job.submission, job.options) == (str(submission), TEXT, ("--slm-exact",))
    assert GroupJob.from_json(job.to_json()) == job
    # of what nobody knows the size of, that is said
    assert "nobody knows how large it is" in said[0]
    assert group.memory > BESIDE
    # a node without that file writes it, one that has it reads its own
    place = tmp_path / "node"
    assert f"--slm-model={submission}" in arguments(job, place)
    submission.unlink()
    assert f"--slm-model={place / 'submissions' / 'somebody.yml'}" in arguments(job, place)
    assert (place / "submissions" / "somebody.yml").read_text() == TEXT
    assert {"--slm-quant=Q4_0", f"--slm-store={place / 'cells'}", "--slm-resume", "--slm-exact"} <= set(
        arguments(job, place)
    )


def test_a_scripted_model_needs_the_memory_of_processes_only(model):
    ((_, group),) = jobs_of([model("A")]).values()
    assert group.memory == BESIDE


def test_a_hello_is_plain_json():
    hello = Hello(machine="m", offers=(Offer(item="core/sums[Q]", cost=1.0, reason="no data"),))
    assert Hello.from_json(hello.to_json()) == hello


@pytest.fixture
def holder(tmp_path):
    """A holder of weights of this content that are not at their place, and the folder of its node."""

    def make(content, sha256=None):
        known = hashlib.sha256(content).hexdigest()
        weights = WeightsFile(path="/nowhere/m.gguf", sha256=sha256 or known, size=len(content))
        job = GroupJob(group="g", model="/nowhere/m.gguf", quantization="Q", weights=weights)
        return Holder(job.to_json(), "node", str(tmp_path)), tmp_path / "weights" / weights.sha256

    return make


def test_weights_are_kept_by_their_hash(holder):
    made, folder = holder(b"abcdef")
    assert made.lacks()
    for part in (b"abc", b"def"):
        made.receive(part)
    made.received()
    assert not made.lacks()
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("m.gguf", b"abcdef")]
    (folder / "m.gguf").write_bytes(b"abcdeX")  # of the same size: the hash is read
    assert made.lacks()


def test_weights_that_arrive_otherwise_are_thrown_away_and_told(holder):
    made, folder = holder(b"abcdef", sha256="0" * 64)
    made.receive(b"abcdef")
    made.received()
    assert list(folder.iterdir()) == []
    assert made.hello() == {"lost": "/nowhere/m.gguf: the weights did not arrive with their hash  [fleet-weights]"}


def test_a_worker_that_never_began_says_so(holder):
    made, _ = holder(b"")
    assert "its session was never begun" in made.measure("core/sums[Q]")["lost"]
    assert not Path("/nowhere").exists()
