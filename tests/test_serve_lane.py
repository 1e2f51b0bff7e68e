"""One answer at a time, a bounded queue, and a way out for those who leave: the lane alone, and over real sockets."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.deadline import Deadline, while_wanted
from agent.errors import NotFound
from agent.serve.lane import Lane, Overloaded
from tests.support.serving import PATIENCE_S, Server, wait_for

TIME_S = 30.0


def heard(words: str, before: list[str] | None = None) -> Iterator[str]:
    for word in words.split():
        if before is not None:
            before.append(word)
        yield word


def test_pieces_come_in_order_and_answers_one_after_the_other() -> None:
    async def both() -> list[list[str]]:
        lane, order = Lane(4), []
        first = lane.answer(lambda _: heard("a b", order), TIME_S)
        second = lane.answer(lambda _: heard("c d", order), TIME_S)
        got = [[word async for word in answer] for answer in (second, first)]
        await lane.close()
        return [*got, order]

    assert asyncio.run(both()) == [["c", "d"], ["a", "b"], ["a", "b", "c", "d"]]


def test_an_error_reaches_whoever_asked_and_the_next_is_served() -> None:
    def fails() -> Iterator[str]:
        yield "a"
        raise NotFound("nothing", "here")

    async def one() -> list[str]:
        lane = Lane(1)
        answer = lane.answer(lambda _: fails(), TIME_S)
        assert await anext(answer) == "a"
        with pytest.raises(NotFound):
            await anext(answer)
        return [word async for word in lane.answer(lambda _: heard("b"), TIME_S)]

    assert asyncio.run(one()) == ["b"]


def test_the_queue_is_bounded_and_a_place_is_given_up_at_once() -> None:
    async def crowd() -> None:
        lane, go = Lane(2), threading.Event()

        def waits() -> Iterator[str]:
            go.wait(PATIENCE_S)
            yield "done"

        answers = [lane.answer(lambda _: waits(), TIME_S) for _ in range(3)]
        with pytest.raises(Overloaded) as full:
            lane.answer(lambda _: heard("a"), TIME_S)
        assert 1 <= full.value.retry_after_s <= 60
        await asyncio.sleep(0)
        answers[1].leave()
        await asyncio.wait({answers[1].task})  # type: ignore[arg-type]  # it has one
        assert lane.waiting == 1
        last = lane.answer(lambda _: heard("last"), TIME_S)
        go.set()
        assert [word async for word in last] == ["last"]
        await lane.close()
        with pytest.raises(Overloaded):
            lane.answer(lambda _: heard("a"), TIME_S)

    asyncio.run(crowd())


def test_time_runs_while_waiting_too() -> None:
    async def late() -> None:
        lane, go, left = Lane(2), threading.Event(), []

        def waits(left_s: float) -> Iterator[str]:
            left.append(left_s)
            go.wait(PATIENCE_S)
            yield "done"

        first = lane.answer(waits, TIME_S)
        second = lane.answer(waits, 0.05)
        with pytest.raises(Overloaded, match="its turn"):
            await anext(second)
        go.set()
        assert [word async for word in first] == ["done"]
        assert len(left) == 1
        assert left[0] <= TIME_S

    asyncio.run(late())


def test_who_cannot_be_served_in_time_is_told_at_once() -> None:
    async def short_of_time() -> None:
        lane, go = Lane(16), threading.Event()

        def takes(_left_s: float) -> Iterator[str]:
            go.wait(0.2)
            yield "done"

        assert [word async for word in lane.answer(takes, TIME_S)] == ["done"]
        answers = [lane.answer(takes, 0.01)]  # nothing comes before it, however little time it has
        await asyncio.sleep(0)
        answers += [lane.answer(takes, TIME_S) for _ in range(3)]
        with pytest.raises(Overloaded, match="4 answers come first") as told:
            lane.answer(takes, 0.5)
        assert told.value.retry_after_s >= 1
        with pytest.raises(Overloaded):
            lane.check(0.5)
        lane.check(TIME_S)
        go.set()
        assert [[word async for word in answer] for answer in answers] == [["done"]] * 4
        lane.check(0.01)
        await lane.close()

    asyncio.run(short_of_time())


def test_one_after_the_other_is_always_served() -> None:
    """Answers that take all the time they have, and more: whoever asks when one has come is not sent away."""

    async def in_turn() -> list[str]:
        lane = Lane(16)

        def takes(_left_s: float) -> Iterator[str]:
            time.sleep(0.06)
            yield "done"

        got = [await anext(lane.answer(takes, 0.05)) for _ in range(8)]
        await lane.close()
        return got

    assert asyncio.run(in_turn()) == ["done"] * 8


def test_what_opens_the_model_is_no_measure_of_an_answer() -> None:
    async def opened() -> None:
        lane = Lane(16)

        def opens(_left_s: float) -> Iterator[str]:
            time.sleep(0.3)
            yield "open"

        assert [word async for word in lane.answer(opens, TIME_S, usual=False)] == ["open"]
        answers = [lane.answer(lambda _: heard("a"), 0.25) for _ in range(3)]
        assert [[word async for word in answer] for answer in answers] == [["a"]] * 3
        await lane.close()

    asyncio.run(opened())


def test_who_leaves_ends_the_work_within_a_piece() -> None:
    seen: list[bool] = []

    def works(_left_s: float) -> Iterator[str]:
        deadline = Deadline(TIME_S)
        try:
            yield "first"
            until = time.monotonic() + PATIENCE_S
            while not deadline.expired and time.monotonic() < until:
                time.sleep(0.005)
            seen.append(deadline.expired)
            yield "never heard"
        finally:
            seen.append(True)

    async def leaves() -> list[str]:
        lane = Lane(2)
        answer = lane.answer(works, TIME_S)
        assert await anext(answer) == "first"
        answer.leave()
        return [word async for word in lane.answer(lambda _: heard("next"), TIME_S)]

    assert asyncio.run(leaves()) == ["next"]
    assert seen == [True, True]


def test_deadlines_heed_who_waits_only_where_they_were_made() -> None:
    gone = False
    before = Deadline.never()
    with while_wanted(lambda: gone):
        within = Deadline.never()
    after = Deadline.never()
    assert not within.expired
    gone = True
    assert (before.expired, within.expired, after.expired) == (False, True, False)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slow") / "log"


@pytest.fixture(scope="module")
def slow(log: Path) -> Iterator[Server]:
    with slow_server(log) as server:
        yield server


def slow_server(log: Path, *settings: str) -> Server:
    return Server(["-m", "tests.support.slow_server", str(log.parent), str(log), "serve.queue=1", *settings])


def said(seconds: float, kind: str = "") -> dict[str, str]:
    return {"user": "ada", "message": f"{seconds} {kind}".strip()}


def told(log: Path, line: str) -> bool:
    return log.exists() and line in log.read_text(encoding="utf-8").splitlines()


def test_a_client_that_hangs_up_frees_the_model_at_once(slow: Server, log: Path) -> None:
    slow.hang_up("/v1/converse", said(PATIENCE_S + 1), after=b"event: words")
    assert slow.ask("POST", "/v1/converse", said(0)).status == 200
    assert told(log, f"closed {PATIENCE_S + 1}")


def test_one_that_hangs_up_before_a_word_came_ends_its_work_by_the_deadline(slow: Server, log: Path) -> None:
    slow.hang_up("/v1/converse", said(PATIENCE_S + 2, "deaf"), after=b"event: heard")
    assert slow.ask("POST", "/v1/converse", said(0)).status == 200
    assert told(log, f"expired {PATIENCE_S + 2} deaf")


def test_the_whole_queue_can_hang_up_and_leave_room(slow: Server, log: Path) -> None:
    with socket.create_connection((slow.host, slow.port), timeout=PATIENCE_S) as line:
        body = b'{"user": "ada", "message": "301 first"}'
        head = f"POST /v1/converse HTTP/1.1\r\nhost: {slow.host}\r\ncontent-type: application/json\r\n"
        line.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        wait_for(lambda: told(log, "began 301 first"))
        with socket.create_connection((slow.host, slow.port), timeout=PATIENCE_S) as other:
            other.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            wait_for(lambda: "palate_queue_length 1.0" in slow.ask("GET", "/metrics").raw.decode())
            full = slow.ask("POST", "/v1/converse", said(0))
            assert full.status == 503
            assert int(full.headers["retry-after"]) >= 1
            assert full.json["type"] == "urn:palate:Overloaded"
            assert slow.ask("GET", "/v1/profile?user=ada").status == 200  # cheap ones do not wait
        wait_for(lambda: "palate_queue_length 0.0" in slow.ask("GET", "/metrics").raw.decode())
    assert slow.ask("POST", "/v1/converse", said(0)).status == 200
    wait_for(lambda: "palate_left_total 4.0" in slow.ask("GET", "/metrics").raw.decode())
    metrics = slow.ask("GET", "/metrics").raw.decode()
    assert "palate_shed_total 1.0" in metrics
    assert "ada" not in metrics


def test_the_deadline_of_a_request_holds(slow: Server, log: Path) -> None:
    got = slow.ask("POST", "/v1/converse", said(PATIENCE_S + 3, "deaf") | {"timeout_s": 0.3})
    assert got.events()[-1][0] == "done"
    assert told(log, f"expired {PATIENCE_S + 3} deaf")


@pytest.mark.parametrize(
    ("method", "path", "body", "most_s"),
    [
        ("POST", "/v1/explain", {"user": "ada", "items": ["f01"], "timeout_s": 7}, 7),
        ("GET", "/v1/why?user=ada&item=f01", None, 30),
    ],
)
def test_reasons_have_the_time_that_is_left(
    slow: Server, log: Path, method: str, path: str, body: object, most_s: float
) -> None:
    assert slow.ask(method, path, body).status == 200
    kind, _, left_s = log.read_text(encoding="utf-8").splitlines()[-1].split()
    assert path.startswith(f"/v1/{kind}")
    assert 0 < float(left_s) <= most_s


def test_a_signal_lets_answers_end(tmp_path: Path) -> None:
    with slow_server(tmp_path / "log") as server, ThreadPoolExecutor(1) as other:
        asked = other.submit(server.ask, "POST", "/v1/converse", said(1.0))
        wait_for(lambda: told(tmp_path / "log", "began 1.0"))
        assert server.end(signal.SIGTERM) == (0, "")
        assert asked.result().events()[-1][0] == "done"
        assert told(tmp_path / "log", "ended 1.0")


def test_after_its_time_an_answer_is_cut_and_the_server_ends(tmp_path: Path) -> None:
    with slow_server(tmp_path / "log", "serve.timeout_s=1") as server:
        with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as line:
            body = f'{{"user": "ada", "message": "{PATIENCE_S}"}}'.encode()
            head = f"POST /v1/converse HTTP/1.1\r\nhost: {server.host}\r\ncontent-type: application/json\r\n"
            line.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            wait_for(lambda: told(tmp_path / "log", f"began {PATIENCE_S}"))
            code, noted = server.end(signal.SIGTERM)
        assert (code, noted) == (0, "")
        assert told(tmp_path / "log", f"closed {PATIENCE_S}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_server_that_is_stuck_as_where_a_model_opens(tmp_path: Path, number: int) -> None:
    with slow_server(tmp_path / "log") as server:
        server.hang_up("/v1/converse", said(60, "stuck"), after=b"event: heard")
        server.process.send_signal(number)
        wait_for(lambda: refuses(server))
        assert server.end(number) == (128 + number, "palate: interrupted\n")
        assert not told(tmp_path / "log", "ended 60 stuck")


def refuses(server: Server) -> bool:
    try:
        server.ask("GET", "/healthz")
    except OSError:
        return True
    return False
