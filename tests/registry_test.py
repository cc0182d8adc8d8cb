import pathlib
import subprocess
import sys
import textwrap

import keras
import pytest

import tf_pseudolabel as tpl
from tf_pseudolabel import registry
from tf_pseudolabel.registry import Flag

MARGIN = pathlib.Path(__file__).with_name("margin.py").read_text()


@pytest.fixture
def file_of(tmp_path):
    """Writes a file of parts: `(text, name) -> path`."""

    def write(text, name="my_parts.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def _part(kind="teacher", name="mine", rest="", decorator="@register"):
    return f"{decorator}({kind!r}, {name!r}, {rest})\nclass Mine: ...\n"


def _names(kind, extra=()):
    return [row.name for row in registry.rows(extra) if row.kind == kind]


def test_the_parts_of_the_library():
    assert {kind: _names(kind) for kind in registry.KINDS if _names(kind)} == {
        "teacher": ["inference", "training", "lagged", "averaged"],
        "alignment": ["uniform", "distribution", "relative", "debiased"],
        "selection": [
            *("all", "threshold", "top_share", "two_sided", "self_adaptive"),
            *("gaussian", "relative", "curriculum", "loss_threshold"),
            "inliers",
        ],
        "target": ["hard", "soft", "sharpened", "multi_hot"],
        "views": ["images", "text", "table"],
        "unlabeled_loss": [
            *("entropy", "consistency", "virtual_adversarial", "brier"),
            "debiased",
        ],
        "term": ["class_prior", "minimum_entropy", "fairness", "unmixed"],
        "schedule": ["linear", "sigmoid", "constant", "cosine"],
    }


def test_rows_are_read_without_tensorflow():
    code = (
        "import sys; from tf_pseudolabel import registry; registry.rows(); "
        "print({'keras', 'tensorflow', 'numpy'} & {*sys.modules})"
    )
    root = pathlib.Path(tpl.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root
    )
    assert done.stdout == "set()\n", done.stderr


def test_a_row_of_the_library():
    row = next(r for r in registry.rows() if r.name == "threshold")
    threshold, mean = row.flags
    assert (row.kind, row.class_name) == ("selection", "Threshold")
    assert threshold == Flag(
        "threshold", 0.95, "threshold: confidence", least=0, most=1
    )
    assert (mean.default, mean.choices) == ("all", ("all", "accepted"))
    assert row.words({"threshold": 0.7, "mean": "all", "epochs": 3}) == (
        "rows count from a confidence of 0.7 on, mean over all rows"
    )


@pytest.mark.parametrize("row", registry.rows(), ids=lambda row: row.name)
def test_every_row_fits_its_class(row):
    """What the flags say by default can be made, saved and found again."""
    values = {
        flag.argument: flag.default
        for flag in row.flags
        if flag.argument and flag.help
    }
    part = registry.part(row.kind, row.name, **values)
    assert type(part).__name__ == row.class_name
    assert registry.name_of(row.kind, part) == row.name
    config = part.get_config()
    assert {name: config[name] for name in values} == values
    saved = keras.saving.serialize_keras_object(part)
    assert saved["registered_name"] == f"tf_pseudolabel>{row.class_name}"
    assert type(keras.saving.deserialize_keras_object(saved)) is type(part)


def test_a_file_of_a_users_own(file_of):
    path = file_of(MARGIN)
    assert _names("selection", [path]) == [*_names("selection"), "margin"]
    row = registry.rows([path])[-len(_after("selection")) - 1]
    assert (row.help, row.path) == ("two classes are far apart", str(path))
    # A shared flag is that of the part that declares it.
    assert row.flags[1].choices == ("all", "accepted")

    made = registry.part("selection", "margin", extra=[path], margin=0.25)
    assert made.margin == 0.25
    assert registry.name_of("selection", made) == "margin"
    assert registry.name_of("target", made) is None
    saved = keras.saving.serialize_keras_object(made)
    assert saved["registered_name"] == "my_parts>Margin"
    assert keras.saving.deserialize_keras_object(saved).margin == 0.25


def _after(kind):
    """Rows of the library behind those of a kind."""
    place = registry.KINDS.index(kind)
    return [r for r in registry.rows() if registry.KINDS.index(r.kind) > place]


def test_reading_rows_runs_nothing(file_of):
    path = file_of("raise SystemExit('executed')\n" + _part())
    assert _names("teacher", [path])[-1] == "mine"


def test_files_of_one_name_are_two_files(file_of, tmp_path):
    (tmp_path / "other").mkdir()
    first = file_of(MARGIN)
    second = file_of(
        MARGIN.replace("0.5, mean", "0.1, mean"), "other/my_parts.py"
    )
    made = [
        registry.part("selection", "margin", extra=[path]).margin
        for path in (first, second, first)
    ]
    assert made == [0.5, 0.1, 0.5]


@pytest.mark.parametrize("owner", ["tpl.", "tf_pseudolabel.registry."])
def test_the_decorator_may_be_reached_through_the_package(owner, file_of):
    path = file_of(_part(decorator=f"@{owner}register"))
    assert _names("teacher", [path])[-1] == "mine"


def test_a_part_of_a_session_has_a_name():
    @tpl.register("target", "third")
    class Third:
        def get_config(self):
            return {}

    assert registry.name_of("target", Third()) == "third"
    saved = keras.saving.serialize_keras_object(Third())
    assert saved["registered_name"] == "registry_test>Third"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = 1", r"has classes with the decorator.*without one"),
        ("@plugins.register('a')\nclass A: ...", "without one"),
        ("class (", r"is a Python file; got .*invalid syntax"),
        (_part(kind="student"), r"line 1: the kind of a part is one of .*'stu"),
        (_part(name="with space"), r"have names of letters.*got 'with space'"),
        (_part(rest="help=HELP"), r"line 1: .*literals and Flag.*got HELP"),
        (_part(rest="help=f'{1}'"), r"line 1: .*literals and Flag"),
        (_part(rest="text='a'"), r"line 1: .*unexpected keyword.*'text'"),
        (_part(rest="flags=[Flag()]"), r"line 1: .*missing.*'name'"),
        (
            _part(rest="flags=[Flag('x', help='h')]"),
            r"a flag has a default.*got --x with None",
        ),
        (
            _part(rest="flags=[Flag('threshold', 0.9, 'mine')]"),
            r"declared once; got --threshold.*Flag\('threshold'\)",
        ),
        (_part(rest="says='{x}'"), r"`says` of teacher mine .*KeyError"),
        (_part(rest="flags=['x']"), r"line 1: `flags` is a list of Flag.*'x'"),
        (_part(rest="flags=Flag('x')"), r"line 1: `flags` is a list of Flag"),
        (_part(rest="says=3"), r"line 1: `help` and `says` are strings; got 3"),
        (_part(rest="**words"), r"line 1: .*literals and Flag"),
        (_part(name="class"), r"have names of letters.*got 'class'"),
        (
            _part(kind="term", rest="flags=[Flag('mine', 0.5, 'weight')]"),
            "0 by default; got 'mine'",
        ),
        (_part(kind="term"), r"first flag of a term is its weight.*'mine'"),
        (_part(name="lagged"), r"a name of its own; got 'lagged' in .*Rename"),
        (_part() + _part(), r"a name of its own; got 'mine'"),
    ],
)
def test_a_row_that_breaks_a_rule(text, problem, file_of):
    with pytest.raises(ValueError, match=problem) as caught:
        registry.rows([file_of(text)])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"none\.py: No such file"):
        registry.rows([tmp_path / "none.py"])
    with pytest.raises(ValueError, match="Is a directory"):
        registry.rows([tmp_path])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 / 0", r"must be importable; .* raised ZeroDivisionError"),
        ("def __init__(self, y=0): ...", r"arguments of Mine; got .*'x'"),
        ("del get_config", r"must be importable; .*get_config"),
    ],
)
def test_a_part_that_cannot_be_made(text, problem, file_of):
    path = file_of(
        "from tf_pseudolabel.registry import Flag, register\n"
        + _part(rest="flags=[Flag('x', 1, 'help')]").replace(
            "...", f"\n    def get_config(self): ...\n    {text}"
        )
    )
    with pytest.raises(ValueError, match=problem):
        registry.part("teacher", "mine", extra=[path], x=1)


def test_an_unknown_part():
    with pytest.raises(ValueError, match=r"is one of inference, .*'oracle'"):
        registry.part("teacher", "oracle")
