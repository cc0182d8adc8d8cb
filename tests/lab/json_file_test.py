import json

import pytest

from tf_pseudolabel.lab import json_file
from tf_pseudolabel.lab.errors import InputError


def _read(path):
    return json_file.read(path, "the recipe.json of a run", "Copy it again.")


def test_a_file_is_read(tmp_path):
    path = tmp_path / "recipe.json"
    value = {"name": "é", "seed": 2**63 - 1, "rates": [1.5, None, True]}
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    assert _read(path) == value


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        (b"", "Expecting value"),
        (b'{"seed": 1', "Expecting ',' delimiter"),
        (b'{"name": "\xff"}', "utf-8"),
        (b'{"name": "\\ud800"}', "surrogates"),
        (b"[" * 100_000, "too deep"),
        (str(2**63).encode(), "an integer of 19 digits"),
        (b"9" * 5000, "digits"),
    ],
    ids=["empty", "cut", "bytes", "half", "deep", "large", "huge"],
)
def test_a_damaged_file_ends_in_one_line(damaged, problem, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_bytes(damaged)

    with pytest.raises(InputError) as caught:
        _read(path)
    told = str(caught.value)
    assert told.startswith(f"{path} must be the recipe.json of a run; got: ")
    assert problem in told
    assert told.endswith(". Copy it again.")
    assert "\n" not in told


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json .*No such file"):
        _read(tmp_path / "none.json")
