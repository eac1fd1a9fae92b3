import numpy as np

from handful.data.audit import Finding, HeldOut, audit
from handful.data.dataset import Dataset
from handful.data.duplicates import across, near_duplicates
from handful.data.images import decode_all


def noise(n, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8))


def examined(images, targets, groups=None, test=None):
    classes = tuple("abc"[: max(targets) + 1])
    train = Dataset(images, np.array(targets), classes, None if groups is None else np.array(groups))
    decoded = decode_all(train, 32)
    held_out = None
    if test is not None:
        seen = decode_all(test, 32)
        held_out = HeldOut(test, seen, across(decoded.pixels, seen.pixels))
    return audit(train, decoded, near_duplicates(decoded.pixels), held_out)


def found(result):
    return {finding.kind: finding for finding in result.findings}


def test_sound_data_has_no_findings():
    result = examined(noise(12), [0, 1] * 6)
    assert result.findings == ()
    assert len(np.unique(result.units)) == 12
    assert result.leaked_test_rows == ()


def test_unreadable_examples_are_named_and_rows_still_fit(tmp_path):
    images = noise(12)
    images[3] = tmp_path / "broken.png"
    images[3].touch()
    images[8] = images[2]
    result = examined(images, [0, 1] * 6)
    assert found(result)["unreadable"].rows == (3,)
    assert found(result)["unreadable"].message.endswith("broken.png: the file is empty")
    assert found(result)["duplicate"].rows == (2, 8)
    assert len(result.units) == 11


def test_exact_and_near_duplicates_of_a_class():
    images = noise(12)
    images[4] = images[0]
    images[6] = np.clip(images[2].astype(int) + 3, 0, 255).astype(np.uint8)
    result = examined(images, [0, 1] * 6)
    assert found(result)["duplicate"].rows == (0, 4)
    assert found(result)["near-duplicate"].rows == (2, 6)
    assert found(result)["near-duplicate"].names == ("example 2", "example 6")
    assert "contradiction" not in found(result)


def test_the_same_image_under_two_labels():
    images = noise(12)
    images[5] = images[0]
    result = examined(images, [0, 1] * 6)
    assert found(result)["contradiction"].rows == (0, 5)
    assert found(result)["contradiction"].severity == "problem"
    assert "duplicate" not in found(result)


def test_small_classes_and_imbalance():
    result = examined(noise(40), [0] * 36 + [1] * 3 + [2])
    small = [finding for finding in result.findings if finding.kind == "small-class"]
    assert [(finding.severity, finding.names) for finding in small] == [("problem", ("c",)), ("warning", ("b",))]
    assert found(result)["imbalance"].severity == "warning"
    assert "36.0 times" in found(result)["imbalance"].message
    assert found(examined(noise(25), [0] * 20 + [1] * 5))["imbalance"].severity == "note"
    assert "imbalance" not in found(examined(noise(20), [0] * 15 + [1] * 5))


def test_leaks_and_shared_groups():
    images = noise(12)
    brighter = np.clip(images[4].astype(int) + 3, 0, 255).astype(np.uint8)
    others = [*noise(2, seed=1), brighter, images[7]]
    test = Dataset(others, np.zeros(4, int), ("a", "b"), np.array(["p", "q", "x", "x"]))
    result = examined(images, [0, 1] * 6, groups=["p"] * 6 + ["r"] * 6, test=test)
    assert result.leaked_test_rows == (2, 3)
    assert found(result)["leak"].rows == (3,)
    assert found(result)["near-leak"].rows == (2,)
    assert found(result)["near-leak"].severity == "warning"
    assert found(result)["shared-group"].names == ("p",)
    assert found(result)["shared-group"].rows == (0,)


def test_units_join_duplicates_and_groups():
    images = noise(6)
    images[5] = images[0]
    result = examined(images, [0, 1] * 3, groups=list("aabbcd"))
    assert result.units.tolist() == [0, 0, 1, 1, 2, 0]


def test_the_worst_comes_first_also_when_added_later():
    result = examined(noise(25), [0] * 20 + [1] * 5).with_findings(Finding("mislabelled", "problem", "look here"))
    assert [finding.kind for finding in result.findings] == ["mislabelled", "imbalance"]
