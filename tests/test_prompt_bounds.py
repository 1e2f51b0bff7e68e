"""Templates that would never end, fill the memory or never render: each is refused quickly, with file, line and why."""

import re
import resource
import time
from pathlib import Path

import pytest

import prompts
from agent.errors import PromptError
from agent.types import Item
from prompts.examples import examples_of

ITEM = Item(item_id="1", title="A house")
LIKELIHOOD = (prompts.FOLDER / "en" / "rank-likelihood.j2").read_text(encoding="utf-8")

DOUBLED = "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = WORD %}{% endfor %}{{ ns.a }}"
HOSTILE = {
    "loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "a long range": "{% for a in range(10**9) %}{% endfor %}",
    "turns passed over": "{% for b in range(999) %}{% for a in range(9999) if a < 0 %}{% endfor %}{% endfor %}",
    "long turns": "{% set a %}{% for a in range(9999) %}" + "y" * 90_000 + "{% endfor %}{% endset %}",
    "repeated": "{{ 'x' * 10**9 }}",
    "repeated twice": "{% set n = 10**5 %}{{ ('x' * n) * n }}",
    "added": DOUBLED.replace("WORD", "ns.a + ns.a"),
    "joined": DOUBLED.replace("WORD", "ns.a ~ ns.a"),
    "listed": DOUBLED.replace("WORD", "[ns.a, ns.a]"),
    "paired": DOUBLED.replace("WORD", "(ns.a, ns.a)"),
    "mapped": DOUBLED.replace("WORD", "{1: ns.a, 2: ns.a}"),
    "named": DOUBLED.replace("WORD", "dict(a=ns.a, b=ns.a)"),
    "set blocks": "{% set a %}xx{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60 + "{{ a }}",
    "a macro in itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a macro twice in itself": "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "arguments": "{% macro m(n) %}{{ m(n, varargs, varargs) if n else '' }}{% endmacro %}{{ m(60, 1, 2) }}",
    "powers": "{% set a = 9**999 %}{% set a = a**99999 %}{{ a }}",
    "products": "{% set ns=namespace(a=9**999) %}{% for i in range(60) %}{% set ns.a = ns.a * ns.a %}{% endfor %}",
    "centred": "{{ 'x' | center(10**9) }}",
    "centred when compiled": "{{ 'x' | center(1000000000) }}",
    "centred by method": "{{ 'x'.center(10**9) }}",
    "a filter block": "{% filter center(1000000000) %}x{% endfilter %}",
    "indented": "{{ ('x\\n' * 50000) | indent(100000) }}",
    "filled in": "{{ '%1000000000d' % 5 }}",
    "filled in by width": "{{ '%*d' % (10**9, 5) }}",
    "filled in often": "{{ ('%(a)s' * 30000) % {'a': 'x' * 100000} }}",
    "filled in by filter": "{{ '%100000000d' | format(5) }}",
    "formatted": "{{ '{:1000000000}'.format(5) }}",
    "formatted by width": "{{ '{:{}}'.format(5, 10**9) }}",
    "formatted often": "{{ ('{0}' * 30000).format('x' * 100000) }}",
    "replaced": "{{ ('x' * 100000) | replace('x', 'y' * 100000) }}",
    "joined by much": "{{ range(9999) | join('y' * 100000) }}",
    "each centred": "{{ range(9999) | map('center', 1000) | join }}",
    "dealt": "{{ [1] | batch(10**9, 'x') | list }}",
    "sliced": "{{ [1] | slice(10**9) | list }}",
    "rounded": "{{ 5.5 | round(10**8, 'ceil') }}",
    "wrapped": "{{ ('x' * 190000) | wordwrap(1) }}",
    "read again and again": "{% set t = 'ab ' * 60000 %}{% for b in range(9999) %}{{ t | wordcount }}{% endfor %}",
    "scoped blocks": "{% for a in range(100) %}{% block b scoped %}{% for b in range(300) %}{% for c in range(300) %}"
    "{% endfor %}{% endfor %}{% endblock %}{% endfor %}",
    "marked as safe": "{% set t = ('x' * 100000) | safe %}{{ [t, t, t] | length }}",
    "escaped": "{{ ('<' * 190000) | e | length }}",
    "tested in a list": "{% set t = range(9000) | list %}{{ t | select('in', t) | list | length }}",
    "tested by name": "{% set t = range(9000) | list %}{{ t | select('in', seq=t) | list | length }}",
    "nested": "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "dumped": "{{ item.model_dump_json(indent=10**6) }}",
}  # fmt: skip


def made(block: str) -> prompts.Prompt:
    text = "{# a header #}\n{% block prefix %}\n" + block + "{% endblock %}{% block candidate %}{% endblock %}"
    return prompts.Prompt("en/made", text, "a test", ("item",), "text", path=Path("mine/en/made.j2"))


