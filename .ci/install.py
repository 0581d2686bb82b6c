"""``install.py UV ARGUMENTS``: ``pip install ARGUMENTS`` into this environment, by uv where it finds the same.

uv reads nothing of pip's settings, so it is told them. What it cannot be told, or cannot install, pip does.
"""

import ast
import os
import subprocess
import sys

TOLD = {
    **{"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"},
    **{"constraint": "UV_CONSTRAINT", "no-index": "UV_NO_INDEX", "cert": "SSL_CERT_FILE"},
}
WITHOUT_EFFECT = {
    "default-timeout",
    "timeout",
    "retries",
    "disable-pip-version-check",
    "no-input",
    "progress-bar",
    "quiet",
}
WITHOUT_EFFECT |= {"no-cache-dir", "cache-dir", "root-user-action", "no-compile", "require-virtualenv", "user"}


def pips_settings() -> dict[str, str]:
    """What pip is told by its files and the environment; those count more."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found = [line.partition("=") for line in listed.stdout.splitlines()]
    found.sort(key=lambda line: line[0].startswith(":env:"))
    return {name.rpartition(".")[2]: ast.literal_eval(value) for name, _, value in found}


def by_uv(uv: str, arguments: list[str]) -> bool:
    settings = pips_settings()
    if settings.keys() - TOLD.keys() - WITHOUT_EFFECT or not os.access(uv, os.X_OK):
        return False
    # as pip does: the newest of all places, whichever is named first
    environment = {**os.environ, "UV_INDEX_STRATEGY": "unsafe-best-match"}
    for name, value in settings.items():
        if name in TOLD:
            environment[TOLD[name]] = (" ", ",")[name == "find-links"].join(value.split())
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, *arguments]
    return subprocess.run(command, env=environment).returncode == 0


uv, *arguments = sys.argv[1:]
if not by_uv(uv, arguments):
    sys.exit(subprocess.run([sys.executable, "-I", "-m", "pip", "install", *arguments]).returncode)
