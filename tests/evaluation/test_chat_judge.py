"""The chat judge against real servers on the loopback: a sound one, and faulty ones."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from drpo.errors import JudgeError
from drpo.evaluation.chat_endpoint import ChatEndpoint, Patience, UnusableReplyError
from drpo.evaluation.chat_judge import ChatJudge, _both_orders, read_choice
from drpo.evaluation.judges import Match, ScoredAnswer
from drpo.evaluation.winrate import play
from drpo.store import Store

QUICK = Patience(timeout=0.5, attempts=3, backoff=0.01, longest_wait=2)


class ChatServer:
    """A chat endpoint whose behaviour is a function of the request: (status, headers, body)."""

    def __init__(self, behave):
        self.requests = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append((time.monotonic(), dict(self.headers), body))
                answer = behave(len(server.requests), body)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, data = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()


def says(text):
    record = {
        "choices": [{"message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 1},
    }
    return 200, {"Content-Type": "application/json"}, json.dumps(record).encode()


def prefers_longer(_count, body):
    user = body["messages"][1]["content"]
    first = user.split("<answer_A>")[1].split("</answer_A>")[0]
    second = user.split("<answer_B>")[1].split("</answer_B>")[0]
    return says("A" if len(first) > len(second) else "B")


@pytest.fixture
def documents(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield store.documents
    store.close()


def chat_judge(server, documents, patience=QUICK, workers=2):
    return ChatJudge(ChatEndpoint(server.url, "tiny", patience), documents, workers=workers)


MATCHES = [
    Match(f"prompt {n}", ScoredAnswer("long answer" * n), ScoredAnswer("short"))
    for n in range(1, 6)
]


def test_a_consistent_judge_decides_and_both_orders_are_asked(documents):
    with ChatServer(prefers_longer) as server:
        judge = chat_judge(server, documents)
        assert judge.judge(MATCHES) == ["a"] * 5
        assert judge.judge([Match("x", ScoredAnswer("s"), ScoredAnswer("longer"))]) == ["b"]
    assert len(server.requests) == 12
    assert judge.tally.to_dict() == {
        "calls": 12,
        "cached": 0,
        "unclear": 0,
        "failed": 0,
        "disagreements": 0,
        "input_tokens": 1200,
        "output_tokens": 12,
    }


def test_a_judge_that_always_says_the_first_one_only_ever_ties(documents):
    with ChatServer(lambda *_: says("A")) as server:
        judge = chat_judge(server, documents)
        assert judge.judge(MATCHES) == ["tie"] * 5
    assert judge.tally.disagreements == 5


def test_what_was_asked_once_is_never_asked_again(documents):
    with ChatServer(prefers_longer) as server:
        chat_judge(server, documents).judge(MATCHES[:3])
        again = chat_judge(server, documents)
        assert again.judge(MATCHES) == ["a"] * 5
        assert (again.tally.cached, again.tally.calls) == (6, 4)
    assert len(server.requests) == 10


def test_too_many_requests_are_repeated_after_the_time_the_server_asks_for(documents):
    def behave(count, body):
        if count == 1:
            return 429, {"Retry-After": "1"}, b"slow down"
        return prefers_longer(count, body)

    with ChatServer(behave) as server:
        assert chat_judge(server, documents, workers=1).judge(MATCHES[:1]) == ["a"]
    assert server.requests[1][0] - server.requests[0][0] >= 0.95


def test_a_server_that_asks_for_an_hour_is_not_waited_for(documents):
    def behave(count, body):
        if count == 1:
            return 429, {"Retry-After": "3600"}, b""
        return prefers_longer(count, body)

    patience = Patience(timeout=0.5, attempts=2, backoff=0.01, longest_wait=1)
    with ChatServer(behave) as server:
        began = time.monotonic()
        judge = chat_judge(server, documents, patience, workers=1)
        assert judge.judge(MATCHES[:1]) == ["a"]
        assert time.monotonic() - began < 5


def test_time_outs_server_errors_and_cut_connections_are_tried_again(documents):
    def behave(count, body):
        if count == 1:
            time.sleep(0.8)
        if count == 2:
            return 500, {}, b"oops"
        if count == 4:
            return None
        return prefers_longer(count, body)

    with ChatServer(behave) as server:
        judge = chat_judge(server, documents, workers=1)
        assert judge.judge(MATCHES[:1]) == ["a"]
    assert len(server.requests) >= 4
    assert judge.tally.failed == 0


def test_nonsense_leaves_its_match_unjudged_and_is_reported_and_asked_again(documents):
    nonsense = "As a language model I like both of them"
    with ChatServer(lambda *_: says(nonsense)) as server:
        judge = chat_judge(server, documents)
        rate = play(judge, MATCHES[:2])
    assert (rate.interval.n, rate.interval.value, rate.unjudged) == (0, None, 2)
    assert judge.tally.unclear == 4
    assert judge.estimate(MATCHES[:2]).cached == 0
    # Earlier versions kept what said nothing, as a choice of its own.
    for question in _both_orders(MATCHES[0]):
        documents.put("judge", judge._key(question), {"choice": "UNCLEAR", "reply": nonsense})
    assert judge.estimate(MATCHES[:2]).calls == 4


def test_a_judge_that_thinks_aloud_is_heard_to_the_end(documents):
    def thinks(count, body):
        # A server cuts off what is longer than was asked for; ten characters make a token here.
        reply = json.loads(prefers_longer(count, body)[2])["choices"][0]["message"]["content"]
        return says(
            f"<think>{'Hm. Is it A, or B? ' * 500}</think>\n{reply}"[: 10 * body["max_tokens"]]
        )

    with ChatServer(thinks) as server:
        judge = chat_judge(server, documents)
        assert judge.judge(MATCHES) == ["a"] * 5
    assert judge.tally.unclear == 0


def test_a_judge_that_never_comes_to_a_verdict_ends_the_judging_with_a_sentence(documents):
    matches = [Match(f"prompt {n}", ScoredAnswer("long"), ScoredAnswer("s")) for n in range(40)]
    with ChatServer(lambda *_: says("<think>A is good, but then")) as server:
        with pytest.raises(JudgeError, match=r"named no answer in 10 replies.*good, but then"):
            chat_judge(server, documents, workers=1).judge(matches)
        assert 10 <= len(server.requests) < 20


def test_a_judge_that_is_unclear_now_and_then_goes_on_and_so_does_a_repetition(documents):
    matches = [Match(f"prompt {n}.", ScoredAnswer("long"), ScoredAnswer("s")) for n in range(40)]

    def moody(count, body):
        number = body["messages"][1]["content"].split("prompt ")[1].split(".")[0]
        return prefers_longer(count, body) if int(number) % 3 else says("Both.")

    with ChatServer(moody) as server:
        for calls in (80, 28):
            judge = chat_judge(server, documents, workers=1)
            verdicts = judge.judge(matches)
            assert verdicts == [None if n % 3 == 0 else "a" for n in range(40)]
            assert (judge.tally.calls, judge.tally.unclear) == (calls, 28)


def test_a_single_bad_reply_leaves_its_match_unjudged_and_the_rest_goes_on(documents):
    def behave(count, body):
        return (200, {}, b"<html>gateway</html>") if count == 1 else prefers_longer(count, body)

    with ChatServer(behave) as server:
        judge = chat_judge(server, documents, workers=1)
        assert judge.judge(MATCHES) == [None, "a", "a", "a", "a"]
        assert judge.tally.failed == 1
        # The failure was not kept: asking again mends it.
        assert chat_judge(server, documents, workers=1).judge(MATCHES) == ["a"] * 5


def test_a_dead_server_ends_the_judging_with_a_sentence_and_a_later_call_goes_on(documents):
    def behave(count, body):
        return prefers_longer(count, body) if count <= 4 else (503, {}, b"")

    with ChatServer(behave) as server:
        with pytest.raises(JudgeError, match=r"in a row.*repeat the command"):
            chat_judge(server, documents, workers=1).judge(MATCHES)
        # Two matches were paid for; the third question failed three attempts, three times over.
        assert len(server.requests) <= 4 + 4 * QUICK.attempts
    with ChatServer(prefers_longer) as revived:
        judge = ChatJudge(ChatEndpoint(server.url, "tiny", QUICK), documents)
        spend = judge.estimate(MATCHES)
        assert (spend.calls, spend.cached) == (6, 4)
        assert chat_judge(revived, documents).judge(MATCHES[4:]) == ["a"]


def test_nobody_listening_is_a_sentence(documents):
    endpoint = ChatEndpoint("http://127.0.0.1:9", "tiny", QUICK)
    with pytest.raises(JudgeError, match="no usable reply"):
        ChatJudge(endpoint, documents).judge(MATCHES)


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "DRPO_JUDGE_API_KEY"), (404, "base URL"), (400, "model name")]
)
def test_a_refusal_is_not_repeated(documents, status, remedy):
    with ChatServer(lambda *_: (status, {}, b"no")) as server:
        with pytest.raises(JudgeError, match=remedy):
            chat_judge(server, documents, workers=1).judge(MATCHES[:1])
        assert len(server.requests) == 1


def test_the_key_goes_into_the_header_and_nowhere_else(documents, monkeypatch):
    monkeypatch.setenv("DRPO_JUDGE_API_KEY", "secret-key")
    with ChatServer(prefers_longer) as server:
        chat_judge(server, documents).judge(MATCHES[:1])
    assert server.requests[0][1]["Authorization"] == "Bearer secret-key"
    assert "secret-key" not in json.dumps([document.body for document in documents.all("judge")])


def test_the_openai_key_is_not_handed_to_other_servers(documents, monkeypatch):
    monkeypatch.delenv("DRPO_JUDGE_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "openai-key")
    with ChatServer(prefers_longer) as server:
        chat_judge(server, documents).judge(MATCHES[:1])
    assert "Authorization" not in server.requests[0][1]


def test_a_body_without_end_is_not_read_to_the_end():
    endless = ChatServer(lambda *_: (200, {}, b"x" * 5_000_000))
    with endless as server, pytest.raises(UnusableReplyError):
        ChatEndpoint(server.url, "tiny", QUICK).ask("s", "u", max_tokens=4)


def test_a_base_url_that_is_none_is_named():
    with pytest.raises(JudgeError, match="localhost:8000/v1"):
        ChatEndpoint("localhost", "tiny")
    assert ChatEndpoint("http://localhost:8000", "t").base_url == "http://localhost:8000/v1"


def test_the_estimate_knows_what_is_already_paid(documents):
    with ChatServer(prefers_longer) as server:
        judge = chat_judge(server, documents)
        before = judge.estimate(MATCHES, prices=(1.0, 4.0))
        judge.judge(MATCHES[:2])
        after = judge.estimate(MATCHES)
    assert (before.calls, after.calls, after.cached) == (10, 6, 4)
    assert before.cost == pytest.approx((before.input_tokens + 4 * before.output_tokens) / 1e6)
    assert after.cost is None


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("A", "A"),
        ("**B**.", "B"),
        ("tie", "TIE"),
        ("A tie.", "TIE"),
        ("Answer B is better.", "B"),
        ("Both A and B are fine.\nB", "B"),
        ("<think>A looks good, B too</think>\nA", "A"),
        ("A looks good, B too</think>\nB", "B"),
        ("<think>never stops thinking, A", None),
        ("A or B", None),
        ("", None),
        ("bananas", None),
    ],
)
def test_a_choice_is_read_from_what_models_write(text, choice):
    assert read_choice(text) == choice


def test_server_counts_are_honest():
    # The tests above lean on request counts; two clients in parallel must not lose any.
    with ChatServer(lambda *_: says("A")) as server:
        endpoint = ChatEndpoint(server.url, "tiny", QUICK)
        threads = [
            threading.Thread(target=endpoint.ask, args=("s", str(n)), kwargs={"max_tokens": 1})
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    users = Counter(body["messages"][1]["content"] for _, _, body in server.requests)
    assert users == Counter(str(n) for n in range(8))
