import pytest

from tf_pseudolabel.lab.data import sources
from tf_pseudolabel.lab.errors import InputError


def test_what_a_program_hands_over_cannot_be_looked_for():
    with pytest.raises(InputError, match="handed over by a program; got none"):
        sources.load("python")
