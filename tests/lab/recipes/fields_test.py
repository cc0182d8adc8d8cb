import dataclasses

import pytest

from tf_pseudolabel.lab.recipes.fields import Written, field
from tf_pseudolabel.lab.recipes.recipe import Recipe


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Written)])
def test_every_flag_is_explained(name):
    metadata = Written.__dataclass_fields__[name].metadata
    assert (name in ("name", "description")) == (not metadata)
    if metadata:
        assert metadata["help"]


def test_what_a_field_needs_is_a_field():
    names = {field.name for field in dataclasses.fields(Recipe)}
    for known in dataclasses.fields(Written):
        wanted = {name for name, _ in known.metadata.get("needs", ())}
        assert wanted <= names


def test_a_field_holds_its_rule():
    made = field(3, "rows", least=1, most=9)
    assert made.default == 3
    rule = {
        k: v for k, v in made.metadata.items() if v not in (None, (), False)
    }
    assert rule == {"help": "rows", "least": 1, "most": 9}
