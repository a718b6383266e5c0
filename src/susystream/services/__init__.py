"""Embedded Kafka broker and document store."""
