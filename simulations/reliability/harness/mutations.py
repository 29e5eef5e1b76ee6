"""Small faults put into the functions of a module: each is one that a programmer might make.

A comparison takes in its boundary or turns round, operators and ``and`` and ``or`` change places, a number is one
more, a text one character longer, a condition or a truth is its opposite, nothing is returned, a call or a
``raise`` is left out, ``break`` and ``continue`` change places. What is for people (docstrings, f-strings, texts
of several words, what is raised or logged) stays, as do asserts, annotations, and what runs once, when a module is
imported.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Put: TypeAlias = Callable[[Any], None]
"""Puts another node into the place of one."""

Fault: TypeAlias = tuple[str, Callable[[], None]]
"""What it is, and what makes it."""

COMPARISONS: dict[type[ast.cmpop], Sequence[type[ast.cmpop]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
LOGS = ("debug", "info", "warning", "error", "exception", "critical")
STAYS = ("annotation", "returns", "decorator_list")


@dataclass(frozen=True, slots=True)
class Mutation:
    """One fault, and where it is.

    Attributes:
        file: From the root of the project.
        number: Among those of the file.
        lines: From the first of the statement to the last of what is changed.
        what: In a few words.
    """

    file: str
    number: int
    lines: tuple[int, int]
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.lines[1]} {self.what}"


def mutations(root: Path, file: str) -> list[Mutation]:
    """All that a file allows, in its order."""
    tree = ast.parse((root / file).read_text("utf-8"))
    return [Mutation(file, number, lines, what) for number, (_, lines, (what, _)) in enumerate(_faults(tree))]


def mutated(root: Path, mutation: Mutation) -> CodeType:
    """The outermost function around a mutation, compiled with it, as if it stood where it stands."""
    path = root / mutation.file
    tree = ast.parse(path.read_text("utf-8"))
    function, _, (_, make) = next(islice(_faults(tree), mutation.number, None))
    make()
    first = min(node.lineno for node in (function, *function.decorator_list))
    module = compile(ast.fix_missing_locations(tree), str(path), "exec", dont_inherit=True)
    return next(code for code in inside(module) if (code.co_firstlineno, code.co_name) == (first, function.name))


def inside(code: CodeType) -> Iterator[CodeType]:
    """All code that is written within some."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from inside(constant)


def _faults(tree: ast.AST) -> Iterator[tuple[Function, tuple[int, int], Fault]]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, Function):
            yield from _faults(node)
            continue
        first = 0
        for inner, put in _places(node, ("args", *STAYS)):
            if isinstance(inner, ast.stmt):
                first = inner.lineno
            for fault in _faults_of(inner, put):
                yield (
                    node,
                    (first, getattr(inner, "end_lineno", first) if isinstance(inner, ast.expr) else first),
                    fault,
                )


def _places(node: ast.AST, stays: Sequence[str] = STAYS) -> Iterator[tuple[ast.AST, Put]]:
    """All below, outer ones first, without what is for people or for type checkers."""
    for name, value in ast.iter_fields(node):
        if name in stays:
            continue
        if isinstance(value, ast.AST):
            yield from _place(value, partial(setattr, node, name))
        elif isinstance(value, list):
            for position, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from _place(item, partial(value.__setitem__, position))


def _place(node: ast.AST, put: Put) -> Iterator[tuple[ast.AST, Put]]:
    if isinstance(node, ast.Assert | ast.JoinedStr) or _is_text(node):
        return
    yield node, put
    if not isinstance(node, ast.Raise) and not _is_log(node):
        yield from _places(node)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOGS


def _faults_of(node: ast.AST, put: Put) -> Iterator[Fault]:
    match node:
        case ast.Compare(ops=ops):
            for position, was in enumerate(ops):
                for other in COMPARISONS[type(was)]:
                    what = f"{type(was).__name__} → {other.__name__}"
                    yield what, partial(ops.__setitem__, position, other())
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATORS:
            swapped = OPERATORS[type(op)]
            yield f"{type(op).__name__} → {swapped.__name__}", partial(setattr, node, "op", swapped())
        case ast.BoolOp(op=op):
            other_op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"{type(op).__name__} → {type(other_op).__name__}", partial(setattr, node, "op", other_op)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not → ", partial(put, operand)
        case ast.Constant(value=value):
            if (other_value := _another(value)) is not None:
                yield f"{value!r:.30} → {other_value!r:.30}", partial(setattr, node, "value", other_value)
        case ast.Return(value=ast.expr()) if not _is_none(node.value):
            yield "return → return None", partial(setattr, node, "value", ast.Constant(None))
        case ast.Raise() | ast.Expr(value=ast.Call()):
            # Behind a condition that is never true names stay bound as they were.
            yield f"no {type(node).__name__}", partial(put, ast.If(ast.Constant(False), [node], []))
        case ast.Break():
            yield "break → continue", partial(put, ast.Continue())
        case ast.Continue():
            yield "continue → break", partial(put, ast.Break())
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if _turns(test):
            yield "condition → not", partial(setattr, node, "test", ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=tests):
            for position, test in enumerate(tests):
                if _turns(test):
                    yield "condition → not", partial(tests.__setitem__, position, ast.UnaryOp(ast.Not(), test))


def _is_prose(text: str) -> bool:
    """Several words, of which the first is no statement's: what becomes part of a message."""
    return " " in text and not text.split(" ")[0].isupper()


def _turns(test: ast.expr) -> bool:
    """Whether no other fault turns it round."""
    return not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant)


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _another(value: object) -> object:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str() if not _is_prose(value):
            return value + "?"
        case bytes():
            return value + b"?"
    return None
