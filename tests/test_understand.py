"""What messages ask for, which items they speak of and what is felt of these, in English and Chinese."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.converse.state import Intent, State, Understood
from agent.converse.understand.reader import Reader
from agent.embed.e5 import E5
from agent.recall.where import facts_of, parse_where
from tests.support.understanding import FILMS, NOTHING_SHOWN, SLATE, reader, state

FIELDS = {name for item in FILMS for name in facts_of(item)}
Read = Callable[..., Understood]


@pytest.fixture(scope="module")
def films() -> Reader:
    """The reader with the default embedder."""
    return reader(E5())


@pytest.fixture(scope="module")
def read(films: Reader) -> Read:
    def _read(message: str, known: State = NOTHING_SHOWN) -> Understood:
        understood = films.read(message, known)
        for one in understood.constraints:
            parse_where(one.test).check_fields(FIELDS)
        assert sum(understood.intents.values()) == pytest.approx(1)
        return understood

    return _read


def hard(understood: Understood) -> list[str]:
    return [one.test for one in understood.constraints if one.hard]


def soft(understood: Understood) -> list[str]:
    return [one.test for one in understood.constraints if not one.hard]


@pytest.mark.parametrize(
    ("message", "tests"),
    [
        ("a film from the 90s", ["year>=1990", "year<=1999"]),
        ("movies from the early nineties", ["year>=1990", "year<=1993"]),
        ("films before 1980", ["year<1980"]),
        ("nothing older than 2000", ["year>=2000"]),
        ("nothing after 1990 please", ["year<=1990"]),
        ("no older than 1995", ["year>=1995"]),
        ("films made since 2000", ["year>=2000"]),
        ("films from 2000 on", ["year>=2000"]),
        ("something between 1970 and 1985", ["year>=1970", "year<=1985"]),
        ("a film from 1995", ["year=1995"]),
        ("films of the last ten years", ["year>=2011"]),
        ("films from the last decade", ["year>=2011"]),
        ("a movie from last year", ["year=2019"]),
        ("not from 1999", ["year!=1999"]),
        ("想看80年代的电影", ["year>=1980", "year<=1989"]),
        ("九十年代的片子", ["year>=1990", "year<=1999"]),
        ("要2000年以后的电影", ["year>=2000"]),
        ("1980年以前的老电影", ["year<1980"]),
        ("不要2000年以前的", ["year>=2000"]),
        ("最近十年的电影", ["year>=2011"]),
    ],
)
def test_years(read: Read, message: str, tests: list[str]) -> None:
    assert hard(read(message)) == tests


@pytest.mark.parametrize(
    ("message", "tests"),
    [
        ("a film under two hours", ["runtime<120"]),
        ("nothing longer than two hours", ["runtime<=120"]),
        ("an hour and a half at most", ["runtime<=90"]),
        ("a movie of less than 100 minutes", ["runtime<100"]),
        ("at least two and a half hours", ["runtime>=150"]),
        ("I only have ninety minutes", ["runtime<=90"]),
        ("2h 30min or less", ["runtime<=150"]),
        ("想看两小时以内的电影", ["runtime<=120"]),
        ("一个半小时以内的电影", ["runtime<=90"]),
        ("90分钟以内的片子", ["runtime<=90"]),
    ],
)
def test_lengths(read: Read, message: str, tests: list[str]) -> None:
    assert hard(read(message)) == tests


@pytest.mark.parametrize(
    ("message", "demanded", "leant"),
    [
        ("I want a comedy", ["tags=Comedy"], []),
        ("show me thrillers", ["tags=Thriller"], []),
        ("something funny", [], ["tags=Comedy"]),
        ("funnier please", [], ["tags=Comedy"]),
        ("only funny ones", ["tags=Comedy"], []),
        ("no horror", ["tags!=Horror"], []),
        ("nothing scary", ["tags!=Horror"], []),
        ("not too scary", [], ["tags!=Horror"]),
        ("less romance, more action", [], ["tags!=Romance", "tags=Action"]),
        ("anything but musicals", ["tags!=Musical"], []),
        ("no horror and no musicals", ["tags!=Horror", "tags!=Musical"], []),
        ("a thriller or a drama", ["tags in (Thriller, Drama)"], []),
        ("a funny science fiction movie", ["tags=Sci-Fi"], ["tags=Comedy"]),
        ("I don't want a comedy", ["tags!=Comedy"], []),
        ("推荐一部喜剧片", ["tags=Comedy"], []),
        ("不要恐怖片", ["tags!=Horror"], []),
        ("别那么恐怖", [], ["tags!=Horror"]),
        ("再搞笑一点", [], ["tags=Comedy"]),
        ("喜剧或者爱情片", ["tags in (Comedy, Romance)"], []),
        ("把音乐剧去掉", ["tags!=Musical"], []),
    ],
)
def test_tags(read: Read, message: str, demanded: list[str], leant: list[str]) -> None:
    understood = read(message, state())

    assert hard(understood) == demanded
    assert soft(understood) == leant


@pytest.mark.parametrize(
    ("message", "tests"),
    [
        ("movies with Tom Hanks", ["cast=Tom Hanks"]),
        ("something with tom hanks", ["cast=Tom Hanks"]),
        ("films with Tom Hnks", ["cast=Tom Hanks"]),
        ("a film by Agnes Varda", ["director=Agnès Varda"]),
        ("directed by Christopher Nolan", ["director=Christopher Nolan"]),
        ("anything by Nolan?", ["director=Christopher Nolan"]),
        ("nothing with Tom Hanks", ["cast!=Tom Hanks"]),
        ("想看Tom Hanks演的电影", ["cast=Tom Hanks"]),
        ("a film in French", ["language=French"]),
        ("a Korean movie", ["country=South Korea"]),
        ("法语片", ["language=French"]),
        ("法国电影", ["country=France"]),
        ("films in English, nothing from the UK", ["language=English", "country!=United Kingdom"]),
    ],
)
def test_people_and_origins(read: Read, message: str, tests: list[str]) -> None:
    assert sorted(hard(read(message))) == sorted(tests)


def test_what_the_catalogue_does_not_know_is_no_constraint(read: Read) -> None:
    assert read("a western with Bruce Willis in Portuguese").constraints == ()


def test_newer_and_shorter_speak_of_what_was_shown(read: Read) -> None:
    assert soft(read("something newer", state("alien", "aliens", "toy"))) == ["year>1986"]
    assert soft(read("shorter please", state("heat", "gump", "her"))) == ["runtime<142"]
    assert soft(read("too long", state("heat", "gump", "her"))) == ["runtime<142"]


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("something like Toy Story but darker", [("toy", "title")]),
        ("films like toy story 2", [("toy2", "title")]),
        ("something like toy stroy", [("toy", "spelling")]),
        ("I loved the godfater", [("godfather", "spelling")]),
        ("like amelie", [("amelie", "title")]),
        ("I liked Hamlet (1996)", [("hamlet96", "title")]),
        ('have you got "her"?', [("her", "title")]),
        ("I loved Her", [("her", "title")]),
        ("I love her films", []),
        ("It was great", []),
        ("I loved 300", [("300", "title")]),
        ("I read 300 pages of it", []),
        ("is Die Hard a Christmas film?", [("hard", "title")]),
        ("Die Hard was great", [("hard", "title")]),
        ("it is hard to say", []),
        ("is it any good?", []),
        ("what's up?", []),
        ("I can't stand the heat of summer", []),
        ("movies like Alien and Heat", [("alien", "title"), ("heat", "title")]),
        ("像《Alien》那样的", [("alien", "title")]),
        ("我喜欢千与千寻", [("spirited", "title")]),
        ("something set in the UK", []),
    ],
)
def test_titles_in_sentences(read: Read, message: str, found: list[tuple[str, str]]) -> None:
    assert [(one.item_id, one.how) for one in read(message).items] == found


def test_what_fits_several_items_or_none_is_unclear(read: Read) -> None:
    assert read("have you got Hamlet?").unclear[0].choices == ("hamlet48", "hamlet96")
    assert set(read("something like Star Wars").unclear[0].choices) == {"sw4", "sw5"}
    assert [(one.said, one.choices) for one in read('films like "Qwxyz Vbnmp"').unclear] == [('"Qwxyz Vbnmp"', ())]
    assert [one.choices for one in read("介绍一下《没有这部电影》").unclear] == [()]


def test_of_several_that_fit_the_one_shown_is_meant(read: Read) -> None:
    assert [one.item_id for one in read("tell me about Hamlet", state("alien", "hamlet96")).items] == ["hamlet96"]


@pytest.mark.parametrize(
    ("message", "places"),
    [
        ("tell me about the second one", [2]),
        ("#3", [3]),
        ("why number two?", [2]),
        ("who directed the last one?", [5]),
        ("I've seen the first two", [1, 2]),
        ("seen 1 and 3", [1, 3]),
        ("like the 2nd but funnier", [2]),
        ("I've seen all of these", [1, 2, 3, 4, 5]),
        ("第二个是谁导演的？", [2]),
        ("看过第一部和第三部", [1, 3]),
        ("最后一个怎么样？", [5]),
        ("前两个都看过了", [1, 2]),
        ("I watched it last night for the second time", []),
        ("films of the last ten years", []),
        ("the first world war", []),
        ("第一次看", []),
    ],
)
def test_places(read: Read, message: str, places: list[int]) -> None:
    assert [one.item_id for one in read(message, state()).items] == [SLATE[place - 1] for place in places]


def test_a_place_that_is_not_there_is_unclear(read: Read) -> None:
    assert read("the ninth one", state()).unclear[0].said == "the ninth one"
    assert read("tell me about the second one").unclear[0].choices == ()


def test_a_question_of_an_item_that_is_left_out_asks_for_nothing(read: Read) -> None:
    for message in ("是法语的吗？", "is it a comedy?", "有多长？"):
        assert read(message, state(focus="up")).intent is Intent.ABOUT
        assert read(message, state(focus="up")).constraints == ()


def test_it_is_the_item_spoken_of_last(read: Read) -> None:
    about = read("who directed it?", state(focus="heat"))
    assert [(one.item_id, one.how) for one in about.items] == [("heat", "focus")]
    assert [one.item_id for one in read("那部讲什么？", state(focus="heat")).items] == ["heat"]
    assert [one.item_id for one in read("seen it", state("toy")).items] == ["toy"]
    assert read("hated it", state()).unclear[0].choices == SLATE


@pytest.mark.parametrize(
    ("message", "felt"),
    [
        ("I loved Alien but hated Aliens", {"alien": "like", "aliens": "dislike"}),
        ("看过第一部，不喜欢", {"alien": "dislike"}),
        ("didn't like the second one", {"toy": "dislike"}),
        ("the third one was not bad at all", {"heat": "like"}),
        ("the third wasn't very good", {"heat": "dislike"}),
        ("already seen the fourth", {"gump": "view"}),
        ("I watched number two and hated it", {"toy": "dislike"}),
        ("Alien was great, Heat was boring", {"alien": "like", "heat": "dislike"}),
        ("The first one? Loved it.", {"alien": "like"}),
        ("I liked number one, not number three", {"alien": "like", "heat": "dislike"}),
        ("not a big fan of Toy Story", {"toy": "dislike"}),
        ("Heat: seen it, it was okay", {"heat": "view"}),
        ("number 1 is amazing, number 2 not", {"alien": "like", "toy": "dislike"}),
        ("I'd already seen the third", {"heat": "view"}),
        ("that third one I hated", {"heat": "dislike"}),
        ("I've never seen Alien", {}),
        ("I'd love to see Alien", {}),
        ("have you seen Alien?", {}),
        ("I loved Inception, what else could I watch?", {"inception": "like"}),
        ("我很喜欢《Alien》", {"alien": "like"}),
        ("第二个我上周看过", {"toy": "view"}),
        ("第三个太无聊了", {"heat": "dislike"}),
    ],
)
def test_feelings(read: Read, message: str, felt: dict[str, str]) -> None:
    assert {one.item_id: one.kind.value for one in read(message, state()).feelings} == felt


def test_a_feeling_without_an_item_is_of_the_one_spoken_of_last(read: Read) -> None:
    felt = read("已经看过了", state(focus="up")).feelings
    assert [(one.item_id, one.kind.value) for one in felt] == [("up", "view")]
    assert read("I hate musicals", state(focus="up")).feelings == ()


def test_wishes_are_words_without_the_items_they_refer_to(read: Read) -> None:
    assert read("something like Toy Story but darker").wish == "darker"
    assert read("something like Toy Story").wish == ""
    assert read("a quiet film about the sea").wish == "a quiet film about the sea"
    assert read("like the second one but funnier", state()).wish == "funnier"
    assert read("who directed it?", state(focus="up")).wish == ""


@pytest.mark.parametrize(
    "message", ["I don't mind", "whatever", "随便", "skip", "no preference", "都可以", "up to you"]
)
def test_words_that_pass_a_question_over(read: Read, message: str) -> None:
    understood = read(message, state())
    assert understood.skips
    assert understood.wish == ""
    assert not read(f"{message} comedies with a happy ending", state()).skips


def test_questions_and_small_talk_ask_for_nothing(read: Read) -> None:
    for message in ("is it a horror film?", "hello", "why a comedy?"):
        assert read(message, state(focus="up")).constraints == ()


def test_the_language_is_that_of_the_message_else_of_the_conversation(read: Read) -> None:
    assert read("推荐一部Toy Story那样的电影").language == "zh"
    assert read("a comedy").language == "en"
    assert read("😀", State(conversation_id="c", user_id="u", language="zh")).language == "zh"


MEANT = {
    Intent.WISH: ["I'd like a gentle film for Sunday evening", "got a spooky story for me?", "想看一部关于友情的电影"],
    Intent.CRITIQUE: ["a little less gloomy", "could you show me others?", "再轻松一些"],
    Intent.REACTION: ["watched that already, it was superb", "couldn't stand the fourth", "这部我看过，很喜欢"],
    Intent.ABOUT: ["who wrote the screenplay of it?", "what year is the third from?", "第二个的导演是谁？"],
    Intent.WHY: ["why do I see this one?", "what's the reason for the first?", "为什么给我这一部？"],
    Intent.TALK: ["hi, how are you doing?", "thank you so much", "你好呀"],
    Intent.BYE: ["goodbye then", "that's it for tonight, bye", "再见啦"],
}


@pytest.mark.parametrize(("intent", "message"), [(intent, one) for intent, some in MEANT.items() for one in some])
def test_intents(read: Read, intent: Intent, message: str) -> None:
    assert read(message, state()).intent is intent
