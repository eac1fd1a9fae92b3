import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handful.core.errors import DataError, JobError
from handful.data import coco, pixels
from handful.data.coco import CocoImage, is_coco, read_coco
from handful.data.coco_writing import write_coco
from handful.data.objects import Objects
from handful.data.readers import read

TRIANGLE = [10, 10, 30, 10, 10, 30]
NAMES = ["nose", "left_eye", "right_eye"]
POINTS = [12.5, 20, 2, 15, 21, 1, 0, 0, 0]


def annotation(number, image=4, category=3, bbox=(10, 10, 20, 20), **fields):
    return {"id": number, "image_id": image, "category_id": category, "bbox": list(bbox), "iscrowd": 0} | fields


def content(*annotations):
    """A valid file: two images of 60 x 40 pixels, two categories, listed with the larger id first."""
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 60, "height": 40} for number in (4, 2)]
    categories = [{"id": 7, "name": "dog", "supercategory": "pet"}, {"id": 3, "name": "cat"}]
    return {"info": {"year": 2024}, "images": images, "annotations": list(annotations), "categories": categories}


def with_keypoints(*annotations, names=NAMES):
    written = content(*annotations)
    written["categories"][1]["keypoints"] = names
    return written


@pytest.fixture
def folder(tmp_path):
    for name in ("2.jpg", "4.jpg"):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / name).touch()
    return tmp_path


def put(folder, written, name="train.json"):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(written if isinstance(written, str) else json.dumps(written))


def read_one(folder, written):
    put(folder, written)
    (split,) = read_coco(folder)
    return split


def plain(image):
    """A picture of an image that can be compared."""
    objects = image.objects
    points = None if objects.keypoints is None else objects.keypoints.tolist()
    outlines = [[polygon.tolist() for polygon in outline] for outline in objects.outlines]
    rest = (image.path, image.file_name, image.width, image.height, image.kept, image.record)
    return objects.boxes.tolist(), objects.labels.tolist(), outlines, points, *rest


def test_what_is_read(folder):
    dog = annotation(8, category=7, bbox=[0.5, 1, 2, 3], score=0.9, attributes={"wet": True})
    written = content(dog, annotation(9, segmentation=[TRIANGLE]))
    written["images"][0] |= {"license": 1}
    split = read_one(folder, written)
    first, second = split.images
    assert (split.name, split.classes, split.notes) == ("train.json", ("cat", "dog"), ())
    assert split.header == {"info": {"year": 2024}, "categories": written["categories"]}
    assert (first.path, first.file_name, first.width, first.height) == (folder / "images/4.jpg", "4.jpg", 60, 40)
    assert first.record == {"license": 1}
    assert first.objects.boxes.tolist() == [[0.5, 1, 2.5, 4], [10, 10, 30, 30]]
    assert first.objects.labels.tolist() == [1, 0]
    assert first.objects.labels.dtype == np.int64
    assert first.objects.outlines[0] == ()
    assert first.objects.outlines[1][0].tolist() == [[10, 10], [30, 10], [10, 30]]
    assert first.kept == ({"iscrowd": 0, "score": 0.9, "attributes": {"wet": True}}, {"iscrowd": 0})
    assert (len(second.objects), second.objects.boxes.shape, second.kept) == (0, (0, 4), ())
    assert second.objects.keypoints is None


@pytest.mark.parametrize(
    "written",
    [
        content(),
        content(annotation(1, bbox=[0.1, 0.2, 0.7, 33.33], score=0.5), annotation(5, image=2, category=7)),
        content(annotation(1, segmentation=[TRIANGLE, [1.25, 1, 2, 1, 2, 2]]), annotation(2, note="Ä \ud800")),
        content(annotation(1, bbox=[-5, -5, 100, 10])),
        with_keypoints(annotation(1, keypoints=POINTS), annotation(2, image=2, keypoints=[0] * 9)),
    ],
)
def test_read_write_read(folder, written):
    written["licenses"] = [{"id": 1}]
    split = read_one(folder, written)
    write_coco(split, split.images, folder / "train.json")
    once = (folder / "train.json").read_bytes()
    (again,) = read_coco(folder)
    write_coco(again, again.images, folder / "train.json")
    assert (folder / "train.json").read_bytes() == once
    assert list(map(plain, again.images)) == list(map(plain, split.images))
    assert (again.header, again.classes, again.keypoint_pairs) == (split.header, split.classes, split.keypoint_pairs)


