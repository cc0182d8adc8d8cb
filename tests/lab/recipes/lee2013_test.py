import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel import callbacks, optimizers
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.recipes import RECIPES, lee2013
from tf_pseudolabel.lab.runs import jobs, results, training

# As published; facts, not choices.
PUBLISHED = {
    "dataset": "mnist",
    "num_unlabeled": None,
    "num_validation": 1000,
    "num_test": None,
    "network": "mlp",
    "hidden_units": 5000,
    "dropout": 0.5,
    "output": "sigmoid",
    "target": "hard",
    "selection": "all",
    "t1": 100,
    "t2": 600,
    "alpha_f": 3.0,
    "labeled_batch": 32,
    "unlabeled_batch": 256,
    "learning_rate": 1.5,
    "learning_rate_decay": 0.998,
    "momentum": 0.5,
    "final_momentum": 0.99,
    "momentum_epochs": 500,
}


def _differing(recipe):
    return {
        field.name
        for field in dataclasses.fields(recipe)
        if field.metadata
        and getattr(recipe, field.name) != getattr(lee2013.PL, field.name)
    }


def test_published_settings():
    recipe = dataclasses.asdict(lee2013.PL)

    assert {key: recipe[key] for key in PUBLISHED} == PUBLISHED


def test_what_the_others_differ_in():
    differing = {
        recipe.name: _differing(recipe) for recipe in lee2013.PUBLISHED
    }

    # T2 is the end of the first round, as it is the end of the others' ramp.
    of_self_training = {
        *("teacher", "restart_epochs", "epochs"),
        *("t1", "alpha_f"),
    }
    assert differing == {
        "lee2013_pl": set(),
        "lee2013_dropnn": {"alpha_f"},
        "lee2013_pl_dae": {"t1", "t2", "epochs", "dae_epochs"},
        "entropy_regularization": {"unlabeled_loss", "teacher"},
        "self_training_1": of_self_training,
        "self_training_3": of_self_training,
    }
    assert (lee2013.PL_DAE.t1, lee2013.PL_DAE.t2) == (200, 800)
    assert lee2013.DROPNN.alpha_f == 0


@pytest.mark.parametrize("recipe", lee2013.PUBLISHED, ids=lambda r: r.name)
@pytest.mark.parametrize("factor", [10, 15, 40])
def test_compressed_schedules_have_the_same_shape(recipe, factor):
    short = lee2013.compressed(recipe, factor)
    for share in (0, 0.2, 0.5, 0.9):
        epoch = share * recipe.epochs
        assert training.methods.alpha(short)(epoch / factor) == pytest.approx(
            training.methods.alpha(recipe)(epoch)
        )
        # Rates are those of whole epochs.
        step = round(epoch / factor) * short.steps_per_epoch
        made = [
            optimizers.lee2013(
                r.steps_per_epoch,
                r.learning_rate,
                r.learning_rate_decay,
                r.momentum,
                r.final_momentum,
                r.momentum_epochs,
            )
            for r in (recipe, short)
        ]
        long_step = round(epoch / factor) * factor * recipe.steps_per_epoch
        assert float(made[1]._learning_rate(step)) == pytest.approx(
            float(made[0]._learning_rate(long_step)), rel=1e-4
        )
        assert float(made[1].momentum(step)) == pytest.approx(
            float(made[0].momentum(long_step)), rel=1e-4
        )


def test_whole_rounds_of_self_training():
    for recipe in (*lee2013.PUBLISHED, *lee2013.QUICK):
        if recipe.restart_epochs:
            rounds, rest = divmod(recipe.epochs, recipe.restart_epochs)
            assert rest == 0
            assert recipe.t1 == recipe.t2 == recipe.restart_epochs
            assert rounds - 1 == int(recipe.name.split("_")[2])


def test_quick_forms_are_marked_and_known():
    for recipe in lee2013.PUBLISHED:
        quick = RECIPES[f"{recipe.name}_quick"]
        assert quick.epochs == recipe.epochs // lee2013.QUICK_COMPRESSION
        assert "fewer epochs" in quick.description


@pytest.mark.parametrize("recipe", lee2013.PUBLISHED, ids=lambda r: r.name)
def test_every_recipe_trains(recipe):
    """A few updates on digits, with a small layer."""
    recipe = dataclasses.replace(
        lee2013.compressed(recipe, 200),
        dataset="digits",
        num_labeled=100,
        num_validation=50,
        hidden_units=16,
        steps_per_epoch=3,
    )
    data = results.load_data(recipe)
    split = jobs.draw_split(recipe, data)
    seen, batches = [], []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs),
        on_train_batch_end=lambda batch, logs: batches.append(batch),
    )
    again = (
        [callbacks.StartOver(recipe.restart_epochs, recipe.epochs)]
        if recipe.restart_epochs
        else []
    )

    training.train(
        training.PSEUDO_LABEL,
        recipe,
        task_of(data, split),
        tf.distribute.get_strategy(),
        [keep, *again],
    )

    updates = training.updates_of(
        training.PSEUDO_LABEL, recipe, split, recipe.epochs
    )
    assert updates == len(batches) == 3 * recipe.epochs
    alphas = [logs["alpha"] for logs in seen]
    assert alphas[0] == 0
    assert (max(alphas) > 0) == (recipe.alpha_f > 0)
    for logs in seen:
        assert (logs["unlabeled_loss"] > 0) == (logs["alpha"] > 0)
        assert np.isfinite(logs["loss"])
