"""Pages that we make pass the checks that pages of documentation have to pass."""

import re

import pytest

from pytest_slm.handbook.facts import HubFile, HubQuantization
from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport

pytest.importorskip("markdown_it", reason="needs pytest-slm[docs]")
pytest.importorskip("bashlex", reason="needs pytest-slm[docs]")

CONFIG = 'site_pages = ["models/*"]\nread_only = ["models/*"]\n'


@pytest.fixture
def tree(pages, model, factory, tmp_path):
    """Documentation with the pages of two models: one with every kind of file that was measured, one with none."""
    from pytest_slm.docs_checks.tree import Tree

    repo = "HuggingFaceTB/SmolLM2-135M-Instruct"
    names = ("config.json", "model.safetensors", "onnx/model_q4.onnx", "m-Q8_0.gguf")
    files = tuple(HubFile(name=name, size=1000) for name in names)
    made_of = (HubQuantization(name="Q8_0", file="m-Q8_0.gguf", size=1000),)
    registry = build_registry([StoredReport(path="0/report.json", sha256="0" * 64, run=factory.make_run(modern=True))])
    both = model(repo, files=files, quantizations=made_of), model("org/empty", files=(), quantizations=())
    texts = pages(*both, registry=registry, site="site:")
    (tmp_path / "docs" / "models").mkdir(parents=True)
    (tmp_path / "docs" / "docs.toml").write_text(CONFIG, "utf-8")
    (tmp_path / "docs" / "index.md").write_text("# Home\n\n[Models](models/index.md)\n", "utf-8")
    for name, text in texts.items():
        path = tmp_path / "docs" / "models" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return Tree(tmp_path / "docs", tmp_path)


def test_links_lead_somewhere_and_no_page_is_lost(tree):
    from pytest_slm.docs_checks.links import check_links, check_reachable

    assert "](site:models/" in tree.pages["models/huggingfacetb--smollm2-135m-instruct.md"].text
    found = [
        one for page in tree.pages.values() for check in (check_links, check_reachable) for one in check(tree, page)
    ]
    assert found == []


def test_a_shell_understands_every_command(tree):
    from pytest_slm.docs_checks.code.fences import read_only
    from pytest_slm.docs_checks.code.shell import check_shell

    blocks = [read_only(fence) for page in tree.pages.values() for fence in page.parsed.fences]
    shells = [block.text for block in blocks if block.language == "sh"]
    assert any("<<'END'" in text for text in shells)
    assert [(text, list(check_shell(text, set(re.findall(r"--slm-[\w-]+", text))))) for text in shells] == [
        (text, []) for text in shells
    ]
