"""Whether the files of open weights are still what they were: engines map them into memory, and a file that is
overwritten in mid-run changes the model without a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pytest_slm.backends.files import sha256_of
from pytest_slm.errors import BackendError

Look = tuple[int, ...]


class WeightFiles:
    """The files of one open model. A look at them costs microseconds; while a run goes on they are read again only if
    something changed that the system tells: size, inode, or one of the times."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._looks = {file: _look(file) for file in _files(path)}
        self._sha256: str | None = None
        self.files: list[Path] = []
        """Those whose hash is known for sure."""
        self._problem: BackendError | None = None

    def opened(self, files: Sequence[Path] | None, sha256: str | None) -> None:
        """These are the files of the model that was opened (None: those of its path, as far as anybody knows), with
        this hash. Raises BackendError (weights-changed) if one of them changed meanwhile, so that nobody knows what was
        opened."""
        looks = {file: _look(file) for file in (self._looks if files is None else files)}
        for file, look in looks.items():
            if look[:-1] != self._looks.get(file, look)[:-1]:
                raise self._changed(f"{file} changed while it was opened")
        self._looks, self._sha256 = looks, sha256
        self.files = list(looks) if sha256 is not None and files is not None else []

    def problem(self) -> BackendError | None:
        """What makes all numbers since worthless: one of the files has changed. None while they are what they were."""
        if self._problem is not None:
            return self._problem
        looks = {file: _look(file) for file in self._looks}
        if looks == self._looks:
            return None
        first = next(file for file, look in looks.items() if look != self._looks[file])
        if self._is_same(looks):
            written = next((file for file, look in looks.items() if _is_written(look, self._looks[file])), None)
            if written is not None:
                return self._changed(
                    f"{written} was written to in this run, and what stood in it meanwhile is not known"
                )
            self._looks = looks
            return None
        return self._changed(f"{first} was {'replaced or overwritten' if any(looks[first]) else 'deleted'} in this run")

    def _is_same(self, looks: Mapping[Path, Look]) -> bool:
        """Whether the content is what it was: a link more, or other rights, change one of the times."""
        if self._sha256 is None:
            return all(look[:-1] == self._looks[file][:-1] for file, look in looks.items())
        try:
            return sha256_of(looks) == self._sha256
        except OSError:  # it is gone
            return False

    def others(self) -> BackendError | None:
        """What makes every number since they were opened worthless: a file of the same inode has other content now,
        whatever the system tells of it. A look does not see all: a page that another program has mapped and written to
        before may be written to again without a trace. Reads the files, for seconds where they are large.

        None also where nobody knows their hash, and for files that were replaced or deleted: the engine has kept the
        old ones, and what was asked after that was refused."""
        looks = {file: _look(file) for file in self.files}
        if not looks or any(_where(look) != _where(self._looks[file]) for file, look in looks.items()):
            return None
        if self._is_same(looks):
            return None
        return self._changed(
            f"{_names(looks)} was overwritten in this run", "no number is known to be of the weights that were opened"
        )

    def check(self) -> None:
        """Raise BackendError (weights-changed) if there is a problem."""
        if (problem := self.problem()) is not None:
            raise problem

    def _changed(self, what: str, so: str = "what is measured since then is of no known model") -> BackendError:
        self._problem = BackendError(
            f"{what}: {so}. Leave the file alone while a run goes on, and run again",
            slug="weights-changed",
        )
        return self._problem


class WeightsInUse:
    """What the models of a run were opened from, by quantization, until it was read for the last time."""

    def __init__(self) -> None:
        self._open: dict[str, WeightFiles] = {}
        self._problems: dict[str, BackendError] = {}

    def add(self, quantization: str, files: WeightFiles) -> None:
        """A process has opened them."""
        self._open[quantization] = files

    def read(self, quantization: str) -> None:
        """Read them for the last time: from now on they may change as they like."""
        if (files := self._open.get(quantization)) is not None:
            if (problem := files.others()) is not None:
                self._problems[quantization] = problem
            del self._open[quantization]

    def problems(self, only: str | None = None) -> Mapping[str, BackendError]:
        """By quantization, why nothing that was measured of it is a number. Reads all that were not read yet, or
        ``only`` those of one."""
        try:
            for quantization in list(self._open) if only is None else [only]:
                self.read(quantization)
        except KeyboardInterrupt:  # of somebody who wants to go; what nobody has read is not known
            unknown = BackendError(
                "Ctrl-C while the weights were read again: whether they have changed in this run nobody knows; "
                "--slm-resume takes the answers and reads them",
                slug="weights-unknown",
            )
            self._problems.update(dict.fromkeys(self._open, unknown))
        return dict(self._problems)


def _files(path: str | None) -> list[Path]:
    """The files that a model's path most probably means."""
    if path is None:
        return []
    found = Path(path)
    return sorted(found.glob("*.safetensors")) if found.is_dir() else [found]


def _names(files: Iterable[Path]) -> str:
    first, *more = map(str, files)
    return f"{first} or one of {len(more)} other files" if more else first


def _where(look: Look) -> Look:
    """The inode and its device."""
    return look[2:4]


def _is_written(look: Look, before: Look) -> bool:
    """Whether the file that is open has another time of writing: its content may have been another one for a while."""
    return _where(look) == _where(before) and look[1] != before[1]


def _look(file: Path) -> Look:
    """What the system tells of a file without reading it; zeros where it is not there."""
    try:
        found = file.stat()
    except OSError:
        return (0,) * 5
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev, found.st_ctime_ns
