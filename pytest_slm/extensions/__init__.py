"""Everything that a run knows by name: what comes with the project, and what other packages have registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_slm.backends.lookup import Backends
from pytest_slm.extensions.catalogue import Catalogue
from pytest_slm.generators import GENERATORS, Generator
from pytest_slm.grading import Grader
from pytest_slm.scorers import SCORERS, Rule, Scorer

if TYPE_CHECKING:
    from pytest_slm.kinds.kind import Kind

KINDS = {
    "agentdojo": "pytest_slm.agentdojo.kind:AgentDojo",
    "bbq": "pytest_slm.kinds.bbq.kind:Bbq",
    "bfcl": "pytest_slm.bfcl.kind:Bfcl",
    "bfcl_formats": "pytest_slm.bfcl.sensitivity:BfclFormats",
    "bfcl_memory": "pytest_slm.bfcl.memory.kind:BfclMemory",
    "bfcl_worlds": "pytest_slm.bfcl.worlds.kind:BfclWorlds",
    "checks": "pytest_slm.kinds.checks:Checks",
    "choices": "pytest_slm.kinds.choices:Choices",
    "classes": "pytest_slm.kinds.classes.classes:Classes",
    "continuations": "pytest_slm.kinds.continuations.kind:Continuations",
    "functions": "pytest_slm.kinds.functions:Functions",
    "lm_eval": "pytest_slm.kinds.lm_eval:LmEval",
    "perplexity": "pytest_slm.kinds.perplexity.kind:Perplexity",
    "positions": "pytest_slm.kinds.positions.kind:Positions",
    "sequences": "pytest_slm.kinds.sequences.kind:Sequences",
    "validate": "pytest_slm.kinds.validate:Validate",
}


@dataclass(frozen=True, kw_only=True)
class Extensions:
    """One catalogue for each hook (docs/plugins.md)."""

    backends: Backends = field(default_factory=Backends)
    scorers: Catalogue[Scorer | Rule] = field(default_factory=lambda: Catalogue("scorer", SCORERS))
    kinds: Catalogue[type[Kind[Any, Any]]] = field(default_factory=lambda: Catalogue("kind", KINDS))
    generators: Catalogue[Generator] = field(default_factory=lambda: Catalogue("generator", GENERATORS))
    graders: Catalogue[Grader] = field(default_factory=lambda: Catalogue("grader", {}))
