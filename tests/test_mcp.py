"""The tools over MCP: the official client against `palate mcp` in a process of its own, over real pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from agent.catalogue import load_items, read_items
from agent.recommender import Recommender
from agent.settings import Settings
from tests.test_cli import palate

mcp = pytest.importorskip("mcp")
ROOT = Path(__file__).parent.parent
FILMS = ROOT / "tests" / "support" / "films.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with fifteen films and their index."""
    path = tmp_path_factory.mktemp("mcp")
    with Recommender.open(settings=Settings(folder=path)) as recommender, read_items(FILMS) as rows:
        load_items(rows, recommender.put_items, path / "refused.jsonl")
        recommender.sync_index()
    return path


@dataclass(frozen=True)
class Program:
    """A program that uses the tools."""

    portal: BlockingPortal
    session: Any

    def tools(self) -> dict[str, Any]:
        return {tool.name: tool for tool in self.portal.call(self.session.list_tools).tools}

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What the tool answers, as its schema says."""
        result = self.portal.call(self.session.call_tool, tool, arguments)
        assert not result.is_error, result.content[0].text
        return result.structured_content  # type: ignore[no-any-return]

    def refusal(self, tool: str, **arguments: Any) -> str:
        """The line that the tool refuses with."""
        result = self.portal.call(self.session.call_tool, tool, arguments)
        assert result.is_error
        return result.content[0].text  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PALATE_", "OPENAI_", "CHROMA_"))}
    command = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "agent.cli", "--folder", str(folder), "mcp", "--user", "ada", "--no-llm"],
        env={**clean, "PYTHONPATH": str(ROOT), "PALATE_NOUN": "films"},
        cwd=folder,
    )
    with start_blocking_portal() as portal:
        client = mcp.Client(mcp.stdio_client(command))
        with portal.wrap_async_context_manager(client) as session:
            yield Program(portal, session)


def test_the_tools_say_what_they_take_and_give(program: Program) -> None:
    tools = program.tools()
    assert set(tools) == {"recommend", "search_items", "explain", "tell"}
    assert all(tool.description and tool.output_schema for tool in tools.values())
    assert tools["recommend"].annotations.read_only_hint
    assert not tools["tell"].annotations.read_only_hint
    wanted = tools["search_items"].input_schema
    assert wanted["required"] == ["query"]
    assert wanted["properties"]["limit"]["maximum"] == 50
    assert "15" in program.session.instructions


def test_what_is_told_changes_what_is_recommended_with_checked_reasons(program: Program) -> None:
    told = program.call("tell", likes=["Toy Story", "the incredibles"], seen=["f05"])["recorded"]
    assert [(one["kind"], one["title"]) for one in told] == [
        ("view", "The Lion King (1994)"),
        ("like", "Toy Story (1995)"),
        ("like", "The Incredibles (2004)"),
    ]
    answer = program.call("recommend", wish="an animated film for children", k=3, where="year>=2000")
    titles = [one["title"] for one in answer["recommendations"]]
    assert len(titles) == 3
    assert not {"Toy Story (1995)", "The Incredibles (2004)", "The Lion King (1994)"} & set(titles)
    assert all(one["reason"] and one["rests_on"] for one in answer["recommendations"])
    assert [one["rank"] for one in answer["recommendations"]] == [1, 2, 3]
    assert program.call("recommend", user="bob", k=1)["recommendations"][0]["title"] == "The Godfather (1972)"


def test_items_are_searched_by_title_first_then_by_meaning(program: Program) -> None:
    assert program.call("search_items", query="lion kin", limit=2)["items"][0]["title"].startswith("The Lion King")
    found = program.call("search_items", query="a bear who looks for a home", limit=3)["items"]
    assert "Paddington (2014)" in [one["title"] for one in found]
    assert program.call("search_items", query="lion king", where="year>=2000", limit=1)["items"][0]["item_id"] == "f06"


def test_reasons_are_given_for_items_that_anyone_chose(program: Program) -> None:
    program.call("tell", likes=["Heat"], user="carl")
    answer = program.call("explain", titles=["The Godfather", "Alien"], user="carl")
    assert [one["title"] for one in answer["recommendations"]] == ["The Godfather (1972)", "Alien (1979)"]
    assert all(one["reason"] for one in answer["recommendations"])
    assert "what they did: Heat (1995)" in answer["recommendations"][0]["rests_on"]


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("tell", {"likes": ["nonsense of a title"]}, "no item is called"),
        ("tell", {"likes": ["The Lion King"]}, "fits 2 items: The Lion King (1994)"),
        ("tell", {}, "Nothing to record"),
        ("tell", {"ratings": {"Heat": 9}}, "9"),
        ("recommend", {"where": "year>>2000"}, "position"),
        ("recommend", {"where": "colour=red"}, "no item has the field"),
        ("recommend", {"k": 0}, "greater than or equal to 1"),
        ("recommend", {"user": "a\x01b"}, "unprintable"),
        ("search_items", {"query": ""}, "at least 1 character"),
        ("search_items", {"query": "x", "where": "colour=red"}, "no item has the field"),
        ("explain", {"titles": "Heat"}, "titles"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    program: Program, tool: str, arguments: dict[str, Any], told: str
) -> None:
    line = program.refusal(tool, **arguments)
    assert told in line
    assert "Traceback" not in line


def test_without_items_it_says_how_to_load_some(tmp_path: Path) -> None:
    answer = palate("--folder", tmp_path / "none", "mcp", cwd=tmp_path)
    assert answer.code == 1
    assert "palate load" in answer.err
    assert not answer.out


def test_without_the_package_it_says_how_to_install_it(tmp_path: Path) -> None:
    without = "import sys; sys.modules['mcp'] = None; sys.argv[1:] = ['mcp']\nfrom agent.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "palate[mcp]" in done.stderr
    assert len(done.stderr.splitlines()) == 1
