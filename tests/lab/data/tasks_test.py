import tensorflow as tf

from tf_pseudolabel.lab.data import digits, splits
from tf_pseudolabel.lab.data.tasks import task_of


def test_a_task_is_the_split_as_a_network_takes_it():
    data = digits.load()
    split = splits.draw(data, num_labeled=10, seed=0)

    task = task_of(data, split)

    assert task.classes == 10
    assert task.encoding.spec == tf.TensorSpec((8, 8, 1), tf.uint8)
    assert task.encoding.options["max_value"] == 16
    assert task.split.ids() == split.ids()
    assert task.network is None
    assert task_of(data, split, max).network is max