def test_what_is_written(folder):
    first = annotation(11, category=7, bbox=[1, 1, 2.006, 4], score=0.5)
    second = annotation(12, bbox=[10, 10, 20, 20], segmentation=[TRIANGLE], keypoints=POINTS)
    written = with_keypoints(first | {"keypoints": POINTS}, second)
    written["categories"][0]["keypoints"] = NAMES
    split = read_one(folder, written)
    write_coco(split, split.images, folder / "out.json")
    found = json.loads((folder / "out.json").read_text())
    assert list(found) == ["info", "categories", "images", "annotations"]
    assert found["categories"] == written["categories"]
    assert [image["id"] for image in found["images"]] == [1, 2]
    assert [image["file_name"] for image in found["images"]] == ["4.jpg", "2.jpg"]
    shared = {"image_id": 1, "iscrowd": 0, "keypoints": POINTS, "num_keypoints": 2}
    assert found["annotations"] == [
        {"id": 1, "category_id": 7, "bbox": [1, 1, 2.01, 4], "area": 8.04, "score": 0.5} | shared,
        {"id": 2, "category_id": 3, "bbox": [10, 10, 20, 20], "area": 200, "segmentation": [TRIANGLE]} | shared,
    ]


def test_new_images_need_no_kept_fields(folder):
    split = read_one(folder, content())
    new = CocoImage(folder / "new.jpg", "new.jpg", 60, 40, Objects(np.array([[1.0, 2, 3, 5]]), np.array([1])))
    write_coco(split, [new], folder / "out.json")
    (row,) = json.loads((folder / "out.json").read_text())["annotations"]
    assert row == {"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 2, 3], "area": 6, "iscrowd": 0}


def test_writing_all_or_nothing(folder):
    split = read_one(folder, content(annotation(1, score=1.0)))
    split.images[0].kept[0]["score"] = float("nan")
    before = (folder / "train.json").read_bytes()
    with pytest.raises(DataError, match=r"this cannot be said in JSON: Out of range float.*; .*train\.json"):
        write_coco(split, split.images, folder / "train.json")
    assert (folder / "train.json").read_bytes() == before
    with pytest.raises(JobError, match="cannot write"):
        write_coco(split, [], folder / "nowhere/train.json")


hundredths = st.integers(0, 50_000).map(lambda number: number / 100)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.lists(st.tuples(hundredths, hundredths, hundredths, hundredths), max_size=5))
def test_boxes_survive_the_way_there_and_back(folder, boxes):
    boxes = [(x, y, round(width + 0.01, 2), round(height + 0.01, 2)) for x, y, width, height in boxes]
    written = content(*(annotation(row, bbox=box) for row, box in enumerate(boxes)))
    written["images"][0] |= {"width": 1001, "height": 1001}
    split = read_one(folder, written)
    assert split.notes == ()
    read = split.images[0].objects.boxes
    np.testing.assert_allclose(read[:, 2:] - read[:, :2], np.array(boxes).reshape(-1, 4)[:, 2:], atol=1e-9)
    write_coco(split, split.images, folder / "train.json")
    (again,) = read_coco(folder)
    assert again.images[0].objects.boxes.tolist() == read.tolist()
    found = [row["bbox"] for row in json.loads((folder / "train.json").read_text())["annotations"]]
    np.testing.assert_allclose(np.array(found).reshape(-1, 4), np.array(boxes).reshape(-1, 4), atol=1e-9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.lists(st.floats(-20, 80), min_size=4, max_size=4))
