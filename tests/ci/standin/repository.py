"""Its git: a bare repository, and a checkout in which pull request 1 is merged."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .state import Hosted

SETTINGS = [part for name in ("user.name=t", "user.email=t@t", "init.defaultBranch=main") for part in ("-c", name)]


def git(folder: Path, *arguments: str) -> str:
    """What git prints, with no settings but ours."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    line = ["git", *SETTINGS, *arguments]
    return subprocess.run(line, cwd=folder, env=clean, capture_output=True, text=True, check=True).stdout.strip()


def repository(folder: Path, hosted: Hosted) -> Path:
    """A bare repository in a folder, with the checkouts ``work`` and ``results`` beside it. Merging is a commit of the
    submission that was offered last."""
    bare, work = folder / "bare.git", folder / "work"
    git(folder, "init", "--quiet", "--bare", str(bare))
    git(folder, "clone", "--quiet", str(bare), str(work))
    (work / "README.md").write_text("models\n")
    (work / ".gitignore").write_text("reports/\n")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "begin")
    git(work, "push", "--quiet", "origin", "HEAD:main")

    def merge(_number: int) -> str:
        (work / "submissions").mkdir(exist_ok=True)
        (work / "submissions/tiny.yml").write_bytes([*hosted.blobs.values()][-1])
        git(work, "add", ".")
        git(work, "commit", "--quiet", "-m", "merged")
        git(work, "push", "--quiet", "origin", "HEAD:main")
        return git(work, "rev-parse", "HEAD")

    hosted.on_merge = merge
    git(folder, "clone", "--quiet", str(bare), str(folder / "results"))
    return bare
