"""A model that a server holds, asked over HTTP: llama-server, Ollama, LM Studio, vLLM, and what speaks as they do."""

from pytest_slm.backends.server.backend import Server

__all__ = ["Server"]