def test_every_box_is_clipped_left_out_or_refused(folder, corners):
    x, y = sorted(corners[:2]), sorted(corners[2:])
    try:
        split = read_one(folder, content(annotation(1, bbox=[x[0], y[0], x[1] - x[0], y[1] - y[0]])))
    except DataError as error:
        assert "lies outside its image" in str(error)  # noqa: PT017 - some boxes are fine
        return
    boxes = split.images[0].objects.boxes
    assert (boxes >= 0).all()
    assert (boxes <= [60, 40, 60, 40]).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert len(boxes) or "boxes without width or height" in split.notes[0]


LAYOUTS = [
    {"train.json": "images", "test.json": "images", "val.json": "images"},
    {"train.json": ".", "valid.json": "."},
    {"train/_annotations.coco.json": "train", "valid/_annotations.coco.json": "valid"},
    {"annotations/instances_train2017.json": "train2017", "annotations/instances_val2017.json": "val2017"},
    {"annotations/instances_train.json": "images/train"},
    {"train.json": "train", "test.json": "test"},
    {"train/_annotations.coco.json": "train", "train.json": "train"},
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    for name, place in layout.items():
        put(tmp_path, content(), name)
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        for image in ("2.jpg", "4.jpg"):
            (tmp_path / place / image).touch()
    (tmp_path / "package.json").write_text("{}")
    assert is_coco(tmp_path)
    splits = read_coco(tmp_path)
    assert [split.name for split in splits] == sorted(layout)
    assert [split.images[0].path for split in splits] == [tmp_path / layout[name] / "4.jpg" for name in sorted(layout)]


def test_an_image_in_the_folder_of_its_split_goes_before_one_of_that_name_elsewhere(tmp_path):
    for name, place in (("train.json", "train"), ("val.json", "images/val")):
        put(tmp_path, content(), name)
        for folder in (tmp_path / place, tmp_path / "images", tmp_path):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "2.jpg").touch()
            (folder / "4.jpg").touch()
    train, val = read_coco(tmp_path)
    assert {image.path.parent for image in train.images} == {tmp_path / "train"}
    assert {image.path.parent for image in val.images} == {tmp_path / "images/val"}


def test_what_is_no_coco_folder(tmp_path):
    assert not is_coco(tmp_path)
    assert not is_coco(tmp_path / "nowhere")
    put(tmp_path, [{"text": "hello", "label": "greeting"}])
    assert not is_coco(tmp_path)
    put(tmp_path, content(), "other/train.json")
    put(tmp_path, content(), "._annotations.coco.json")
    assert not is_coco(tmp_path)
    with pytest.raises(DataError, match=r"no COCO annotations; .*nowhere; put train\.json beside a folder images/"):
        read_coco(tmp_path / "nowhere")


def test_links_to_images_are_followed(folder):
    (folder / "images").rename(folder / "store")
    (folder / "images").symlink_to(folder / "store")
    assert read_one(folder, content()).images[0].path == folder / "images/4.jpg"


def test_a_byte_order_mark_is_no_matter(folder):
    (folder / "train.json").write_text(json.dumps(content()), encoding="utf-8-sig")
    assert len(read_coco(folder)[0].images) == 2


