"""The language of templates: Jinja2, less all that could not be bounded, or could reach what is no value of JSON.

A template is checked node by node against a list of what is allowed, and rewritten so that loops, texts and comparisons
pay for themselves. Attributes are members of JSON objects and nothing else: no value has methods, none is called.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template as Compiled
from jinja2 import nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from .configuration import Form
from .template_filters import FILTERS, join
from .template_values import Absent, IsNull, Missing, number_of, shown
from .template_work import MOST_OUTPUT, TooMuch, bounded, spend, weight

LONGEST_TEMPLATE = 16 * 1024
MOST_ROUNDS = 10_000
"""Of all loops that one rendering runs through, inner ones counted each time."""
DEEPEST = 50
TESTS = ("defined", "undefined", "none", "string", "number", "boolean", "mapping", "true", "false", "odd", "even")

_ALLOWED = {
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.Filter, nodes.Keyword, nodes.Test, nodes.If, nodes.For, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div,
    nodes.FloorDiv, nodes.Mod, nodes.Concat, nodes.List, nodes.Tuple, nodes.Assign,
}  # fmt: skip
_WHAT: dict[type[nodes.Node], str] = {
    nodes.Call: "calling a function",
    nodes.Pow: "raising to a power",
    nodes.Dict: "an object",
}
_OF_A_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})
_RECKON: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


class TemplateFailed(Exception):  # noqa: N818 - it reads as what happened
    """A template cannot be read, or nothing can be made of it."""

    def __init__(self, problem: str, *, missing: str = "") -> None:
        """Say what is wrong, and what was missing where that was it, such as `payload.data.customer.phone`."""
        super().__init__(problem)
        self.problem = problem
        self.missing = missing


@lru_cache(maxsize=256)
def compiled(source: str, form: Form) -> Compiled:
    """Read a template; TemplateFailed says what is wrong with it."""
    if len(source.encode()) > LONGEST_TEMPLATE:
        raise TemplateFailed(f"must have at most {LONGEST_TEMPLATE // 1024} KiB")
    environment = _ENVIRONMENTS[form]
    try:
        tree = environment.parse(source)
        _check(tree, 0)
        tree = _Bounds().visit(tree).set_environment(environment)
        return Compiled.from_code(environment, environment.compile(tree), {})
    except TemplateSyntaxError as error:
        raise TemplateFailed(f"line {error.lineno}: {error.message}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise TemplateFailed("is nested too deeply, or has a number that is too long") from None


def rendered(source: str, form: Form, document: Mapping[str, Any]) -> str:
    """Make of a template what it says about a document; raises TemplateFailed."""
    template = compiled(source, form)
    try:
        with bounded():
            return "".join(_within_bounds(template.generate(document)))
    except Absent as error:
        raise TemplateFailed(f"{error.path} is not there, or is null", missing=error.path) from None
    except TooMuch as error:
        raise TemplateFailed(str(error)) from None
    except (TemplateError, IsNull, ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise TemplateFailed(_said(error)) from None


def _within_bounds(parts: Iterable[str]) -> Iterator[str]:
    length = 0
    for part in parts:
        length += len(part)
        if length > MOST_OUTPUT:
            raise TooMuch(f"it makes a text of more than {MOST_OUTPUT // 1024} KiB")
        yield part


def _said(error: Exception) -> str:
    if isinstance(error, IsNull):
        return "a value is null; give it a default"
    if isinstance(error, ZeroDivisionError):
        return "it divides by zero"
    return str(error) or type(error).__name__


def _check(node: nodes.Node, depth: int) -> None:
    """Refuse what is not on the list; TemplateSyntaxError says what."""
    if type(node) not in _ALLOWED or getattr(node, "recursive", False):
        what = _WHAT.get(type(node), type(node).__name__.lower())
        raise TemplateSyntaxError(f"templates do not know this: {what}", node.lineno)
    if depth > DEEPEST:
        raise TemplateSyntaxError(f"it is nested more than {DEEPEST} levels deep", node.lineno)
    if isinstance(node, nodes.Const) and isinstance(node.value, float) and not math.isfinite(node.value):
        raise TemplateSyntaxError("a number is too large", node.lineno)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise TemplateSyntaxError(f"there is no filter {node.name}; there are {', '.join(FILTERS)}", node.lineno)
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        raise TemplateSyntaxError(f"there is no test {node.name}; there are {', '.join(TESTS)}", node.lineno)
    if isinstance(node, nodes.For | nodes.Assign) and not isinstance(node.target, nodes.Name):
        raise TemplateSyntaxError("only a single name can be set", node.lineno)
    for child in node.iter_child_nodes():
        _check(child, depth + 1)


class _Bounds(NodeTransformer):
    """Rewrites a template so that what it does goes through our own functions."""

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802 - Jinja's visitor calls it so
        node.nodes = [
            one if isinstance(one, nodes.TemplateData) else _by("shown", self.visit(one), _label(one))
            for one in node.nodes
        ]
        return node

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802 - Jinja's visitor calls it so
        return _by("named", node, node.name) if node.ctx == "load" else node

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802 - Jinja's visitor calls it so
        return self._chain(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 - Jinja's visitor calls it so
        return self._chain(node)

    def _chain(self, node: nodes.Getattr | nodes.Getitem) -> nodes.Node:
        path = _path(node)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            self.generic_visit(node)
            node.node = _by("weighed", node.node, "in")
            return node
        return self.generic_visit(node) if path is None else _by("named", node, path)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's visitor calls it so
        size = sum(1 for part in (*node.body, node.test) if part for _ in part.find_all(nodes.Node)) + len(node.body)
        self.generic_visit(node)
        node.iter = _by("counted", node.iter, size)
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - Jinja's visitor calls it so
        self.generic_visit(node)
        node.expr = _by("weighed", node.expr, "")
        for operand in node.ops:
            operand.expr = _by("weighed", operand.expr, operand.op)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - Jinja's visitor calls it so
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes, lineno=node.lineno), "join", [], [], None, None, lineno=node.lineno)


def _by(function: str, node: nodes.Node, argument: object) -> nodes.Filter:
    constant = nodes.Const(argument, lineno=node.lineno)
    return nodes.Filter(node, function, [constant], [], None, None, lineno=node.lineno)


def _path(node: nodes.Node) -> str | None:
    """Write a plain chain of names as it stands in the template; None for anything else."""
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Getattr):
        before = _path(node.node)
        return before and f"{before}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        before = _path(node.node)
        return before and f"{before}[{node.arg.value!r}]"
    return None


def _label(node: nodes.Node) -> str:
    """Say what an expression speaks of: the first chain in it."""
    while isinstance(node, nodes.Filter | nodes.Test):
        node = node.node or nodes.Const("")
    return _path(node) or "a value"


def _named(value: object, path: str) -> object:
    spend(1)
    return Missing.at(path) if isinstance(value, Missing) else value


def _counted(value: object, size: int) -> object:
    """Let a loop run over a list or an object's names, once its rounds are paid for."""
    if isinstance(value, Missing):
        raise Absent(value.path)
    if not isinstance(value, list | tuple | Mapping):
        raise TypeError("a loop needs a list or an object")
    if len(value) > MOST_ROUNDS:
        raise TooMuch(f"it has a loop of more than {MOST_ROUNDS:,} rounds")
    spend((1 + size) * len(value))
    return value if isinstance(value, list) else list(value)


