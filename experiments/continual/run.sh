#!/usr/bin/env bash
# The commands of this experiment, one after the other; what is given to this script goes to each of
# them as overrides. TEST_ROWS is the number of events in the test file (500000).
set -euo pipefail
susystream data enlarge experiments/runs/continual_test.parquet --rows "${TEST_ROWS:-500000}"
susystream run experiment=continual "$@"
susystream run experiment=continual "$@" hydra.mode=RUN \
  data.kind=real_low_level data.name=real_low_level ~data.rows ~data.offset
susystream run experiment=continual "$@" hydra.mode=RUN stage=train train.follow=true
