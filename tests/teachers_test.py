import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel import teachers

X = tf.ones([4, 100])


def test_inference_teacher_switches_dropout_off():
    model = keras.Sequential([keras.layers.Dropout(0.5)])

    np.testing.assert_array_equal(
        teachers.inference(model, X, student_scores=None), X
    )


def test_training_teacher_believes_the_student():
    scores = tf.random.normal([4, 3])

    assert teachers.training(None, X, scores) is scores


def test_names():
    assert set(teachers.TEACHERS) == {"inference", "training"}
