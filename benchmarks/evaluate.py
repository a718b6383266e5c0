"""Evaluation of a stored model: ours beside the report's way, a careful user's, and the limits.

python benchmarks/evaluate.py [--rows 8000000] [--rounds 3] [--long]

Every round measures everything once, in turn, on the same files; ratios are taken within a round
and the median over the rounds is printed. Nothing is tuned to the input: toy events, 18 columns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import polars as pl
import tensorflow as tf

from susystream.data.enlarge import write_csv, write_parquet
from susystream.data.source import FileSource, ToySource
from susystream.errors import ModelError
from susystream.evaluate.metrics import metrics
from susystream.evaluate.tally import Tally
from susystream.evaluate.windows import count_windows, scored_here
from susystream.evaluate.workers import Workers
from susystream.model.layers import plan_of
from susystream.model.network import build_network
from susystream.model.openvino_scorer import OpenVinoScorer, Precision
from susystream.model.scorer_plan import OpenVinoPlan
from susystream.processors import processors
from susystream.schema import COLUMNS, FEATURES
from susystream.stages.memory import peak_rss_bytes

ALL = tuple(range(len(FEATURES)))
HIDDEN = (128, 256, 128)
FLOP_A_ROW = 2 * (18 * 128 + 128 * 256 + 256 * 128 + 128)
SAMPLE = 1_048_576  # rows in memory for what is measured alone
REPORT_ROWS = 100_000  # the report's way is so slow that its rate is taken from these


def untrained(seed: int) -> keras.Model:
    """The report's network."""
    values = next(ToySource(131_072, 1).batches()).features.astype(np.float64)
    return build_network(
        features=18,
        hidden=HIDDEN,
        dropout=(0.2, 0.4, 0.4),
        activation="relu",
        mean=values.mean(axis=0).tolist(),
        std=values.std(axis=0).tolist(),
        seed=seed,
    )


def trained(seed: int) -> keras.Model:
    """The same after some steps, so that its scores are spread as a real one's."""
    network, events = untrained(seed), next(ToySource(131_072, 1).batches())
    network.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    network.fit(events.features, events.labels[:, None], batch_size=512, epochs=1, verbose=0)
    return network


def rate(rows: int, work: Callable[[], object]) -> float:
    """Rows a second."""
    started = time.perf_counter()
    work()
    return rows / (time.perf_counter() - started)


def report_way(path: Path, network: keras.Model) -> float:
    """pandas, a million rows at a time, and Keras `evaluate` with its batch of 32."""
    import pandas as pd

    network.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])

    def work() -> None:
        for chunk in pd.read_csv(path, header=None, chunksize=1_000_000, nrows=REPORT_ROWS):
            values = chunk.to_numpy(np.float32)
            network.evaluate(values[:, 1:], values[:, 0], verbose=0)

    return rate(REPORT_ROWS, work)


def careful_way(path: Path, network: keras.Model, rows: int) -> float:
    """Polars batches in a `tf.data` generator, Keras `evaluate` with batch 8192, binned AUC."""
    network.compile(
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=["accuracy", keras.metrics.AUC(num_thresholds=1000, from_logits=True)],
    )

    def batches() -> Iterator[tuple[Any, Any]]:
        for frame in frames(path):
            yield frame.select(FEATURES).to_numpy(), frame["label"].to_numpy()

    signature = (tf.TensorSpec((None, 18), tf.float32), tf.TensorSpec((None,), tf.float32))
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    ready = data.rebatch(8192).prefetch(4)
    warnings.filterwarnings("ignore", "Your input ran out of data")  # how a generator ends
    return rate(rows, lambda: network.evaluate(ready, verbose=0))


def frames(path: Path) -> Iterator[pl.DataFrame]:
    """Polars' own streaming scan and nothing else."""
    if path.suffix == ".parquet":
        scan = pl.scan_parquet(path)
    else:
        schema = dict.fromkeys(COLUMNS, pl.Float32)
        scan = pl.scan_csv(path, has_header=False, schema=schema, quote_char=None, low_memory=True)
    return scan.collect_batches(chunk_size=65_536, maintain_order=True)


