import numpy as np
import pytest
from PIL import Image

from handful.core.errors import DataError
from handful.unsupervised import image_pool as module
from handful.unsupervised.image_pool import LEAST, image_pool

SIZE = 24


@pytest.fixture
def files(tmp_path):
    rng, made = np.random.default_rng(0), []
    for at in range(LEAST + 4):
        made.append(tmp_path / f"{at}.png")
        Image.fromarray(rng.integers(0, 256, (30, 20, 3), dtype=np.uint8)).save(made[-1])
    return made


def kept_and_drawn(files):
    """The same pool, all in memory and none of it."""
    return image_pool(files, SIZE, "pool"), image_pool(files, SIZE, "pool", memory_limit=0)


def test_what_is_drawn_is_the_same_wherever_it_is_kept(files):
    kept, drawn = kept_and_drawn(files)
    assert kept.kept is not None
    assert drawn.kept is None
    rows = np.array([5, 0, 5])
    assert kept.pixels(rows).shape == (3, SIZE, SIZE, 3)
    np.testing.assert_array_equal(kept.pixels(rows), drawn.pixels(rows))
    assert (kept.mean, kept.std) == (drawn.mean, drawn.std)


def test_mean_and_std_are_those_of_the_channels(files):
    pool = image_pool(files, SIZE, "pool")
    levels = pool.pixels(np.arange(len(pool))).reshape(-1, 3).astype(float)
    np.testing.assert_allclose(pool.mean, levels.mean(axis=0), atol=0.06)
    np.testing.assert_allclose(pool.std, levels.std(axis=0), atol=0.06)


def test_a_large_pool_is_looked_at_in_a_sample(files, monkeypatch):
    monkeypatch.setattr(module, "N_SAMPLED", LEAST)
    read = []
    decode = module.decode_all
    monkeypatch.setattr(
        module, "decode_all", lambda data, *more, **named: read.append(len(data)) or decode(data, *more, **named)
    )
    assert len(image_pool(files, SIZE, "pool", memory_limit=0)) == len(files)
    assert read == [LEAST]


def test_copies_count_once(files):
    for file in files[:3]:
        (file.parent / f"copy of {file.name}").write_bytes(file.read_bytes())
    every = sorted(files[0].parent.iterdir())
    pool = image_pool(every, SIZE, "pool")
    assert len(pool) == len(files)
    assert len(np.unique(pool.kept.reshape(len(pool), -1), axis=0)) == len(files)


def test_damaged_files_are_left_out_and_named(files):
    files[2].write_bytes(b"no image")
    kept, drawn = kept_and_drawn(files)
    assert len(kept) == len(files) - 1
    assert kept.unreadable == drawn.unreadable == {str(files[2])}
    assert len(drawn.pixels(np.array([1, 2, 3]))) == 2


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([], "there are no images"),
        ([0], "the pool holds one image; at least 20"),
        ([0, 0, 0], "one image, again and again"),
        ([0, 1, 1, 2], "the pool holds 3 different images; at least 20"),
    ],
)
@pytest.mark.parametrize("memory_limit", [0, 10**9])
def test_a_pool_with_too_little_to_tell_apart_is_refused(files, chosen, said, memory_limit):
    with pytest.raises(DataError, match=said):
        image_pool([files[at] for at in chosen], SIZE, "pool", memory_limit=memory_limit)


def test_a_pool_without_any_readable_image_is_refused(files):
    for file in files:
        file.write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the 24 images can be read"):
        image_pool(files, SIZE, "pool")


def test_flat_images_have_a_std_all_the_same(tmp_path):
    made = []
    for at in range(LEAST):
        made.append(tmp_path / f"{at}.png")
        Image.new("RGB", (SIZE, SIZE), (at, 7, 7)).save(made[-1])
    assert image_pool(made, SIZE, "pool").std[1:] == (1.0, 1.0)
