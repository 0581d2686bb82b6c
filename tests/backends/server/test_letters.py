"""Letters of multiple choice, where a server tells the likeliest next tokens and nothing else."""

import json
import math

import pytest
from slm_scripted_server import CHAT, TEXT

from pytest_slm.core.request import LogLikelihood
from pytest_slm.errors import NotAvailableError

QUESTION = "Question: Which?\nA. one\nB. two\nAnswer:"
LIKELY = {" B": 0.5, " A": 0.3, " the": 0.1}
SPOKEN = {"B": 0.4, " A": 0.3, "A": 0.1}


def telling(server, path, tops, most=20):
    """Let a path tell these probabilities, of so many tokens at most, wherever they are asked for."""
    plain = server.routes[path]

    def route(handler):
        body = handler.body
        if not body.get("logprobs") or body.get("echo"):
            plain(handler)
        elif body.get("top_logprobs", body["logprobs"]) > most:
            handler.json({"error": {"message": f"logprobs: at most {most}"}}, 400)
        elif path == TEXT:
            logs = {token: math.log(p) for token, p in tops.items()}
            choice = {"index": 0, "text": " B", "finish_reason": "length", "logprobs": {"top_logprobs": [logs]}}
            handler.json({"choices": [choice]})
        else:
            each = [{"token": token, "logprob": math.log(p)} for token, p in tops.items()]
            told = {"content": [{"token": "B", "logprob": -0.9, "top_logprobs": each}]}
            message = {"role": "assistant", "content": "B"}
            handler.json({"choices": [{"index": 0, "message": message, "finish_reason": "length", "logprobs": told}]})

    server.routes[path] = route


def asked(server, path):
    """The requests for likely tokens after a question."""
    return [body for body in server.bodies(path) if body.get("logprobs") and "Question" in json.dumps(body)]


def test_all_letters_behind_a_text_are_one_request(scripted_server, served):
    telling(scripted_server, TEXT, LIKELY)
    backend = served()
    assert "letters" in backend.capabilities
    assert "loglikelihood" not in backend.capabilities
    assert "of letters alone" in backend.describe().extra["likelihoods"]
    done = []
    pairs = [(QUESTION, f" {letter}") for letter in "ABC"]
    found = backend.loglikelihood(pairs, finished=lambda n, one: done.append(n))
    assert [one.is_greedy for one in found] == [False, True, False]
    assert [one.logprob and math.exp(one.logprob) for one in found] == [pytest.approx(0.3), pytest.approx(0.5), None]
    assert done == [0, 1, 2]
    (body,) = asked(scripted_server, TEXT)
    assert (body["prompt"], body["max_tokens"], "stream" in body) == (QUESTION, 1, False)


def test_a_server_without_completions_is_told_the_text_in_a_conversation(scripted_server, served):
    del scripted_server.routes[TEXT]
    telling(scripted_server, CHAT, SPOKEN)
    one, other = served().loglikelihood([(QUESTION, " A"), (QUESTION, " B")])
    assert (one.logprob, other.logprob) == (pytest.approx(math.log(0.3)), pytest.approx(math.log(0.4)))
    (body,) = asked(scripted_server, CHAT)
    assert (body["messages"], body["top_logprobs"]) == ([{"role": "user", "content": QUESTION}], 20)


def test_as_many_are_asked_for_as_a_server_gives(scripted_server, served):
    telling(scripted_server, TEXT, LIKELY, most=5)
    served().loglikelihood([(QUESTION, " A")])
    assert asked(scripted_server, TEXT)[0]["logprobs"] == 5


def test_numbers_that_are_no_probabilities_are_not_taken(scripted_server, served):
    for wrong in ({}, {" A": 0.9, " B": 0.8}, {" A": 1e-9, " B": 1e-8}, {" A": 0.2, " B": 0.2}):
        telling(scripted_server, TEXT, wrong)
        backend = served()
        assert "letters" not in backend.capabilities
        assert "top_logprobs of completions" in backend.lacks["letters"]
        with pytest.raises(NotAvailableError, match="server-likelihoods"):
            backend.loglikelihood([(QUESTION, " A")])


def test_what_is_no_letter_is_refused(scripted_server, served):
    telling(scripted_server, TEXT, LIKELY)
    with pytest.raises(NotAvailableError, match="server-likelihoods"):
        served().loglikelihood([(QUESTION, " Apples")])


def test_an_unknown_likelihood_survives_the_way_to_a_file():
    one = LogLikelihood(logprob=None, is_greedy=False, n_tokens=1)
    assert LogLikelihood.from_json(json.loads(json.dumps(one.to_json()))) == one