def ours(path: Path, scorers: dict[str, OpenVinoScorer], rows: int) -> float:
    """What `stage=evaluate` does with a file, but for MLflow and the store."""

    def work() -> None:
        def scan(skip: int) -> Iterator[Any]:
            return FileSource(path, batch_rows=65_536, skip_rows=skip).batches()

        counted = count_windows(scored_here(scan, scorers=scorers), models=scorers)
        for tally in counted.tallies.values():
            assert metrics(tally)["rows"] == rows

    return rate(rows, work)


def by_workers(path: Path, network: keras.Model, rows: int) -> float:
    """The same by a worker process for each processor."""

    def work() -> None:
        opened = Workers({"one": OpenVinoPlan(plan_of(network), ALL)}, None, processors())
        counted = count_windows(opened.scored((path,)), models=["one"])
        assert metrics(counted.tallies["one"])["rows"] == rows

    return rate(rows, work)


def parsing_alone(path: Path, rows: int) -> float:
    """The scan without anything after it."""

    def work() -> None:
        assert sum(frame.height for frame in frames(path)) == rows

    return rate(rows, work)


def scoring_alone(scorer: OpenVinoScorer, features: Any) -> float:
    """All processors score what is in memory."""
    parts = np.array_split(features, 4 * processors())

    def work() -> None:
        queue = list(parts)
        threads = [
            threading.Thread(target=lambda: [scorer.logits(queue.pop()) for _ in range(4)])
            for _ in range(processors())
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return rate(len(features), work)


def matrix_peak() -> float:
    """Rows a second if all the network's products ran at the speed of one large product."""
    size = 2048
    one = tf.random.normal((size, size))
    product = tf.function(lambda a: tf.linalg.matmul(a, a))
    product(one)
    started = time.perf_counter()
    for _ in range(5):
        product(one).numpy()
    return 5 * 2 * size**3 / (time.perf_counter() - started) / FLOP_A_ROW


def peak_memory(path: Path, network: keras.Model) -> int:
    """Of a process that does nothing but evaluate, in bytes."""
    np.savez(path.with_suffix(".npz"), *network.get_weights())
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(path)], capture_output=True, text=True, check=True
    )
    return int(json.loads(done.stdout.splitlines()[-1])["peak"])


def child(path: Path) -> None:
    """Evaluates a file and prints this process's peak memory."""
    network = untrained(1)
    with np.load(path.with_suffix(".npz")) as weights:
        network.set_weights([weights[name] for name in weights.files])
    scorers = {"one": OpenVinoScorer(plan_of(network), ALL)}

    def scan(skip: int) -> Iterator[Any]:
        return FileSource(path, batch_rows=65_536, skip_rows=skip).batches()

    counted = count_windows(scored_here(scan, scorers=scorers), models=scorers)
    metrics(counted.tallies["one"])
    sys.stdout.write(json.dumps({"peak": peak_rss_bytes()}) + "\n")


def bfloat16_difference(network: keras.Model) -> float:
    """How far the AUC of a sample moves."""
    events = next(ToySource(131_072, 1, offset=10**9).batches())
    found = []
    precisions: tuple[Precision, Precision] = ("float32", "bfloat16")
    for precision in precisions:
        logits = OpenVinoScorer(plan_of(network), ALL, precision).logits(events.features)
        found.append(metrics(Tally.empty().update(logits, events.labels))["auc"])
    return abs(found[0] - found[1])


def one_round(files: dict[str, Path], rows: int, network: keras.Model) -> dict[str, float]:
    """Every rate once, in rows a second."""
    csv, parquet = files["csv"], files["parquet"]
    features = np.concatenate([b.features for b in ToySource(SAMPLE, 5).batches()])
    scorer = OpenVinoScorer(plan_of(network), ALL)
    four = {str(seed): OpenVinoScorer(plan_of(trained(seed)), ALL) for seed in range(4)}
    found = {
        "report's way": report_way(csv, network),
        "careful user's way": careful_way(csv, network, rows),
        "ours, CSV": ours(csv, {"one": scorer}, rows),
        "ours, Parquet": ours(parquet, {"one": scorer}, rows),
        "ours, four models in one scan": ours(csv, four, rows),
        "ours, CSV, worker processes": by_workers(csv, network, rows),
        "parsing alone": parsing_alone(csv, rows),
        "parsing alone, Parquet": parsing_alone(parquet, rows),
        "scoring alone": scoring_alone(scorer, features),
        "matrix peak": matrix_peak(),
    }
    try:
        half = OpenVinoScorer(plan_of(network), ALL, "bfloat16")
    except ModelError:
        return found
    found["ours, CSV, bfloat16"] = ours(csv, {"one": half}, rows)
    found["ours, Parquet, bfloat16"] = ours(parquet, {"one": half}, rows)
    return found


