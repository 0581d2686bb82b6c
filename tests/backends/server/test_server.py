"""A model behind an address: what is asked, and what is made of the answers."""

import dataclasses
import threading
import time

import pytest
from slm_scripted_server import CHAT, HELLO, TEXT, USAGE, delta, events

from pytest_slm.core.types import Message, ToolCall
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.performance.user import Decode, FirstToken


def answering(server, *chunks, **how):
    """Let conversations be answered with these chunks, where they are streamed."""
    plain = server.routes[CHAT]
    server.routes[CHAT] = lambda h: h.stream(events(*chunks), **how) if h.body["max_tokens"] > 1 else plain(h)


# -- what is asked -----------------------------------------------------------------------------------------------------


def test_a_conversation_is_asked_as_it_is_meant(scripted_server, served):
    backend = served()
    request = dataclasses.replace(HELLO, stop=("\n",), seed=3, temperature=0.7, top_p=0.9)
    (answer,) = backend.generate([request])
    body = scripted_server.bodies(CHAT)[-1]
    assert (answer.text, answer.finish, answer.n_prompt, answer.n_output) == ("Hello there.", "stop", 7, 2)
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert {name: body[name] for name in ("model", "max_tokens", "stop", "seed", "temperature", "top_p")} == {
        "model": "tiny",
        "max_tokens": 8,
        "stop": ["\n"],
        "seed": 3,
        "temperature": 0.7,
        "top_p": 0.9,
    }


def test_calls_of_earlier_turns_are_texts_with_an_id(scripted_server, served):
    turns = (
        Message(role="user", content="Weather?"),
        Message(role="assistant", content="", tool_calls=(ToolCall(name="f", arguments={"city": "Rome"}),)),
        Message(role="tool", content="Sun", name="f"),
    )
    served().generate([dataclasses.replace(HELLO, messages=turns)])
    _, call, result = scripted_server.bodies(CHAT)[-1]["messages"]
    told = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"city": "Rome"}'}}
    assert call["tool_calls"] == [told]
    assert result["tool_call_id"] == "call_0"


def test_a_schema_goes_to_the_server(scripted_server, served):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    served().generate([dataclasses.replace(HELLO, json_schema=schema)])
    format_ = scripted_server.bodies(CHAT)[-1]["response_format"]
    assert (format_["type"], format_["json_schema"]["schema"]) == ("json_schema", schema)


def test_what_a_server_may_refuse_is_not_sent_to_one_that_nobody_knows(scripted_server, served):
    backend = served()
    backend.generate([HELLO])
    assert not {"top_k", "min_p", "chat_template_kwargs", "ignore_eos"} & set(scripted_server.bodies(CHAT)[-1])
    for wrong, slug in (({"top_k": 5}, "server-setting"), ({"grammar": 'root ::= "a"'}, "no-grammar")):
        with pytest.raises(NotAvailableError) as error:
            backend.generate([dataclasses.replace(HELLO, **wrong)])
        assert error.value.slug == slug


def test_so_many_requests_are_open_at_once(scripted_server, served):
    open_, most, lock = set(), [], threading.Lock()
    plain = scripted_server.routes[CHAT]

    def slow(handler):
        with lock:
            open_.add(handler)
            most.append(len(open_))
        time.sleep(0.05)
        with lock:  # before the answer, on which the next request may follow at once
            open_.remove(handler)
        plain(handler)

    backend = served(concurrency=3)
    scripted_server.routes[CHAT] = slow
    done = []
    answers = backend.generate([HELLO] * 9, finished=lambda n, _: done.append(n))
    assert max(most) == 3
    assert sorted(done) == list(range(9))
    assert [answer.text for answer in answers] == ["Hello there."] * 9


def test_a_request_whose_time_is_its_own_is_asked_alone(scripted_server, served):
    open_, most = [], []
    plain = scripted_server.routes[CHAT]

    def slow(handler):
        open_.append(handler)
        most.append(len(open_))
        time.sleep(0.02)
        open_.remove(handler)
        plain(handler)

    backend = served(concurrency=3)
    scripted_server.routes[CHAT] = slow
    backend.generate([HELLO, dataclasses.replace(HELLO, alone=True), HELLO])
    assert max(most) == 1


# -- what is made of an answer -----------------------------------------------------------------------------------------


