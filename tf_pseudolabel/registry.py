"""One row per part: its name, its flags, its words.

A part's class says all of it in the decorator `register`; flags of the
programs, their choices and help, the words of a report and the values of a
preset derive from it. Rows are read from the source and never executed, so that
`--help` lists every part without TensorFlow; a class is imported where a part
is made.
"""

import ast
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import keyword
import pathlib
import sys

KINDS = (
    "teacher",
    "alignment",
    "selection",
    "target",
    "views",
    "unlabeled_loss",
    "term",
    "schedule",
)

_PACKAGE = pathlib.Path(__file__).resolve().parent
# Where the library's own parts lie.
_PLACES = ("labels", "losses", "views", "schedules.py")
# Kind and name of the classes that are imported; users' modules by file.
_NAMES = {}
_MODULES = {}


@dataclasses.dataclass(frozen=True)
class Flag:
    """A number or word of a part that users may choose.

    A flag that several parts share is declared by one of them; the others give
    its name alone, and `argument` if they call it otherwise.

    Args:
        name: Name of the flag and of the recipe's field.
        default: Bool, int, float or str, whose type is that of the flag.
        help: What `--help` says.
        least: Least value allowed.
        most: Greatest value allowed.
        below: Values must be below this.
        choices: Tuple of the values allowed.
        argument: The constructor's argument that takes the value; `""` if the
            programs act on it themselves. Defaults to the name.
    """

    name: str
    default: bool | int | float | str | None = None
    help: str = ""
    least: float | None = None
    most: float | None = None
    below: float | None = None
    choices: tuple | None = None
    argument: str | None = None

    def __post_init__(self):
        if self.choices is not None:
            object.__setattr__(self, "choices", tuple(self.choices))
        if self.argument is None:
            object.__setattr__(self, "argument", self.name)


@dataclasses.dataclass(frozen=True)
class Row:
    """What is known of a part without importing it.

    Attributes:
        kind: One of `KINDS`.
        name: How flags and `PseudoLabelModel` call it.
        help: What `--help` says of it, in a few words.
        flags: Tuple of `Flag`.
        says: What a report says of a run with it; `{flag}` or `{flag:g}` stands
            for a value.
        path: The file of its class.
        class_name: Name of the class.
        order: Its place among the library's parts of its kind.
    """

    kind: str
    name: str
    help: str
    flags: tuple[Flag, ...]
    says: str
    path: str
    class_name: str
    order: int = 0

    def words(self, values):
        """Returns what a report says of a run.

        Args:
            values: Dict from flags' names to the run's values.
        """
        return self.says.format(**values) or f"{self.kind} {self.name}"


def register(kind, name, *, help="", flags=(), says="", order=0):
    """Gives a class its row, and has Keras save and load it.

    All arguments are literals, as the row is read from the source:

        @register(
            "selection",
            "margin",
            help="two classes are far apart",
            flags=[Flag("margin", 0.5, "margin: least distance", least=0)],
            says="rows count whose classes are {margin:g} apart",
        )
        class Margin: ...

    Args:
        kind: One of `KINDS`.
        name: How flags call the part. A term is called as its weight is, its
            first flag, whose default is 0.
        help: What `--help` says of it, in a few words.
        flags: List of `Flag`.
        says: What a report says of a run with it; see `Row`. Defaults to kind
            and name.
        order: Int: its place among parts of its kind. Defaults to 0.

    Returns:
        A decorator of a class.
    """
    del help, flags, says, order  # For those who read the source.

    def registered(cls):
        # Whoever defines a part has imported Keras; who reads rows has not.
        import keras

        _NAMES[cls] = kind, name
        package = package_of(cls.__module__)
        return keras.saving.register_keras_serializable(package)(cls)

    return registered


