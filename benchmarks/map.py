"""The self-organizing map: its speed and errors against MiniSom, its memory, and what to label first.

    python benchmarks/map.py [--parts speed,memory,label_first] [--runs 3] [--json]

*speed*: 10,000 rows of 64 numbers in 30 clusters of 10 dimensions, 20 x 20 cells, ten passes. MiniSom learns row by
row, once as it comes (a first radius of 1) and once with a radius of 2, which tears its map less; both start in the
plane of the principal components, and so do we. A small last radius lies closer to the rows and tears the map, so ours
is set to be compared on both errors at once; MiniSom's own functions measure both maps, means over the turns.

*memory*: a million rows in a process of its own: what it needs at most beyond the rows themselves (on Linux).

*label_first*: 10 to 50 of 700 examples, drawn ten times from the training set, are chosen by the map or at random and
labelled; the exact probe learns from them on frozen features and is tested on 500 examples of the official test set.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import Figures, arguments, data_folder, figure, report, say

SIDE, DIM, N_PASSES = 20, 64, 10
SETTINGS = {"as it comes": (1.0, 0.25), "smoother": (2.0, 0.6)}  # MiniSom's radius, our last one
MILLION = 1_000_000
SETS = ("fashion_mnist", "cifar10", "sign_digits")
BUDGETS = (10, 20, 30, 40, 50)
POOL, DRAWN, TESTED, DRAWS = 1000, 700, 500, 10

_MEASURED = """
import json, re, sys, numpy as np
from pathlib import Path
from handful.unsupervised.self_organizing_map import SelfOrganizingMap
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
X = np.load(sys.argv[1])
before = peak()
SelfOrganizingMap(20, 20, n_passes=int(sys.argv[2])).fit(X)
print(json.dumps([before, peak()]))
"""


def clusters(n: int, seed: int = 0) -> np.ndarray:
    """Rows in 30 clusters of 10 dimensions, turned into 64 with a little noise; shape (n, 64), float32."""
    rng = np.random.default_rng(seed)
    centres, turn = 3 * rng.standard_normal((30, 10)), rng.standard_normal((10, DIM))
    inner = centres[rng.integers(30, size=n)] + rng.standard_normal((n, 10))
    return (inner @ turn + 0.3 * rng.standard_normal((n, DIM))).astype(np.float32)


def speed(n_runs: int) -> Figures:
    from minisom import MiniSom

    from handful.unsupervised.self_organizing_map import SelfOrganizingMap

    X, figures = clusters(10_000), {}
    for name, (peer_radius, final_radius) in SETTINGS.items():
        seconds: dict[str, list[float]] = {"peer": [], "ours": []}
        errors: dict[str, list[tuple[float, float]]] = {"peer": [], "ours": []}
        for turn in range(n_runs):
            start = time.perf_counter()
            peer = MiniSom(SIDE, SIDE, DIM, sigma=peer_radius, random_seed=turn)
            peer.pca_weights_init(X)
            peer.train(X, N_PASSES, use_epochs=True, random_order=True)
            seconds["peer"].append(time.perf_counter() - start)
            errors["peer"].append((peer.quantization_error(X), peer.topographic_error(X)))
            start = time.perf_counter()
            ours = SelfOrganizingMap(SIDE, SIDE, n_passes=N_PASSES, final_radius=final_radius, random_state=turn).fit(X)
            seconds["ours"].append(time.perf_counter() - start)
            peer._weights = ours.codebook_
            errors["ours"].append((peer.quantization_error(X), peer.topographic_error(X)))
            say(f"{name}, turn {turn + 1}: " + ", ".join(f"{who} {each[-1]:.2f} s" for who, each in seconds.items()))
        spent = {who: float(np.median(each)) for who, each in seconds.items()}
        theirs, mine = (np.mean(errors[who], axis=0).tolist() for who in ("peer", "ours"))
        key = name.replace(" ", "_")
        figures |= {
            f"speed_{key}": figure(spent["peer"] / spent["ours"], ">= 30", "x", **spent),
            f"quantization_{key}": figure(mine[0] / theirs[0], "<= 1", "x", ours=mine[0], peer=theirs[0]),
            f"topographic_{key}": figure(mine[1] / theirs[1], "<= 1", "x", ours=mine[1], peer=theirs[1]),
        }
    return figures


def memory() -> Figures:
    beyond = {}
    with TemporaryDirectory() as folder:
        for n in (MILLION // 10, MILLION):
            file = Path(folder) / "rows.npy"
            rows = np.lib.format.open_memmap(file, "w+", np.float32, (n, DIM))
            for at in range(0, n, 50_000):
                rows[at : at + 50_000] = clusters(min(50_000, n - at), seed=at)
            rows.flush()
            del rows
            start = time.perf_counter()
            told = subprocess.check_output([sys.executable, "-c", _MEASURED, str(file), str(N_PASSES)])
            before, after = json.loads(told)
            beyond[n] = (after - before) / 1024
            say(f"{n} rows: {after / 1024:.0f} MiB, {time.perf_counter() - start:.0f} s")
    shown = {"mib_in_all": round(after / 1024), "at_100000": round(beyond[MILLION // 10], 1)}
    return {"million_rows_beyond_data": figure(beyond[MILLION], "<= 100", "MiB", **shown)}


def label_first_gain(root: Path) -> tuple[Figures, list[dict[str, object]]]:
    from handful.unsupervised.label_first import label_first

    table: list[dict[str, object]] = []
    for name in SETS:
        pool, labels = frozen(root / name / "train", POOL)
        tested, truth = frozen(root / name / "test", TESTED)
        pools = [np.random.default_rng(seed).permutation(len(pool))[:DRAWN] for seed in range(DRAWS)]
        for n in BUDGETS:
            chosen = [rows[label_first(pool[rows], n)] for rows in pools]
            drawn = [rows[at : at + n] for rows in pools for at in (0, n)]  # they are in no order
            mapped, random = (
                100 * float(np.mean([accuracy(pool[rows], labels[rows], tested, truth) for rows in choices]))
                for choices in (chosen, drawn)
            )
            seen = float(np.mean([len(set(labels[rows])) for rows in chosen]))
            row = {"set": name, "n": n, "map": round(mapped, 1), "random": round(random, 1), "classes_seen": seen}
            table.append({**row, "gain": round(mapped - random, 1)})
            say(str(table[-1]))
    gains = {n: float(np.mean([row["gain"] for row in table if row["n"] == n])) for n in BUDGETS}
    figures = {f"label_first_{n}": figure(gain, ">= 3", "points") for n, gain in gains.items()}
    return {"label_first": figure(np.mean(list(gains.values())), ">= 3", "points"), **figures}, table


def frozen(folder: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Frozen features of n photos drawn from a folder of classes, of unit length, and their labels."""
    from handful.augment.views import ORIGINAL
    from handful.data.cache import FeatureCache
    from handful.data.dataset import Dataset
    from handful.data.images import decode_all
    from handful.nn.backbones import backbone_named
    from handful.nn.features import frozen_features
    from handful.transfer.probe import prepare

    files = sorted(folder.glob("*/*"))
    rows = np.sort(np.random.default_rng(0).choice(len(files), min(n, len(files)), replace=False))
    backbone = backbone_named("efficientnet-lite0")
    decoded = decode_all(Dataset([files[row] for row in rows]), backbone.spec.size)
    features = frozen_features(backbone, decoded.pixels, (ORIGINAL,), FeatureCache())[:, 0]
    labels = np.array([files[rows[at]].parent.name for at in decoded.rows])
    return prepare(features, backbone.columns(backbone.last), 0.5), labels


def accuracy(rows: np.ndarray, labels: np.ndarray, tested: np.ndarray, truth: np.ndarray) -> float:
    """Of the exact probe; of the only class there is where there is one alone."""
    from handful.transfer.linear_probe import LinearProbe

    if len(set(labels)) == 1:
        return float((truth == labels[0]).mean())
    return float((LinearProbe().fit(rows, labels).predict(tested) == truth).mean())


def main() -> None:
    parser = arguments("The self-organizing map against MiniSom, its memory, and what to label first")
    parser.add_argument("--parts", default="speed,memory,label_first")
    parser.add_argument("--runs", type=int, default=3, help="turns of the speed")
    args = parser.parse_args()
    parts, figures, tables = args.parts.split(","), {}, {}
    if "speed" in parts:
        figures |= speed(args.runs)
    if "memory" in parts:
        figures |= memory()
    if "label_first" in parts:
        found, tables["label first"] = label_first_gain(data_folder(args, list(SETS)))
        figures |= found
    report(args, figures, tables, ("minisom", "numpy", "scikit-learn"))


if __name__ == "__main__":
    main()
