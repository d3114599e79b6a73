"""Requests to a server that answers late, in halves, with errors and with nonsense: concurrency, retries, spending."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.openai_server import Asked, Says, Sleeper, completion, engine, error, in_turn, serving, without_keys
from rerankbench.engines.openai_http import OpenAIEngine, OpenAIOptions
from rerankbench.errors import EngineError, OverLengthError


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    without_keys(monkeypatch)


def test_as_many_requests_as_allowed_are_under_way_and_never_more() -> None:
    four = threading.Barrier(4, timeout=10)

    def answer(asked: Asked) -> Says:
        four.wait()  # broken, and the test with it, unless four requests are here at the same time
        return completion(asked.prompt)

    with serving(answer) as server, engine(server, max_concurrency=4, retries=0) as made:
        calls = made.generate([str(i) for i in range(24)], max_tokens=1)
        assert [c.text for c in calls] == [str(i) for i in range(24)]
        assert server.most_at_once == 4


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 40), at_once=st.integers(1, 9))
def test_answers_come_in_the_order_of_the_prompts_whatever_the_delays_and_failures(seed: int, count: int, at_once: int) -> None:
    draws, lock, failed = random.Random(seed), threading.Lock(), set[str]()

    def answer(asked: Asked) -> Says:
        with lock:
            delay, fails = draws.random() / 100, draws.random() < 0.3 and asked.prompt not in failed
            failed.update([asked.prompt] if fails else [])
        return error(503, "busy") if fails else Says(completion(f"<{asked.prompt}>").body, after_s=delay)

    with serving(answer) as server, engine(server, max_concurrency=at_once) as made:
        calls = made.generate([str(i) for i in range(count)], max_tokens=1)
        assert [c.text for c in calls] == [f"<{i}>" for i in range(count)]
        assert server.most_at_once <= at_once
        assert len(server.asked) == count + len(failed)


def test_it_works_below_a_callers_own_event_loop_and_leaves_no_thread_behind() -> None:
    with serving(in_turn(completion("x"))) as server:
        with engine(server) as made:

            async def caller() -> str:
                return made.generate(["p"], max_tokens=1)[0].text

            assert asyncio.run(caller()) == "x"
        made.close()  # twice does no harm
        assert not [t for t in threading.enumerate() if t.name == "openai-requests"]


PASSING = {
    "late": Says(completion("late").body, after_s=5.0),
    "drip": Says(completion("drip").body, drip=True),
    "cut": Says(completion("a text that is cut").body, cut=True),
    "hang up": Says(hang_up=True),
    "408": error(408, "timeout"),
    "409": error(409, "conflict"),
    "429": error(429, "slow down", "rate_limit_exceeded"),
    "500": error(500, "oops"),
    "503": Says(b"<html>503 Service Unavailable</html>", 503),
    "html": Says(b"<!doctype html><html>Welcome to the proxy</html>"),
    "broken json": Says(b'{"choices": [{"text": "x"'),
    "empty": Says(b""),
    "no choices": Says({"usage": {"prompt_tokens": 1, "completion_tokens": 1}, "choices": []}),
    "no usage": Says({"choices": [{"text": "x", "finish_reason": "stop"}]}),
    "aborted": completion("x", finish="abort"),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_repeated_until_it_has_passed(fault: str) -> None:
    sleep = Sleeper()
    with serving(in_turn(PASSING[fault], PASSING[fault], completion("good"))) as server, engine(server, sleep, timeout_s=0.3) as made:
        (call,) = made.generate(["p"], max_tokens=1)
        assert call.text == "good"
        assert call.seconds < 0.3, "of the attempt that succeeded"
        assert len(server.asked) == 3
        # 1 s, then 2 s, each less at most its half.
        assert len(sleep.waits) == 2
        assert 0.5 <= sleep.waits[0] <= 1.0 <= sleep.waits[1] <= 2.0


def test_waits_grow_to_their_bound_differ_by_request_and_are_the_same_every_time() -> None:
    def waits(prompts: int) -> list[float]:
        sleep = Sleeper()
        options = {"retries": 6, "backoff_s": 1.0, "max_wait_s": 8.0, "max_concurrency": 1}
        answer = lambda asked: error(500, "x") if asked.number % 7 < 6 else completion("y")  # noqa: E731
        with serving(answer) as server, engine(server, sleep, **options) as made:
            made.generate(["p"] * prompts, max_tokens=1)
        return sleep.waits

    found = waits(2)
    bounds = [1, 2, 4, 8, 8, 8]
    for one in (found[:6], found[6:]):
        assert all(bound / 2 <= wait <= bound for wait, bound in zip(one, bounds, strict=True))
    assert found[:6] != found[6:]
    assert waits(2) == found


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "2.5"}, 2.5),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
    ],
)
def test_a_server_that_says_when_is_asked_again_then(headers: dict[str, str], wait: float) -> None:
    sleep = Sleeper()
    with serving(in_turn(error(429, "later", headers=headers), completion("x"))) as server, engine(server, sleep) as made:
        made.generate(["p"], max_tokens=1)
        assert sleep.waits == [wait]


@pytest.mark.parametrize("said", ["0", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_server_that_says_nothing_of_use_is_asked_again_after_the_usual_wait(said: str) -> None:
    sleep = Sleeper()
    with serving(in_turn(error(429, "later", headers={"Retry-After": said}), completion("x"))) as server, engine(server, sleep) as made:
        made.generate(["p"], max_tokens=1)
        assert 0.5 <= sleep.waits[0] <= 1.0


def test_a_server_that_asks_for_too_long_a_wait_is_not_asked_again() -> None:
    sleep = Sleeper()
    with serving(in_turn(error(429, "daily limit", headers={"Retry-After": "3600"}))) as server, engine(server, sleep) as made:
        with pytest.raises(EngineError, match="HTTP 429: daily limit; it asks to wait 3600 s"):
            made.generate(["p"], max_tokens=1)
        assert (len(server.asked), sleep.waits) == (1, [])


@pytest.mark.parametrize(
    ("says", "match"),
    [
        (error(400, "temperature is not supported"), "HTTP 400: temperature is not supported"),
        (error(401, "bad key"), "HTTP 401: bad key(.|\n)*key_env"),
        (error(403, "not for you"), "HTTP 403: not for you"),
        (error(404, "no such model"), "HTTP 404: no such model(.|\n)*/v1"),
        (error(429, "pay first", "insufficient_quota"), "HTTP 429: pay first"),
        (Says({"object": "error", "message": "old form"}, 400), "HTTP 400: old form"),
        (Says({"error": "Unauthorized"}, 401), "HTTP 401: Unauthorized\n"),
        (Says({"detail": [{"msg": "Field required"}]}, 422), "HTTP 422: .*Field required"),
        (Says(b"<html>no</html>", 404), "HTTP 404: <html>no</html>"),
        (Says(b"", 301, {"Location": "/elsewhere"}), "HTTP 301"),
        (error(400, "x" * 5000), "HTTP 400: x{290}x*…\n"),
    ],
)
def test_a_fault_that_stays_is_told_at_once(says: Says, match: str) -> None:
    with serving(in_turn(says)) as server, engine(server) as made:
        with pytest.raises(EngineError, match=match) as caught:
            made.generate(["p"], max_tokens=1)
        assert len(server.asked) == 1
        assert "request 1 of 1, attempt 1" in str(caught.value)
        assert "Spent so far: 1 requests; 0 tokens." in str(caught.value)


def test_retries_are_bounded_and_the_last_problem_is_told() -> None:
    with serving(in_turn(error(500, "first"), Says(b"<html>second"))) as server, engine(server, retries=2) as made:
        with pytest.raises(EngineError, match=r"attempt 3.*status 200 that is not what was asked for .*<html>second"):
            made.generate(["p"], max_tokens=1)
        assert len(server.asked) == 3


def test_a_server_that_is_not_there_is_named() -> None:
    with serving(in_turn()) as server:
        url = server.url
    made = OpenAIEngine(OpenAIOptions(base_url=url, model="tiny", retries=1), sleep=Sleeper())
    with pytest.raises(EngineError, match=r"no connection .*\n.*\nDoes the server 127.0.0.1:\d+ run\?"):
        made.generate(["p"], max_tokens=1)
    assert made.spent == {"requests": 2, "tokens": 0}
    made.close()


@pytest.mark.parametrize(
    "says",
    [
        error(400, "This model's maximum context length is 512 tokens. However, you requested 600.", 400),
        error(400, "too much", "context_length_exceeded"),
        completion("x", tokens=(101, 1)),
    ],
)
def test_a_prompt_that_is_too_long_is_told_as_that(says: Says) -> None:
    with serving(in_turn(says)) as server, engine(server, max_tokens=100) as made:
        with pytest.raises(OverLengthError):
            made.generate(["p"], max_tokens=1)
        assert len(server.asked) == 1


def test_the_first_failure_ends_the_call_and_nothing_more_is_sent() -> None:
    def answer(asked: Asked) -> Says:
        return error(400, "bad prompt") if asked.prompt == "3" else completion("x")

    with serving(answer) as server, engine(server, max_concurrency=1) as made:
        with pytest.raises(EngineError, match="request 4 of 9, attempt 1"):
            made.generate([str(i) for i in range(9)], max_tokens=1)
        assert [asked.prompt for asked in server.asked] == ["0", "1", "2", "3"]
        # Three answers of 7 + 3 tokens are paid for, and lost.
        assert made.spent == {"requests": 4, "tokens": 30}
        assert made.generate(["5"], max_tokens=1)[0].text == "x", "the engine works on"


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Control-C means what it means to Python: workers of a parallel test run ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_drops_what_is_under_way() -> None:
    def answer(asked: Asked) -> Says:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return Says(completion("never").body, after_s=60.0)

    with serving(answer) as server:
        made = OpenAIEngine(OpenAIOptions(base_url=server.url, model="tiny", max_concurrency=1))
        with pytest.raises(KeyboardInterrupt):
            made.generate(["a", "b"], max_tokens=1)
        made.close()
        assert [asked.prompt for asked in server.asked] == ["a"]


def test_a_call_with_more_prompts_than_requests_left_sends_nothing() -> None:
    with serving(in_turn(completion("x"))) as server, engine(server, max_requests=5) as made:
        made.generate(["p"] * 3, max_tokens=1)
        with pytest.raises(EngineError, match=r"3 more requests would pass max_requests, which is 5.*\nSpent .* 3 requests; 30 tokens"):
            made.generate(["p"] * 3, max_tokens=1)
        assert len(server.asked) == 3
        made.generate(["p"] * 2, max_tokens=1)
        assert made.spent == {"requests": 5, "tokens": 50}


def test_repetitions_count_as_requests() -> None:
    with serving(in_turn(error(500, "x"))) as server, engine(server, max_requests=3, retries=9) as made:
        with pytest.raises(EngineError, match="1 more request would pass max_requests, which is 3"):
            made.generate(["p"], max_tokens=1)
        assert len(server.asked) == 3


@pytest.mark.parametrize("at_once", [1, 8])
def test_no_request_is_sent_that_might_pass_the_limit_of_tokens(at_once: int) -> None:
    # The server counts 10 a request; a prompt of 10 bytes may cost 10 + 16 + 256, and its answer 18: 300 at the most.
    limit = 1000
    with serving(in_turn(completion("x"))) as server, engine(server, max_tokens_total=limit, max_concurrency=at_once) as made:
        with pytest.raises(EngineError, match="of 300 tokens at the most, might pass max_tokens_total, which is 1000") as caught:
            made.generate(["ten bytes."] * 200, max_tokens=18)
        # Sent as long as what was counted leaves 300: the 71st at 700, no 72nd at 710.
        assert made.spent == {"requests": 71, "tokens": 710}
        assert "Spent so far: 71 requests; 710 tokens." in str(caught.value)
        assert len(server.asked) == 71


def test_a_request_without_an_answer_counts_at_the_most_that_it_can_have_cost() -> None:
    with serving(in_turn(Says(hang_up=True), error(500, "x"), completion("x"))) as server, engine(server) as made:
        made.generate(["ten bytes."], max_tokens=18)
        # Cut off: 300 at the most. An error costs nothing. Then 10.
        assert made.spent == {"requests": 3, "tokens": 310}
        server.answer = in_turn(error(400, "stop"))
        with pytest.raises(EngineError, match="4 requests, 1 of them without an answer and counted at the most"):
            made.generate(["p"], max_tokens=1)
