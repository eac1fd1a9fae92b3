"""How fast and how sharp the augmentation is, against what people use.

    [HANDFUL_DATA=DIR] python benchmarks/augment.py [--rounds 15] [--torchvision FOLDER] [--parts ...] [--json]

One thread; photos of 500 x 375 to 224 x 224: a resized crop of 25 to 100 % of the area, a flip, a rotation of up to 30
degrees, brightness, contrast and saturation, normalised float32, channels first. Everybody takes turns within one run
and the ratios are medians over the rounds, peer over handful.

A peer that is not installed is left out, and its figure is said to be. torchvision need not fit the torch that is
there: `pip download --no-deps torchvision`, unpack it anywhere, and name the folder.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import VARIABLE, Figures, Table, arguments, figure, report, say

from handful.augment.batched import augmented_batch
from handful.augment.draw import Draw
from handful.augment.matrices import about, scaling, shifting, turning
from handful.augment.policy import Policy

PIPELINE = "resized_crop=0.25..1,flip_h=0.5,rotate=30,brightness=0.2,contrast=0.2,saturation=0.2"
WIDTH, HEIGHT, OUT = 500, 375, 224
N_PHOTOS = 32  # one batch, and what a round takes
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROPS = {  # left, top, width, height, degrees counter-clockwise, of the resolution chart
    "enlarged": (180, 100, 160, 150, 20.0),
    "as it is": (130, 70, 240, 224, 12.0),
    "shrunk": (80, 30, 330, 310, 25.0),
}
SUBPIXELS = 8  # each way, of the reference
MODULES = {"opencv-python-headless": "cv2"}  # packages that are imported by another name
MEASURED = 144  # side of the middle that sharpness is measured in: no edge gets there

Job = Callable[[], object]


def race(contestants: dict[str, Job], n_rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each in every round; each round begins with another one, and the first does not count."""
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(n_rounds + 1):
        for name in [*names[turn % len(names) :], *names[: turn % len(names)]]:
            start = time.perf_counter()
            contestants[name]()
            spent = time.perf_counter() - start
            if turn:
                seconds[name].append(spent)
    for name, each in seconds.items():
        say(f"{name}: {1000 * np.median(each) / N_PHOTOS:.2f} ms for each photo")
    return {name: np.array(each) for name, each in seconds.items()}


def against(seconds: dict[str, np.ndarray], peer: str, asked: str | None, ours: str = "handful") -> dict[str, Any]:
    """How many times as long a peer takes: the median over the rounds."""
    each = {f"{name}_ms".replace(" ", "_"): round(1000 * np.median(s) / N_PHOTOS, 3) for name, s in seconds.items()}
    return figure(float(np.median(seconds[peer] / seconds[ours])), asked, "x", peer=peer, **each)


def fastest(seconds: dict[str, np.ndarray], peers: list[str]) -> str:
    return min(peers, key=lambda name: float(np.median(seconds[name])))


# Photos


def photos() -> tuple[list[np.ndarray], str]:
    """RGB photos of one size, and what they are."""
    folder = Path(os.environ.get(VARIABLE, "")) / "raccoon" / "images"
    if VARIABLE in os.environ and folder.is_dir():
        files = sorted(folder.iterdir())[:N_PHOTOS]
        read = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]
        return [cv2.resize(each, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for each in read], "raccoon photos"
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (N_PHOTOS, 16, 20, 3)).astype(np.float32)
    smooth = [cv2.resize(each, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR) for each in coarse]
    return [each.astype(np.uint8) for each in smooth], f"generated pictures, since {VARIABLE} has no raccoon"


