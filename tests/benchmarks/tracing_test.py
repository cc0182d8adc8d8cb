import importlib.util

import pytest
import tracing


@pytest.fixture
def module(tmp_path):
    """A module that calls another one, through what lies elsewhere."""
    (tmp_path / "inner.py").write_text("def double(x): return 2 * x\n")
    (tmp_path / "outer.py").write_text(
        "import inner\n"
        "def twice(): return list(map(own, [1])), inner.double(1)\n"
        "def own(x): return sorted([x], key=inner.double)\n"
    )
    found = {}
    for name in ("inner", "outer"):
        spec = importlib.util.spec_from_file_location(
            name, tmp_path / f"{name}.py"
        )
        found[name] = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(importlib.sys.modules, "inner", found["inner"])
            spec.loader.exec_module(found[name])
    return found["outer"]


def test_ways_between_files_are_counted_there_and_back(module, tmp_path):
    assert tracing.crossings(module.twice, tmp_path) == (4, 2)


def test_a_call_elsewhere_crosses_nothing(module, tmp_path):
    assert tracing.crossings(lambda: sorted([2, 1]), tmp_path) == (0, 0)
    assert tracing.crossings(module.twice, tmp_path / "other") == (0, 0)


def test_an_update_goes_from_file_to_file_40_times_at_most():
    steps, files = tracing.crossings_of_update(*tracing.COMPOSITIONS["default"])

    assert steps <= 40 and files <= 15


@pytest.mark.slow
def test_every_composition_is_put_beside_keras(figures_of):
    found = figures_of("tracing.py", "--rounds=1")

    keras = found["Keras: tiny fit"]["median"]
    for name in tracing.COMPOSITIONS:
        ours = found[f"{name}: tiny fit"]["median"]
        ratio = found[f"{name}: tiny fit / Keras"]["median"]
        assert ratio == pytest.approx(ours / keras)
        assert found[f"{name}: an update"]["median"] > 0
        assert found[f"{name}: an update's"]["median"] > 1
