"""The examples run as their first lines say, and say what they should."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import handful

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
COLOURS = {"red": (40, 40, 220), "green": (40, 200, 40), "blue": (220, 60, 40)}  # BGR, as OpenCV writes


def run(script, *arguments):
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def colours_model(tmp_path_factory):
    """A folder of noisy colours, the model folder made of it, and what the example printed."""
    folder, rng = tmp_path_factory.mktemp("examples"), np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(6):
            picture = rng.normal(colour, 30, (48, 64, 3)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "photos" / name / f"{number}.png"), picture)
    new = folder / "photos" / "green" / "0.png"
    printed = run("fit_folder.py", folder / "photos", folder / "model", new)
    return folder / "model", new, printed


def test_fit_folder(colours_model):
    model, _, printed = colours_model
    assert printed.startswith("accuracy 1.00, between ")
    assert ast.literal_eval(printed.splitlines()[-1])["label"] == "green"
    assert (model / "report.html").is_file()


def test_predict_with_onnxruntime_says_what_handful_says(colours_model):
    model, photo, _ = colours_model
    rows = [line.split("\t") for line in run("predict_with_onnxruntime.py", model, photo).splitlines()]
    expected = dict(zip(("blue", "green", "red"), handful.load(model).predict([photo]).probabilities[0], strict=True))
    assert rows[0][0] == "green"
    assert {name: float(value) for name, value in rows} == pytest.approx(expected, abs=0.02)


def test_python_in_the_readme_runs(colours_model, monkeypatch, tmp_path):
    model, photo, _ = colours_model
    shutil.copytree(model.parent / "photos", tmp_path / "photos")
    shutil.copy(photo, tmp_path / "new-photo.png")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    said = []
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.splitlines()[-1].split()[0])
    assert said == ["green", "green"]


def test_arrays_with_groups():
    printed = run("arrays_with_groups.py").splitlines()
    assert printed[0].startswith("balanced accuracy ")
    digit, noise = (ast.literal_eval(line) for line in printed[-2:])
    assert digit["label"].startswith("digit ")
    assert not digit["unfamiliar"]
    assert noise["unfamiliar"]


def test_probe_on_your_features():
    printed = run("probe_on_your_features.py").splitlines()
    assert "on 529 new examples" in printed[1]
    assert float(printed[1].split(", ")[1].split()[0]) > 0.9


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda script: script.stem)
def test_examples_are_short(script):
    assert len(script.read_text(encoding="utf-8").splitlines()) < 40
