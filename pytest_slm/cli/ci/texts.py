"""What ``pytest-slm ci STEP --help`` says beside its arguments."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "ci": (
        """\
Steps of the workflows in .github/workflows. Each reads what a job of GitHub Actions has in its environment
(GITHUB_REPOSITORY, GITHUB_RUN_ID, GITHUB_EVENT_PATH, GITHUB_TOKEN, ...); docs/ci.md says how to try them elsewhere.""",
        "ci submission --output look",
    ),
    "ci submission": (
        """\
Fetches the one file of the pull request that the event is about, as data, at its head; checks it, and compares
it with the headers of its weights. Writes comment.md, and the outputs `state` and `line`.""",
        "ci submission --output look",
    ),
    "ci command": (
        """\
Takes a new comment that is nothing but /quick-test, /full-benchmark or /publish-results (and maybe a commit) for
a command, if a person with write permission wrote it about a commit that was looked at before. Writes the order, and
the outputs `command`, `head` and `measured`; answer.md where a maintainer's command is not followed.""",
        "ci command --output order",
    ),
    "ci matrix": (
        """\
Plans every quantization as `pytest --slm-plan` does. The outputs `quantizations` and `shards` are matrices, and
`count` is the number of reports; a full run that is predicted to take longer than --minutes is cut into shards.""",
        "ci matrix --order order --minutes 240",
    ),
    "ci measure": (
        """\
Runs pytest for one quantization in a process that gets no token, and writes a manifest with the hash of each file
that is handed over. With --shard it measures a part for the store, else everything that --cells does not have.""",
        "ci measure --order order --quantization Q8_0 --output handed-over",
    ),
    "ci collect": (
        """\
Downloads artifacts of this run, each known by the hash that GitHub has of it, refuses what is of another run, pull
request, commit or quantization, and puts together what is left. Writes comment.md, and the outputs `state`, `line`.""",
        "ci collect --order order --output results",
    ),
    "ci publish": (
        """\
Takes the reports of a finished run for this pull request and commit, merges the pull request at that commit, adds the
reports to a branch with the registry of all of them, and makes the pages. The same again changes nothing.""",
        "ci publish --repository . --branch main --site public --head "
        "0123456789012345678901234567890123456789 --measured 1",
    ),
    "ci comment": (
        """\
Each subject has one comment in a pull request, by the job's own bot; it is written again instead of a second one being
added.""",
        "ci comment look/comment.md --subject submission",
    ),
    "ci status": (
        """\
Sets a commit status of pytest-slm, with a link to this run. GitHub keeps it with the commit, so that a push begins
anew.""",
        "ci status --head 0123456789012345678901234567890123456789 --context submission --state success",
    ),
}
