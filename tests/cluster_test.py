import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel import cluster


def test_default_is_the_strategy_in_force():
    assert tpl.get_strategy("default") is tf.distribute.get_strategy()


def test_mirrored_by_name():
    assert cluster.STRATEGIES["mirrored"] is tf.distribute.MirroredStrategy


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"one of default, .*; got 'gpu'"):
        tpl.get_strategy("gpu")
