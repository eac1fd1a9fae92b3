"""How long handful takes, and how much memory, against the plainest peers.

    HANDFUL_DATA=DIR python benchmarks/speed.py [--parts fit,features,predict,start,memory] [--runs 7] [--pool 20000]

Peers and handful take turns within one run; the ratios are of medians. Every whole process is a fresh one. A *cold* fit
has no features in its cache, but the backbone's graph, which is written once after installation; the very first fit,
which has to write that too (and imports torch for it), is shown apart.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import Figures, arguments, data_folder, figure, k_shot, lay_out, report, say

from handful.augment.views import ORIGINAL
from handful.data.dataset import Dataset
from handful.data.images import decode_all
from handful.nn.efficientnet_lite import layer_dims, write_features
from handful.nn.embedded import EfficientNetLite0Backbone, published_weights
from handful.nn.features import BATCH_SIZE, frozen_features
from handful.nn.graph import GraphWriter, floats
from handful.nn.onnx_runtime import open_session

HERE = Path(__file__).parent
HANDFUL = [Path(sys.executable).with_name("handful")]
SET = "sign_digits"
N_FEATURES = 512  # photos that features are computed of


def run(command: Sequence[object], cache: Path) -> float:
    """Seconds of a whole process."""
    start = time.perf_counter()
    environment = {**os.environ, "HANDFUL_CACHE": str(cache)}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr.decode()}")
    return time.perf_counter() - start


def peak(command: Sequence[object]) -> int:
    """KiB that a process needed at most (on Linux). A small process starts it: a child's peak includes its parent's."""
    starter = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    return int(subprocess.check_output([sys.executable, "-c", starter, *map(str, command)]))


def medians(contestants: dict[str, Callable[[], float]], n_runs: int) -> dict[str, float]:
    """Median seconds of each, all taking turns; the first turn warms the disk and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(n_runs + 1):
        for name, contestant in contestants.items():
            spent = contestant()
            if turn:
                seconds[name].append(spent)
        say(f"turn {turn}: " + ", ".join(f"{name} {each[-1]:.2f} s" for name, each in seconds.items() if each))
    return {name: float(np.median(each)) for name, each in seconds.items()}


def fit(work: Path, photos: Path, n_runs: int) -> Figures:
    """The whole command on 100 photos against the plain probe."""
    command = [*HANDFUL, "fit", photos, "--recipe", "probe", "--out", work / "model", "--json"]
    first = run(command, work / "empty")
    cache, warm = work / "cache", work / "warm"
    shutil.copytree(work / "empty" / "backbones", cache / "backbones")
    run(command, warm)

    def cold() -> float:
        shutil.rmtree(cache / "features", ignore_errors=True)
        return run(command, cache)

    found = medians(
        {
            "plain": lambda: run([sys.executable, HERE / "plain_probe.py", photos], cache),
            "cold": cold,
            "warm": lambda: run(command, warm),
        },
        n_runs,
    )
    return {
        "fit_cold": figure(found["cold"] / found["plain"], "<= 4", "x", seconds=found["cold"], peer=found["plain"]),
        "fit_warm": figure(found["warm"] / found["plain"], "<= 1.0", "x", seconds=found["warm"], peer=found["plain"]),
        "fit_first_ever": figure(first / found["plain"], None, "x", seconds=first, peer=found["plain"]),
    }