def runs(counts, size=(40, 60), **fields):
    return annotation(1, segmentation={"counts": counts, "size": list(size)}, **fields)


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (
            [annotation(1, bbox=[50, 30, 20, 5]), annotation(2, bbox=[-1, 0, 2, 2])],
            ["2 boxes reached out of their image and were clipped"],
        ),
        ([annotation(1, bbox=[50, 30, 10.003, 10])], []),
        ([annotation(1, bbox=[5, 5, 0, 9])], ["1 boxes without width or height were left out"]),
        ([annotation(1, bbox=[90, 5, 0, 9])], ["1 boxes without width or height were left out"]),
        (
            [runs("04L4")],
            ["1 segmentations were left out, as compressed run lengths are not read; the boxes are kept"],
        ),
        (
            [runs([0, 2400], iscrowd=1)],
            ["1 segmentations were left out, as run lengths of crowds are not read; the boxes are kept"],
        ),
        (
            [annotation(1, segmentation=[[10, 10, 20, 20, 30, 30]])],
            ["1 segmentations lost polygons without any area in their image"],
        ),
        ([runs([0, 2400])], ["1 segmentations were run lengths and became polygons without holes"]),
        (
            [annotation(1, keypoints=POINTS), annotation(2), annotation(3, keypoints=POINTS)],
            ["2 objects lost their keypoints, because other objects have none"],
        ),
        (
            [annotation(1, keypoints=POINTS), annotation(2, category=7, keypoints=[0, 0, 0])],
            ["2 objects lost their keypoints, because the categories have different ones"],
        ),
    ],
)
def test_notes(folder, rows, notes):
    split = read_one(folder, with_keypoints(*rows))
    assert list(split.notes) == [f"train.json: {note}" for note in notes]
    n_left_out = sum(not min(row["bbox"][2:]) for row in rows)
    assert len(split.images[0].objects) == len(split.images[0].kept) == len(rows) - n_left_out
    assert (split.keypoint_names, split.keypoint_pairs) == ((), ())


@pytest.mark.parametrize("nothing", [[10, 10, 20, 20, 30, 30], [-9, -9, 0, -9, 0, 0], [60, 0, 70, 0, 70, 40]])
def test_polygons_of_which_nothing_can_be_seen_are_left_out_and_the_others_stay(folder, nothing):
    reaches_out = [50, 30, 70, 30, 70, 50]
    rows = [annotation(1, segmentation=[nothing, reaches_out]), annotation(2, segmentation=[nothing])]
    split = read_one(folder, content(*rows))
    (piece,), none = split.images[0].objects.outlines
    assert piece.ravel().tolist() == reaches_out
    assert none == ()
    assert split.notes == ("train.json: 2 segmentations lost polygons without any area in their image",)


def test_masks_become_polygons_along_the_edges_of_pixels(folder):
    mask = np.zeros((40, 60), np.uint8)
    mask[5:9, 10:30], mask[20, 7] = 1, 1
    flat = mask.T.ravel()  # down the columns, as COCO counts
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    (outline,) = read_one(folder, content(runs(counts))).images[0].objects.outlines
    corners = sorted(sorted(map(tuple, polygon)) for polygon in outline)
    assert corners == [[(7, 20), (7, 21), (8, 20), (8, 21)], [(10, 5), (10, 9), (30, 5), (30, 9)]]


def test_the_area_of_a_mask_is_nearly_that_of_its_polygon(folder):
    y, x = np.mgrid[:40, :60]
    flat = ((x - 30) ** 2 + (y - 20) ** 2 < 200).T.ravel()
    counts = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]).tolist()
    split = read_one(folder, content(runs(counts)))
    write_coco(split, split.images, folder / "out.json")
    (row,) = json.loads((folder / "out.json").read_text())["annotations"]
    assert row["area"] == pytest.approx(flat.sum(), rel=0.02)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (NAMES, ((1, 2),)),
        (["RightEye", "LeftEye", "tail"], ((0, 1),)),
        (["ankle.l", "knee", "Ankle.R"], ((0, 2),)),
        (["L1", "R1", "mouth"], ((0, 1),)),
        (["left_eye", "right_ear", "nose"], None),
        (["head", "tail", "bright"], None),
        (["head", "middle", "tail"], None),
        (["eye", "eye", "nose"], None),
        ([], None),
    ],
)
def test_keypoints_and_their_pairs(folder, names, pairs):
    split = read_one(folder, with_keypoints(annotation(1, keypoints=POINTS), names=names))
    assert split.keypoint_names == tuple(names or ["1", "2", "3"])
    assert split.keypoint_pairs == pairs
    first, second = (image.objects.keypoints for image in split.images)
    assert first.tolist() == [[[12.5, 20, 2], [15, 21, 1], [0, 0, 0]]]
    assert second.shape == (0, 3, 3)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"not JSON: Expecting value: line 1 column 1 \(char 0\); .*train\.json; write the file again"),
        ('{"images": 1' + "0" * 5000 + "}", "not JSON: Exceeds the limit"),
        ("[]", r"not a JSON object; .*train\.json"),
        (DEEP, "the JSON is nested too deeply"),
        ('{"images": [], "annotations": []}', r"there is no list 'categories'; .*train\.json; write \"categories\""),
        ('{"categories": [], "annotations": []}', "there is no list 'images'"),
        ('{"categories": [], "images": [], "annotations": {}}', "there is no list 'annotations'"),
    ],
)
def test_files_that_are_no_coco(folder, text, message):
    with pytest.raises(DataError, match=message) as error:
        read_one(folder, text)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(folder, monkeypatch):
    (folder / "train.json").write_bytes(b'{"images": "\xff"}')
    with pytest.raises(DataError, match="not JSON: 'utf-8' codec can't decode byte 0xff"):
        read_coco(folder)
    monkeypatch.setattr(coco, "MAX_BYTES", 2**20)
    put(folder, " " * 2**20 + "{}")
    with pytest.raises(DataError, match=r"more than 1 MiB; .*train\.json"):
        read_coco(folder)


