"""How the house is built: imports run downwards, private names have one room.

Read from the source, so that what is imported inside of a function counts, too.
"""

import ast
import importlib
import inspect
import pathlib
import re

import keras
import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "tf_pseudolabel"
# From the ground up: a room imports from those below it, not from its own line.
FLOORS = """
compat registry
part distribution
labels optimizers schedules views
losses
update
monitoring streams
callbacks presets serving
model
self_training
__init__
lab
"""
FLOOR = {
    room: number
    for number, rooms in enumerate(FLOORS.split("\n"))
    for room in rooms.split()
}
PROGRAMS = {"absl", "bokeh", "jinja2", "matplotlib", "PIL", "playwright"} | {
    *("pandas", "scipy", "sklearn", "tensorboard", "tensorflow_datasets")
}
MODULES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}
LIBRARY = [name for name in MODULES if not name.startswith("lab/")]


def room_of(module):
    return module.split("/")[0].removesuffix(".py")


def imported(tree):
    """What a module imports, by full names: `package.module.thing`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_below(tree):
    """The rooms of the package that a module imports from."""
    for name in imported(tree):
        package, _, inside = name.partition(".")
        if package == PACKAGE.name:
            room = inside.split(".")[0]
            # A name of the package itself is one of its __init__.
            yield room if room in FLOOR else "__init__"


def test_every_room_has_its_floor():
    assert {room_of(module) for module in MODULES} == set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downwards(module):
    own = room_of(module)
    upwards = {
        room
        for room in rooms_below(MODULES[module])
        if room != own and FLOOR[room] >= FLOOR[own]
    }
    assert not upwards


@pytest.mark.parametrize("module", LIBRARY)
def test_the_library_needs_no_program(module):
    names = {name.split(".")[0] for name in imported(MODULES[module])}
    assert not names & PROGRAMS


def test_few_modules_are_loose():
    loose = [module for module in MODULES if "/" not in module]
    assert len(loose) <= 10


def test_a_large_room_says_why_it_is_there():
    for init in MODULES:
        if not init.endswith("__init__.py"):
            continue
        folder = (PACKAGE / init).parent
        if len(list(folder.glob("*.py"))) > 3:
            docstring = ast.get_docstring(MODULES[init]) or ""
            assert len(docstring.split()) > 3, init


# Private names.

# Of named tuples, whose fields would clash with public ones.
_OF_TUPLES = {"_asdict", "_fields", "_replace"}
_READERS = {"getattr", "setattr", "hasattr", "delattr"}
# Private to TensorFlow and Keras, whatever their spelling.
_INSIDES = ("keras.src", "tensorflow.python", "tensorflow.core")


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


def own_names(tree):
    """The private names that a module defines, or gives its objects."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Attribute, ast.Name)) and isinstance(
            node.ctx, ast.Store
        ):
            names.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return names


def foreign_names(tree):
    """The private names of others that a module touches, with their lines."""
    own = own_names(tree) | _OF_TUPLES
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            path = ast.unparse(node)
            owner = path.rpartition(".")[0]
            mine = owner in ("self", "cls") and node.attr in own
            if is_private(node.attr) and not (mine or node.attr in _OF_TUPLES):
                yield node.lineno, path
            if path.startswith(_INSIDES) or node.attr == "__internal__":
                yield node.lineno, path
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _READERS:
            name = str(getattr(node.args[1], "value", ""))
            if is_private(name) and name not in own:
                yield node.lineno, ast.unparse(node)
    for name in imported(tree):
        if name.startswith(_INSIDES):
            yield 0, name


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"compat.py"}))
def test_private_names_are_compats_business(module):
    assert not list(foreign_names(MODULES[module]))


def test_private_names_are_found():
    """The rule can fail: on each way to reach what is not one's own."""
    source = """
from keras.src import tree
import tensorflow.python.ops
class A:
    def f(self, layer):
        self._own = self._own + 1
        self._losses
        layer._flatten_layers()
        super()._build(1)
        getattr(layer, "_keras_mask")
        keras.src.backend
        tf.__internal__.tracking
        layer._replace(a=1)
"""
    lines = sorted({line for line, _ in foreign_names(ast.parse(source))})
    assert lines == [0, 7, 8, 9, 10, 11, 12]


PRIVATE = re.compile(
    r"\b(?:self|cls|super\(\))\.(_[a-z]\w*)|\bdef (_[a-z]\w*)|^ +(_[a-z]\w*) =",
    re.MULTILINE,
)
WITH_KERAS = [
    name for name, tree in MODULES.items() if "keras" in set(imported(tree))
]


def private_names_in(cls):
    """The private names that a class defines, sets or reads on itself."""
    found = PRIVATE.findall(inspect.getsource(cls))
    return {name for names in found for name in names if name}


def clashes(cls):
    """The private names that a class has in common with Keras' above it."""
    above = [
        base
        for base in cls.__mro__
        if base.__module__.startswith(("keras.", "tensorflow."))
    ]
    taken = set().union(*map(private_names_in, above))
    return private_names_in(cls) & taken


@pytest.mark.parametrize("module", sorted(set(WITH_KERAS) - {"compat.py"}))
def test_no_class_replaces_a_private_name_of_keras(module):
    """To override one, or to keep something of one's own there, is a touch."""
    name = ".".join((PACKAGE / module).relative_to(PACKAGE.parent).parts)
    name = name.removesuffix(".py").removesuffix(".__init__")
    for cls in vars(importlib.import_module(name)).values():
        if inspect.isclass(cls) and cls.__module__ == name:
            assert not clashes(cls), cls


def test_clashes_are_found():
    class Clashing(keras.Model):
        def _symbolic_build(self):
            self._metrics = self._mine = 1

    assert clashes(Clashing) == {"_symbolic_build", "_metrics"}
