"""Compares cthreading's stubs with typeshed's of threading, those that come with mypy, name by name.

For each supported Python, what typeshed has must be in our stubs with the same type: the same parameters, their kinds,
defaults and types, and the same results, properties and bases. What differs is in EXPECTED, with the reason. A name
there that does not differ any more is reported as well. To be run in the root of the source tree.
"""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from mypy.build import build
from mypy.modulefinder import BuildSource
from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeAlias, TypeInfo, Var
from mypy.options import Options
from mypy.types import CallableType, Instance, TupleType, get_proper_type

VERSIONS = [(3, minor) for minor in range(11, 16)]

EXPECTED = {
    "synchronized_iterator": "the parameters stay known, and what is returned has send, throw and close as well",
}
"""What differs, and why."""


def load(version: tuple[int, int]) -> dict[str, dict[str, SymbolNode]]:
    """The public names of both modules."""
    options = Options()
    options.python_version = version
    options.incremental = False
    options.ignore_errors = True
    source = BuildSource("cthreading/__init__.pyi", "cthreading", None)
    files = build([source], options).files
    return {
        module: {
            name: symbol.node
            for name, symbol in files[module].names.items()
            if symbol.node is not None and symbol.module_public
        }
        for module in ("threading", "cthreading")
    }


def resolve(node: SymbolNode) -> SymbolNode:
    """The class that an alias such as `Lock = _thread.lock` means."""
    if isinstance(node, TypeAlias):
        target = get_proper_type(node.target)
        if isinstance(target, TupleType):
            target = target.partial_fallback
        return target.type if isinstance(target, Instance) else node
    return node


def describe_callable(node: FuncDef) -> str:
    """The parameters with their kinds and types, and the result. That of `self` goes without saying."""
    assert isinstance(node.type, CallableType), node
    parameters = [
        f"{name} {kind.name} {type_}"
        for name, kind, type_ in zip(node.type.arg_names, node.type.arg_kinds, node.type.arg_types, strict=True)
    ]
    is_method = bool(node.info) and not node.is_static
    return f"({', '.join(parameters[is_method:])}) -> {node.type.ret_type}"


def describe(node: SymbolNode) -> str:
    if isinstance(node, Decorator):
        return f"{'property' if node.var.is_property else 'function'} {describe_callable(node.func)}"
    if isinstance(node, FuncDef):
        return f"function {describe_callable(node)}"
    if isinstance(node, OverloadedFuncDef):
        return " | ".join(describe(item) for item in node.items)
    if isinstance(node, Var):
        return f"{'constant' if node.is_final else 'variable'} {node.type}"
    assert isinstance(node, TypeInfo), node
    bases = [str(base) for base in node.bases if base.type.fullname != "builtins.object"]
    return f"class ({', '.join(bases)}){' final' if node.is_final else ''}"


def without_module(text: str) -> str:
    return re.sub(r"\b(?:cthreading\._core|cthreading|threading|_thread)\.(?=\w)", "", text)


def members(names: dict[str, SymbolNode]) -> Iterator[tuple[str, str]]:
    """The names with their types, and those of the members of classes."""
    for name, found in names.items():
        node = resolve(found)
        if not isinstance(node, TypeInfo | FuncDef | Decorator | OverloadedFuncDef | Var) or name == "__all__":
            continue
        yield name, without_module(describe(node))
        if isinstance(node, TypeInfo):
            for key, symbol in node.names.items():
                if symbol.node is not None and (not key.startswith("_") or key.endswith("__")):
                    yield f"{name}.{key}", without_module(describe(symbol.node))


def differences(version: tuple[int, int]) -> dict[str, str]:
    modules = load(version)
    ours = dict(members(modules["cthreading"]))
    return {
        name: f"  typeshed: {theirs}\n  ours:     {ours.get(name, 'missing')}"
        for name, theirs in members(modules["threading"])
        if ours.get(name) != theirs
    }


def main() -> int:
    where: dict[tuple[str, str], list[str]] = {}
    with ProcessPoolExecutor(2) as pool:
        for version, found in zip(VERSIONS, pool.map(differences, VERSIONS), strict=True):
            for difference in found.items():
                where.setdefault(difference, []).append(f"{version[0]}.{version[1]}")
    unexpected = {difference: versions for difference, versions in where.items() if difference[0] not in EXPECTED}
    for (name, text), versions in unexpected.items():
        print(f"{name} ({', '.join(versions)}):\n{text}")
    gone = EXPECTED.keys() - {name for name, _ in where}
    for name in sorted(gone):
        print(f"{name}: does not differ any more, take it from the list")
    print(f"{len(EXPECTED) - len(gone)} names that differ with a reason, {len(unexpected)} without")
    return 1 if unexpected or gone else 0


if __name__ == "__main__":
    sys.exit(main())
