"""Makes the pictures of docs/augmentation.md (`python docs/augmentation/pictures.py`); all in them is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from handful.augment.implanting.blending import BLENDS
from handful.augment.implanting.cutouts import cut_out, patch
from handful.augment.implanting.implant import Implanting, implant
from handful.augment.implanting.paste import implant_into_class
from handful.augment.mixing.cutmix import cutmix
from handful.augment.mixing.mixup import mixup
from handful.augment.mixing.mosaic import mosaic
from handful.augment.operation import Operation
from handful.augment.operations import COLOUR, CURVES, EFFECTS, GEOMETRY
from handful.augment.policy import NAMED, Policy
from handful.augment.scene import Scene, augmented
from handful.data.objects import Objects

Pixels = npt.NDArray[np.uint8]

HERE = Path(__file__).parent
WIDTH, HEIGHT = 240, 180
CAPTION = 20  # pixels below each picture
GAP = 8
COLOURS = ((230, 60, 40), (40, 90, 220), (20, 150, 60))  # of house, car and tree


def polygon(points: Sequence[tuple[float, float]]) -> npt.NDArray[np.float64]:
    return np.array(points, dtype=np.float64)


def meadow() -> Pixels:
    """Sky and grass."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = np.linspace((120, 180, 240), (210, 230, 250), HEIGHT)[:, None]
    image[120:] = (110, 160, 80)
    cv2.circle(image, (205, 30), 16, (255, 220, 90), -1, cv2.LINE_AA)
    for x in range(0, WIDTH, 24):
        cv2.line(image, (x, 120), (x - 30, HEIGHT), (95, 145, 70), 1, cv2.LINE_AA)
    return image


def landscape() -> Scene:
    """A house, a car and a tree: outlines, boxes, a mask and keypoints (the car's left and right wheel) are known."""
    image = meadow()
    house = polygon([(30, 130), (30, 80), (65, 45), (100, 80), (100, 130)])
    car = polygon([(130, 150), (130, 132), (148, 130), (156, 116), (184, 116), (194, 130), (214, 134), (214, 150)])
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    tree = polygon([(125 + 18 * np.cos(a), 80 + 26 * np.sin(a)) for a in angles])
    cv2.rectangle(image, (121, 100), (129, 128), (110, 70, 40), -1)
    for outline, colour in ((house, (200, 110, 90)), (tree, (50, 130, 60)), (car, (60, 100, 200))):
        cv2.fillPoly(image, [np.round(outline).astype(int)], colour, cv2.LINE_AA)
    cv2.fillPoly(image, [np.array([[24, 82], [65, 42], [106, 82]])], (130, 50, 50), cv2.LINE_AA)
    cv2.rectangle(image, (58, 100), (74, 129), (90, 60, 40), -1)
    cv2.rectangle(image, (38, 90), (50, 104), (240, 240, 200), -1)
    cv2.rectangle(image, (82, 90), (94, 104), (240, 240, 200), -1)
    cv2.fillPoly(image, [np.array([[152, 130], [159, 119], [181, 119], [189, 130]])], (190, 220, 240), cv2.LINE_AA)
    for x in (150, 196):
        cv2.circle(image, (x, 150), 9, (30, 30, 30), -1, cv2.LINE_AA)
        cv2.circle(image, (x, 150), 4, (180, 180, 180), -1, cv2.LINE_AA)
    outlines = ((house,), (car,), (tree,))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for index, (outline,) in enumerate(outlines, start=1):
        cv2.fillPoly(mask, [np.round(outline).astype(int)], index)
    boxes = np.array([[*outline.min(axis=0), *outline.max(axis=0)] for (outline,) in outlines])
    keypoints = np.zeros((3, 2, 3))
    keypoints[1] = [[150, 150, 2], [196, 150, 2]]
    return Scene(image, Objects(boxes, np.arange(3), outlines, keypoints), mask)


