"""scikit-learn's 8x8 digits: real data that needs no download."""

import numpy as np

from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.errors import InputError

# Declared here, once, so that no choice made in an experiment ever touches
# the test rows.
_NUM_TRAIN = 1297


def load() -> Data:
    """Loads the 1,797 handwritten digits that ship with scikit-learn.

    The test set is always the last 500 rows; the first 1,297 are the pool.

    Returns:
        Images `(n, 8, 8, 1)` uint8 in 0..16, ten classes, and ids "digits/0"
        to "digits/1796" in scikit-learn's order.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise InputError(
            'dataset "digits" needs scikit-learn, which is not installed '
            f'({error}); run pip install "tf_pseudolabel[programs]"'
        ) from error
    digits = datasets.load_digits()
    rows = Examples(
        inputs=digits.images.astype(np.uint8)[..., np.newaxis],
        labels=digits.target.astype(np.int64),
        ids=np.array([f"digits/{i}" for i in range(len(digits.target))]),
    )
    return Data(
        train=rows.take(np.arange(_NUM_TRAIN)),
        test=rows.take(np.arange(_NUM_TRAIN, len(rows))),
        unlabeled=None,
        class_names=tuple(str(name) for name in digits.target_names),
        kind=Images(max_value=16.0),
    )