@pytest.mark.parametrize("block", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_rendering_is_bounded_in_time_and_memory(block: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with pytest.raises(PromptError, match=re.escape("en/made (mine/en/made.j2")):
        made(block).prefix(item=ITEM)
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("{{ 'x' * 10**9 }}", r"line 3\), block prefix: makes 1,000,000,000 characters or elements; 200,000 are allow"),
        ("\n{% for a in range(9999) %}{% for b in range(99) %}{% endfor %}{% endfor %}", "takes more than 250,000 ste"),
        ("\n\n{{ item.titel }}", r"line 5\).* no attribute 'titel'.*an item has item_id, title, "),
        ("{{ film }}", "line 3.*'film' is undefined. There are: item"),
        ("{{ cycler() }}", "line 3.*at least one item has to be provided"),
        ("{{ 'aaaa' | truncate(1) }}", "line 3.*expected length >= 3"),
        ("{{ 1e999 }}", "line 3.*'inf' is not defined"),
        ("{{ item.model_copy() }}", "model_copy cannot be called in a prompt"),
    ],
)
def test_what_goes_wrong_is_named_with_file_line_and_bound(block: str, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        made(block).prefix(item=ITEM)


@pytest.mark.parametrize(
    ("block", "written"),
    [
        ("{% for n in range(3) if n != 1 %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/2 2/2 "),
        ("{{ '%.2f' | format(2.5) }} {{ '{:>5}'.format(7) }} {{ '%s-%s' % (1, 'a') }}", "2.50 7 1-a"),
        ("{{ ['b', 'a'] | sort | map('upper') | join(', ') }} {{ [1, 2] | sum }}", "A, B 3"),
        ("{% set s = namespace(n=0) %}{% for i in [1, 2] %}{% set s.n = s.n + i %}{% endfor %}{{ s.n ~ '!' }}", "3!"),
        ("{% macro m(a, b='y') %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}{% call m('x') %}z{% endcall %}", "xyz"),
        ("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ {'k': [1, item.title]}['k'][1] }}", "abA house"),
        ("{{ item.title.replace('house', 'barn').title() }} {{ item.attributes.get('x', 'none') }}", "A Barn none"),
        ("{{ [1, 2, 3] | select('odd') | list }} {{ 2 is in [1, 2] }} {{ none is none }}", "[1, 3] True True"),
        ("{{ 'e' is filter }} {{ x is defined }} {{ 6 is divisibleby(num=2) }}", "True False True"),
        ("{{ item.tags }} {{ none }} {{ 2 ** 10 }} {{ 7 % 4 }}", "() None 1024 3"),
    ],
)  # fmt: skip
def test_what_prompts_do_they_may_go_on_doing(block: str, written: str) -> None:
    assert made(block).prefix(item=ITEM) == "\n" + written


def test_what_is_no_text_is_neutralised_as_text_is() -> None:
    item = ITEM.model_copy(update={"tags": ("<|im_end|>",)})
    prompt = prompts.Prompt("en/made", made("{{ item.tags }}").text, "a test", ("item",), "text", ("<|im_end|>",))
    assert "<|im_end|>" not in prompt.prefix(item=item)


@pytest.mark.parametrize("name", prompts.available())
def test_the_examples_are_what_the_built_in_prompts_are_given(name: str) -> None:
    language, _, task = name.partition("/")
    prompt, given = prompts.load(task, language), set[str]()
    for block, alike in examples_of(task):
        for variables in alike:
            prompt.prefix(**variables) if block == "prefix" else prompt.candidate(**variables)
            given |= set(variables)
    assert not given or given == set(prompt.variables)


def folder_with(tmp_path: Path, text: str, name: str = "rank-likelihood") -> Path:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / f"{name}.j2").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("item.title | truncate(200) }}\n{% endfor", "it.title }}\n{% endfor", r"line 9\).*'it' is undefined. There"),
        ("{% if wish -%}", "{% if true -%}", r"line 12\), block prefix"),
        ("{% block candidate %}", "{% block candidate %}{{ history | length }}", "'history' is undefined. There"),
        ("{% if wish -%}", "{% if wish %", r"line \d+\) does not compile"),
        ("{% if wish -%}", "{% for i in range(9999) %}{{ 'x' * 99 }}{% endfor %}{% if wish -%}", "200,000 are allowed"),
    ],
)  # fmt: skip
def test_a_prompt_that_can_never_render_is_refused_before_it_is_used(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    folder = folder_with(tmp_path, LIKELIHOOD.replace(old, new, 1))
    with pytest.raises(PromptError, match=said) as caught:
        prompts.check(folder)
    assert str(folder / "en" / "rank-likelihood.j2") in str(caught.value)


def test_attributes_that_a_catalogue_may_have_are_no_fault(tmp_path: Path) -> None:
    told = "{{ item.attributes.runtime // 60 }} {{ item.attributes['cast'] | join(', ') }}"
    for n, one in enumerate(told.split("}} ")):
        text = LIKELIHOOD.replace("{% block candidate %}", "{% block candidate %}" + one.rstrip(" }") + " }}")
        (tmp_path / str(n)).mkdir()
        assert prompts.check(folder_with(tmp_path / str(n), text))


def test_a_file_that_is_too_long_for_a_prompt_is_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, LIKELIHOOD + " " * 100_000)
    with pytest.raises(PromptError, match=r"rank-likelihood.j2\) has 100,\d+ bytes"):
        prompts.check(folder)
