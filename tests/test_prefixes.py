import numpy as np
import pytest

from agent.deadline import Deadline
from agent.llm.local.llama import Llama
from agent.llm.local.prefixes import Prefix, Prefixes

NEVER = Deadline.never()
LINES = [" Heat (1995)", " Toy Story (1995)", " Alien (1979)"]


def prefix(*tokens: int, size: int = 100) -> Prefix:
    return Prefix(tokens, np.zeros(0, dtype=np.float32), bytes(size))


def test_the_one_that_begins_alike_for_longest_is_nearest() -> None:
    kept = Prefixes(1_000)
    short, long, other, current = prefix(1, 2), prefix(1, 2, 3), prefix(9), prefix(7, 1)
    for one in (short, long, other):
        kept.add(one)
    assert kept.nearest([1, 2, 3, 4]) is long
    assert kept.nearest([7]) is None
    assert kept.nearest([7, 8], current) is current


def test_what_was_not_used_for_longest_goes_first() -> None:
    kept = Prefixes(250)
    kept.add(prefix(1))
    kept.add(prefix(2))
    assert kept.nearest([1])
    kept.add(prefix(3))
    assert (kept.nearest([2]), kept.bytes, len(kept)) == (None, 200, 2)


@pytest.mark.parametrize("size", [0, 251])
def test_what_is_too_large_or_was_not_saved_is_not_kept(size: int) -> None:
    kept = Prefixes(250)
    kept.add(prefix(1, size=size))
    assert (len(kept), kept.bytes) == (0, 0)


def test_adding_one_again_takes_its_memory_once() -> None:
    kept = Prefixes(250)
    kept.add(prefix(1))
    kept.add(prefix(1))
    assert kept.bytes == 100


def test_a_person_who_comes_back_is_not_read_again_and_scores_alike(llama: Llama) -> None:
    people = [f"Films that person {n} of many enjoyed, in order:\n- Film {n} (19{n:02})\n-" for n in range(12)]
    first = [llama.score(person, LINES, NEVER) for person in people]
    before = llama.tokens_decoded
    again = [llama.score(person, LINES, NEVER) for person in people]
    lines = sum(len(llama.tokenise(line)) for line in LINES)
    assert llama.tokens_decoded - before <= len(people) * lines
    assert again == first


def test_a_prefix_that_goes_on_from_one_put_back_reads_the_rest_alone(llama: Llama) -> None:
    one, other = "Films seen by one person, all of them:\n- Heat", "Books that somebody read, all of them:\n- Emma"
    llama.score(one, LINES, NEVER)
    llama.score(other, LINES, NEVER)
    before = llama.tokens_decoded
    llama.choose(one + "\n- Alien", [" (1979)"], [[" yes"], [" no"]], NEVER)
    assert llama.tokens_decoded - before <= len(llama.tokenise("\n- Alien")) + len(llama.tokenise(" (1979)")) + 1
