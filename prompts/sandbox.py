"""Templates that can do no harm: no way out of them, no rendering without end, none that fills the memory.

The only importer of Jinja. Its sandbox keeps a template from Python's insides; what is added here bounds what it does
with what it may reach. Turns of loops, calls of macros, filters and methods take steps of one budget; what operators,
filters and collections would make is weighed before it is made (see `bounds`). All that is printed is neutral text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import BuiltinMethodType, MethodType
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import BlockReference, Context, LoopContext, Macro
from jinja2.sandbox import SandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Cycler, Joiner, Namespace
from jinja2.visitor import NodeTransformer

from agent.types import Item
from prompts import bounds
from prompts.bounds import Exceeded, Steps, checked, weigh
from prompts.neutral import neutralise

_SPENT, _WEIGHED, _JOINED = "*spent", "*weighed", "*joined"  # names that no template can call
_LEFT_OUT = {"random", "pprint", "xmlattr", "urlize"}  # filters: by chance, or without end on small values
_FIXED = (nodes.Const, nodes.List, nodes.Tuple, nodes.Dict)
_FAULTS = (
    jinja2.TemplateError, Exceeded, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RuntimeError,
    MemoryError, SyntaxError, AssertionError, NameError,
)  # fmt: skip


class Fault(Exception):
    """What is wrong with a template, in words; `line` counts from 1, 0 where it is not known."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def blocks_of(text: str, control_tokens: tuple[str, ...]) -> frozenset[str]:
    """The names of the blocks of a template. Raises Fault where it is none."""
    return frozenset(_compiled(text, control_tokens).blocks)


def rendered(text: str, control_tokens: tuple[str, ...], block: str, variables: Mapping[str, object]) -> str:
    """One block of a template in writing. Raises Fault: it went wrong, or beyond a bound."""
    template = _compiled(text, control_tokens)
    found, length = [], 0
    try:
        for piece in template.blocks[block](template.new_context(dict(variables))):
            length = checked(length + len(piece))
            found.append(piece)
    except _FAULTS as error:
        raise Fault(_in_words(error), _line_of(error, template)) from error
    return "".join(found)


class _Bounded(Context):
    """The variables of a rendering, and the steps it has left."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.steps = Steps()

    def derived(self, locals: dict[str, Any] | None = None) -> Context:
        """See `Context.derived`; it is the same rendering, whose steps go on."""
        made = super().derived(locals)
        made.steps = self.steps  # type: ignore[attr-defined]  # all contexts are _Bounded
        return made


class _Namespace(Namespace):
    """A namespace that does not write out what it holds, which may be itself."""

    def __repr__(self) -> str:
        return "<namespace>"


class _Formatting:
    """The method `format` of a text: fields are got as the sandbox allows, and their widths weighed."""

    def __init__(self, environment: jinja2.Environment, pattern: str) -> None:
        self._environment = environment
        self._pattern = pattern

    def __call__(self, *args: object, **kwargs: object) -> str:
        return _Fields(self._environment).vformat(self._pattern, args, kwargs)


class _Fields(SandboxedFormatter):
    """Fields written one by one, all of them together no longer than a value may be."""

    _length = 0

    def format_field(self, value: object, format_spec: str) -> str:
        """See `string.Formatter.format_field`."""
        weigh(value)
        bounds.widths(format_spec)
        text = str(super().format_field(value, format_spec))
        self._length = checked(self._length + len(text))
        return text


_PLAIN = (Item, str, dict, list, tuple)
_OWN = (Macro, LoopContext, BlockReference, Joiner, _Formatting)


class _Environment(SandboxedEnvironment):
    """A sandbox with bounds. `unbounded` has the filters as Jinja makes them."""

    context_class = _Bounded
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, control_tokens: tuple[str, ...] = ()) -> None:
        super().__init__(undefined=jinja2.StrictUndefined, autoescape=False, finalize=_finalize(control_tokens))
        self.globals = {name: self.globals[name] for name in ("dict", "cycler", "joiner")}
        self.globals |= {"range": bounds.counted, "namespace": _Namespace}
        self.filters = {name: _bounded(name) for name in self.filters if name not in _LEFT_OUT}
        self.tests = {name: _tested(test) for name, test in self.tests.items()}
        self.filters |= {_SPENT: _spent, _WEIGHED: _weighed, _JOINED: _joined}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """See `SandboxedEnvironment.call_binop`."""
        _steps(context).spend(bounds.operated(operator, left, right))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """See `SandboxedEnvironment.call`."""
        if not __self.is_safe_callable(__obj):
            raise SecurityError(f"{getattr(__obj, '__name__', 'this')} cannot be called in a prompt")
        _steps(__context).spend(8 * (weigh(args) + weigh(kwargs) if kwargs else weigh(args)))
        if isinstance(__obj, BuiltinMethodType):
            guard = bounds.METHODS.get(__obj.__name__)
            _steps(__context).spend(guard(__obj.__self__, *args) if guard else bounds.size(__obj.__self__))
        return __context.call(__obj, *args, **kwargs)

    def is_safe_callable(self, obj: Any) -> bool:
        """Whether it is something of the template itself, or a method of a plain value that is known to be bounded."""
        if isinstance(obj, _OWN):
            return True
        if isinstance(obj, BuiltinMethodType):
            plain = isinstance(obj.__self__, str | list | tuple | Mapping)
            return plain and (obj.__name__ in bounds.PLAIN_METHODS or obj.__name__ in bounds.METHODS)
        if isinstance(obj, MethodType):
            return isinstance(obj.__self__, LoopContext | Cycler)
        return any(obj is one for one in self.globals.values())

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may see it. What changes a value it may see, but not call (see `is_safe_callable`)."""
        if isinstance(obj, _PLAIN):  # these hold nothing of Python's insides under other names
            return not attr.startswith("_")
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """See `SandboxedEnvironment.wrap_str_format`; of `format_map` there is none, and no template can call it."""
        method = isinstance(value, BuiltinMethodType | MethodType) and value.__name__ == "format"
        return _Formatting(self, value.__self__) if method and isinstance(value.__self__, str) else None


