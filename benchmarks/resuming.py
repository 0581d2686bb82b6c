"""What ``kill -9`` loses: a run is killed at random moments and goes on with ``--slm-resume``, until it is done.

python -m benchmarks.resuming --items core/arithmetic --samples 60 --rounds 6

Each round kills pytest, the process that holds the model, or both, in turn. ``age`` is how many seconds before the kill
something was kept for the last time: what was computed since is asked again. ``again`` is what the sessions have
computed more than a run that nobody kills, in seconds of CPU of the processes that hold the model, their starts
included.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.common import arguments
from benchmarks.common.outcome import recorded, table

HOST = "pytest_slm.hosts.host"
LOOK_S = 0.1


def main() -> None:
    """Measure what the command line names."""
    parser = arguments.parser(str(__doc__), rounds=6)
    parser.add_argument("--items", default="core/arithmetic", metavar="S", help="what --slm-suite takes: one task")
    parser.add_argument("--samples", type=arguments.count, default=60, metavar="N", help="of the task")
    parser.add_argument("--within", type=float, default=60.0, metavar="S", help="of its first kept answer")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments")
    options = arguments.checked(parser)
    moments = random.Random(options.seed)
    with (
        recorded(options.out, "resuming", {"items": options.items, "samples": options.samples}) as document,
        tempfile.TemporaryDirectory() as place,
    ):
        whole = _Session(options, Path(place) / "whole")
        whole.run()
        killed = Path(place) / "killed"
        sessions: list[_Session] = []
        while len(sessions) < options.rounds:
            session = _Session(options, killed)
            who = ("pytest", "model", "both")[len(sessions) % 3]
            sessions.append(session)
            if not session.kill(who, moments.uniform(0, options.within)):
                break
            document["rounds"].append({"killed": who, "after_s": session.wall_s, "age_s": session.age_s})
            print(f"{who} killed after {session.wall_s:.0f} s, kept {session.age_s:.1f} s before", flush=True)
        else:
            last = _Session(options, killed)
            last.run()
            sessions.append(last)
        again = sum(session.cpu_s for session in sessions) - whole.cpu_s
        document["again_cpu_s"], document["whole_cpu_s"] = again, whole.cpu_s
        document["answers"] = [result["answers"] for result in _report(killed)["results"]]
        rows = [(r["killed"], f"{r['after_s']:.0f}", f"{r['age_s']:.1f}") for r in document["rounds"]]
        print(table(rows, ("killed", "after s", "age s")))
        print(f"again: {again:.1f} s of CPU beside {whole.cpu_s:.1f}; {document['answers']}")


class _Session:
    """One run of pytest, or what goes on of it, in the folder of reports ``place``."""

    def __init__(self, options: Any, place: Path) -> None:
        self.options, self.place = options, place
        self.cpu_s = 0.0
        """CPU of the process that holds the model."""
        self.age_s = self.wall_s = 0.0

    @contextmanager
    def _started(self) -> Iterator[psutil.Popen]:
        options = self.options
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--slm-model={options.model}"]
        command += [f"--slm-suite={options.items}", f"--slm-limit={options.samples}", "--slm-mode=full"]
        command += ["--slm-canary=off", f"--slm-threads={options.threads}", f"--slm-reports={self.place}"]
        with psutil.Popen([*command, "--slm-resume"], stdout=subprocess.DEVNULL) as process:
            self._began = time.time()
            self._host: psutil.Process | None = None
            yield process

    def _look(self, process: psutil.Popen) -> float | None:
        """Note how much CPU the model has had; when something was kept by this session, if so."""
        try:
            if self._host is None:
                children = process.children(recursive=True)
                self._host = next((child for child in children if HOST in " ".join(child.cmdline())), None)
            if self._host is not None:
                self.cpu_s = sum(self._host.cpu_times()[:2])
        except psutil.Error:
            pass
        kept = max((path.stat().st_mtime for path in self.place.rglob("answers/*.jsonl")), default=0.0)
        return kept if kept > self._began else None

    def run(self) -> None:
        """Let it come to its end."""
        with self._started() as process:
            while process.poll() is None:
                self._look(process)
                time.sleep(LOOK_S)

    def kill(self, who: str, moment: float) -> bool:
        """Kill it some time after it has kept something; whether it was still there."""
        with self._started() as process:
            until = None
            while until is None or time.time() < until:
                if process.poll() is not None:
                    return False
                if until is None and self._look(process) is not None:
                    until = time.time() + moment
                time.sleep(LOOK_S)
            kept, now = self._look(process), time.time()
            assert kept is not None
            for one, wanted in ((process, who != "model"), (self._host, who != "pytest")):
                if wanted and one is not None:
                    one.kill()
            self.age_s, self.wall_s = now - kept, now - self._began
            process.wait()
        return True


def _report(place: Path) -> dict[str, Any]:
    (path,) = place.rglob("report.json")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["slm"]
    return found


if __name__ == "__main__":
    main()