def features(files: list[Path], n_runs: int) -> Figures:
    """From decoded uint8 pixels, against the bare runtime on float input that is ready made."""
    pixels = decode_all(Dataset(files[:N_FEATURES]), 224).pixels
    ready = np.ascontiguousarray(((pixels.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2))
    backbone, graph = EfficientNetLite0Backbone(), float_graph()
    backbone.graph_bytes  # noqa: B018 - from the cache, before the clock runs

    def timed(job: Callable[[], object]) -> float:
        start = time.perf_counter()
        job()
        return time.perf_counter() - start

    def bare() -> list[np.ndarray]:
        session = open_session(graph)
        return [
            session.run(["features"], {"image": ready[at : at + BATCH_SIZE]})[0]
            for at in range(0, len(ready), BATCH_SIZE)
        ]

    ours = partial(frozen_features, backbone, pixels, (ORIGINAL,), None, "cpu")
    worst = float(np.abs(np.concatenate(bare()) - ours()[:, 0]).max())
    assert worst < 0.02, f"the two graphs differ by {worst}"
    found = medians({"bare": lambda: timed(bare), "ours": lambda: timed(ours)}, n_runs)
    speeds = {f"{name}_per_image_ms": round(1000 * spent / len(pixels), 3) for name, spent in found.items()}
    return {"features": figure(found["bare"] / found["ours"], ">= 0.9", "x", **speeds)}


def float_graph() -> bytes:
    """The same network without its entrance: from normalised float NCHW pixels."""
    writer = GraphWriter()
    weights = {name: value.numpy() for name, value in published_weights().items()}
    output = write_features(writer, "image", weights)
    outputs = [floats(output, "n", sum(layer_dims().values()))]
    return bytes(writer.model([floats("image", "n", 3, 224, 224)], outputs, "bare").SerializeToString())


def predict(work: Path, model: Path, photo: Path, n_runs: int) -> Figures:
    """One photo, whole process, against the least that can do it with the same graph."""
    found = medians(
        {
            "bare": lambda: run([sys.executable, HERE / "bare_predict.py", model, photo], work),
            "ours": lambda: run([*HANDFUL, "predict", model, photo], work),
        },
        n_runs,
    )
    return {
        "predict_one": figure(found["ours"] / found["bare"], "<= 1.5", "x", seconds=found["ours"], peer=found["bare"])
    }


def start(work: Path, n_runs: int) -> Figures:
    """What a person waits for who only asks for help; a bare interpreter beside it."""
    found = medians(
        {
            "python": lambda: run([sys.executable, "-c", "pass"], work),
            "import": lambda: run([sys.executable, "-c", "import handful"], work),
            "help": lambda: run([*HANDFUL, "--help"], work),
        },
        n_runs,
    )
    return {
        "import_handful": figure(found["import"], "< 0.25", "s", bare_python=found["python"]),
        "handful_help": figure(found["help"], "< 0.25", "s", bare_python=found["python"]),
    }


def memory(work: Path, model: Path, files: list[Path], pool: int) -> Figures:
    """Peak memory of predicting a large pool over that of its first 1,000."""
    kept = [Path(shutil.copy(file, work / f"photo{at}{file.suffix}")) for at, file in enumerate(files[:50])]
    peaks = {}
    for size in (min(1000, pool // 2), pool):
        folder = work / f"pool{size}"
        folder.mkdir()
        for at in range(size):
            source = kept[at % len(kept)]
            os.link(source, folder / f"{at:06d}{source.suffix}")
        peaks[size] = peak([*HANDFUL, "predict", model, folder, "--json"])
        say(f"{size} photos: {peaks[size] / 1024:.0f} MiB")
    (few, least), (many, most) = peaks.items()
    shown = {f"mib_at_{few}": round(least / 1024, 1), f"mib_at_{many}": round(most / 1024, 1)}
    return {"memory_growth": figure(most / least, "<= 1.05", "x", **shown)}


def main() -> None:
    parser = arguments("Time and memory against the plainest peers")
    parser.add_argument("--parts", default="fit,features,predict,start,memory")
    parser.add_argument("--runs", type=int, default=7, help="turns that count")
    parser.add_argument("--pool", type=int, default=20000, help="photos that memory is measured on")
    args = parser.parse_args()
    parts, draw, figures = args.parts.split(","), k_shot(data_folder(args, [SET]) / SET, 10, 0), {}
    rest = [file for file, _ in draw.rest]
    with TemporaryDirectory() as temporary:
        work = Path(temporary)
        photos = lay_out(draw.train, draw.classes, work / "photos")
        model = work / "model"
        if "fit" in parts:
            figures |= fit(work, photos, args.runs)
        elif {"predict", "memory"} & set(parts):
            run([*HANDFUL, "fit", photos, "--recipe", "probe", "--out", model], work / "empty")
        if "features" in parts:
            figures |= features(rest, args.runs)
        if "predict" in parts:
            figures |= predict(work, model, rest[0], args.runs)
        if "start" in parts:
            figures |= start(work, args.runs)
        if "memory" in parts:
            figures |= memory(work, model, rest, args.pool)
    report(args, figures, {}, ("torch", "scikit-learn", "onnxruntime", "opencv-python-headless"))


if __name__ == "__main__":
    main()
