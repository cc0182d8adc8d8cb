import keras

from tf_pseudolabel.configured import Configured


@keras.saving.register_keras_serializable(package="configured_test")
class _Doubled(Configured):
    def __init__(self, factor):
        self.factor = factor

    def get_config(self):
        return {"factor": self.factor}


def test_goes_through_keras_serialization():
    config = keras.saving.serialize_keras_object(_Doubled(2))
    assert keras.saving.deserialize_keras_object(config).factor == 2


def test_has_no_arguments_unless_it_says_so():
    assert Configured().get_config() == {}
    assert type(Configured.from_config({})) is Configured
