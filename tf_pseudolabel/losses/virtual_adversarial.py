"""Outputs shall not change in the direction in which they change most."""

import tensorflow as tf

from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.part import Number
from tf_pseudolabel.registry import Flag, register
from tf_pseudolabel.views.draws import Drawing

# Small gradients would be 0 in float16; a power of 2 that changes no other.
_SCALE = 1024.0


def _is_positive(number):
    if number <= 0:
        raise ValueError(
            "`epsilon` and `xi` are lengths in units of the inputs, above 0; "
            f"got {number}."
        )


@register(
    "unlabeled_loss",
    "virtual_adversarial",
    help="change of the outputs in the worst direction",
    flags=[
        Flag(
            "epsilon",
            6.0,
            "virtual_adversarial: length of the step, in units of the inputs",
            least=1e-6,
        ),
        Flag(
            "xi",
            0.1,
            "virtual_adversarial: length of the step that finds it",
            least=1e-6,
        ),
    ],
    says="virtual adversarial loss (epsilon {epsilon:g}) in place of a "
    "pseudo-label loss",
    order=2,
)
class VirtualAdversarial(Term, Drawing):
    """Virtual adversarial training: VAT.

    `KL(p(x) || p(x + r))` with `r = epsilon · g / |g|`, where g is the gradient
    of `KL(p(x) || p(x + xi · d))` by d, at a random direction d of length 1:
    one step of a power iteration towards the direction in which the outputs
    change most. No gradient flows through p(x) and r. Moving statistics of
    batch normalization do not follow these passes (Miyato et al., "Virtual
    Adversarial Training", TPAMI 2018, algorithm 1, and takerum/vat_tf,
    `vat.py`).

    Their xi of 1e-6 loses all digits of float32 where outputs hardly change:
    with a direction of length 1, larger ones do as well. Dropout draws a mask
    for each pass, where theirs fixes one.

    Args:
        epsilon: Float above 0: the length of r, in units of the inputs. May be
            changed while it trains. Defaults to 6; theirs are 8 to 10 for
            CIFAR-10 and 0.3 for MNIST in [0, 1], in the Euclidean norm.
        xi: Float above 0: how far a random direction is followed to find the
            worst one, in the units of the inputs, like `epsilon`. Defaults to
            0.1.
        weight: Float, at least 0. Defaults to 1.
        seed: Int; None: drawn from that of `keras.utils.set_random_seed`.
        name: The name that it is logged by.

    Raises:
        ValueError: If a length is not above 0, or inputs are no floats.
    """

    needs_floats = True
    epsilon = Number(_is_positive)
    xi = Number(_is_positive)

    def __init__(self, epsilon=6.0, xi=0.1, weight=1.0, seed=None, name=None):
        super().__init__(weight, name)
        self.epsilon, self.xi, self.seed = epsilon, xi, seed

    def sums(self, context):
        """The divergences, summed; see `Term.sums`."""
        x, scores = context.unlabeled.student, context.scores_u
        for part in tf.nest.flatten(x):
            if not part.dtype.is_floating:
                raise ValueError(
                    "VirtualAdversarial moves inputs by fractions: they must "
                    f"be floats; got {part.dtype.name}. Cast them in the "
                    "streams, and scale them there."
                )
        p = tf.stop_gradient(context.outputs(scores).probabilities)
        logs = tf.stop_gradient(context.outputs(scores).logarithms)

        def divergences(moved):
            q = context.outputs(context.forward(moved, moving=False))
            return tf.reduce_sum(p * (logs - q.logarithms), axis=-1)

        draws = self.draws(context.unlabeled.places)
        direction = _of_length_one(
            tf.nest.map_structure(lambda t: draws.normal(*t.shape[1:]), x)
        )
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(direction)
            found = tf.reduce_sum(divergences(_moved(x, direction, self.xi)))
            found *= _SCALE
        worst = _of_length_one(tape.gradient(found, direction))
        worst = tf.nest.map_structure(tf.stop_gradient, worst)
        apart = divergences(_moved(x, worst, self.epsilon))
        return rows.summed(context.loss, apart, context)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "epsilon": self.epsilon,
            "xi": self.xi,
            "seed": self.seed,
            **super().get_config(),
        }


def _moved(x, direction, length):
    return tf.nest.map_structure(
        lambda t, d: t + tf.cast(length * d, t.dtype), x, direction
    )


def _of_length_one(x):
    """Divides what belongs to a row by its length over all inputs."""
    squares = [
        tf.reduce_sum(tf.square(t), axis=range(1, len(t.shape)))
        for t in tf.nest.flatten(x)
    ]
    length = tf.sqrt(tf.add_n(squares))

    def divided(t):
        shape = [-1] + [1] * (len(t.shape) - 1)
        return tf.math.divide_no_nan(t, tf.reshape(length, shape))

    return tf.nest.map_structure(divided, x)
