import pytest

from tf_pseudolabel.lab.errors import InputError


def test_message_is_the_whole_of_it():
    assert str(InputError("rule; value; remedy")) == "rule; value; remedy"


def test_core_callers_may_catch_a_value_error():
    with pytest.raises(ValueError, match=r"^too many$"):
        raise InputError("too many")
