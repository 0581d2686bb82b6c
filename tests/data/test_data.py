"""``pytest-slm data``: a mirror is fetched, checked, gone on with, and what is wrong in it is told."""

import json
import shutil
from pathlib import Path

import pytest

from pytest_slm.cli import data as command
from pytest_slm.cli import main as cli
from pytest_slm.data.manifest import Manifest, entry_of, problems, read_manifest
from pytest_slm.data.needs import Need
from pytest_slm.data.pull import PARTIAL, pull
from pytest_slm.data.sources import Folder, Hub
from pytest_slm.errors import ReportError, UsageError
from pytest_slm.lm_eval.needs import needs

pytest.importorskip("huggingface_hub", reason="needs pip install 'pytest-slm[hub]'")
ONE = [Need(dataset="org/set", configs=("one",), tasks=("suite/task",))]
BOTH = [Need(dataset="org/set", configs=("one", "two"), tasks=("suite/task",))]


@pytest.fixture
def target(tmp_path):
    return tmp_path / "mirror"


@pytest.fixture(params=["hub", "folder"])
def source(request, repo):
    """The Hub and another mirror: what holds for one holds for the other."""
    if request.param == "folder":
        return Folder(repo)
    request.getfixturevalue("hub")
    return Hub()


def fetch(target, wanted, source):
    return pull(target, wanted, source, lambda _line: None)


def files(target):
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())


def test_only_what_is_needed_comes_and_never_code(target, source):
    assert fetch(target, ONE, source) == []
    assert files(target) == ["manifest.json", "org/set/README.md", "org/set/one/test-00000.jsonl"]


def test_the_manifest_says_what_came(target, source, repo):
    fetch(target, BOTH, source)
    entry = read_manifest(target).datasets["org/set"]
    assert (entry.license, entry.configs) == ("mit", ("one", "two"))
    for name, file in entry.files.items():
        assert file == entry_of(repo / "org" / "set" / name) == entry_of(target / "org" / "set" / name)
    assert problems(target, read_manifest(target)) == []


def test_from_the_hub_the_commit_is_known(target, hub):
    fetch(target, ONE, Hub())
    assert read_manifest(target).datasets["org/set"].revision == "c" * 40


def test_a_second_pull_fetches_what_is_missing_only_and_keeps_the_rest(target, hub):
    fetch(target, ONE, Hub())
    hub.fetched.clear()
    fetch(target, [Need(dataset="org/set", configs=("two",), tasks=())], Hub())
    assert hub.fetched == ["org/set/two/test-00000.jsonl"]
    assert read_manifest(target).datasets["org/set"].configs == ("one", "two")


@pytest.mark.parametrize("spoil", ["change", "truncate", "remove"])
def test_verify_finds_it_and_pull_mends_it(target, hub, spoil, capsys):
    fetch(target, BOTH, Hub())
    path = target / "org/set/two/test-00000.jsonl"
    content = path.read_bytes()
    if spoil == "change":
        path.write_bytes(content[:-3] + b'?"}')
    elif spoil == "truncate":
        path.write_bytes(content[:100])
    else:
        path.unlink()
    assert cli.main(["data", "verify", str(target)]) == 1
    assert str(path) in capsys.readouterr().err
    hub.fetched.clear()
    assert fetch(target, BOTH, Hub()) == []
    assert hub.fetched == ["org/set/two/test-00000.jsonl"]
    assert path.read_bytes() == content
    assert cli.main(["data", "verify", str(target)]) == 0


def test_a_download_with_another_hash_never_gets_into_the_mirror(target, hub):
    right = (hub.root / "org/set/one/test-00000.jsonl").read_bytes()
    hub.damage["test-00000.jsonl"] = b"x" * len(right)
    (error,) = fetch(target, ONE, Hub())
    assert error.slug == "data-checksum"
    assert not (target / "org/set/one").exists()
    assert read_manifest(target) is None
    hub.damage.clear()
    assert fetch(target, ONE, Hub()) == []
    assert not (target / PARTIAL).exists()


def test_a_damaged_mirror_is_not_copied(target, repo, tmp_path):
    fetch(tmp_path / "first", ONE, Folder(repo))
    (tmp_path / "first/org/set/one/test-00000.jsonl").write_text("changed")
    (error,) = fetch(target, ONE, Folder(tmp_path / "first"))
    assert error.slug == "data-checksum"


def test_one_data_set_that_fails_does_not_stop_the_others(target, source):
    wanted = [Need(dataset="org/nothing", configs=(None,), tasks=()), *ONE]
    (error,) = fetch(target, wanted, source)
    assert error.slug in ("hub-not-found", "data-missing")
    assert read_manifest(target).datasets.keys() == {"org/set"}


def test_a_card_that_cannot_be_read_does_not_stop_the_others(target, source, repo, capsys):
    shutil.copytree(repo / "org" / "set", repo / "org" / "broken")
    (repo / "org" / "broken" / "README.md").write_text("---\nconfigs: [\n---\n")
    wanted = [Need(dataset="org/broken", configs=("one",), tasks=()), *ONE]
    (error,) = fetch(target, wanted, source)
    assert error.slug == "data-broken"
    assert "broken/README.md" in Path(str(error)).as_posix()
    assert read_manifest(target).datasets.keys() == {"org/set"}


