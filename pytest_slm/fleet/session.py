"""A session of pytest that measures what it is asked for: ``python -m pytest_slm.fleet.session``.

Standard input has a line of JSON with the job and then one for each item; standard output one for each answer. What
pytest prints goes to standard error. The session, its store and its reports are those of any other session.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from pytest_slm import files
from pytest_slm.cells.store import CellStore
from pytest_slm.core.types import MEASURED, PROPERTY, Result
from pytest_slm.errors import NotAvailableError, SlmError
from pytest_slm.fleet.job import Answer, Farewell, GroupJob, Hello, Offer
from pytest_slm.hosts.leash import die_with_starter
from pytest_slm.machine.hardware import describe_machine
from pytest_slm.plugin.cells.hooks import CELLS, is_timed
from pytest_slm.plugin.items import COST, IDENTITY
from pytest_slm.plugin.marks import mark_of

Send = Callable[[Any], None]


class OnDemand:
    """Takes the place of pytest's loop over all items."""

    def __init__(self, orders: Iterator[str], send: Send, store: CellStore) -> None:
        self._orders, self._send, self._store = orders, send, store
        self._result: Result | None = None
        self._lost = ""
        self.kept: dict[str, str] = {}
        """Item to the cell that was sent."""
        self.problem = ""
        self.greeted = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.problem:
            self.problem = str(report.longrepr).strip().splitlines()[-1]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {str(item.stash[IDENTITY]): item for item in session.items if IDENTITY in item.stash}
        self.greeted = True
        if self.problem:
            self._send(Hello(problem=self.problem))
            return True
        offers = tuple(self._offer(name, item) for name, item in items.items())
        niceness = 0 if sys.platform == "win32" else os.nice(0)
        self._send(Hello(machine=describe_machine()["fingerprint"], offers=offers, niceness=niceness))
        for name in self._orders:
            self._send(self._measured(name, items[name]))
        return True

    def _offer(self, name: str, item: pytest.Item) -> Offer:
        mark = mark_of(item)
        known: dict[str, Any] = {"item": name, "cost": item.stash[COST], "timed": is_timed(item)}
        known["last"] = int(mark.last) if mark else 0
        try:
            return Offer(**known, cell=item.config.stash[CELLS].cell(item))
        except NotAvailableError as why:
            return Offer(**known, reason=why.args[0])
        except (OSError, SlmError) as error:
            return Offer(**known, reason=str(error))

    def _measured(self, name: str, item: pytest.Item) -> Answer:
        self._result, self._lost = None, ""
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        result = self._result
        if result is None:
            return Answer(item=name, reason=self._lost or "it ended without a result")
        if result.outcome not in MEASURED:
            return Answer(item=name, reason=result.reason, final=result.outcome == "skipped")
        if not result.cell:
            return Answer(item=name, reason="measured, and not kept in the store of its node: is its disk full?")
        self.kept[name] = result.cell
        content = files.read_text(self._store.path(result.cell), files.LINES)
        return Answer(item=name, content=content, seconds=result.seconds)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        results = [value for name, value in report.user_properties if name == PROPERTY]
        if results:
            self._result = Result.from_json(results[-1])
        elif report.failed:
            self._lost = str(report.longrepr).strip().splitlines()[-1]


def main() -> None:
    """Be that session."""
    die_with_starter()
    # Under other numbers: pytest puts others in their place, and what prints must not be mixed with an answer.
    asked, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(record: Any) -> None:
        answers.write(json.dumps(record.to_json(), allow_nan=False) + "\n")
        answers.flush()

    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(asked, lines), daemon=True).start()
    job, folder = GroupJob.from_json(json.loads(lines.get())), Path(lines.get())
    store = CellStore(folder / "cells")
    loop = OnDemand(iter(lines.get, ""), send, store)
    pytest.main(arguments(job, folder), plugins=[loop])
    if not loop.greeted:
        return  # the end of what it has printed says why
    reason = "the weights were changed while they were measured"
    send(Farewell(taken_back={item: reason for item, key in loop.kept.items() if not store.path(key).is_file()}))


def arguments(job: GroupJob, folder: Path) -> list[str]:
    """The command line of a job's session, whose own files are in this folder."""
    model = job.model
    if job.submission is not None and not Path(model).is_file():
        place = folder / "submissions" / Path(model).name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(job.submission, "utf-8")
        model = str(place)
    here = str(Path.cwd())
    own = ["-c", os.devnull, "--rootdir", here, "--confcutdir", here, "--import-mode=importlib", "-q", "--no-header"]
    own += ["-p", "no:cacheprovider", f"--slm-model={model}", f"--slm-quant={job.quantization}", "--slm-resume"]
    own += [f"--slm-store={folder / 'cells'}", f"--slm-reports={folder / 'reports'}"]
    return [*own, *job.options, *job.paths]


def _read(asked: TextIO, lines: queue.SimpleQueue[str]) -> None:
    """Orders as they come; an empty line is the last one. At the end of the input nobody wants an answer any more."""
    for line in asked:
        lines.put(line.rstrip("\n"))
    os._exit(1)  # not sys.exit: the session may be deep inside a measurement


if __name__ == "__main__":
    main()
