"""Parts of a user's own are everywhere that the library's are."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel import registry

FILE = pathlib.Path(__file__).with_name("own_parts.py")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 4)).astype("float32")
Y = np.eye(3, dtype="float32")[RNG.integers(3, size=8)]
X_U = RNG.normal(size=(24, 4)).astype("float32")


def _part(kind, name, **values):
    return registry.part(kind, name, extra=[FILE], **values)


def _parts():
    return {
        "teacher": _part("teacher", "averaged_two"),
        "alignment": _part("alignment", "to_uniform"),
        "selection": _part("selection", "above_mean", usual=0.8),
        "target": _part("target", "half_hard"),
        "views": _part("views", "loud"),
        "terms": [_part("term", "agreement", weight=0.5)],
    }


def _model():
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(6, "tanh"), keras.layers.Dense(3)]
    classifier = keras.Sequential([keras.Input((4,)), *layers])
    model = tpl.PseudoLabelModel(classifier, **_parts())
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.3), loss, metrics=["accuracy"])
    return model


def _streams():
    slices = tf.data.Dataset.from_tensor_slices
    return tpl.merge_streams(slices((X, Y)).batch(4), slices(X_U).batch(9))


def _fit(model, epochs=4, initial_epoch=0):
    return model.fit(
        _streams(),
        epochs=epochs,
        initial_epoch=initial_epoch,
        verbose=0,
        callbacks=[tpl.AlphaScheduler(tpl.Constant(1.0))],
    ).history


def _assert_same(model, other, **tolerance):
    assert len(model.weights) == len(other.weights)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **{"atol": 1e-6, **tolerance})


@pytest.fixture(scope="module")
def trained():
    model = _model()
    return model, _fit(model)


def test_every_part_is_at_work(trained):
    model, history = trained
    assert np.ptp(model.alignment.mean.numpy()) > 0.01
    assert model.selection.confidence.numpy() > 0.4
    assert np.abs(model.teacher.slow.numpy()).max() > 0.01
    assert 0 < history["coverage"][-1] < 1
    assert history["agreement"][-1] == pytest.approx(0, abs=1e-6)  # No dropout.
    assert history["unlabeled_loss"][0] > history["unlabeled_loss"][-1] > 0


def test_one_replica_is_two(trained, two_replicas):
    model, history = trained
    with two_replicas.scope():
        other = _model()
    their_history = _fit(other)
    _assert_same(model, other, rtol=1e-5)
    assert history.keys() == their_history.keys()
    for name in history:
        np.testing.assert_allclose(
            history[name], their_history[name], rtol=1e-5, atol=1e-6
        )


def test_saved_loaded_and_gone_on_with(trained, tmp_path):
    model = _model()
    _fit(model, epochs=2)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    _assert_same(model, loaded, atol=0)
    _fit(loaded, epochs=4, initial_epoch=2)
    _assert_same(trained[0], loaded, atol=0)
    # Weights alone, before any fit; the count of updates is the optimizer's.
    fresh = _model()
    fresh.load_weights(tmp_path / "model.weights.h5")
    fresh.optimizer.iterations.assign(model.optimizer.iterations)
    _fit(fresh, epochs=4, initial_epoch=2)
    _assert_same(trained[0], fresh, atol=0)


def test_what_is_exported_needs_none_of_it(trained, tmp_path):
    model, _ = trained
    model.export(tmp_path / "saved", verbose=False)
    code = (
        "import sys, numpy, tensorflow as tf\n"
        f"served = tf.saved_model.load({str(tmp_path / 'saved')!r})\n"
        f"x = numpy.array({X.tolist()}, 'float32')\n"
        "print(served.serve(x).numpy().tolist())\n"
        "assert 'tf_pseudolabel' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        np.array(eval(done.stdout)),
        model.predict(X, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_flags_of_ones_own_are_in_the_help():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tf_pseudolabel.lab.cli.train"),
            *(f"--parts={FILE}", "--help"),
        ],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(tpl.__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    for text in ("--usual", "--agreement", "above_mean", "to_uniform", "loud"):
        assert text in done.stdout


def test_what_the_architecture_says_of_adding(tmp_path):
    page = (
        pathlib.Path(__file__).parents[1] / "docs/architecture.md"
    ).read_text()
    code = page.partition("## Adding something")[2]
    code = code.partition("```python\n")[2].partition("```")[0]
    path = tmp_path / "my_parts.py"
    path.write_text(code)
    (row,) = [row for row in registry.rows([path]) if row.name == "margin"]
    assert [flag.name for flag in row.flags] == ["margin", "mean"]
    selection = registry.part("selection", "margin", extra=[path], margin=0.3)
    classifier = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    classifier.add(keras.layers.Dense(3, kernel_initializer="identity"))
    model = tpl.PseudoLabelModel(classifier, selection=selection)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss)
    # Two classes are 0.21, 0.33, 0.57 and 0.96 apart.
    x = np.log([[0.2, 0.5, 0.29], [0.6, 0.27, 0.13], [0.7, 0.13, 0.17]])
    x = np.concatenate([x, np.log([[0.97, 0.01, 0.02]])]).astype("float32")
    slices = tf.data.Dataset.from_tensor_slices
    streams = tpl.merge_streams(
        slices((x, np.eye(3, dtype="float32")[[1, 0, 0, 0]])).batch(4),
        slices(x).batch(4),
    )
    callbacks = [tpl.AlphaScheduler(tpl.Constant(1.0))]
    for margin, coverage in ((0.3, 0.75), (0.5, 0.5)):
        selection.margin = margin
        history = model.fit(streams, verbose=0, callbacks=callbacks).history
        assert history["coverage"] == [coverage]


def test_a_run_and_its_report_name_them(tmp_path, tiny_recipe):
    from tf_pseudolabel.lab.recipes.recipe import with_parts
    from tf_pseudolabel.lab.report import summary
    from tf_pseudolabel.lab.runs import experiment, results

    values = {
        "teacher": "averaged_two",
        "alignment": "to_uniform",
        "selection": "above_mean",
        "target": "half_hard",
        "views": "loud",
        "agreement": 0.5,
        "usual": 0.7,
        "baseline": False,
        "epochs": 3,
    }
    recipe = with_parts(tiny_recipe, str(FILE))
    recipe = type(recipe)(**{**vars(recipe), **values})
    metrics = experiment.run(recipe, tmp_path / "run", with_pictures=False)
    assert metrics["pseudo_label"]["updates"] > 0
    facts = dict(summary.facts(results.load(tmp_path / "run")))
    for words in ("of two", "aligned", "than usual (0.7)", "half hard", "loud"):
        assert words in facts["Pseudo-labels"]
    assert "agreement weighed 0.5" in facts["Pseudo-labels"]