def test_times_are_those_at_which_pieces_came(scripted_server, served):
    backend = served()
    chunks = [
        events(piece, end=b"") for piece in (delta(role="assistant"), delta("a"), delta("b"), delta(finish="stop"))
    ]
    plain = scripted_server.routes[CHAT]
    scripted_server.routes[CHAT] = lambda h: (
        h.stream(*chunks, events({"choices": [], "usage": USAGE}), pause=0.2) if h.body["max_tokens"] > 1 else plain(h)
    )
    (answer,) = backend.generate([HELLO])
    first, second = answer.timings.token_s  # the role is no piece of text, nor is the end
    assert second - first > 0.05  # a busy machine reads the first one late
    assert answer.timings.end_s > second
    # What nobody measured is nothing, not 0.
    assert (answer.timings.prefill_s, answer.timings.n_evaluated) == (None, None)


def test_counts_that_are_not_told_are_unknown(scripted_server, served):
    backend = served()
    answering(scripted_server, delta("Yes"), delta(finish="length"))
    (answer,) = backend.generate([HELLO])
    assert (answer.n_prompt, answer.n_output, answer.finish) == (None, None, "length")


def test_cached_tokens_were_not_computed(scripted_server, served):
    backend = served()
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}
    answering(scripted_server, delta("Yes"), delta(finish="stop"), {"choices": [], "usage": usage})
    assert backend.generate([HELLO])[0].timings.n_evaluated == 3


def test_reasoning_stands_apart(scripted_server, served):
    backend = served()
    answering(
        scripted_server,
        delta(reasoning_content="Hm, "),
        delta(reasoning_content="2."),
        delta("Two"),
        delta(finish="stop"),
    )
    (answer,) = backend.generate([HELLO])
    assert (answer.text, answer.reasoning) == ("Two", "Hm, 2.")


def test_calls_come_in_pieces(scripted_server, served):
    backend = served()
    start = {"index": 0, "id": "a1", "function": {"name": "get", "arguments": ""}}
    more = [{"index": 0, "function": {"arguments": part}} for part in ('{"city": "<', '/tool_call>"}')]
    other = {"index": 1, "id": "a2", "function": {"name": "broken", "arguments": "{oops"}}
    answering(scripted_server, *(delta(tool_calls=[one]) for one in (start, *more, other)), delta(finish="tool_calls"))
    (answer,) = backend.generate([HELLO])
    first, second = answer.tool_calls
    assert (first.name, first.arguments, first.id) == ("get", {"city": "</tool_call>"}, "a1")
    assert (second.name, second.arguments) == ("broken", None)


def test_the_calls_are_read_again_from_the_text_that_is_recorded(scripted_server, served):
    from pytest_slm.scorers.call_syntax import parse_calls

    backend = served()
    call = {"index": 0, "id": "x", "function": {"name": "get", "arguments": '{"a": "</tool_call> <b>", "n": [1]}'}}
    answering(scripted_server, delta("I look."), delta(tool_calls=[call]), delta(finish="tool_calls"))
    (answer,) = backend.generate([HELLO])
    (read,) = parse_calls(answer.text)
    assert (read.name, read.arguments) == (answer.tool_calls[0].name, answer.tool_calls[0].arguments)
    assert answer.text.startswith("I look.")


def test_an_answer_in_one_piece_has_no_times(scripted_server, served):
    backend = served()
    choice = {"index": 0, "message": {"role": "assistant", "content": "Whole"}, "finish_reason": "stop"}
    scripted_server.routes[CHAT] = lambda h: h.json({"choices": [choice], "usage": USAGE})
    (answer,) = backend.generate([HELLO])
    assert (answer.text, answer.timings) == ("Whole", None)


def test_stop_strings_are_not_looked_for_in_thinking(scripted_server, served):
    backend = served(thinking="on")
    answering(scripted_server, *map(delta, ("<think>", "a.", "b", "</think>", "\n\nYes. ", "No")), delta(finish="stop"))
    (answer,) = backend.generate([dataclasses.replace(HELLO, stop=(".",))])
    assert "stop" not in scripted_server.bodies(CHAT)[-1]
    assert (answer.text, answer.reasoning, answer.finish, answer.n_output) == ("Yes", "a.b", "stop", None)


# -- times -------------------------------------------------------------------------------------------------------------


def test_the_wait_for_the_first_token_is_timed_and_said_to_be_the_clients(scripted_server, served):
    rounds = FirstToken(served(), 64)
    rounds.prepare()
    assert set(rounds.run().values) == {"ttft"}  # what it is made of the server does not tell
    assert "at the client" in rounds.provenance()["stamped"]
    assert "does not tell" in rounds.provenance()["prompt_cache"]
    assert len(scripted_server.bodies(CHAT)[-1]["messages"][0]["content"].split()) == 64 - 6


def test_what_was_cached_is_no_time(scripted_server, served):
    rounds = FirstToken(served(), 64)
    rounds.prepare()
    usage = {"prompt_tokens": 64, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 30}}
    chunks = (delta("a"), delta(finish="length"), {"choices": [], "usage": usage})
    scripted_server.routes[CHAT] = lambda h: h.stream(events(*chunks))
    with pytest.raises(BackendError, match="34 of 64 prompt tokens were computed"):
        rounds.run()


