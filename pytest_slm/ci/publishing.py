"""Results of a pull request to a commit: the pull request is merged, the reports are added, registry and pages made."""

from __future__ import annotations

import filecmp
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pytest_slm.ci.collecting import CollectedRun, keep_reports
from pytest_slm.ci.git import Git
from pytest_slm.ci.github.client import GitHub, GitHubError, field
from pytest_slm.ci.github.pulls import LARGEST, OfferedSubmission, pull_of
from pytest_slm.errors import SlmError
from pytest_slm.files import read_bytes
from pytest_slm.load import load_submission, submission_problems
from pytest_slm.registry import build_folder
from pytest_slm.registry.folder.sharing import share
from pytest_slm.site.build import build_site

REPORTS, REGISTRY = "reports", "registry"
TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What came of it: the commit that has the results (None where they were there already), and how many reports."""

    commit: str | None
    reports: int
    models: int


def merge_pull(github: GitHub, offer: OfferedSubmission) -> bool:
    """Merge a pull request at the commit that was looked at and measured; whether it had to be. Raises SlmError
    (ci-publish) where GitHub will not, or its head is another one now."""
    pull = pull_of(github, offer.pull)
    if pull.head != offer.head:
        raise _not(offer, f"its head is {pull.head}, no longer {offer.head}")
    if pull.merged:
        return False
    if pull.state != "open":
        raise _not(offer, "it is closed")
    body = {
        "sha": offer.head,
        "merge_method": "squash",
        # nothing of the pull request's own title, which may say anything
        "commit_title": f"Add {offer.path} (#{offer.pull})",
        "commit_message": f"Head {offer.head}",
    }
    try:
        answer = github.send("PUT", f"pulls/{offer.pull}/merge", body)
    except GitHubError as error:
        if error.status not in (403, 404, 405, 409, 422):
            raise
        raise _not(offer, f"GitHub will not merge it ({error.args[0]})") from None
    if field(answer, "merged", bool) is not True:
        raise _not(offer, "GitHub did not merge it")
    return True


def check_publishable(offer: OfferedSubmission, path: Path, found: Sequence[CollectedRun], *, now: datetime) -> None:
    """Raise SlmError (ci-publish, or the registry's own) for a submission or results that cannot stand in the registry:
    that is found out before the pull request is merged."""
    if missing := submission_problems(load_submission(path)):
        raise _not(offer, "; ".join(one.partition(": ")[2] for one in missing))
    for one in found:
        if one.report.backend is not None and one.report.backend.name == "fake":
            raise _not(offer, f"{one.report.quantization}: a scripted model is no model")
        if one.report.mode != "full":
            raise _not(offer, f"{one.report.quantization}: a {one.report.mode} run is not published")
    with tempfile.TemporaryDirectory() as scratch:
        keep_reports(found, Path(scratch) / REPORTS)
        build_folder(Path(scratch) / REPORTS, Path(scratch) / REGISTRY, now=now, strict=True)


def publish(
    git: Git,
    offer: OfferedSubmission,
    found: Sequence[CollectedRun],
    *,
    branch: str,
    merged_into: str,
    run: int,
    site: Path,
    now: datetime,
) -> Publication:
    """Add the reports to a branch of the working tree's origin, with the registry of all reports there, and make the
    pages. On the branch that the pull request was ``merged_into`` the submission has to be there already, on another
    one it is added. Somebody else may push meanwhile: then it is done again on what is there. The same results twice
    are one commit."""
    places = (REPORTS, REGISTRY, *([offer.path] if branch != merged_into else []))
    for _ in range(TRIES):
        git("fetch", "--no-tags", "origin", f"refs/heads/{branch}")
        git("checkout", "--force", "--detach", "FETCH_HEAD")
        git("clean", "-ffdx", "--", REPORTS, REGISTRY)
        if branch == merged_into:
            _check_merged(git, offer)
        else:
            offer.put(git.folder)
        models = _built(git.folder, offer, found, site=site, now=now)
        git("add", "--force", "--", *places)
        if not git("status", "--porcelain", "--", *places).strip():
            return Publication(commit=None, reports=len(found), models=models)
        title = f"Results of {offer.slug} (#{offer.pull})"
        git("commit", "--quiet", "--message", title, "--message", f"Run {run}, head {offer.head}")
        code, said = git.tried("push", "origin", f"HEAD:refs/heads/{branch}")
        if not code:
            return Publication(commit=git("rev-parse", "HEAD").strip(), reports=len(found), models=models)
    raise _not(offer, f"nothing could be pushed to {branch} ({' '.join(said.split())[-300:]})")


def _check_merged(git: Git, offer: OfferedSubmission) -> None:
    """The submission that stands on the branch is the one that was measured."""
    try:
        content = read_bytes(git.folder / offer.path, LARGEST)
    except OSError as error:
        raise _not(offer, f"{offer.path} is not on the branch ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != offer.sha256:
        raise _not(offer, f"{offer.path} on the branch is not the one that was measured")


def _built(folder: Path, offer: OfferedSubmission, found: Sequence[CollectedRun], *, site: Path, now: datetime) -> int:
    """Put copies of the reports without texts into the tree, and make registry and pages of all that is there; how many
    models these are."""
    with tempfile.TemporaryDirectory() as scratch:
        runs, shared = Path(scratch) / "runs", Path(scratch) / REPORTS
        keep_reports(found, runs)
        if unfit := share(runs, shared).refused:
            raise _not(offer, str(unfit[0]))
        for one in found:
            there = folder / REPORTS / _relative(one)
            if there.exists() and not filecmp.cmp(there, shared / _relative(one), shallow=False):
                raise _not(offer, f"{there.relative_to(folder)} is there with another content")
        shutil.copytree(shared, folder / REPORTS, dirs_exist_ok=True)
    index = build_folder(folder / REPORTS, folder / REGISTRY, now=now, keep=True)
    mine = {place.as_posix() for one in found for place in [_relative(one)]}
    if refused := [one for one in index.refused if one.path in mine]:
        raise _not(offer, f"{refused[0].path}: {refused[0].reason}")
    left_out = build_site(folder / REGISTRY, site).left_out
    for model in index.models:
        if model.id in left_out and mine & model.reports.keys():
            raise _not(offer, left_out[model.id])
    return len(index.models)


def _relative(one: CollectedRun) -> Path:
    return Path(one.report.submission.slug, one.report.quantization, one.report.run_id, "report.json")


def _not(offer: OfferedSubmission, why: str) -> SlmError:
    return SlmError(f"pull request {offer.pull}: not published: {why}", slug="ci-publish")
