"""BUILD.md lists the targets; these tests keep the list true."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tf_pseudolabel"
TEXT = (ROOT / "BUILD.md").read_text(encoding="utf-8")
# Library -> cells of its row.
ROWS = {
    cells[0].strip("`"): cells
    for line in TEXT.splitlines()
    if line.startswith("| `tf_pseudolabel/")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}
MODULES = sorted(str(p.relative_to(ROOT)) for p in PACKAGE.rglob("*.py"))
TESTED = [name for name in MODULES if not name.endswith("__init__.py")]


def mirrored_test(module):
    path = pathlib.Path("tests", *pathlib.Path(module).parts[1:])
    return str(path.with_name(f"{path.stem}_test.py"))


def dependencies(module):
    """Returns the modules of the package that a module imports, by path."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(path_of(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = path_of(f"{node.module}.{alias.name}")
                found.add(inner or path_of(node.module))
    return {f"tf_pseudolabel/{path}" for path in found - {None}}


def path_of(name):
    """Returns the path of a module inside the package; None if outside."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*parts[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.exists():
            return str(file.relative_to(PACKAGE))
    return None


@pytest.mark.parametrize("module", MODULES)
def test_every_library_is_listed_with_what_it_imports(module):
    assert module in ROWS, f"BUILD.md needs a row for `{module}`"
    _, test, needs = ROWS[module]
    if module in TESTED:
        assert test == f"`{mirrored_test(module)}`"
    # A module imported by name, in a string, may be listed besides.
    listed = {f"tf_pseudolabel/{name}" for name in re.findall("`(.+?)`", needs)}
    assert dependencies(module) <= listed <= set(MODULES)


@pytest.mark.parametrize("module", TESTED)
def test_every_library_has_a_test_in_its_place(module):
    assert (ROOT / mirrored_test(module)).exists()


def test_nothing_is_listed_that_does_not_exist():
    assert set(ROWS) <= set(MODULES)
    programs = re.findall(r"^\| `((?:bin|\.ci)/\S+)`", TEXT, re.MULTILINE)
    assert programs
    for program in programs:
        assert (ROOT / program).exists(), program
