"""BFCL's own tool classes: their sources out of the package that brings them, to be run in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_slm.core.record import Record, RecordError, stays_inside
from pytest_slm.core.worlds import ClassLibrary
from pytest_slm.data.packages import Package, read
from pytest_slm.sandbox import stand_in


@dataclass(frozen=True, kw_only=True)
class ToolClasses(Record):
    """Which classes of a package are tools: the file of each below ``folder`` in its wheel, without ``.py``, and the
    file of each with what models are told of its methods. ``shared`` are files that others import, ``stand_ins``
    packages that the sandbox lacks, and that have a small module of ours instead."""

    package: Package
    folder: str
    classes: Mapping[str, str]
    docs: Mapping[str, str]
    shared: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for file in (self.folder, *self.classes.values(), *self.shared, *self.stand_ins):
            if not stays_inside(file):
                raise RecordError(f"{file!r:.80} leads out of its folder")
        lacking = sorted(set(self.classes) - set(self.docs))
        if lacking:
            raise RecordError(f"docs: the class {lacking[0]!r:.80} has no file that says what its methods do")

    def library(self) -> ClassLibrary:
        """The sources. Raises NotAvailableError (``package-missing``) where the package was not fetched."""
        files = (*self.shared, *dict.fromkeys(self.classes.values()))
        texts = read(self.package, [f"{self.folder}/{file}.py" for file in files])
        modules = {self._module(file): texts[f"{self.folder}/{file}.py"] for file in files}
        return ClassLibrary(
            name=str(self.package),
            sha256=self.package.sha256,
            modules={**{name: stand_in(name) for name in self.stand_ins}, **modules},
            classes={name: self._module(file) for name, file in self.classes.items()},
        )

    def _module(self, file: str) -> str:
        return ".".join(PurePosixPath(self.folder, file).parts)
