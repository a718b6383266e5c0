"""Events on Kafka: slices, codecs, topics, producer, readers, tf.data."""
