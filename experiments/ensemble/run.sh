#!/usr/bin/env bash
# The commands of this experiment, one after the other; what is given to this script goes to each of
# them as overrides.
set -euo pipefail
susystream run experiment=ensemble "$@" stage=publish hydra.mode=RUN
susystream run experiment=ensemble "$@"
susystream run experiment=ensemble "$@" stage=evaluate hydra.mode=RUN
