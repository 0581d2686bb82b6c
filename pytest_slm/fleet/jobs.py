"""From references to models to the jobs of a fleet, one for each model and quantization, with the memory it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_slm import files
from pytest_slm.backends.files import sha256_of
from pytest_slm.errors import UsageError
from pytest_slm.fleet.job import GroupJob, WeightsFile
from pytest_slm.fleet.work import CellGroup
from pytest_slm.models import missing, resolve, select

ROOM = 2.0
"""Bytes of memory for each byte of weights: some engines keep a second copy, and there is KV memory."""
BESIDE = 500_000_000
"""Bytes for the processes around a model."""
UNKNOWN = 4_000_000_000
"""Bytes where nobody knows how large a file will be."""
READ_S = 5e-9
"""Seconds that loading takes for each byte of weights; only the order of work depends on it."""
START_S = 5.0


def jobs_of(
    references: Sequence[str],
    *,
    quant: str = "all",
    options: Sequence[str] = (),
    paths: Sequence[str] = (),
    offline: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> Mapping[str, tuple[GroupJob, CellGroup]]:
    """A job and its group, by name. Raises UsageError for a reference that means no model, or one that is there
    twice."""
    found: dict[str, tuple[GroupJob, CellGroup]] = {}
    for reference in references:
        submission = resolve(reference, submissions=Path("submissions"), offline=offline)
        # A slug means a file, too. Nodes need not have it.
        origin = submission.origin if (submission.origin or "").endswith((".yml", ".yaml")) else None
        for one in select(submission, quant):
            name = f"{submission.slug} {one.name}"
            if name in found:
                raise UsageError(
                    f"{reference}: {name} is there twice; leave one of them out, or rename a submission",
                    slug="fleet-twice",
                )
            lacks = missing(submission, one, offline=offline)
            if lacks.size is None and one.format != "fake":
                warn(
                    f"{name}: nobody knows how large it is ({lacks.reason}); {UNKNOWN / 1e9:g} GB are set aside for it"
                )
            size = (0 if one.format == "fake" else UNKNOWN // 2) if lacks.size is None else lacks.size
            job = GroupJob(
                group=name,
                model=_absolute(origin or reference),
                quantization=one.name,
                options=tuple(options),
                paths=tuple(paths),
                submission=None if origin is None else files.read_text(origin),
                weights=_weights(reference),
            )
            group = CellGroup(
                name=name,
                memory=int(ROOM * size) + BESIDE,
                load_s=START_S + READ_S * size,
                size=max(1.0, float(size)),
            )
            found[name] = job, group
    return found


def _absolute(reference: str) -> str:
    return str(Path(reference).absolute()) if Path(reference).exists() else reference


def _weights(reference: str) -> WeightsFile | None:
    """A GGUF of this machine, in one file: it is sent to nodes that have none with this hash."""
    path = Path(reference).absolute()
    if path.suffix != ".gguf" or not path.is_file():
        return None
    return WeightsFile(path=str(path), sha256=sha256_of([path]), size=path.stat().st_size)
