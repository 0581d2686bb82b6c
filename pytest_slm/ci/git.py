"""Git in a folder, with nothing of the user's settings, hooks or helpers, and the token in no argument."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pytest_slm.errors import SlmError, UsageError

BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
AUTHOR = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
TIMEOUT_S = 300
SETTINGS: Mapping[str, str] = {
    "core.hooksPath": os.devnull,
    "core.symlinks": "false",
    "core.fsmonitor": "false",
    "credential.helper": "",
    "protocol.ext.allow": "never",
    "user.name": AUTHOR[0],
    "user.email": AUTHOR[1],
    "commit.gpgSign": "false",
    "gc.auto": "0",
}


class Git:
    """One working tree. ``token`` is for its remote ``origin``, if that is an address of https."""

    def __init__(self, folder: Path, *, token: str = "") -> None:
        self.folder, self._settings = folder, dict(SETTINGS)
        address = urlsplit(self("remote", "get-url", "origin").strip())
        if token and address.scheme == "https":
            basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
            self._settings[f"http.https://{address.hostname}/.extraheader"] = f"AUTHORIZATION: basic {basic}"

    def __call__(self, *arguments: str) -> str:
        """What a command says. Raises SlmError (ci-git) where it fails."""
        code, text = self.tried(*arguments)
        if code:
            raise SlmError(f"git {arguments[0]}: {' '.join(text.split())[-300:]}", slug="ci-git")
        return text

    def tried(self, *arguments: str) -> tuple[int, str]:
        """The exit code of a command, and what it says."""
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self.folder,
                env=self._environment(),
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SlmError(f"git {arguments[0]}: {type(error).__name__}", slug="ci-git") from None
        said = done.stdout if not done.returncode else done.stdout + done.stderr
        return done.returncode, said.decode("utf-8", "replace")

    def _environment(self) -> dict[str, str]:
        """Settings come by the environment, which other users of the machine cannot read, as they can arguments."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        kept.pop("GITHUB_TOKEN", None)
        numbered = {"GIT_CONFIG_COUNT": str(len(self._settings))}
        for number, (name, value) in enumerate(self._settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        return {**kept, **numbered, **quiet, "LC_ALL": "C"}


def branch_named(text: str) -> str:
    """A branch that an argument names. Raises UsageError for what is none, or could be an option."""
    if not BRANCH.fullmatch(text) or ".." in text or text.endswith((".lock", "/", ".")):
        raise UsageError(f"{text:.80}: no name of a branch", slug="ci-environment")
    return text