def rows(extra=()):
    """Reads the rows of the library's parts and of those in users' files.

    Args:
        extra: Paths of Python files with parts of a user's own.

    Returns:
        A tuple of `Row`: by kind; the library's before a user's, in the order
        in which they are declared.

    Raises:
        ValueError: If a file cannot be read or has no parts, a row is not made
            of literals, or two rows do not go together.
    """
    if not extra:
        return _library_alone()
    found = list(_library_rows())
    for path in dict.fromkeys(map(str, extra)):
        of_file = _rows_of(pathlib.Path(path).resolve())
        if not of_file:
            raise ValueError(
                "A file of parts has classes with the decorator "
                f"@register(kind, name, ...); got {path} without one."
            )
        found += of_file
    return _together(found)


def part(kind, name, *, extra=(), **values):
    """Makes a part by its name.

    Args:
        kind: One of `KINDS`.
        name: Name in its row.
        extra: As for `rows`.
        **values: Arguments of its constructor.

    Returns:
        An instance.

    Raises:
        ValueError: If there is no such part, its file cannot be imported, or
            its constructor takes no such arguments.
    """
    known = {row.name: row for row in rows(extra) if row.kind == kind}
    if name not in known:
        raise ValueError(
            f"`{kind}` is one of {', '.join(known) or 'none'}; got {name!r}."
        )
    cls = _class_of(known[name])
    try:
        inspect.signature(cls).bind(**values)
    except TypeError as error:
        raise ValueError(
            f"The flags of {kind} {name} are arguments of {cls.__name__}; got "
            f"{error}."
        ) from None
    return cls(**values)


def presets():
    """Reads the names of the library's presets: its functions, in order."""
    tree = ast.parse((_PACKAGE / "presets.py").read_bytes())
    return tuple(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    )


def name_of(kind, instance):
    """Finds the name of a part's row.

    Args:
        kind: One of `KINDS`.
        instance: Any object.

    Returns:
        The name, or None if its very class has no row of that kind.
    """
    its_kind, name = _NAMES.get(type(instance), (None, None))
    return name if its_kind == kind else None


@functools.cache
def _library_alone():
    # Every model asks for some names.
    return _together(_library_rows())


def _together(found):
    """Rows by kind, with the flags that they share; refused if they clash."""
    found = sorted(found, key=lambda row: KINDS.index(row.kind))
    _check_names(found)
    declared = _declared_flags(found)
    found = tuple(_with_flags(row, declared) for row in found)
    for row in found:
        _check_words(row)
    return found


@functools.cache
def _library_rows():
    places = [_PACKAGE / name for name in _PLACES]
    files = [
        file
        for place in places
        for file in ([place] if place.suffix else sorted(place.rglob("*.py")))
    ]
    found = [row for file in files for row in _rows_of(file)]
    return tuple(sorted(found, key=lambda row: row.order))


def _rows_of(path):
    """The rows of a file, in the order of its classes."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"A file of parts is a Python file; got {path}: {error.strerror}."
        ) from None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f"A file of parts is a Python file; got {path}: {error}."
        ) from None
    return [
        _row(path, node, call)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and _name(call.func) == "register"
    ]


def _row(path, node, call):
    try:
        given = inspect.signature(register).bind(
            *map(_literal, call.args),
            **{word.arg: _literal(word.value) for word in call.keywords},
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path}, line {call.lineno}: a part's row is read, not executed, "
            f"and made of literals and Flag(...); got {error}."
        ) from None
    given.apply_defaults()
    row = Row(**given.arguments, path=str(path), class_name=node.name)
    problem = _problem(row)
    if problem:
        raise ValueError(f"{path}, line {call.lineno}: {problem}.")
    return row


def _problem(row):
    """What is wrong with a row by itself; None: nothing."""
    if row.kind not in KINDS:
        kinds = ", ".join(KINDS)
        return f"the kind of a part is one of {kinds}; got {row.kind!r}"
    flags = row.flags
    if not isinstance(flags, tuple) or not all(
        isinstance(flag, Flag) for flag in flags
    ):
        return f"`flags` is a list of Flag(...); got {flags!r}"
    for text in (row.help, row.says, *(flag.help for flag in flags)):
        if not isinstance(text, str):
            return f"`help` and `says` are strings; got {text!r}"
    for name in (row.name, *(flag.name for flag in flags)):
        if not str(name).isidentifier() or keyword.iskeyword(name):
            return (
                "parts and flags have names of letters, digits and "
                f"underscores; got {name!r}"
            )
    if row.kind == "term" and [(f.name, f.default) for f in flags[:1]] != [
        (row.name, 0)
    ]:
        return (
            "the first flag of a term is its weight, which is called as the "
            f"term is and 0 by default; got {row.name!r} without it"
        )
    return None


def _literal(node):
    if isinstance(node, ast.Call) and _name(node.func) == "Flag":
        return Flag(
            *map(_literal, node.args),
            **{word.arg: _literal(word.value) for word in node.keywords},
        )
    if isinstance(node, (ast.List, ast.Tuple)):
        return tuple(map(_literal, node.elts))
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(ast.unparse(node)) from None


def _name(node):
    """`register`, also of `tpl.register`, but not of another's `x.register`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = ast.unparse(node.value).rpartition(".")[2]
        if owner in ("tpl", "registry", "tf_pseudolabel"):
            return node.attr
    return None


