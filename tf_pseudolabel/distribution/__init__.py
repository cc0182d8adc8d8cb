"""tf.distribute: strategies, and what replicas share."""