def test_list_tells_a_card_that_cannot_be_read_and_goes_on(target, repo, capsys, monkeypatch):
    shutil.copytree(repo / "org" / "set", target / "org" / "broken")
    shutil.copytree(repo / "org" / "set", target / "org" / "set")
    (target / "org" / "broken" / "README.md").write_text("---\nconfigs: [\n---\n")
    wanted = [Need(dataset="org/broken", configs=("one",), tasks=()), *ONE]
    monkeypatch.setattr(command, "_needs", lambda _arguments: wanted)
    assert cli.main(["data", "list", str(target)]) == 0
    told = capsys.readouterr().out
    assert "org/broken: broken, " in told
    assert "org/set: there" in told


def test_space_is_needed_only_for_what_has_to_be_fetched(target, source, monkeypatch):
    fetch(target, ONE, source)
    full = shutil.disk_usage(target)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    assert fetch(target, ONE, source) == []
    (target / "org/set/one/test-00000.jsonl").write_text("cut off")
    (error,) = fetch(target, ONE, source)
    assert error.slug == "disk-full"


def test_a_configuration_that_is_not_offered_is_told_and_the_others_come(target, source):
    (error,) = fetch(target, [Need(dataset="org/set", configs=("one", "three"), tasks=())], source)
    assert error.slug == "data-config"
    assert "three" in str(error)
    assert read_manifest(target).datasets["org/set"].configs == ("one",)


def test_a_source_that_lacks_files_is_told(target, source, repo):
    (repo / "org/set/one/test-00000.jsonl").rename(repo / "org/set/one/test-00000-of-00002.jsonl")
    shutil.rmtree(repo / "org/set/two")
    told = []
    assert pull(target, BOTH, source, told.append) == []
    (line,) = (line for line in told if "incomplete" in line)
    assert "2 of the files that its card lists are not there (one/test-00001-of-00002.jsonl, two/test-*)" in line
    assert files(target) == ["manifest.json", "org/set/README.md", "org/set/one/test-00000-of-00002.jsonl"]


def test_a_hub_that_is_down_is_told_with_a_way_out(target, hub):
    hub.down = True
    (error,) = fetch(target, ONE, Hub())
    assert error.slug == "hub-unreachable"
    assert "--from DIR" in str(error)


def test_a_disk_that_cannot_be_written_is_not_a_hub_that_is_down(target, hub):
    target.mkdir()
    (target / PARTIAL).write_text("a file where downloads would go")
    with pytest.raises(ReportError) as caught:
        fetch(target, ONE, Hub())
    assert caught.value.slug == "report-write"


def test_a_gated_data_set_names_its_own_page(target, hub):
    hub.gated = True
    (error,) = fetch(target, ONE, Hub())
    assert error.slug == "hub-gated"
    assert f"/datasets/{ONE[0].dataset}," in str(error)


def test_a_broken_manifest_and_none_are_told(target, repo, capsys):
    target.mkdir()
    assert cli.main(["data", "verify", str(target)]) == 4
    assert "no manifest" in capsys.readouterr().err
    (target / "manifest.json").write_text('{"schema": "1", "datasets": {"x": 3}}')
    with pytest.raises(UsageError, match=r"manifest.json: no manifest that can be read"):
        fetch(target, ONE, Folder(repo))


def test_a_manifest_comes_back_as_it_was_written(target, repo):
    fetch(target, BOTH, Folder(repo))
    written = json.loads((target / "manifest.json").read_text())
    assert Manifest.from_json(written).to_json() == written


def test_needs_of_suites_are_those_of_lm_evals_files():
    pytest.importorskip("lm_eval.tasks", reason="needs pip install 'pytest-slm[lm-eval]'")
    found = {need.dataset: need for need in needs(["language", "reasoning/mmlu"])}
    assert set(found) == {"aps/super_glue", "baber/piqa", "allenai/winogrande", "cais/mmlu"}
    assert found["aps/super_glue"].configs == ("boolq",)
    assert len(found["cais/mmlu"].configs) == 57
    with pytest.raises(UsageError, match="Did you mean 'language'"):
        needs(["langauge"])


def test_list_says_what_is_there_and_what_is_not(mirror, tmp_path, capsys):
    pytest.importorskip("lm_eval.tasks", reason="needs pip install 'pytest-slm[lm-eval]'")
    piqa = tmp_path / "some" / "baber" / "piqa"
    shutil.copytree(mirror / "baber" / "piqa", piqa)
    assert cli.main(["data", "list", str(tmp_path / "some"), "--suite", "language"]) == 0
    told = capsys.readouterr().out
    assert "baber/piqa: there" in told
    assert "allenai/winogrande: missing" in told
    for path in Path(piqa).rglob("validation*.parquet"):
        path.unlink()
    cli.main(["data", "list", str(tmp_path / "some"), "--suite", "language/piqa"])
    assert "partial, 0 of 1" in capsys.readouterr().out
