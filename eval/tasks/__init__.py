"""The tasks that can be evaluated, by name: what each asks of a case, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping

from agent.errors import ConfigError
from eval.tasks.base import Answerer, Opening, Task
from eval.tasks.converse import CONVERSE
from eval.tasks.explain import EXPLAIN
from eval.tasks.rank import RANK
from eval.tasks.recommend import RECOMMEND

__all__ = ["TASKS", "Answerer", "Opening", "Task", "task_named"]

TASKS: Mapping[str, Task] = {task.name: task for task in (RANK, RECOMMEND, CONVERSE, EXPLAIN)}


def task_named(name: str) -> Task:
    """The task of this name. Raises ConfigError naming those there are."""
    if name not in TASKS:
        known = ", ".join(f"{task.name} ({task.about})" for task in TASKS.values())
        raise ConfigError(f"there is no task {name!r}", f"Tasks: {known}")
    return TASKS[name]
