"""Reports of experiments: from tracked runs to tables and figures that cannot drift."""
