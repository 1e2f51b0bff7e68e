"""Settings for a data folder of a test."""

from pathlib import Path

from agent import Settings
from agent.settings import LearnSettings


def settings(folder: Path, cache: Path | None = None) -> Settings:
    """All of it in the folder, and a little learning; the cache elsewhere where it is named."""
    learn = LearnSettings(every_events=20, factors=8)
    return Settings(folder=folder, cache_folder=cache or folder / "cache", learn=learn)
