import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.rerank.blend import blend, order, zscores

numbers = st.floats(-1e6, 1e6, allow_nan=False)


def test_zscores_of_a_worked_example() -> None:
    assert zscores([1, 2, 3]) == pytest.approx([-1.224745, 0, 1.224745], abs=1e-6)


@pytest.mark.parametrize("values", [[], [5.0], [2.0, 2.0, 2.0]])
def test_zscores_that_tell_nothing_apart_are_zero(values: list[float]) -> None:
    assert list(zscores(values)) == [0.0] * len(values)


def test_blend_is_the_weighted_sum_of_zscores() -> None:
    blended = blend({"a": [1, 2, 3], "b": [30, 10, 20]}, {"a": 2.0, "b": 1.0})
    assert blended == pytest.approx(2 * zscores([1, 2, 3]) + zscores([30, 10, 20]))


def test_blend_ignores_signals_without_a_weight() -> None:
    assert list(blend({"a": [1, 2], "b": [9, 1]}, {"a": 1.0})) == list(zscores([1, 2]))


def test_blend_refuses_signals_of_different_length() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        blend({"a": [1.0], "b": [1.0, 2.0]}, {})


@given(st.lists(numbers, min_size=2, max_size=30), st.floats(0.1, 10), st.floats(-100, 100))
def test_blend_does_not_depend_on_scale_or_origin(values: list[float], scale: float, shift: float) -> None:
    if np.std(values) < 1e-3:
        return
    moved = [v * scale + shift for v in values]
    assert np.allclose(blend({"a": values}, {"a": 1.0}), blend({"a": moved}, {"a": 1.0}), atol=1e-3)


def test_order_is_best_first_with_ties_by_name() -> None:
    assert order([1.0, 3.0, 1.0], ["c", "b", "a"]) == [1, 2, 0]