class _Bounding(NodeTransformer):
    """Has a template count what it repeats, and weigh what it makes without an operator."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """The node as it is to be compiled."""
        made = self.generic_visit(node, *args, **kwargs)
        if isinstance(made, nodes.For | nodes.Macro | nodes.CallBlock):
            return _counting(made)
        if isinstance(made, nodes.Concat):
            return _filtered(_JOINED, nodes.List(made.nodes, lineno=made.lineno))
        if isinstance(made, nodes.List | nodes.Dict) or (isinstance(made, nodes.Tuple) and made.ctx == "load"):
            fixed = all(isinstance(part, _FIXED) for part in made.find_all(nodes.Expr))
            return made if fixed else _filtered(_WEIGHED, made)
        return made


def _counting(node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
    """A loop or macro of which each turn or call takes a step, also a turn that its condition passes over."""
    text = sum(len(part.data) for part in node.find_all(nodes.TemplateData))
    if isinstance(node, nodes.For) and node.test is not None:
        node.test = nodes.And(_filtered(_SPENT, nodes.Const(0, lineno=node.lineno)), node.test, lineno=node.lineno)
    tick = _filtered(_SPENT, nodes.Const(text, lineno=node.lineno))
    node.body.insert(0, nodes.ExprStmt(tick, lineno=node.lineno))
    return node


def _filtered(name: str, value: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)


@lru_cache(maxsize=64)
def _compiled(text: str, control_tokens: tuple[str, ...]) -> jinja2.Template:
    environment = _Environment(control_tokens)
    try:
        tree = environment.parse(text)
        _Bounding().visit(tree)
        tree.set_environment(environment)
        return jinja2.Template.from_code(environment, environment.compile(tree), environment.make_globals(None))
    except _FAULTS as error:
        line = error.lineno if isinstance(error, jinja2.TemplateSyntaxError) else 0
        raise Fault(_in_words(error), line) from error


@lru_cache(maxsize=1)
def _unbounded() -> jinja2.Environment:
    """A sandbox with the filters as Jinja makes them; what they call in turn is bounded by the context they get."""
    return SandboxedEnvironment(undefined=jinja2.StrictUndefined)


def _bounded(name: str) -> Callable[..., object]:
    """The filter of this name, weighed before and after."""
    guard, plain, gathers = bounds.FILTERS.get(name), _unbounded(), name in ("join", "sum")

    @jinja2.pass_context
    def _filter(context: Context, value: Any = "", *args: object, **kwargs: object) -> object:
        given = list(value) if gathers and not isinstance(value, str) else value
        steps = _steps(context)
        steps.spend(guard(given, *args, **kwargs) if guard else bounds.size(given))
        made = plain.call_filter(name, given, args, kwargs, context=context)
        steps.spend(bounds.cost(made))
        return made

    return _filter


def _tested(test: Any) -> Callable[..., bool]:
    """The test, which takes steps by the size of what it is given."""
    asks = getattr(test, "jinja_pass_arg", None) is not None  # for the environment, the only thing that tests ask for

    @jinja2.pass_context
    def _test(context: Context, *args: object, **named: object) -> bool:
        _steps(context).spend(8 * sum(map(bounds.size, (*args, *named.values()))))
        return bool(test(context.environment, *args, **named) if asks else test(*args, **named))

    return _test


@jinja2.pass_context
def _spent(context: Context, weight: int) -> bool:
    """True, and a step less."""
    _steps(context).spend(weight)
    return True


@jinja2.pass_context
def _weighed(context: Context, value: object) -> object:
    """The value, which is not too much."""
    _steps(context).spend(bounds.cost(value))
    return value


@jinja2.pass_context
def _joined(context: Context, parts: list[object]) -> str:
    """The parts in writing, one after the other."""
    _steps(context).spend(weigh(parts))
    return "".join(map(str, parts))


def _finalize(control_tokens: tuple[str, ...]) -> Callable[[Context, object], object]:
    """What makes a value neutral text as it is printed; numbers stay what they are."""

    @jinja2.pass_context
    def _printed(context: Context, value: object) -> object:
        if isinstance(value, int | float):
            return value
        text = value if isinstance(value, str) else str(value)
        _steps(context).spend(checked(len(text)))
        return neutralise(text, control_tokens)

    return _printed


def _steps(context: Context) -> Steps:
    return context.steps  # type: ignore[attr-defined, no-any-return]  # all contexts are _Bounded


def _in_words(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, RecursionError):
        return "calls itself without end, or is nested too deeply"
    if isinstance(error, MemoryError | SyntaxError):
        return "is nested too deeply"
    reason = error.message if isinstance(error, jinja2.TemplateError) else str(error)
    return " ".join((reason or type(error).__name__).split())[:300]


def _line_of(error: BaseException, template: jinja2.Template) -> int:
    """The line of the template where the error rose, 0 where it did not rise in it."""
    found, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__jinja_template__") is template:
            found = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return found
