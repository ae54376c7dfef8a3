"""The sample that the type checkers check: it does at run time what it says, and uses everything."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import pytest
import typing_kinds
import typing_sample

import cthreading
from cthreading import aio, queue


def names_used(tree: ast.AST) -> set[str]:
    """The attributes `name.attribute`, and those that are the attribute of something longer as `.attribute`."""
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            used.add(f"{node.value.id if isinstance(node.value, ast.Name) else ''}.{node.attr}")
    return used


def test_the_sample_works(capsys: pytest.CaptureFixture[str]) -> None:
    typing_sample.main()
    assert "Event: is_set" in capsys.readouterr().out


def test_the_sample_of_both_modules_works() -> None:
    typing_kinds.main()


@pytest.mark.parametrize(
    ("module", "alias"), [(cthreading, "threading"), (aio, "aio"), (queue, "queue")], ids=["cthreading", "aio", "queue"]
)
def test_the_sample_uses_every_public_name(module: ModuleType, alias: str) -> None:
    used = names_used(ast.parse(Path(typing_sample.__file__).read_text(encoding="utf-8")))
    assert {f"{alias}.{name}" for name in module.__all__} - used == set()
    attributes = {name.rpartition(".")[2] for name in used}
    old = {"acquire_lock", "release_lock", "locked_lock", "notifyAll", "isSet"}
    old |= {"isDaemon", "setDaemon", "getName", "setName"}
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, type) and value.__module__.partition(".")[0] == "cthreading":
            members = {member for member in vars(value) if not member.startswith("_")} - old
            assert members - attributes == set()
