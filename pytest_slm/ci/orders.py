"""An order: which file is measured, of which commit, and how. One job makes it, and all others of the run read it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_slm.ci.github.pulls import LARGEST, OfferedSubmission
from pytest_slm.ci.job import NUMBER, Job
from pytest_slm.core.record import Record, RecordError, Sha256, Slug
from pytest_slm.core.types import Submission
from pytest_slm.errors import UsageError
from pytest_slm.files import inside, read_bytes, read_json
from pytest_slm.load import load_submission
from pytest_slm.registry import write_json

NAME = "order.json"
MODES: Mapping[str, Literal["quick", "full"]] = {"quick-test": "quick", "full-benchmark": "full"}


@dataclass(frozen=True, kw_only=True)
class Order(Record):
    """What a command asks for. ``sha256`` is the hash of the submission at the commit ``head``."""

    repo: str
    pull: int
    head: str
    run: int
    command: Literal["quick-test", "full-benchmark"]
    path: str
    slug: Slug
    sha256: Sha256

    def __post_init__(self) -> None:
        super().__post_init__()
        if not NUMBER.fullmatch(str(self.pull)) or not NUMBER.fullmatch(str(self.run)) or len(self.head) != 40:
            raise RecordError("no pull request, run or commit")

    @property
    def mode(self) -> Literal["quick", "full"]:
        """The mode of the run."""
        return MODES[self.command]


def write_order(folder: Path, job: Job, offer: OfferedSubmission, command: str) -> Order:
    """Write an order and its submission into a folder."""
    if command not in ("quick-test", "full-benchmark"):
        raise UsageError(f"{command:.40}: nothing to measure", slug="ci-environment")
    order = Order.from_json(
        {
            "repo": job.repo,
            "pull": offer.pull,
            "head": offer.head,
            "run": job.run_id,
            "command": command,
            "path": offer.path,
            "slug": offer.slug,
            "sha256": offer.sha256,
        }
    )
    offer.put(folder)
    write_json(folder / NAME, order)
    return order


def read_order(folder: Path, job: Job) -> tuple[Order, Path]:
    """The order in a folder, and its submission. Raises UsageError (ci-order) where it is of another run or repository,
    or the submission is not the one that it names."""
    try:
        order = Order.from_json(read_json(folder / NAME, LARGEST))
        path = inside(folder, order.path)
        content = read_bytes(path, LARGEST)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder}: no order ({error})", slug="ci-order") from None
    if (order.repo, order.run) != (job.repo, job.run_id):
        raise UsageError(f"{folder}: an order of run {order.run} of {order.repo}, not of this one", slug="ci-order")
    if hashlib.sha256(content).hexdigest() != order.sha256:
        raise UsageError(f"{path}: not the file that was ordered", slug="ci-order")
    return order, path


def ordered(path: Path) -> Submission:
    """The submission of an order, as it is declared."""
    return load_submission(path)
