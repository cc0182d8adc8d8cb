import pathlib

import apache_beam as beam
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.labelling.runner import EMBEDDED, Runner


def _touch(path):
    pathlib.Path(path).touch()


def _raise(error):
    raise error


def test_the_embedded_runner_is_the_default_and_runs(tmp_path):
    with Runner().pipeline() as pipeline:
        files = [str(tmp_path / name) for name in "ab"]
        _ = pipeline | beam.Create(files) | beam.Map(_touch)

    assert Runner().name == EMBEDDED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_cannot_be_meant_is_one_line_without_beams_words():
    failing = InputError("a rule; got a value; a remedy")
    with (
        pytest.raises(InputError) as raised,
        Runner().pipeline() as pipeline,
    ):
        _ = pipeline | beam.Create([failing]) | beam.Map(_raise)
    assert str(raised.value) == "a rule; got a value; a remedy"


def test_a_bug_keeps_its_traceback():
    with pytest.raises(KeyError), Runner().pipeline() as pipeline:
        _ = pipeline | beam.Create([KeyError("bug")]) | beam.Map(_raise)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("NoRunner",), "--runner must be one of Beam's"),
        ((EMBEDDED, ("--no_such_flag=1",)), "must know the flags after --"),
    ],
)
def test_runners_and_flags_that_are_none(given, message):
    with pytest.raises(InputError, match=message):
        Runner(*given)