def test_decoding_is_timed_where_the_server_goes_on_as_long_as_it_is_told(scripted_server, served):
    backend = served()
    rounds = Decode(backend, 4)
    rounds.prepare()
    scripted_server.text = "one two"  # and there it ends
    with pytest.raises(NotAvailableError, match="server-forced-length"):
        rounds.run()
    scripted_server.text = "one two three four five"
    scripted_server.pause = 0.02
    assert 1 < rounds.run().values["decode_tps"] < 60
    scripted_server.pause = 0.0  # all at once: whoever stands between has held them back
    with pytest.raises(NotAvailableError, match="4 tokens came at 1 moments"):
        rounds.run()


# -- what the server can do --------------------------------------------------------------------------------------------


def test_tools_that_do_not_reach_the_prompt_are_not_offered(scripted_server, served):
    # This server takes them, and counts as many tokens as before.
    backend = served()
    assert "tools" not in backend.capabilities
    assert "would not see them" in backend.lacks["tools"]

    def counting(handler):
        n = 7 + 40 * bool(handler.body.get("tools"))
        choice = {"message": {"content": "x"}, "finish_reason": "stop"}
        handler.json({"choices": [choice], "usage": {"prompt_tokens": n, "completion_tokens": 1}})

    scripted_server.routes[CHAT] = counting
    assert "tools" in served().capabilities


def test_a_server_without_completions_is_asked_in_conversations_only(scripted_server, served):
    del scripted_server.routes[TEXT]
    backend = served()
    assert {"chat"} <= backend.capabilities
    assert not {"generate", "loglikelihood", "timing"} & backend.capabilities
    assert "Not Found" in backend.lacks["loglikelihood"]
    with pytest.raises(NotAvailableError, match="server-likelihoods"):
        backend.loglikelihood([("a", " b")])


def test_what_the_server_tells_of_itself_is_in_the_description(scripted_server, served):
    props = {
        "build_info": "b6000-abc",
        "model_path": "/models/Tiny-Q4_0.gguf",
        "model_ftype": "Q4_0",
        "total_slots": 3,
        "chat_template": "{{ messages }}",
        "default_generation_settings": {"n_ctx": 2048},
    }
    scripted_server.routes["/props"] = lambda h: h.json(props)
    info = served().describe()
    assert (info.engine_version, info.n_ctx, info.n_seq) == ("llama-server b6000-abc", 2048, 3)
    assert info.model_description == "Tiny-Q4_0.gguf, Q4_0"  # and not where it lies on the server
    assert (info.server, info.served_model) == (scripted_server.url, "tiny")
    assert info.weights_sha256 is None
    assert len(info.chat_template_sha256) == 64
    assert served(concurrency=5).describe().n_seq == 5


def test_ollama_tells_a_digest(scripted_server, served):
    shown = {
        "details": {"family": "llama", "quantization_level": "Q4_0"},
        "model_info": {"general.parameter_count": 135},
    }
    running = {"models": [{"name": "tiny", "context_length": 4096}]}
    scripted_server.routes |= {
        "/api/version": lambda h: h.json({"version": "0.9.1"}),
        "/api/show": lambda h: h.json(shown),
        "/api/tags": lambda h: h.json({"models": [{"name": "tiny", "digest": "sha256:ab12", "size": 77}]}),
        "/api/ps": lambda h: h.json(running),
    }
    info = served().describe()
    assert (info.engine_version, info.weights_digest, info.file_bytes) == ("Ollama 0.9.1", "sha256:ab12", 77)
    assert (info.n_ctx, info.parameters, info.weights_sha256) == (4096, 135, None)


def test_a_server_that_tells_nothing_has_no_context_and_no_version(served):
    info = served().describe()
    assert (info.n_ctx, info.engine_version, info.chat_template_sha256) == (None, "server (version not told)", None)
    assert served(concurrency=None).describe().n_seq == 4


def test_a_model_that_the_server_has_not_is_told_with_those_that_it_has(scripted_server, served):
    models = {"data": [{"id": "qwen3:0.6b"}, {"id": "smollm2:135m"}]}
    scripted_server.routes["/v1/models"] = lambda h: h.json(models)
    with pytest.raises(BackendError, match=r"no model 'qwen3:0.6'. Did you mean 'qwen3:0.6b'\?  \[server-model\]"):
        served(served_model="qwen3:0.6")
    with pytest.raises(BackendError, match=r"several models \(qwen3:0.6b, smollm2:135m\); name one"):
        served()
    assert served(served_model="smollm2:135m").describe().served_model == "smollm2:135m"
