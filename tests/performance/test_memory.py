"""Memory of a fresh process: what the system or the engine does not tell is absent, and named."""

import contextlib
import dataclasses
import os

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.backend_info import HostInfo
from pytest_slm.errors import NotAvailableError
from pytest_slm.hosts.remote import Sight
from pytest_slm.machine.conditions import Observer
from pytest_slm.machine.memory import MemoryUse
from pytest_slm.performance import Subject, memory

MIB = 2**20


def use(rss, peak=None, **known):
    return MemoryUse(
        rss=rss * MIB, private=None, pss=None, mapped=None, peak=None if peak is None else peak * MIB, **known
    )


class Process(Fake):
    """A scripted model with a process of which this is known."""

    host = HostInfo(pid=os.getpid(), capabilities=(), load_s=0.5)

    def __init__(self, spec):
        super().__init__(spec)
        self.now = [use(100, 150), use(120, 130)]
        self.resets = True
        self.asked = 0
        self.device = None

    def describe(self):
        return dataclasses.replace(super().describe(), file_bytes=40 * MIB, device=self.device)

    @contextlib.contextmanager
    def watch(self, *, memory):
        sight, observer = Sight(), Observer(memory=memory)
        observer.start()
        yield sight
        sight.seen = observer.stop()

    def memory(self):
        return {"before_load": use(20), "after_load": use(100), "now": self.now[min(self.asked, 1)]}

    def reset_peak(self):
        return self.resets

    def generate(self, requests, *progress):
        self.asked += 1
        return super().generate(requests, *progress)


class Earlier(Process):
    """The process that measured everything before."""

    def memory(self):
        return {**super().memory(), "now": use(300, 400)}


def subject(fake, kind=Process, **script):
    fresh = fake(kind, **script)
    return Subject(quantization="Q", open=lambda: fake(Earlier), reopen=lambda between: fresh), fresh


def told(subject):
    measurements, shape, provenance = memory(subject)
    return {one.name: one.values[0] for one in measurements}, {**provenance, "context": shape.context}


def test_parts_and_peaks(fake):
    buffers = {"weights": 50 * MIB, "kv_cache": 10 * MIB, "compute_buffers": 5 * MIB, "outputs": MIB}
    found, provenance = told(subject(fake, buffers=buffers)[0])
    # the peak of loading is one of the process, not of the context
    assert (found["peak_rss"], found["peak_rss_2k"]) == (150 * MIB, 130 * MIB)
    assert found["peak_rss_run"] == 400 * MIB
    assert found["compute_buffers"] == 6 * MIB
    # nor is it one in which KV memory and compute buffers have a part
    assert found["other"] == (130 - 50 - 10 - 6) * MIB
    assert found["file_size"] == 40 * MIB
    assert found["load_s"] == 0.5
    assert provenance["context"] == 2048


def test_what_is_not_told_is_absent_and_named(fake):
    # as on a system without /proc, with an engine that says nothing of its buffers
    it, fresh = subject(fake)
    fresh.now, fresh.resets = [use(100), use(120)], False
    found, provenance = told(it)
    for name in ("peak_rss", "peak_rss_2k", "private_after_load", "kv_cache", "other"):
        assert name not in found
        assert name in provenance["absent"]
    assert found["rss_after_load"] == 100 * MIB
    assert "whole process" in provenance["peak"]


def test_buffers_larger_than_what_was_touched_leave_no_rest(fake):
    found, provenance = told(subject(fake, buffers={"weights": 500 * MIB})[0])
    assert "other" not in found
    assert "other" in provenance["absent"]


def test_the_process_of_a_model_on_a_gpu_says_nothing_of_what_fits(fake):
    it, fresh = subject(fake, buffers={"weights": 50 * MIB})
    fresh.device = "cuda"
    found, provenance = told(it)
    assert found["peak_rss"] == 150 * MIB
    assert found["weights"] == 50 * MIB
    assert "the memory of cuda" in provenance["device"]
    for name in ("peak_rss_2k", "other"):
        assert name not in found
        assert name in provenance["absent"]


@pytest.mark.parametrize("device", ["cpu", "CPU", None])
def test_on_the_cpu_the_process_says_it(fake, device):
    it, fresh = subject(fake)
    fresh.device = device
    found, provenance = told(it)
    assert {"peak_rss_2k", "other"} <= set(found)
    assert "device" not in provenance


def test_a_shorter_context_has_no_peak_at_2048(fake):
    found, provenance = told(subject(fake, context_length=1000)[0])
    assert provenance["context"] == 1000
    assert "peak_rss" in found
    assert "peak_rss_2k" not in found


def test_a_context_without_room_is_skipped(fake):
    with pytest.raises(NotAvailableError):
        memory(subject(fake, context_length=100)[0])


def test_a_model_without_a_chat_template_is_measured_with_plain_text(fake):
    it, fresh = subject(fake, capabilities=["generate", "tokens", "timing"])
    asked = []
    generate = fresh.generate
    fresh.generate = lambda requests, *progress: asked.extend(requests) or generate(requests, *progress)
    found, provenance = told(it)
    assert found["peak_rss_2k"] == 130 * MIB
    assert provenance["context"] == 2048
    (request,) = asked
    assert request.messages is None
    assert fresh.count_tokens([request]) == [2048 - 16]