def channels_first(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


# On arrays, one by one


def handful_job(pictures: list[np.ndarray]) -> Job:
    policy, rng = Policy.parse(PIPELINE), np.random.default_rng(0)
    mean, std = [255 * each for each in MEAN], [255 * each for each in STD]
    return lambda: [policy.draw(rng, WIDTH, HEIGHT, (OUT, OUT)).chw(each, mean, std) for each in pictures]


def albumentations_jobs(pictures: list[np.ndarray]) -> dict[str, Job]:
    """Every reasonable way to write it there; averaging as it shrinks is what others call antialias."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for a newer version
    import albumentations as A  # noqa: N812

    crops = {
        "": {},
        "averaging ": {"area_for_downscale": "image"},
    }
    turns = {
        "Rotate": A.Rotate(limit=30, border_mode=cv2.BORDER_REFLECT_101, p=1),
        "Affine": A.Affine(rotate=(-30, 30), border_mode=cv2.BORDER_REFLECT_101, p=1),
    }
    colours = {
        "ColorJitter": [A.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (0, 0), p=1)],
        "HSV": [A.RandomBrightnessContrast(0.2, 0.2, p=1), A.HueSaturationValue(0, 50, 0, p=1)],
    }

    def job(crop: dict[str, Any], turn: Any, colour: list[Any]) -> Job:
        resized = A.RandomResizedCrop((OUT, OUT), scale=(0.25, 1), ratio=(3 / 4, 4 / 3), p=1, **crop)
        steps = [resized, A.HorizontalFlip(p=0.5), turn, *colour, A.Normalize(MEAN, STD)]
        pipeline = A.Compose(steps, seed=0)
        return lambda: [channels_first(pipeline(image=each)["image"]) for each in pictures]

    return {
        f"albumentations {averaging}{turn} {colour}": job(crops[averaging], turns[turn], colours[colour])
        for averaging in crops
        for turn in turns
        for colour in colours
    }


def torchvision_job(pictures: list[np.ndarray], folder: Path | None) -> Job:
    v2 = torchvision_transforms(folder)
    pipeline = v2.Compose([
        v2.RandomResizedCrop(OUT, scale=(0.25, 1), ratio=(3 / 4, 4 / 3), antialias=True),
        v2.RandomHorizontalFlip(0.5),
        v2.RandomRotation(30, interpolation=v2.InterpolationMode.BILINEAR),
        v2.ColorJitter(0.2, 0.2, 0.2),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD),
    ])  # fmt: skip
    tensors = [torch.from_numpy(channels_first(each)) for each in pictures]
    return lambda: [pipeline(each) for each in tensors]


def torchvision_transforms(folder: Path | None) -> Any:
    """Its transforms are plain torch; its import wants compiled operators, which are declared in their place."""
    if folder is not None:
        sys.path.insert(0, str(folder))
    try:
        importlib.import_module("torchvision.transforms.v2")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        declared = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            declared.define(f"{operator}(Tensor never_called) -> Tensor")
        torchvision_transforms.declared = declared  # they are gone with it
    return importlib.import_module("torchvision.transforms.v2")


# On tensors, a batch at a time


def kornia_jobs(batch: torch.Tensor) -> dict[str, Job]:
    import kornia.augmentation as K  # noqa: N812

    def steps(colour: Any) -> list[Any]:
        return [
            K.RandomResizedCrop((OUT, OUT), scale=(0.25, 1), ratio=(3 / 4, 4 / 3), p=1),
            K.RandomHorizontalFlip(p=0.5),
            K.RandomRotation(30, p=1),
            colour(brightness=0.2, contrast=0.2, saturation=0.2, hue=0, p=1),
            K.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
        ]

    pipelines = {
        "kornia AugmentationSequential ColorJiggle": K.AugmentationSequential(
            *steps(K.ColorJiggle), data_keys=["input"]
        ),
        "kornia AugmentationSequential ColorJitter": K.AugmentationSequential(
            *steps(K.ColorJitter), data_keys=["input"]
        ),
        "kornia Sequential ColorJiggle": torch.nn.Sequential(*steps(K.ColorJiggle)),
        "kornia Sequential ColorJitter": torch.nn.Sequential(*steps(K.ColorJitter)),
    }
    return {name: synchronised(each.to(batch.device), batch) for name, each in pipelines.items()}


def synchronised(pipeline: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> Job:
    """The device has finished when the clock stops; bytes become floats from 0 to 1 on the clock."""

    @torch.no_grad()
    def job() -> None:
        pipeline(batch if batch.is_floating_point() else batch.float() / 255)
        if batch.is_cuda:
            torch.cuda.synchronize()

    return job


def handful_batch_job(batch: torch.Tensor) -> Job:
    policy, rng = Policy.parse(PIPELINE), np.random.default_rng(0)
    full = 1 if batch.is_floating_point() else 255
    mean, std = [full * each for each in MEAN], [full * each for each in STD]

    @torch.no_grad()
    def job() -> None:
        draws = [policy.draw(rng, WIDTH, HEIGHT, (OUT, OUT)) for _ in batch]
        augmented_batch(batch, draws, mean, std)
        if batch.is_cuda:
            torch.cuda.synchronize()

    return job


# Parts


def arrays(args: argparse.Namespace, pictures: list[np.ndarray], absent: dict[str, str]) -> Figures:
    contestants = {"handful": handful_job(pictures)}
    if find_spec("albumentations"):
        contestants |= albumentations_jobs(pictures)
    else:
        absent["cpu_vs_albumentations"] = "albumentations is not installed"
    if args.torchvision or find_spec("torchvision"):
        contestants["torchvision"] = torchvision_job(pictures, args.torchvision)
    else:
        absent["cpu_vs_torchvision"] = "torchvision is not installed, nor its folder given by --torchvision"
    seconds = race(contestants, args.rounds)
    figures = stages(pictures, args.rounds)
    peers = [name for name in seconds if name.startswith("albumentations")]
    if peers:
        figures["cpu_vs_albumentations"] = against(seconds, fastest(seconds, peers), ">= 1.25")
        averaging = fastest(seconds, [name for name in peers if "averaging" in name])
        figures["cpu_vs_albumentations_averaging"] = against(seconds, averaging, None)
    if "torchvision" in seconds:
        figures["cpu_vs_torchvision"] = against(seconds, "torchvision", ">= 4")
    return figures


def stages(pictures: list[np.ndarray], n_rounds: int) -> Figures:
    """Where handful's own time goes, for each photo."""
    policy, rng = Policy.parse(PIPELINE), np.random.default_rng(0)
    draws = [policy.draw(rng, WIDTH, HEIGHT, (OUT, OUT)) for _ in pictures]
    mean, std = [255 * each for each in MEAN], [255 * each for each in STD]
    warped = [draw.warp.image(each) for draw, each in zip(draws, pictures, strict=True)]
    seconds = race(
        {
            "drawing": lambda: [policy.draw(rng, WIDTH, HEIGHT, (OUT, OUT)) for _ in pictures],
            "warp": lambda: [draw.warp.image(each) for draw, each in zip(draws, pictures, strict=True)],
            "recolouring": lambda: [
                draw.recolour.chw(each, mean, std) for draw, each in zip(draws, warped, strict=True)
            ],
        },
        n_rounds,
    )
    return {f"{name}_ms": figure(1000 * np.median(each) / N_PHOTOS, None, "ms") for name, each in seconds.items()}


def batches(args: argparse.Namespace, pictures: list[np.ndarray], absent: dict[str, str]) -> Figures:
    if not find_spec("kornia"):
        absent["batched_vs_kornia"] = "kornia is not installed"
        return {}
    pixels = torch.from_numpy(np.stack([channels_first(each) for each in pictures]))
    figures = {}
    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        for kind, batch in {"": pixels.to(device), "_float": (pixels / 255).to(device)}.items():
            say(f"{device} {batch.dtype}")
            seconds = race({"handful": handful_batch_job(batch)} | kornia_jobs(batch), args.rounds)
            peer = fastest(seconds, [name for name in seconds if name.startswith("kornia")])
            name = f"batched_vs_kornia{kind}" + ("" if device == "cpu" else f"_{device}")
            figures[name] = against(seconds, peer, ">= 4")
    return figures


# Sharpness


def chart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A star of 72 spokes, from 0 to 1: near its centre, where no photo could hold them, it is grey."""
    right, down = x - WIDTH / 2, y - HEIGHT / 2
    shown = np.clip(np.hypot(right, down) - 26, 0, 1)  # 0.44 cycles for each pixel
    return 0.5 + 0.5 * shown * np.cos(72 * np.arctan2(down, right))


def sampled(matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    """The chart itself through a matrix, as the mean over the area of every pixel, 0 to 255."""
    across = (np.arange(width * SUBPIXELS) + 0.5) / SUBPIXELS
    down = (np.arange(height * SUBPIXELS) + 0.5) / SUBPIXELS
    x, y = np.meshgrid(across, down)
    (a, b, c), (d, e, f), _ = np.linalg.inv(matrix)
    fine = chart(a * x + b * y + c, d * x + e * y + f)
    return 255 * fine.reshape(height, SUBPIXELS, width, SUBPIXELS).mean(axis=(1, 3))


@dataclass(frozen=True)
class Cropped:
    """A crop resized and turned, as both are told to do it."""

    left: int
    top: int
    width: int
    height: int
    degrees: float

    def draw(self) -> Draw:
        crop = scaling(OUT / self.width, OUT / self.height) @ shifting(-self.left, -self.top)
        turned = about(OUT / 2, OUT / 2, turning(-self.degrees))
        return Draw.nothing(WIDTH, HEIGHT).moved(crop, (OUT, OUT)).moved(turned)

    def albumentations(self, pixels: np.ndarray, interpolation: int) -> np.ndarray:
        import albumentations as A  # noqa: N812

        chain = A.Compose([
            A.Crop(self.left, self.top, self.left + self.width, self.top + self.height),
            A.Resize(OUT, OUT, interpolation=interpolation),
            A.Rotate((self.degrees, self.degrees), border_mode=cv2.BORDER_REFLECT_101, p=1),
        ])  # fmt: skip
        return np.asarray(chain(image=pixels)["image"])


def middle(pixels: np.ndarray) -> np.ndarray:
    margin = (OUT - MEASURED) // 2
    return pixels.reshape(OUT, OUT, -1)[margin:-margin, margin:-margin, 0].astype(np.float64)


def fine_energy(pixels: np.ndarray) -> float:
    """What is in the frequencies above half of the highest one."""
    window = np.hanning(MEASURED)
    seen = middle(pixels)
    spectrum = np.fft.fft2((seen - seen.mean()) * np.outer(window, window))
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(MEASURED)]))
    return float((np.abs(spectrum[frequency > 0.25]) ** 2).sum())


def psnr(pixels: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((middle(pixels) - middle(truth)) ** 2).mean()))


def sharpness(absent: dict[str, str]) -> tuple[Figures, Table]:
    """One resampling against two, on a chart of which the truth is known."""
    if not find_spec("albumentations"):
        absent["sharpness_vs_albumentations"] = "albumentations is not installed"
        return {}, []
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    pixels = np.repeat(sampled(np.eye(3), WIDTH, HEIGHT).round().astype(np.uint8)[..., None], 3, axis=2)
    rows = []
    for name, parameters in CROPS.items():
        crop = Cropped(*parameters)
        truth = sampled(crop.draw().warp.matrix, OUT, OUT)
        contestants = {
            "handful": crop.draw().image(pixels),
            "albumentations": crop.albumentations(pixels, cv2.INTER_LINEAR),
            "albumentations averaging": crop.albumentations(pixels, cv2.INTER_AREA),
        }
        for contestant, picture in contestants.items():
            energy = fine_energy(picture) / fine_energy(truth)
            rows.append({"chart": name, "by": contestant, "energy": energy, "psnr_db": psnr(picture, truth)})
    ratios, gains = [], []
    for name in CROPS:
        ours, *peers = (row for row in rows if row["chart"] == name)
        ratios.append(ours["energy"] / max(peer["energy"] for peer in peers))
        gains.append(ours["psnr_db"] - max(peer["psnr_db"] for peer in peers))
    figures = {
        "sharpness_vs_albumentations": figure(float(np.mean(ratios)), "> 1", "x", least=round(min(ratios), 4)),
        "psnr_gain_vs_albumentations": figure(float(np.mean(gains)), "> 0", "dB", least=round(min(gains), 4)),
    }
    return figures, rows


def main() -> None:
    parser = arguments("Speed and sharpness of the augmentation against what people use")
    parser.add_argument("--parts", default="arrays,batches,sharpness")
    parser.add_argument("--rounds", type=int, default=15, help="turns that count")
    parser.add_argument("--torchvision", type=Path, help="folder with an unpacked torchvision, where none is installed")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # what peers deprecate is none of this
    parts, (pictures, source) = args.parts.split(","), photos()
    say(f"{N_PHOTOS} photos of {WIDTH} x {HEIGHT}: {source}; one thread")
    figures: Figures = {}
    tables: dict[str, Table] = {}
    absent: dict[str, str] = {}
    if "arrays" in parts:
        figures |= arrays(args, pictures, absent)
    if "batches" in parts:
        figures |= batches(args, pictures, absent)
    if "sharpness" in parts:
        found, rows = sharpness(absent)
        figures |= found
        tables |= {"sharpness": rows} if rows else {}
    tables["photos"] = [{"n": N_PHOTOS, "source": source}]
    if absent:
        tables["skipped"] = [{"figure": name, "since": reason} for name, reason in absent.items()]
    known = ("torch", "opencv-python-headless", "albumentations", "kornia", "torchvision")
    report(args, figures, tables, tuple(name for name in known if find_spec(MODULES.get(name, name))))


if __name__ == "__main__":
    main()