def _weighed(value: object, comparison: str) -> object:
    """Let a value be compared: texts and numbers with each other, a whole list or object only looked into."""
    spend(weight(value))
    if isinstance(value, list | tuple | Mapping) and comparison not in {"in", "notin"}:
        raise TypeError("a list or an object cannot be compared")
    return value


class _Environment(ImmutableSandboxedEnvironment):
    def __init__(self, form: Form) -> None:
        super().__init__(undefined=Missing, optimized=False, cache_size=0, autoescape=False)
        self.intercepted_binops = frozenset(_RECKON)
        self.intercepted_unops = frozenset("+-")
        self.globals.clear()
        self.tests = {name: self.tests[name] for name in TESTS}
        self.filters = FILTERS | {
            "shown": lambda value, label: _shown(value, label, form),
            "named": _named,
            "counted": _counted,
            "weighed": _weighed,
            "join": join,
        }

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext):
            return getattr(obj, attribute) if attribute in _OF_A_LOOP else Missing.at(f"loop.{attribute}")
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str):
            return obj[argument] if argument in obj else Missing.at(argument)
        if isinstance(obj, str | list | tuple) and isinstance(argument, int):
            try:
                return obj[argument]
            except IndexError:
                return Missing.at(f"[{argument}]")
        return Missing.at(str(argument)[:64])

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - Jinja's
        spend(1)
        made = _RECKON[operator](number_of(left), number_of(right))
        if not math.isfinite(made):
            raise TypeError("this number is too large")
        return made

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:  # noqa: ARG002 - Jinja's
        return -number_of(arg) if operator == "-" else number_of(arg)


def _shown(value: object, label: str, form: Form) -> str:
    if isinstance(value, Missing):
        raise Absent(value.path)
    if value is None:
        raise Absent(label)
    return shown(value, form)


_ENVIRONMENTS = {form: _Environment(form) for form in Form}
