"""Where events come from: sources, files, download, scaling."""
