"""A GitHub on this machine: repositories' comments, permissions, pull requests, commits, runs and artifacts."""

from .server import Requested, serve
from .state import BOT, HEAD, REPO, YAML, Hosted, git_sha

__all__ = ["BOT", "HEAD", "REPO", "YAML", "Hosted", "Requested", "git_sha", "serve"]
