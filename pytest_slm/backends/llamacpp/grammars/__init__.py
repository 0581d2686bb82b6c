"""What may be said at all: from JSON schemas to the grammars of llama.cpp, without any package of theirs."""

from pytest_slm.backends.llamacpp.grammars.schema import grammar_of

__all__ = ["grammar_of"]
