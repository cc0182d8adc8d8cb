import pytest


@pytest.mark.slow
def test_peaks_are_measured_in_processes(figures_of):
    found = figures_of(
        "memory.py",
        *("--rows=300,600", "--rounds=1"),
    )

    # TensorFlow alone takes more than that.
    assert found["300 rows"]["median"] > 100
    assert found["600 rows"]["unit"] == "MB"
    assert 0.5 < found["600 rows / 300 rows"]["median"] < 2