def _check_names(found):
    places = {}
    for row in found:
        before = places.setdefault((row.kind, row.name), row)
        if before is not row:
            raise ValueError(
                f"Every {row.kind} has a name of its own; got {row.name!r} in "
                f"{before.path} and in {row.path}. Rename one of them."
            )


def _declared_flags(found):
    """The flags by name, each declared once or twice alike."""
    declared = {}
    for row in found:
        for flag in row.flags:
            if not flag.help:
                continue
            if not isinstance(flag.default, (bool, int, float, str)):
                raise ValueError(
                    f"{row.path}: a flag has a default, which tells its type; "
                    f"got --{flag.name} with {flag.default!r}."
                )
            flag = dataclasses.replace(flag, argument=flag.name)
            if declared.setdefault(flag.name, flag) != flag:
                raise ValueError(
                    f"{row.path}: a flag that parts share is declared once; "
                    f"got --{flag.name} with another help, default or rule. "
                    f"Write Flag({flag.name!r}) to share it, or rename it."
                )
    return declared


def _with_flags(row, declared):
    """The row with shared flags put in; one that nobody declares stays bare."""
    flags = tuple(
        dataclasses.replace(
            declared.get(flag.name, flag), argument=flag.argument
        )
        for flag in row.flags
    )
    return dataclasses.replace(row, flags=flags)


def _check_words(row):
    if not all(flag.help for flag in row.flags):
        return
    try:
        row.words({flag.name: flag.default for flag in row.flags})
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"{row.path}: `says` of {row.kind} {row.name} is text with its "
            f"flags in braces; got {row.says!r} ({error!r})."
        ) from None


def _class_of(row):
    path = pathlib.Path(row.path)
    if path.is_relative_to(_PACKAGE):
        inside = path.relative_to(_PACKAGE.parent).with_suffix("")
        module = importlib.import_module(".".join(inside.parts))
    else:
        module = module_at(path)
    return getattr(module, row.class_name)


def module_at(path):
    """Imports a file of a user's own, once, however many things are in it.

    Args:
        path: Path of a Python file.

    Returns:
        The module.

    Raises:
        ValueError: If the file cannot be imported.
    """
    path = pathlib.Path(path).resolve()
    if path not in _MODULES:
        _MODULES[path] = _executed(path)
    return _MODULES[path]


def _executed(path):
    name = f"tf_pseudolabel_parts.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses and Keras look for the module of a class.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(
            f"A file of one's own must be importable; {path} raised "
            f"{type(error).__name__}: {error}"
        ) from error
    return module


def package_of(module):
    """What Keras calls the package of a class: the file's name, for a user's.

    A class is found again by it, whether its file was imported, run or named
    to a program.
    """
    if module.partition(".")[0] == __package__:
        return __package__
    file = getattr(sys.modules.get(module), "__file__", None)
    return pathlib.Path(file).stem if file else module.rpartition(".")[2]
