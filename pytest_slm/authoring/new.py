"""A small suite that works, to be changed into one's own: multiple choice, short answers, JSON, a rubric."""

from __future__ import annotations

from pathlib import Path

from pytest_slm.core.record import is_file_name
from pytest_slm.errors import UsageError, writing_failed
from pytest_slm.files import read_bytes
from pytest_slm.load.builtin import suites_folder

TEMPLATE = Path(__file__).with_name("template")


def write_suite(folder: Path) -> list[Path]:
    """Write the suite into a folder that is empty or not there yet; the files that were written. Nothing is ever
    overwritten. Raises UsageError for a folder with something in it, and for a name that cannot be a suite's."""
    name = folder.absolute().name
    if not is_file_name(name):
        raise UsageError(
            f"{folder}: a suite has the name of its folder; choose one of visible letters", slug="suite-new"
        )
    if (suites_folder() / name).is_dir():
        raise UsageError(
            f"{folder}: the name {name!r} belongs to a built-in suite; choose another", slug="suite-name-taken"
        )
    written = []
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder}: there is something already; name a new folder", slug="suite-new")
        for source in sorted(path for path in TEMPLATE.rglob("*") if path.is_file()):
            path = folder / source.relative_to(TEMPLATE)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:  # somebody else may have written it in between
                file.write(read_bytes(source))
            written.append(path)
    except OSError as error:
        raise writing_failed(folder, error) from None
    return written
