"""The real client of the Hub, in this process, for a Hub on this machine."""

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub", reason="needs `pip install 'pytest-slm[hub]'`")


@pytest.fixture(autouse=True)
def _nobody_and_no_cache(hub, monkeypatch, tmp_path):
    from huggingface_hub import constants

    # The client reads the environment when it is imported, which another test may have done.
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("HF_TOKEN", raising=False)
