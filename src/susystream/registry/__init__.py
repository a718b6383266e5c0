"""The model store: documents and their database."""
