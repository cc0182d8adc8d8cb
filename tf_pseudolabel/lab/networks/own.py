"""Networks of a user's own: FILE.py:FUNCTION or package.module:FUNCTION."""

import ast
import importlib
import os
import pathlib
import traceback

from tf_pseudolabel import registry
from tf_pseudolabel.lab.errors import InputError


def check_form(name):
    """Refuses what names no function of a file or module.

    Args:
        name: String with a colon.

    Raises:
        InputError: If it does not read FILE.py:FUNCTION or module:FUNCTION.
    """
    place, _, function = name.rpartition(":")
    is_file = place.endswith(".py")
    modules = place.split(".")
    if not function.isidentifier() or not (
        is_file or all(module.isidentifier() for module in modules)
    ):
        raise InputError(
            "A network of one's own is FILE.py:FUNCTION or "
            f"package.module:FUNCTION; got {name!r}."
        )


def located(name):
    """Makes the path of a function's file absolute.

    Args:
        name: FILE.py:FUNCTION, or a module's.

    Returns:
        The name; a module's as it was.

    Raises:
        InputError: If there is no such file.
    """
    place, _, function = name.rpartition(":")
    if not place.endswith(".py"):
        return name
    path = os.path.abspath(os.path.expanduser(place))
    if not os.path.isfile(path):
        raise InputError(
            f"network=FILE.py:FUNCTION needs a file that exists; got {path}."
        )
    return f"{path}:{function}"


def parameters(name):
    """Reads which options a function takes, without executing its file.

    Args:
        name: FILE.py:FUNCTION, or a module's.

    Returns:
        A set of names. None if the source does not tell: that of a module, a
        function that the file imports, or one with `**options`.
    """
    place, _, function = name.rpartition(":")
    if not place.endswith(".py"):
        return None
    try:
        tree = ast.parse(pathlib.Path(place).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None  # Said in full where the file is imported.
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            given = node.args
            named = given.posonlyargs + given.args + given.kwonlyargs
            return None if given.kwarg else {each.arg for each in named}
    return None


def load(name):
    """Imports the file or module of a function.

    Args:
        name: FILE.py:FUNCTION, or a module's.

    Returns:
        The function.

    Raises:
        InputError: If the module cannot be imported, or lacks the function.
    """
    located(name)
    place, _, function = name.rpartition(":")
    try:
        if place.endswith(".py"):
            module = registry.module_at(place)
        else:
            module = importlib.import_module(place)
    except ValueError as error:
        raise InputError(f"network={name}: {error}") from error
    except Exception as error:  # Whatever a user's module raises.
        raise InputError(
            f"network={name}: {place} could not be imported "
            f"({type(error).__name__}: {error}). A module is installed, or its "
            "folder is in PYTHONPATH; a file is FILE.py:FUNCTION."
        ) from error
    if not callable(getattr(module, function, None)):
        functions = [
            known
            for known, value in vars(module).items()
            if callable(value) and value.__module__ == module.__name__
        ]
        raise InputError(
            f"network={name}: {place} has no function {function}; it has "
            f"{', '.join(functions) or 'none'}."
        )
    return getattr(module, function)


def call(name, function, spec, num_classes, options):
    """Has a user's function build a network.

    Args:
        name: As the user calls it.
        function: The function.
        spec: `tf.TensorSpec` of a row, or several nested ones.
        num_classes: Int, at least 2.
        options: Dict of those that the function names.

    Returns:
        What it returns.

    Raises:
        InputError: If it raises something.
    """
    try:
        return function(spec, num_classes, **options)
    except InputError:
        raise
    except Exception as error:  # Whatever a user's function raises.
        raise InputError(
            f"network={name} raised {type(error).__name__}{_place(error)}: "
            f"{error}"
        ) from error


def _place(error):
    """The line of the user's function that raised it, if it was called."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return f" in line {frames[0].lineno}" if frames else ""
