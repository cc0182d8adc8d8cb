import dataclasses

import keras
import numpy as np
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.digits import DIGITS_CONV
from tf_pseudolabel.lab.runs import experiment, exports, results
from tf_pseudolabel.lab.serving import served
from tf_pseudolabel.lab.serving.formats import FORMATS
from tf_pseudolabel.lab.serving.requests import arrays


def test_the_encoding_of_a_run_is_exported_with_it(
    tiny_recipe, tmp_path, tmp_path_factory
):
    """Words, of which the classifier knows but numbers."""
    folder = tmp_path_factory.mktemp("texts")
    texts = [
        ("warm" if row % 2 else "cold", f"{'hot' if row % 2 else 'ice'} {row}")
        for row in range(60)
    ]
    lines = [f"{text},{label}" for label, text in texts]
    (folder / "texts.csv").write_text("\n".join(["text,label", *lines]))
    recipe = dataclasses.replace(
        tiny_recipe,
        dataset="text",
        data_file=str(folder / "texts.csv"),
        text_column="text",
        label_column="label",
        network="text_conv",
        split=None,
        num_labeled=20,
        num_unlabeled=None,
        num_validation=6,
        num_test=10,
        labeled_batch=10,
        unlabeled_batch=10,
        epochs=2,
        labeled_epochs=0,
        t1=0.0,
        t2=1.0,
        baseline=False,
    )
    run = tmp_path / "run"
    experiment.run(recipe, run, with_pictures=False)

    outcome = exports.export(run, "keras", tmp_path / "m.keras")

    assert outcome.compared == "10 test rows" and outcome.lost == []
    model = keras.saving.load_model(tmp_path / "m.keras")
    answer = model.predict(np.array(["hot", "ice"], object), verbose=0)
    assert {label.decode() for label in answer["label"]} <= {"warm", "cold"}
    with pytest.raises(InputError, match="LiteRT takes numbers alone"):
        exports.export(run, "litert", tmp_path / "m.tflite")
    (run / "preprocessing.keras").unlink()
    with pytest.raises(InputError, match="must take rows of its data; got"):
        exports.export(run, "keras", tmp_path / "m.keras")


def test_pixels_stay_bytes_for_an_own_network_that_takes_floats(
    tiny_recipe, tmp_path
):
    """As `keras.Input` makes it where nobody names a dtype."""
    (tmp_path / "own.py").write_text(
        "import keras\n\n\ndef build(spec, num_classes):\n"
        "    inputs = keras.Input(spec.shape)\n"
        "    x = keras.layers.Flatten()(inputs / 16)\n"
        "    return keras.Model(inputs, keras.layers.Dense(num_classes)(x))\n"
    )
    recipe = dataclasses.replace(
        tiny_recipe,
        network=f"{tmp_path}/own.py:build",
        hidden_units=None,
        dropout=None,
        baseline=False,
    )
    run = tmp_path / "run"
    experiment.run(recipe, run, with_pictures=False)
    pixels = np.random.default_rng(0).integers(0, 17, (9, 8, 8, 1), np.uint8)
    np.save(tmp_path / "more.npy", pixels)

    model = served.Served(run / "saved_model")
    (chunk,) = arrays.chunks(str(tmp_path / "more.npy"), model)
    (rows,) = chunk.read()
    answer = model.answer(rows.inputs)

    (_, classifier), *_ = results.load_classifiers(
        run, ["pseudo_label"], recipe, trust=True
    )
    logits = classifier.predict(pixels.astype("float32"), verbose=0)
    expected = keras.ops.softmax(logits)
    np.testing.assert_allclose(
        answer["probabilities"], expected, rtol=1e-5, atol=1e-7
    )
    assert exports.export(
        run, "keras", tmp_path / "m.keras", trust=True
    ).compared.startswith("60 test rows")
    kept = keras.saving.load_model(tmp_path / "m.keras")
    assert kept.input.dtype == "uint8"
    np.testing.assert_allclose(
        kept.predict(pixels, verbose=0)["probabilities"],
        expected,
        rtol=1e-5,
        atol=1e-7,
    )


@pytest.mark.slow
@pytest.mark.parametrize("precision", [None, "bfloat16"])
def test_real_rows_in_every_format(precision, tmp_path):
    recipe = dataclasses.replace(
        DIGITS_CONV,
        num_test=500,
        num_unlabeled=1000,
        num_validation=100,
        epochs=5,
        t1=1.0,
        t2=3.0,
        baseline=False,
        mixed_precision=precision,
    )
    run = tmp_path / "run"
    experiment.run(recipe, run, with_pictures=False)
    for name, row in FORMATS.items():
        place = tmp_path / f"model{row.suffix or ''}"
        outcome = exports.export(run, name, place)
        assert outcome.compared == "500 test rows"
        assert outcome.exported.difference <= row.tolerance
        half = "It computes in float32, where the run did in bfloat16."
        assert (half in outcome.lost) == bool(precision and not row.strings)
