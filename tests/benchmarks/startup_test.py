import pytest


@pytest.mark.slow
def test_commands_are_timed(figures_of):
    found = figures_of("startup.py", "--rounds=1")

    times = {name: line["median"] for name, line in found.items()}
    assert 0 < times["train --help"] < times["import tensorflow"]
    assert times["import tensorflow"] < times["first update"]
    assert times["the package adds"] == (
        times["import tf_pseudolabel"] - times["import tensorflow"]
    )
