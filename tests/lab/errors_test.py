import pytest

from tf_pseudolabel.lab.errors import InputError, reason_of


def test_message_is_the_whole_of_it():
    assert str(InputError("rule; value; remedy")) == "rule; value; remedy"


def test_core_callers_may_catch_a_value_error():
    with pytest.raises(ValueError, match=r"^too many$"):
        raise InputError("too many")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{{function_node __wrapped_X}} Bad\n input [Op:Y] name: ",
            "Bad input",
        ),
        ("", "ValueError"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_reason_is_one_short_line(text, expected):
    assert reason_of(ValueError(text)) == expected


def test_the_reason_of_a_file_is_that_of_the_system(tmp_path):
    with pytest.raises(OSError) as error:
        (tmp_path / "none").read_bytes()
    assert reason_of(error.value) == "No such file or directory"
