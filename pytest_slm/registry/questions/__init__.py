"""Which questions of an item a model got right, small enough to stand in the registry: so that two models can be
compared question by question where nobody has the lines of samples."""

from pytest_slm.registry.questions.lines import unit_of
from pytest_slm.registry.questions.record import QuestionScores
from pytest_slm.registry.questions.scores import canonical, question_scores

__all__ = ["QuestionScores", "canonical", "question_scores", "unit_of"]
