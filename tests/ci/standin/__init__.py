"""A GitHub on this machine: repositories' comments, permissions, pull requests, commits, runs and artifacts."""

from .repository import git, repository
from .server import Requested, serve
from .state import BOT, HEAD, REPO, YAML, Hosted, git_sha

__all__ = ["BOT", "HEAD", "REPO", "YAML", "Hosted", "Requested", "git", "git_sha", "repository", "serve"]