def marked(scene: Scene) -> Pixels:
    """The image with its boxes, outlines, mask and keypoints drawn on it."""
    image = scene.image.copy()
    objects = scene.objects
    if scene.mask is not None:
        tint = np.array([(0, 0, 0), *COLOURS], np.uint8)[scene.mask]
        image = np.where(scene.mask[..., None] > 0, (image // 2 + tint // 2), image).astype(np.uint8)
    for row, label in enumerate(objects.labels):
        left, top, right, bottom = np.round(objects.boxes[row]).astype(int).tolist()
        cv2.rectangle(image, (left, top), (right - 1, bottom - 1), COLOURS[label], 2)
        for outline in objects.outlines[row] if objects.outlines else ():
            cv2.polylines(image, [np.round(outline).astype(int)], True, (255, 255, 255), 1, cv2.LINE_AA)
        for (x, y, seen), colour in zip(
            objects.keypoints[row] if objects.keypoints is not None else (),
            ((255, 0, 255), (0, 255, 255)),
            strict=False,
        ):
            if seen:
                cv2.circle(image, (round(x), round(y)), 5, colour, -1, cv2.LINE_AA)
    return image


def sheet(name: str, pictures: Sequence[tuple[str, Pixels]], columns: int = 4) -> None:
    """Pictures with captions, in rows, as docs/augmentation/NAME.png."""
    rows = -(-len(pictures) // columns)
    height, width = pictures[0][1].shape[:2]
    page = np.full((rows * (height + CAPTION + GAP) + GAP, columns * (width + GAP) + GAP, 3), 255, np.uint8)
    for at, (caption, picture) in enumerate(pictures):
        row, column = divmod(at, columns)
        top, left = GAP + row * (height + CAPTION + GAP), GAP + column * (width + GAP)
        fitted = picture[:height, :width]
        page[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
        cv2.putText(
            page, caption, (left, top + height + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA
        )
    cv2.imwrite(str(HERE / f"{name}.png"), page[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


def at_its_end(operation: Operation) -> Operation:
    """The operation at the strong end of its range, always done: so that one sees it."""
    strong = operation.low if operation.low > 0 else operation.high  # 0.5 of the area is more of a crop than all of it
    return replace(operation, low=strong, high=strong, probability=1.0)


def one_by_one(kinds: Sequence, scene: Scene, seed: int = 3) -> list[tuple[str, Pixels]]:
    """Each kind of operation alone, at its usual strength."""
    pictures = [("as it is", scene.image)]
    for kind in kinds:
        policy = Policy((at_its_end(kind()),))
        pictures.append((str(kind()), policy(scene.image, np.random.default_rng(seed))))
    return pictures


def mixtures(scene: Scene) -> list[tuple[str, Pixels]]:
    """Two classes and three ways to mix them; the shares are the soft labels."""
    evening = augmented(
        scene,
        Policy.parse("flip_h,hue=120..120,brightness=-0.4..-0.4").draw(np.random.default_rng(0), WIDTH, HEIGHT),
        keypoint_pairs=[(0, 1)],
    )
    day, night = np.eye(2)
    pictures = [("day", scene.image), ("evening", evening.image)]
    for name, mix, seed in (("mixup", mixup, 11), ("cutmix", cutmix, 2)):
        mixed, label = mix(scene.image, evening.image, day, night, np.random.default_rng(seed), alpha=1.0)
        pictures.append((f"{name}: {label[0]:.0%} day, {label[1]:.0%} evening", mixed))
    tiles = mosaic([scene, evening, evening, scene], (WIDTH, HEIGHT), np.random.default_rng(3), Policy.parse("scan"),
                   keypoint_pairs=[(0, 1)])  # fmt: skip
    pictures.append(("mosaic", marked(tiles)))
    target = np.array([1.0, 0.0])
    part = patch(evening.image, (20, 20, 120, 120), label=1)
    mixed, label = implant_into_class(scene.image, target, [part], np.random.default_rng(1), "mixture")
    pictures.append((f"patch: {label[0]:.0%} day, {label[1]:.0%} evening", mixed))
    mixed, label = implant_into_class(scene.image, target, [part], np.random.default_rng(1), "distractor")
    pictures.append((f"in the way: {label[0]:.0%} day", mixed))
    return pictures


def implants(scene: Scene) -> list[tuple[str, Pixels]]:
    """Objects cut out of one scene and put into another."""
    empty = Scene(meadow())
    cutouts = [cut_out(scene, row) for row in range(len(scene.objects))]
    pictures = [("from here", marked(scene)), ("to here", empty.image)]
    for blend in BLENDS:
        how = Implanting(count=4, scale=(0.5, 1.2), blend=blend)
        pictures.append((f"blend={blend}", implant(empty, cutouts, np.random.default_rng(5), how).image))
    how = Implanting(count=4, scale=(0.5, 1.2), rotate=60)
    pictures.append(("what is known of them", marked(implant(empty, cutouts, np.random.default_rng(5), how))))
    bare = Scene(scene.image, replace(scene.objects, keypoints=None), scene.mask)
    pictures.append(
        (
            "covered ones shrink",
            marked(implant(bare, cutouts, np.random.default_rng(9), Implanting(2, mask_values=(1, 2, 3)))),
        )
    )
    cover = [replace(each, label=None) for each in cutouts]
    pictures.append(
        (
            "without a label: in the way",
            marked(implant(bare, cover, np.random.default_rng(9), Implanting(2, mask_values=(1, 2, 3)))),
        )
    )
    return pictures


def main() -> None:
    scene = landscape()
    sheet("geometry", one_by_one(GEOMETRY, scene))
    sheet("colour", one_by_one((*COLOUR, *CURVES), scene))
    sheet("effects", one_by_one(EFFECTS, scene))
    small = cv2.resize(scene.image, (WIDTH * 5 // 8, HEIGHT * 5 // 8), interpolation=cv2.INTER_AREA)
    draws = []
    for name in NAMED:
        rng = np.random.default_rng(1)
        draws += [("" if at else name, Policy.parse(name)(small, rng)) for at in range(6) if name != "none"]
    sheet("policies", draws, columns=6)
    along = [("boxes, outlines, mask, keypoints", marked(scene))]
    for text in (
        "flip_h",
        "rotate=25..25",
        "perspective=0.6..0.6",
        "elastic=0.04..0.04",
        "scale=0.5..0.5",
        "shear_x=20..20",
    ):
        draw = Policy.parse(text).draw(np.random.default_rng(4), WIDTH, HEIGHT)
        along.append((text, marked(augmented(scene, draw, keypoint_pairs=[(0, 1)]))))
    sheet("objects", along)
    sheet("mixing", mixtures(scene))
    sheet("implanting", implants(scene))


if __name__ == "__main__":
    main()
