"""The page in a real browser, before a real server with the real small model: what a person sees and can do."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, Route, expect

from agent.catalogue import load_items, read_items
from agent.recommender import Recommender
from agent.serve.keys import Keys
from agent.settings import Settings
from agent.types import Item
from tests.support.browser import PATIENCE_MS, Visit, chromium
from tests.support.page_server import PageServer

FILMS = Path(__file__).parent / "support" / "films.csv"
AUDIT = (Path(__file__).parent / "support" / "audit.js").read_text("utf-8").partition("\n")[2]
COUNT_MOVEMENTS = """() => {
  const animate = Element.prototype.animate;
  window.moved = 0;
  Element.prototype.animate = function (...given) { window.moved += 1; return animate.apply(this, given); };
}"""
WISH = "something funny for the whole family"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}

HOSTILE = (
    Item(item_id="markup", title="<img src=x onerror=alert(1)><script>alert(2)</script>", tags=("<b>Comedy</b>",)),
    Item(item_id="long", title="Unending " * 111 + "!", tags=("Comedy",)),
    Item(item_id="unbroken", title="x" * 1_000, tags=("Comedy", "y" * 200)),
    Item(item_id="rtl", title="سينما باراديسو", tags=("دراما",), attributes={"year": 1988}),
    Item(item_id="override", title="Gnp.\u202eexe \u2067mixed", tags=("Drama",)),
    Item(item_id="a/b?c#d%2e", title="../../{title} ${x} %s \\n", tags=("Comedy",)),
)

Visiting = Callable[..., Visit]

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """Fifteen films, and the default model as a user gets it."""
    folder = tmp_path_factory.mktemp("films")
    with Recommender.open(settings=Settings(folder=folder)) as recommender, read_items(FILMS) as rows:
        load_items(rows, recommender.put_items, folder / "refused.jsonl")
        recommender.sync_index()
    with PageServer(folder) as running:
        yield running


@pytest.fixture(scope="module")
def modelless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """Items whose titles mean harm, and a model whose file is broken."""
    folder = tmp_path_factory.mktemp("hostile")
    broken = folder / "broken.gguf"
    broken.write_bytes(b"GGUF but no more")
    with Recommender.open(settings=Settings(folder=folder / "data")) as recommender:
        recommender.put_items(HOSTILE)
        recommender.sync_index()
    with PageServer(folder / "data", model=str(broken)) as running:
        yield running


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visiting]:
    """Opens the page of a server as a new visitor."""
    visits: list[Visit] = []

    def opened(server: PageServer, **context: object) -> Visit:
        visits.append(Visit(browser, server.address, **context))
        return visits[-1]

    yield opened
    for one in visits:
        one.close()


def say(page: Page, message: str) -> Locator:
    """Say something, wait for the end of the reply, and give its turn."""
    turns = page.locator(".turn")
    n = turns.count()
    page.locator("#message").fill(message)
    page.keyboard.press("Enter")
    expect(turns).to_have_count(n + 1)
    expect(turns.last.locator(".foot .last")).to_be_visible()
    return turns.last


def titles(where: Locator | Page) -> list[str]:
    return where.locator(".card h4 .title").all_text_contents()


def profile(server: PageServer, user: str = "me") -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.address}v1/profile?user={user}", timeout=60) as answer:
        return dict(json.load(answer))


def press_why(turn: Locator) -> Locator:
    turn.locator(".card").first.get_by_role("button", name="Why?").click()
    drawer = turn.page.get_by_role("dialog", name="Why this one")
    expect(drawer.locator(".stage").first).to_be_visible()
    return drawer


def busy(route: Route) -> None:
    """What a server answers where too many wait."""
    route.fulfill(status=503, body="{}")


def test_the_whole_way_from_a_wish_to_being_forgotten(server: PageServer, visit: Visiting) -> None:
    here = visit(server)
    page = here.page
    expect(page.get_by_role("heading", name="What are you in the mood for?")).to_be_visible()
    expect(page.locator("#starts button")).not_to_have_count(0)
    assert page.evaluate(AUDIT) == []

    turn = say(page, WISH)  # a slate with reasons
    expect(turn.locator(".card")).to_have_count(5)
    expect(turn.locator(".reason")).to_have_count(5)
    assert turn.locator(".reason mark, .grounds li").count() >= 5
    assert turn.locator(".words").first.inner_text().strip()
    assert page.evaluate(AUDIT) == []

    first, *others = titles(turn)  # an act, and the slate anew
    turn.locator(".card").first.get_by_role("button", name=f"Like: {first}").click()
    expect(turn.get_by_role("list", name="What you said of these")).to_contain_text(f"You like{first}")
    expect(turn.locator(".cards")).to_have_attribute("aria-busy", "false")
    expect(turn.locator(".card h4 .title").filter(has_text=re.compile(f"^{re.escape(first)}$"))).to_have_count(0)
    assert set(titles(turn)) & set(others)
    assert [first in one["title"] for one in profile(server)["liked"]] == [True]

    turn.locator(".card").first.get_by_role("button", name="Seen it").click()  # a slip, taken back
    noted = turn.get_by_role("list", name="What you said of these").get_by_role("listitem")
    expect(noted).to_have_count(2)
    noted.last.get_by_role("button", name="Take back").click()
    expect(noted).to_have_count(1)
    expect(turn.locator(".cards")).to_have_attribute("aria-busy", "false")
    assert len(profile(server)["seen"]) == 1

    drawer = press_why(turn)
    expect(drawer.get_by_role("heading", name="What the language model made of it")).to_be_visible()
    expect(drawer.locator(".journey li")).not_to_have_count(0)
    assert page.evaluate(AUDIT) == []
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    assert "Why?" in page.evaluate("document.activeElement.getAttribute('aria-label')")

    page.get_by_role("button", name="Your taste").click()  # the profile, and a word of one's own
    taste = page.get_by_role("dialog", name="Your taste")
    taste.get_by_role("button", name=re.compile("^Comedy")).click()
    slider = taste.get_by_role("slider", name="Share of Comedy")
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    taste.get_by_role("button", name="Set", exact=True).click()
    expect(taste.get_by_role("button", name=re.compile("^Comedy"))).to_contain_text("set by you")
    assert profile(server)["pinned"] == {"Comedy": 0.4}
    taste.get_by_role("button", name=re.compile("^Comedy")).click()
    assert page.evaluate(AUDIT) == []
    taste.get_by_role("button", name="Give back").click()
    expect(taste.get_by_role("button", name=re.compile("^Comedy"))).not_to_contain_text("set by you")
    assert profile(server)["pinned"] == {}
    page.keyboard.press("Escape")

    second = titles(turn)[1]  # places are those on the screen
    say(page, "I loved the second one")
    expect(page.locator(".turn").last.locator(".words")).to_contain_text([re.compile(re.escape(second))])
    assert any(second in one["title"] for one in profile(server)["liked"])

    say(page, "nothing older than 2003")  # said, and taken back
    expect(page.locator("#mind")).to_contain_text("2003")
    page.get_by_role("button", name="Take back", exact=True).click()
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.get_by_role("textbox")).to_have_value("nothing older than 2003")
    expect(page.locator("#mind")).not_to_contain_text("2003")
    page.get_by_role("textbox").fill("")

    page.reload()  # the conversation is still there
    expect(page.locator(".turn .message")).to_have_text([WISH, "I loved the second one"])

    page.get_by_role("button", name="Settings").click()  # the other language
    page.get_by_role("radio", name="中文").check()
    expect(page.get_by_role("dialog", name="设置")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    page.keyboard.press("Escape")
    turn = say(page, "想看一部温暖的动画片")
    assert re.search(r"[\u4e00-\u9fff]", turn.locator(".reason").first.inner_text())
    assert page.evaluate(AUDIT) == []

    page.get_by_role("button", name="设置").click()  # and forgotten
    page.get_by_role("button", name="忘记我……").click()
    asked = page.get_by_role("dialog", name="忘记关于“me”的一切？")
    expect(asked.get_by_role("listitem").filter(has_text="2 次喜欢")).to_be_visible()
    assert page.evaluate(AUDIT) == []
    asked.get_by_role("button", name="永久删除").click()
    expect(page.get_by_role("heading", name="今天想来点什么？")).to_be_visible()
    known = profile(server)
    assert [known[name] for name in ("liked", "seen", "wishes", "pinned")] == [[], [], [], {}]

    assert here.complaints == []
    assert [url for url in here.asked if not url.startswith(server.address)] == []


def test_a_conversation_is_left_and_found_again(server: PageServer, visit: Visiting) -> None:
    page = visit(server).page
    say(page, "a tense thriller")
    page.get_by_role("button", name="New conversation").first.click()
    expect(page.get_by_role("heading", name="What are you in the mood for?")).to_be_visible()
    page.get_by_role("button", name="Conversation history").click()
    past = page.get_by_role("dialog", name="Conversation history")
    assert page.evaluate(AUDIT) == []
    past.get_by_role("button", name="a tense thriller").click()
    expect(page.locator(".turn .message")).to_have_text(["a tense thriller"])


def test_a_reply_can_be_stopped(server: PageServer, visit: Visiting) -> None:
    page = visit(server).page
    held: list[Route] = []
    page.route("**/v1/converse", lambda route: held.append(route))  # an answer that never comes
    page.get_by_role("textbox").fill(WISH)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop the reply").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_busy_server_is_tried_again_when_it_says_so(server: PageServer, visit: Visiting) -> None:
    page = visit(server).page
    refusals = [503, 429, 0]

    def refuse(route: Route) -> None:
        if not refusals:
            return route.continue_()
        status = refusals.pop(0)
        problem = json.dumps({"title": "busy", "status": status or 503, "detail": "16 answers wait"})
        if not status:  # what fails once the stream has begun
            return route.fulfill(body=f"event: error\ndata: {problem}\n\n", content_type="text/event-stream")
        return route.fulfill(status=status, headers={"Retry-After": "1"}, body=problem)

    page.route("**/v1/converse", refuse)
    page.get_by_role("textbox").fill(WISH)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The server is busy.16 answers wait")
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("That was a little fast.")
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The server is busy.")
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(page.locator(".card")).to_have_count(5)
    expect(page.locator(".turn")).to_have_count(1)


def test_an_act_is_written_once_whatever_fails_after_it(modelless: PageServer, visit: Visiting) -> None:
    page = visit(modelless).page
    turn = say(page, "a comedy")
    first = titles(turn)[0]
    like = turn.locator(".card").first.locator(".act.like")
    again = page.get_by_role("button", name="Try again", exact=True)
    told: list[str] = []

    def lose(route: Route) -> None:  # it is written, and the answer is lost
        route.fetch()
        route.abort()

    page.on("request", lambda one: told.append(one.post_data or "") if one.url.endswith("/v1/events") else None)
    page.route("**/v1/events", lose, times=1)
    page.route("**/v1/recommend", busy, times=1)
    like.click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")
    again.click()
    expect(page.get_by_role("alert")).to_contain_text("The server is busy.")
    expect(like).to_have_attribute("aria-pressed", "true")
    assert len(set(told)) == 1
    again.click()
    expect(turn.locator(".card h4 .title").filter(has_text=first)).to_have_count(0)
    assert len(told) == 2
    assert [one["title"] for one in profile(modelless)["liked"]] == [first]
    noted = turn.get_by_role("list", name="What you said of these").get_by_role("listitem")
    expect(noted).to_have_count(1)
    noted.get_by_role("button", name="Take back").click()
    expect(noted).to_have_count(0)


def test_an_act_that_is_taken_back_lets_go_of_its_button(modelless: PageServer, visit: Visiting) -> None:
    page = visit(modelless).page
    turn = say(page, "a comedy")
    like = turn.locator(".card").first.locator(".act.like")
    held: list[Route] = []
    page.route("**/v1/recommend", lambda route: busy(route) if held else held.append(route))
    like.click()
    expect(like).to_have_attribute("aria-pressed", "true")
    turn.locator(".noted .undo").click()
    expect(turn.locator(".noted li")).to_have_count(0)
    expect(page.get_by_role("alert")).to_contain_text("The server is busy.")
    expect(like).to_have_attribute("aria-pressed", "false")
    assert profile(modelless)["liked"] == []


def test_a_message_is_taken_back_once_though_it_is_pressed_twice(modelless: PageServer, visit: Visiting) -> None:
    here = visit(modelless)
    page = here.page
    say(page, "a comedy")
    say(page, "a drama")
    page.get_by_role("button", name="Take back", exact=True).evaluate("node => { node.click(); node.click(); }")
    expect(page.get_by_role("textbox")).to_have_value("a drama")
    expect(page.locator(".turn .message")).to_have_text(["a comedy"])
    assert len([url for url in here.asked if "/undo?" in url]) == 1


def test_what_is_shown_is_told_until_the_server_has_heard_it(modelless: PageServer, visit: Visiting) -> None:
    page = visit(modelless).page
    turn = say(page, "a comedy")
    turn.locator(".card").first.locator(".act.view").click()
    expect(turn.locator(".noted li")).to_have_count(1)
    expect(turn.locator(".cards")).to_have_attribute("aria-busy", "false")
    shown: list[bool] = []
    page.on(
        "request", lambda one: shown.append("shown" in (one.post_data or "")) if one.url.endswith("converse") else None
    )
    page.route("**/v1/converse", busy, times=1)
    page.get_by_role("textbox").fill("thanks")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Try again", exact=True).click()
    expect(page.locator(".turn").last.locator(".foot .last")).to_be_visible()
    say(page, "thanks again")
    assert shown == [True, True, False]
    page.locator(".noted .undo").click()
    expect(page.locator(".noted li")).to_have_count(0)


def test_without_a_model_the_order_is_recalls_and_the_page_says_so(modelless: PageServer, visit: Visiting) -> None:
    page = visit(modelless).page
    turn = say(page, "a comedy")
    expect(turn.locator(".card")).not_to_have_count(0)
    expect(turn.locator(".degraded")).to_contain_text(["Without the language model:"])
    drawer = press_why(turn)
    expect(drawer.get_by_role("heading", name="Taste and wish, before the model")).to_be_visible()
    expect(drawer.get_by_role("heading", name="What the language model made of it")).to_have_count(0)


def test_titles_cannot_do_harm_and_a_narrow_screen_holds_them(modelless: PageServer, visit: Visiting) -> None:
    here = visit(modelless, **PHONE)
    page, spoken = here.page, list[str]()

    def dismiss(dialog: Dialog) -> None:
        spoken.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    turn = say(page, "a comedy")
    shown = dict(zip([one.title for one in HOSTILE], HOSTILE, strict=True))
    assert set(titles(turn)) <= shown.keys()
    assert page.locator("main img, main script, .tags b").count() == 0
    assert page.evaluate(AUDIT) == []
    for name in ("Conversation history", "Your taste", "Settings"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        assert page.evaluate(AUDIT) == []
        page.keyboard.press("Escape")
    press_why(turn)
    assert page.evaluate(AUDIT) == []
    assert spoken == []
    assert here.complaints == []


def test_settings_opened_before_the_server_has_answered_stay_open(server: PageServer, visit: Visiting) -> None:
    page = visit(server).page
    held: list[Route] = []
    page.route("**/v1/page", lambda route: held.append(route))
    page.reload(wait_until="domcontentloaded")
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("radio", name="Light")).to_be_visible()
    page.wait_for_function("document.querySelector('#settings').open")
    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()
    expect(page.locator("#starts button").first).to_be_attached()
    assert page.get_by_role("radio", name="Light").is_visible()


def test_the_dark_page_can_be_read_as_well(server: PageServer, visit: Visiting) -> None:
    page = visit(server, color_scheme="dark").page
    assert page.evaluate(AUDIT) == []
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("radio", name="Light").check()
    assert page.evaluate(ground) != dark
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_the_keyboard_alone_is_enough(server: PageServer, visit: Visiting) -> None:
    page = visit(server).page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the message")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox")).to_be_focused()
    page.keyboard.type("a film by Hayao Miyazaki")
    page.keyboard.press("Enter")
    expect(page.locator(".foot .last")).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.act.view')"):
            break
    page.keyboard.press("Space")
    expect(page.get_by_role("list", name="What you said of these")).to_contain_text("You have seen")


def test_evidence_lights_up_and_a_new_order_moves(server: PageServer, visit: Visiting) -> None:
    page = visit(server, reduced_motion="no-preference", viewport={"width": 1400, "height": 900}).page
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("textbox", name="Your name here").fill("zoe")
    page.get_by_role("button", name="Use this").click()
    expect(page.get_by_role("dialog", name="Settings")).to_be_hidden()
    page.get_by_role("button", name="Your taste").click()  # stands beside the conversation, and keeps up with it
    taste = page.get_by_role("dialog", name="Your taste")
    expect(taste).to_contain_text("Nothing is known of you yet.")
    turn = say(page, "a funny animated film")
    first = turn.locator(".card").first
    mark, ground = first.locator(".reason mark").first, "node => getComputedStyle(node).backgroundColor"
    page.mouse.move(0, 0)
    plain = mark.evaluate(ground)
    first.get_by_role("button", name="Why?").focus()
    page.wait_for_function(
        "([node, plain]) => getComputedStyle(node).backgroundColor !== plain", arg=[mark.element_handle(), plain]
    )
    page.evaluate(COUNT_MOVEMENTS)
    first.get_by_role("button", name="Like").click()
    expect(taste.get_by_role("heading", name="Liked", exact=True)).to_be_visible()
    page.wait_for_function("() => window.moved >= 4")
    assert len(profile(server, "zoe")["liked"]) == 1


def test_a_question_is_answered_by_a_press(server: PageServer, visit: Visiting) -> None:
    page = visit(server).page
    turn = say(page, "something to watch tonight")
    choices = turn.get_by_role("group", name="Answers to choose from").get_by_role("button")
    label = choices.first.inner_text()
    choices.first.click()
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".turn .message").last).to_have_text(label)
    expect(page.locator(".turn").last.locator(".foot .last")).to_be_visible()


def test_a_server_with_keys_asks_for_one(modelless: PageServer, visit: Visiting) -> None:
    keys = Keys(modelless.folder)
    secret = keys.add("phone", user="ada")
    try:
        page = visit(modelless).page
        expect(page.get_by_role("alert")).to_contain_text("This server asks for a key.")
        page.get_by_role("button", name="Give a key").click()
        assert page.evaluate(AUDIT) == []
        page.get_by_role("textbox", name="Key of this server").fill(secret)
        page.get_by_role("button", name="Use this").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        turn = say(page, "a comedy")
        expect(turn.locator(".card")).not_to_have_count(0)
        page.get_by_role("button", name="Settings").click()
        expect(page.get_by_role("textbox", name="Your name here")).to_have_value("ada")
        expect(page.get_by_role("textbox", name="Your name here")).not_to_be_editable()
    finally:
        keys.remove("phone")


def test_a_dead_server_is_told_of_in_words(modelless: PageServer, visit: Visiting) -> None:
    page = visit(modelless).page
    page.route("**/v1/converse", lambda route: route.abort("connectionrefused"))
    page.get_by_role("textbox").fill("a comedy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer. Is it still running?")
    page.unroute("**/v1/converse")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".card")).not_to_have_count(0)
