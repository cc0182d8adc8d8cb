import keras
import numpy as np
import pytest

from tf_pseudolabel.lab.callbacks.stop_on_nan import StopOnNaN
from tf_pseudolabel.lab.errors import InputError


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["loss", "val_loss"])
def test_names_the_loss_and_the_epoch(name, loss):
    logs = {"loss": 1.0, "val_loss": 1.0, name: np.float32(loss)}
    with pytest.raises(
        InputError, match=rf"The {name} turned {loss} in epoch 7; .* is kept"
    ):
        StopOnNaN().on_epoch_end(7, logs)


def test_promises_no_checkpoint_after_the_first_epoch():
    with pytest.raises(InputError, match=r"epoch 0; there is no checkpoint"):
        StopOnNaN().on_epoch_end(0, {"loss": float("nan")})


def test_other_logs_may_be_nan():
    logs = {"loss": 1e30, "pseudo_label_accuracy": float("nan")}
    seen = []
    callbacks = keras.callbacks.CallbackList(
        [
            StopOnNaN(),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: seen.append(epoch)
            ),
        ]
    )
    callbacks.on_epoch_end(3, logs)
    callbacks.on_epoch_end(4, {})
    assert seen == [3, 4]


def test_callbacks_behind_it_do_not_see_the_epoch():
    seen = []
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    y = np.array([[1.0], [np.nan]])
    with pytest.raises(InputError, match=r"epoch 2"):
        model.fit(
            np.ones((2, 1)),
            y,
            initial_epoch=2,
            epochs=9,
            verbose=0,
            callbacks=[
                StopOnNaN(),
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: seen.append(epoch)
                ),
            ],
        )
    assert seen == []
