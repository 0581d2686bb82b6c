"""Which files a model is loaded from, and what is refused before anything is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_slm import files
from pytest_slm.errors import BackendError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
LARGEST_FILE = 256 * files.MIB
"""Bytes of a tokenizer or a configuration."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def weight_files(path: Path) -> list[Path]:
    """The GGUF file itself, or the safetensors files that transformers loads from a folder.

    transformers also loads what ``transformers_weights`` in config.json and the index name, pickles included, and puts
    an adapter on top; the first two are held to safetensors inside of the folder, the last is refused. Raises
    BackendError: pickle-refused, weights-unreadable.
    """
    if path.is_file():
        return [path]
    if not (path / "config.json").is_file():
        raise BackendError(
            f"{path}: no config.json in it, so it is no model of transformers; choose another folder",
            slug="weights-unreadable",
        )
    if (path / "adapter_config.json").is_file():
        raise BackendError(
            f"{path}: an adapter (adapter_config.json); merge it into its base model and name that folder",
            slug="weights-unreadable",
        )
    _check_files(path)
    named = read_json(path / "config.json").get("transformers_weights")
    first = next((name for name in (named, SINGLE, INDEX) if name and (path / str(name)).is_file()), None)
    if first is None and any(file.suffix in PICKLES for file in path.iterdir()):
        raise BackendError(
            f"{path}: only pickled weights, which can run code when loaded; convert them to safetensors",
            slug="pickle-refused",
        )
    if first is None:
        raise BackendError(
            f"{path}: neither {SINGLE} nor {INDEX} in it; choose another folder", slug="weights-unreadable"
        )
    indexed = str(first).endswith(".index.json")
    weight_map = read_json(path / str(first)).get("weight_map") if indexed else {"": first}
    names = sorted({str(name) for name in weight_map.values()}) if isinstance(weight_map, dict) else []
    for name in names or [""]:
        if not name.endswith(".safetensors") or Path(name).name != name:
            raise BackendError(
                f"{path / str(first)}: names {name!r:.80} as weights; only *.safetensors in the same folder are loaded",
                slug="pickle-refused",
            )
    return [path / name for name in names]


def _check_files(folder: Path) -> None:
    """Raise BackendError for something in the folder that a library would wait for, or read until memory is full."""
    for path in folder.iterdir():
        try:
            if not path.is_dir():
                files.open_regular(path, None if path.suffix == ".safetensors" else LARGEST_FILE).close()
        except OSError as error:
            problem = f"{path}: {error.strerror or error}; remove it, or download the model again"
            raise BackendError(problem, slug="weights-unreadable") from None


def needs_remote_code(folder: Path) -> bool:
    """Whether the folder points to Python code of its own, which is never run."""
    files = (folder / "config.json", folder / "tokenizer_config.json")
    return any("auto_map" in read_json(file) for file in files if file.is_file())


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises BackendError if the file is none."""
    try:
        value = files.read_json(path)
    except (OSError, ValueError) as error:
        raise BackendError(f"{path}: no readable JSON ({error!s:.100}); download it again", slug="model-load") from None
    if not isinstance(value, dict):
        raise BackendError(f"{path}: its JSON is no object; download it again", slug="model-load")
    return value
