"""A model that needs more memory than there is: told as that, with the peak, and the next one is measured."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError, HostDiedError
from pytest_slm.hosts.sources import Broker, WorkerHosts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and control groups")

LIMIT = 300_000_000


def grows(n_bytes):
    return {"rules": [{"contains": "grow", "action": "grow", "bytes": n_bytes}]}


def ask(text):
    return [Request(messages=(Message(role="user", content=text),))]


def put(hosts, quantization, group):
    backend = hosts.open(quantization)
    (group / "cgroup.procs").write_text(str(backend.host.pid))
    return backend


def peak_gb(message):
    return float(re.search(r"peak (?:at most )?(\d+\.\d+) GB", message).group(1))


def own_peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_the_kernels_kill_for_memory_is_told_with_the_peak_and_the_next_quantization_is_measured(
    fake_hosts, memory_group
):
    hosts = fake_hosts(big=grows(2 * LIMIT), small={})
    backend = put(hosts, "big", memory_group(LIMIT))
    with pytest.raises(HostDiedError, match=r"^out of memory, peak .* GB: the kernel killed the process") as caught:
        backend.generate(ask("grow"))
    assert caught.value.slug == "out-of-memory"
    assert peak_gb(str(caught.value)) <= max(LIMIT, own_peak()) * 1.5 / 1e9
    assert hosts.open("small").generate(ask("hello"))


def test_a_kill_that_nobody_explains_is_not_called_lack_of_memory(fake_hosts):
    hosts = fake_hosts(Q={"rules": [{"contains": "boom", "action": "crash"}]})
    with pytest.raises(HostDiedError, match=r"was killed \(SIGKILL\), peak .* GB: the system gave no reason") as caught:
        hosts.open("Q").generate(ask("boom"))
    assert caught.value.slug == "host-died"


def test_the_peak_of_a_dead_process_is_the_kernels_high_water_mark(fake_hosts):
    # more than the test's own process had: what is not above that cannot be told
    much = own_peak() + 400_000_000
    hosts = fake_hosts(Q=grows(much))
    backend = hosts.open("Q")
    backend.generate(ask("grow"))
    mark = backend.memory()["now"].peak
    os.kill(backend.host.pid, signal.SIGKILL)
    with pytest.raises(HostDiedError, match=r"peak \d") as caught:
        backend.generate(ask("hello"))
    assert peak_gb(str(caught.value)) * 1e9 == pytest.approx(mark, rel=0.02, abs=1e7)


def test_a_peak_below_the_starters_own_is_told_as_a_bound(fake_hosts):
    # Linux counts what a child had before it became another program: its starter's memory
    ballast = b"x" * 200_000_000
    hosts = fake_hosts(Q={"rules": [{"contains": "boom", "action": "crash"}]})
    with pytest.raises(HostDiedError, match=r"peak at most \d+\.\d+ GB"):
        hosts.open("Q").generate(ask("boom"))
    assert ballast


def test_a_model_that_is_killed_while_loading_is_told_too(memory_group, tmp_path, no_orphans):
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"start": "grow", "bytes": 2 * LIMIT}))
    program = f"""
        import os, pathlib
        from pytest_slm.hosts.sources import Hosts
        from pytest_slm.backends.lookup import Backends
        from pytest_slm.backends.protocol import ModelSpec
        pathlib.Path({str(memory_group(LIMIT) / "cgroup.procs")!r}).write_text(str(os.getpid()))
        opening = lambda: (Backends().find("fake"), ModelSpec(path={str(script)!r}, format="fake"))
        Hosts({{"Q": opening}}, start_timeout=30, request_timeout=30).open("Q")
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert "HostDiedError: out of memory, peak" in done.stderr
    assert "[out-of-memory]" in done.stderr


def test_a_worker_learns_it_from_the_controller(fake_hosts, memory_group):
    hosts = fake_hosts(alone=False, Q=grows(2 * LIMIT))
    broker = Broker(hosts)
    try:
        worker = WorkerHosts(broker.address, broker.key, request_timeout=30)
        backend = put(worker, "Q", memory_group(LIMIT))
        with pytest.raises(HostDiedError, match="out of memory, peak") as caught:
            backend.generate(ask("grow"))
        assert caught.value.slug == "out-of-memory"
    finally:
        broker.close()


def test_memory_that_is_refused_is_an_error_of_the_item_and_the_process_lives_on(fake_hosts):
    backend = fake_hosts(Q=grows(4 * LIMIT)).open("Q")
    process = psutil.Process(backend.host.pid)
    limit = process.memory_info().vms + LIMIT
    process.rlimit(psutil.RLIMIT_AS, (limit, limit))
    with pytest.raises(BackendError, match=r"^out of memory, peak 0\.\d+ GB: MemoryError") as caught:
        backend.generate(ask("grow"))
    assert caught.value.slug == "out-of-memory"
    assert backend.generate(ask("hello"))


def test_a_model_that_the_session_has_killed_says_so_to_others(fake_hosts):
    hosts = fake_hosts(Q={})
    hosts.open("Q")
    hosts.give_up("Q")
    assert "killed by the session: it was silent for too long" in str(hosts.why_dead("Q"))


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (OSError(28, "No space left on device"), False),
        # torch: a class of its own for the GPU, words for the CPU
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("sizes do not match"), False),
    ],
)
def test_refused_memory_is_known_by_its_error(error, lacks):
    from pytest_slm.hosts.failures import error_json

    told = error_json(error)
    assert (told["slug"] == "out-of-memory") is lacks
    assert told["message"].startswith("out of memory, peak") is lacks
