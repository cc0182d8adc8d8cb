import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import own

SPEC = tf.TensorSpec((4,), tf.float32)
FILE = '''
import keras

@keras.saving.register_keras_serializable()
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def build(spec, num_classes, hidden_units=5, vocabulary_size=None):
    return keras.Sequential(
        [
            keras.Input(spec.shape, dtype=spec.dtype),
            Twice(),
            keras.layers.Dense(hidden_units),
            keras.layers.Dense(num_classes),
        ]
    )

def everything(spec, num_classes, **options):
    assert options == {"dropout": 0.2, "hidden_units": 9, "weights": "none"}
    return build(spec, num_classes)

class Whole(keras.Sequential):
    """A class is a function, too."""

    def __init__(self, spec, num_classes):
        super().__init__([keras.layers.Dense(num_classes)])

def narrow(spec, num_classes):
    raise KeyError("no such thing")

def alone(spec):
    return build(spec, 3)

def nothing(spec, num_classes): ...

number = 3
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my networks.py"
    path.write_text(FILE)
    return path


def test_a_function_gets_the_options_that_it_names(file):
    model = networks.build(
        f"{file}:build", SPEC, 3, hidden_units=7, dropout=0.2, max_value=255.0
    )
    assert model.output_shape == (None, 3)
    assert model.layers[1].units == 7
    options = {"hidden_units": 9, "dropout": 0.2}
    assert networks.build(f"{file}:everything", SPEC, 3, **options).built
    assert networks.build(f"{file}:Whole", SPEC, 3, dropout=0.2).built


def test_its_layers_are_known_after_prepare(file, tmp_path):
    model = networks.build(f"{file}:build", SPEC, 3)
    model.save(tmp_path / "model.keras")
    networks.prepare(f"{file}:build")
    networks.prepare("conv")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(loaded(x), model(x))


def test_a_file_is_executed_once(file):
    assert own.load(f"{file}:build") is own.load(f"{file}:build")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("missing", "has no function missing; it has Twice, build, everything"),
        ("number", "has no function number"),
        ("narrow", r"raised KeyError in line \d+: 'no such thing'"),
        ("alone", r"raised TypeError: alone\(\) takes 1 positional argument"),
        ("nothing", r"must return a keras\.Model; got NoneType"),
    ],
)
def test_functions_that_do_not_serve(file, function, message):
    with pytest.raises(InputError, match=message):
        networks.build(f"{file}:{function}", SPEC, 3)


def test_where_it_was_raised(file):
    line = FILE.split("\n").index('    raise KeyError("no such thing")') + 1
    with pytest.raises(InputError, match=f"in line {line}: "):
        networks.build(f"{file}:narrow", SPEC, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", r"must be importable; .* raised ZeroDivisionError"),
        ("def build(", r"must be importable; .* raised SyntaxError"),
        ("import no_such_module", r"No module named 'no_such_module'"),
    ],
)
def test_files_that_cannot_be_imported(tmp_path, text, message):
    path = tmp_path / f"broken_{len(text)}.py"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        networks.prepare(f"{path}:build")
    assert own.parameters(f"{path}:build") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package.models:build", "PYTHONPATH"),
        ("json:no_function", "json has no function no_function"),
        ("/no/such/file.py:build", r"exists; got /no/such/file\.py"),
    ],
)
def test_modules_that_do_not_serve(name, message):
    with pytest.raises(InputError, match=message):
        networks.prepare(name)


def test_a_function_of_a_module():
    found = own.load("tf_pseudolabel.lab.networks.mlp:build")
    assert found.__module__ == "tf_pseudolabel.lab.networks.mlp"
    assert own.parameters("tf_pseudolabel.lab.networks.mlp:build") is None


def test_options_are_read_from_the_source(file):
    assert own.parameters(f"{file}:build") == {
        *("spec", "num_classes", "hidden_units", "vocabulary_size")
    }
    assert own.parameters(f"{file}:everything") is None
    assert own.parameters(f"{file}:missing") is None
    assert own.parameters("/no/such/file.py:build") is None


@pytest.mark.parametrize(
    "name", ["my.py:", ":build", "my.py:1", "a b:build", "a::b"]
)
def test_names_of_another_form(name):
    with pytest.raises(InputError, match=r"FILE\.py:FUNCTION or .*got "):
        networks.check_name(name)


def test_paths_become_absolute(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert networks.located(f"{file.name}:build") == f"{file}:build"
    assert networks.located("package.module:build") == "package.module:build"
    assert networks.located("conv") == "conv"
    with pytest.raises(InputError, match=r"exists; got /.*other\.py"):
        networks.located("other.py:build")