def ratios(found: dict[str, float]) -> dict[str, float]:
    """Of one round."""
    base, csv = found["report's way"], found["ours, CSV"]
    limit = 1 / (1 / found["parsing alone"] + 1 / found["scoring alone"])
    made = {
        "CSV / report's way (28)": csv / base,
        "CSV / careful user's way (1.35)": csv / found["careful user's way"],
        "Parquet / report's way (42)": found["ours, Parquet"] / base,
        "CSV / combined limit (0.92)": csv / limit,
        "CSV / matrix peak": csv / found["matrix peak"],
        "one scan of four models / four (1.3)": 4 * found["ours, four models in one scan"] / csv,
    }
    if "ours, CSV, bfloat16" in found:
        made["CSV, bfloat16 / report's way (36)"] = found["ours, CSV, bfloat16"] / base
        made["Parquet, bfloat16 / report's way (75)"] = found["ours, Parquet, bfloat16"] / base
    return made


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", action="store_true", help="also 20 million rows against one")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given.rows, given.rounds, long=given.long)


def measure(folder: Path, rows: int, rounds: int, *, long: bool) -> None:
    """All of it, in files under `folder`."""
    print(f"{platform.machine()}, {processors()} processors, Python {platform.python_version()}, ")
    print(f"{rows:,} toy events, {rounds} rounds, medians; required values in brackets")
    source = ToySource(rows, 7, offset=10**9)
    files = {"csv": folder / "big.csv", "parquet": folder / "big.parquet"}
    write_csv(source.batches(), files["csv"], progress=lambda done: None)
    write_parquet(source.batches(), files["parquet"], progress=lambda done: None)
    network = trained(1)
    one_round(files, rows, network)  # warms every path and the files
    all_rounds = [one_round(files, rows, network) for _ in range(rounds)]
    for name in all_rounds[0]:
        print(f"{name:32} {statistics.median(one[name] for one in all_rounds):14,.0f} rows/s")
    all_ratios = [ratios(one) for one in all_rounds]
    for name in all_ratios[0]:
        values = sorted(one[name] for one in all_ratios)
        print(f"{name:44} {statistics.median(values):8.2f}  ({values[0]:.2f} to {values[-1]:.2f})")
    if "ours, CSV, bfloat16" in all_rounds[0]:
        print(f"bfloat16: the AUC of a sample moves by {bfloat16_difference(network):.1e} (1e-4)")
    print(
        f"peak memory at {rows:,} rows: {peak_memory(files['csv'], network) / 2**30:.2f} GiB (1.5)"
    )
    if long:
        long_scan(folder, network)


def long_scan(folder: Path, network: keras.Model) -> None:
    """Whether the rate and the memory stay as they are, from one million rows to twenty."""
    paths = {rows: folder / f"{rows}.csv" for rows in (1_000_000, 20_000_000)}
    for rows, path in paths.items():
        events = ToySource(rows, 7, offset=10**9).batches()
        write_csv(events, path, progress=lambda done: None)
    scorer = {"one": OpenVinoScorer(plan_of(network), ALL)}
    pairs = [[ours(path, scorer, rows) for rows, path in paths.items()] for _ in range(3)]
    middle = statistics.median(long_rate / short for short, long_rate in pairs)
    print(f"rows/s at 20,000,000 rows / at 1,000,000 rows (0.9 to 1.1) {middle:8.2f}")
    peak = peak_memory(paths[20_000_000], network)
    print(f"peak memory at 20,000,000 rows: {peak / 2**30:.2f} GiB (1.5)")


if __name__ == "__main__":
    main()
