"""MLflow: runs, data set inputs, tags."""
