"""The folder of a run: it must be new, so that two runs never write into one."""

from __future__ import annotations

from pathlib import Path

from pytest_slm.errors import UsageError, writing_failed


def make_folder(folder: Path, *, resumed: bool) -> None:
    """Make a run folder; one that is there already is right for a run that goes on. Raises UsageError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=resumed)
    except OSError as error:
        if isinstance(error, FileExistsError) and folder.is_dir():
            raise UsageError(
                f"{folder}: this run id is taken, maybe by a run that is still going on. "
                "Choose another --slm-run-id, or leave it out",
                slug="run-id-taken",
            ) from None
        failure = writing_failed(folder, error)
        raise UsageError(failure.args[0], slug=failure.slug) from None
