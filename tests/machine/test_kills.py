"""Which records of the kernel say that a process was killed for memory."""

import pytest

from pytest_slm.machine.kills import KillWatch

GROUP = "sys/fs/cgroup/memory.events"
LOG = "Memory cgroup out of memory: Killed process {} (python) total-vm:125276kB, anon-rss:104336kB"


@pytest.fixture
def start(tree):
    def write(pid=42):
        root = {"proc/self/cgroup": "0::/", GROUP: "oom 5\noom_kill 5", "proc/vmstat": "nr_free_pages 1\noom_kill 9"}
        return KillWatch(pid, root=tree({**root, "dev/kmsg": LOG.format(42)}))

    return write


def test_what_was_there_before_is_no_evidence(start):
    # the log has the kill of another process that had the same number
    watch = start()
    assert watch.evidence() == ""
    watch.close()
    watch.close()


def test_the_log_names_the_process(start, tmp_path):
    watch = start()
    with (tmp_path / "dev/kmsg").open("a") as log:
        log.write(LOG.format(42))
    assert "log names it" in watch.evidence()


def test_the_log_of_another_process_is_no_evidence(start, tmp_path):
    watch = start(pid=4)
    with (tmp_path / "dev/kmsg").open("a") as log:
        log.write(LOG.format(42))
    assert watch.evidence() == ""


@pytest.mark.parametrize(
    ("file", "text", "word"), [(GROUP, "oom_kill 6", "group"), ("proc/vmstat", "oom_kill 10", "machine")]
)
def test_a_counter_that_has_grown_is_evidence(start, tree, file, text, word):
    watch = start()
    tree({file: text})
    assert word in watch.evidence()


def test_without_records_nothing_is_claimed(tree):
    watch = KillWatch(42, root=tree({}))
    assert watch.evidence() == ""
    watch.close()