WIDTH = (
    r"width .* and height .*; expected whole numbers above 0, with at most 134,217,728 pixels; .*train.json, image 4; "
)


@pytest.mark.parametrize(
    ("key", "fields", "message"),
    [
        ("images", {"id": 2}, r"two images have the id 2; .*train\.json; "),
        ("images", {"id": "4"}, "entry 1 of images has no whole number as its id"),
        ("images", {"id": True}, "entry 1 of images has no whole number as its id"),
        ("images", {"file_name": None}, r"the image has no file_name; .*train\.json, image 4; "),
        ("images", {"file_name": "/etc/passwd"}, "file_name '/etc/passwd' leads out of the folder; .*image 4; "),
        ("images", {"file_name": "a/../../b.jpg"}, r"file_name 'a/../../b.jpg' leads out"),
        ("images", {"file_name": "..\\b.jpg"}, "leads out of the folder"),
        ("images", {"file_name": "C:\\b.jpg"}, "leads out of the folder"),
        ("images", {"file_name": "9.jpg"}, r"there is no image file '9.jpg'; .*image 4; put it into .*images"),
        ("images", {"file_name": "9\0.jpg"}, "there is no image file"),
        ("images", {"file_name": "9" * 9999}, r"there is no image file '999+\.\.\.9+'; "),
        ("images", {"file_name": "."}, "there is no image file"),
        ("images", {"width": None}, WIDTH),
        ("images", {"width": 0}, WIDTH),
        ("images", {"height": -3}, WIDTH),
        ("images", {"height": 40.5}, WIDTH),
        ("images", {"height": "40"}, WIDTH),
        ("images", {"height": 10**9}, WIDTH),
        ("images", {"height": 10**4000}, WIDTH),
        ("categories", {"id": 3}, "two categories have the id 3"),
        ("categories", {"name": None}, r"the category has no name; .*train\.json, category 7; "),
        ("categories", {"name": "cat"}, "2 categories have the name 'cat'"),
        ("annotations", {"id": 2}, "two annotations have the id 2"),
        ("annotations", {"image_id": 5}, r"image_id 5 is not in the file; .*train\.json, annotation 1; "),
        ("annotations", {"image_id": [4]}, r"image_id \[4\] is not in the file"),
        ("annotations", {"category_id": 1}, "category_id 1 is not in the file; .*annotation 1; "),
        ("annotations", {"category_id": None}, "category_id None is not in the file"),
        ("annotations", {"bbox": None}, r"bbox None is not a list of finite numbers; .*train\.json, annotation 1; "),
        ("annotations", {"bbox": [1, 2, 3]}, "bbox has 3 numbers; expected 4; .*annotation 1; "),
        ("annotations", {"bbox": [1, 2, 3, "4"]}, r"bbox \[1, 2, 3, '4'\] is not a list of finite numbers"),
        ("annotations", {"bbox": [1, 2, 3, float("nan")]}, r"bbox \[1, 2, 3, nan\] is not"),
        ("annotations", {"bbox": [1, 2, 3, float("inf")]}, r"bbox \[1, 2, 3, inf\] is not"),
        ("annotations", {"bbox": [1, 2, 3, 10**400]}, r"bbox \[1, 2, 3, 10+\.\.\.0+\] is not"),
        ("annotations", {"bbox": [1, 2, 1e308, 1e308]}, "bbox .* is not a list of finite numbers"),
        ("annotations", {"bbox": [1, 2, -3, 4]}, "the bbox has the width -3 and the height 4; .*x, y, width, height"),
        (
            "annotations",
            {"bbox": [60, 2, 3, 4]},
            r"the bbox \[60, 2, 3, 4\] lies outside its image of 60 x 40 pixels; .*annotation 1; ",
        ),
        ("annotations", {"bbox": [1, -9, 3, 9]}, "lies outside its image"),
        ("annotations", {"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "a polygon of 7 numbers; .* at least 3 points"),
        ("annotations", {"segmentation": [[1, 2, 3, 4]]}, "a polygon of 4 numbers; expected x and y of at least 3"),
        ("annotations", {"segmentation": TRIANGLE}, "the polygon 10 is not a list of finite numbers"),
        ("annotations", {"segmentation": [[1, 2, 3, 4, 5, None]]}, "the polygon .* is not a list of finite numbers"),
        ("annotations", {"segmentation": "x"}, "the segmentation is neither polygons nor run lengths"),
        ("annotations", {"segmentation": {"size": [40, 60]}}, "is neither polygons nor run lengths"),
        (
            "annotations",
            {"segmentation": {"counts": [2400], "size": [60, 40]}},
            "the run lengths do not cover the image of 60 x 40 pixels",
        ),
        ("annotations", {"segmentation": {"counts": [10**12], "size": [40, 60]}}, "the run lengths do not cover"),
        ("annotations", {"segmentation": {"counts": [-1, 2401], "size": [40, 60]}}, "the run lengths do not cover"),
        ("annotations", {"keypoints": POINTS[:8]}, "keypoints has 8 numbers; expected 9; .*annotation 1; "),
        ("annotations", {"keypoints": 3}, "keypoints 3 is not a list of finite numbers"),
        ("annotations", {"keypoints": [*POINTS[:8], float("nan")]}, "keypoints .* is not a list of finite numbers"),
        ("annotations", {"keypoints": [*POINTS[:8], 5]}, "the visibility of a keypoint is not 0, 1 or 2"),
    ],
)
def test_records_that_are_refused(folder, key, fields, message):
    written = with_keypoints(annotation(1, keypoints=POINTS), annotation(2, image=2, keypoints=POINTS))
    written["categories"][0]["keypoints"] = NAMES
    written[key][0] |= fields
    with pytest.raises(DataError, match=message) as error:
        read_one(folder, written)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_records_that_are_no_objects(folder):
    written = content()
    written["images"].append(5)
    with pytest.raises(DataError, match="entry 3 of images has no whole number as its id"):
        read_one(folder, written)


def test_names_of_keypoints_are_a_list(folder):
    with pytest.raises(DataError, match=r"keypoints is no list of names; .*train\.json, category 3; "):
        read_one(folder, with_keypoints(annotation(1, keypoints=POINTS), names="nose"))


def test_unnamed_keypoints_come_in_threes(folder):
    with pytest.raises(DataError, match="keypoints has 8 numbers; expected 6"):
        read_one(folder, content(annotation(1, keypoints=POINTS[:8])))


def test_the_limit_on_pixels_is_that_of_images():
    assert coco.MAX_PIXELS == pixels.MAX_PIXELS


def test_a_coco_folder_is_no_image_folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").touch()
    content = {
        "images": [{"id": 1, "file_name": "1.png", "width": 8, "height": 8}],
        "annotations": [],
        "categories": [],
    }
    (tmp_path / "train.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="object detection is not supported yet"):
        read(tmp_path)
