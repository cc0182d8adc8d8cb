import pytest


@pytest.mark.slow
def test_memory_is_measured_in_processes(figures_of):
    found = figures_of("label.py", "--rows=300,600", "--speed=false")

    # TensorFlow alone takes more than that.
    assert found["all rows: 300 rows of noise: peak"]["median"] > 100
    assert found["a single row: program, its start-up"]["unit"] == "s"
    assert 0.5 < found["all rows: peak, 600 / 300"]["median"] < 2
