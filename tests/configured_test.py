import keras
import pytest
from tf_pseudolabel.configured import Configured


@keras.saving.register_keras_serializable(package="tf_pseudolabel_test")
class Plain(Configured):
    pass


@keras.saving.register_keras_serializable(package="tf_pseudolabel_test")
class Tuned(Configured):
    def __init__(self, factor=2):
        self.factor = factor

    def get_config(self):
        return {"factor": self.factor}


def _round_trip(value):
    config = keras.saving.serialize_keras_object(value)
    return keras.saving.deserialize_keras_object(config)


def test_without_arguments_there_is_nothing_to_configure():
    assert Plain().get_config() == {}
    assert type(_round_trip(Plain())) is Plain


def test_arguments_come_back():
    assert _round_trip(Tuned(5)).factor == 5


def test_lists_come_back_in_order():
    found = _round_trip([Tuned(3), Plain(), Tuned(4)])

    assert [type(value) for value in found] == [Tuned, Plain, Tuned]
    assert [found[0].factor, found[2].factor] == [3, 4]


def test_arguments_unknown_to_the_constructor_are_refused():
    with pytest.raises(TypeError, match="divisor"):
        Tuned.from_config({"divisor": 1})


def test_shown_as_it_is_made():
    assert repr(Plain()) == "Plain()"
    assert repr(Tuned(5)) == "Tuned(factor=5)"
