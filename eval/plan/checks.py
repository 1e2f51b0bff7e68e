"""What a plan names, looked at before anything is loaded: models that there are, prompts that can be rendered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import prompts
from agent.errors import ConfigError, PromptError
from agent.llm.files.reference import FileReference, parse
from eval.plan.cells import BUILT_IN, NO_MODEL, Cell


def check_cells(cells: Sequence[Cell]) -> None:
    """Do nothing where the cells' models and prompts can be used, as far as that shows without loading a model.

    Raises ConfigError: a model of no known form, a model file or prompt folder that is not there, a broken prompt.
    """
    for model in dict.fromkeys(cell.model for cell in cells if cell.model != NO_MODEL):
        _check_model(model)
    for folder in dict.fromkeys(cell.prompts for cell in cells if cell.prompts != BUILT_IN):
        try:
            prompts.check(Path(folder))
        except PromptError as error:
            raise ConfigError(error.message, error.hint) from error


def _check_model(reference: str) -> None:
    try:
        parsed = parse(reference)
    except ConfigError as error:
        raise ConfigError(f"models: {error.message}", error.hint) from error
    if isinstance(parsed, FileReference) and not (parsed.path.is_file() and parsed.path.stat().st_size):
        raise ConfigError(
            f"models: there is no model file {parsed.path}", "Name a .gguf file that is there: palate models list"
        )
