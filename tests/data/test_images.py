import io
import struct
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from handful.core.errors import DataError, ImageError
from handful.core.progress import Progress
from handful.data.dataset import Dataset
from handful.data.images import decode, decode_all, decode_stream


def photo(seed=0, height=40, width=60):
    """A smooth colour image, so that JPEG and resizing change it little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def gap(a, b):
    return np.abs(a.astype(int) - b.astype(int)).max()


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "jpg", "gif"])
def test_every_format_gives_the_same_pixels(tmp_path, suffix):
    options = {"webp": {"lossless": True}, "jpg": {"quality": 98, "subsampling": 0}}.get(suffix, {})
    path = saved(tmp_path / f"ü {suffix}.{suffix}", photo(), **options)
    loss = {"jpg": 12, "gif": 60}.get(suffix, 0)
    assert gap(decode(path, 16), decode(photo(), 16)) <= loss
    assert decode(str(path), 16).shape == (16, 16, 3)


def test_shrinking_is_the_mean_of_the_area_and_a_constant_stays_constant():
    big = photo(height=64, width=96)
    mean = big.reshape(16, 4, 16, 6, 3).mean(axis=(1, 3))
    assert np.abs(decode(big, 16) - mean).max() <= 1
    for shape in [(3, 100, 3), (100, 3, 3), (1, 1, 3)]:
        assert (decode(np.full(shape, 77, np.uint8), 16) == 77).all()


@pytest.mark.parametrize("top", [255, 1023, 4095, 65535])
def test_deep_grey_is_scaled_by_the_bits_it_uses(tmp_path, top):
    ramp = np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)
    expected = np.rint(ramp * (255 / top))[..., None].repeat(3, 2)
    for suffix in ("png", "tiff"):
        path = tmp_path / f"deep.{suffix}"
        cv2.imwrite(str(path), ramp)
        assert gap(decode(path, 16), expected) <= 1
    assert gap(decode(ramp, 16), expected) <= 1


def test_deep_colour_tiff_is_scaled_by_the_bits_it_uses(tmp_path):
    levels = photo(height=16, width=16).astype(np.uint16)
    levels[0, 0] = 255
    path = tmp_path / "microscope.tiff"
    cv2.imwrite(str(path), np.ascontiguousarray(levels[..., ::-1]) * 16)
    assert gap(decode(path, 16), levels) <= 1


def test_alpha_is_laid_over_white():
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4, :, 3] = 255
    expected = np.full((8, 8, 3), 255)
    expected[:4] = 0
    assert (decode(rgba, 8) == expected).all()
    assert (decode(Image.fromarray(rgba), 8) == expected).all()


def test_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "p.png", transparency=1)
    assert (decode(tmp_path / "p.png", 8) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    seen = photo(height=32, width=32)
    undo = {1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud}
    undo |= {5: lambda x: x.swapaxes(0, 1), 6: np.rot90, 7: lambda x: np.rot90(x, 2).swapaxes(0, 1)}
    undo |= {8: lambda x: np.rot90(x, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undo[orientation](seen))
    for suffix in ("jpg", "png"):
        options = {"quality": 98, "subsampling": 0} if suffix == "jpg" else {}
        path = saved(tmp_path / f"o.{suffix}", stored, exif=exif, **options)
        assert gap(decode(path, 16), decode(seen, 16)) <= 12


def test_grey_cmyk_and_one_bit(tmp_path):
    grey = photo()[..., 0]
    assert (decode(grey, 16) == decode(grey[..., None], 16)).all()
    assert (decode(saved(tmp_path / "g.png", grey), 16) == decode(grey, 16)).all()
    Image.fromarray(photo()).convert("CMYK").save(tmp_path / "c.jpg", quality=98, subsampling=0)
    assert gap(decode(tmp_path / "c.jpg", 16), decode(photo(), 16)) <= 15
    Image.fromarray(grey).convert("1").save(tmp_path / "b.png")
    assert set(np.unique(decode(tmp_path / "b.png", 40))) <= set(range(256))


def test_big_jpegs_are_read_small_with_the_same_result(tmp_path):
    big = photo(height=800, width=1200)
    assert gap(decode(saved(tmp_path / "big.jpg", big, quality=95), 32), decode(big, 32)) <= 6


def test_floating_arrays_are_fractions():
    image = photo()
    assert (decode((image / 255).astype(np.float32), 16) == decode(image, 16)).all()


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.full((4, 4, 3), 200.0), r"must lie in \[0, 1\], found 200 to 200; "),
        (np.zeros((3, 32, 32), np.uint8), r"expected shape .* found \(3, 32, 32\)"),
        (np.zeros((0, 4, 3), np.uint8), "expected shape"),
        (np.zeros((4, 4), np.int64), "expected uint8, uint16 or floating pixels, found int64"),
        (17, "expected a path, an array or a Pillow image, found int"),
    ],
)
def test_unfit_arrays_are_refused(array, text):
    with pytest.raises(ImageError, match=text):
        decode(array, 8)


def header_of(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\0IDAT"


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_bomb_is_refused_by_its_header(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(header_of(side, side))
    with pytest.raises(ImageError, match=rf"^{side} x {side} pixels; at most 134,217,728 are read; .*bomb.png; "):
        decode(tmp_path / "bomb.png", 8)


def whole(suffix, **options):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(file, suffix, **options)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7])
def test_truncated_files_are_found(tmp_path, suffix, kept):
    content = whole(suffix)
    (tmp_path / "cut").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ImageError, match=r"(?s)truncated.*cut; replace or remove it$"):
        decode(tmp_path / "cut", 8)


def test_no_damage_raises_anything_but_an_image_error(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "fuzz"
    for suffix in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF"):
        content = np.frombuffer(whole(suffix), np.uint8)
        for _ in range(30):
            broken = content.copy()
            where = rng.integers(0, min(len(broken), 400), 6)
            broken[where] = rng.integers(0, 256, 6)
            path.write_bytes(broken.tobytes())
            try:
                assert decode(path, 8).shape == (8, 8, 3)
            except ImageError as error:
                assert str(path) in str(error)  # noqa: PT017


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello there")
    for name, reason in [
        ("empty.png", "the file is empty"),
        ("text.png", "not a PNG, JPEG"),
        ("none.png", "there is no such file"),
        (".", "a folder, not an image"),
        ("n" * 300, "cannot read the file: File name too long"),
    ]:
        with pytest.raises(ImageError, match=rf"^{reason}.*{tmp_path}"):
            decode(tmp_path / name, 8)


@pytest.fixture
def mixed(tmp_path):
    """Six files of which 1 and 4 are broken."""
    paths = [saved(tmp_path / f"{i}.png", photo(i)) for i in range(6)]
    paths[1].write_bytes(b"")
    paths[4].write_bytes(b"no image")
    return paths


def test_decode_all_keeps_the_order_and_tells_of_the_others(mixed):
    decoded = decode_all(Dataset(mixed), 16, jobs=3)
    assert decoded.rows.tolist() == [0, 2, 3, 5]
    assert (decoded.pixels == np.stack([decode(mixed[i], 16) for i in (0, 2, 3, 5)])).all()
    assert [(p.row, p.name) for p in decoded.problems] == [(1, str(mixed[1])), (4, str(mixed[4]))]
    assert decoded.problems[0].reason == "the file is empty"


def test_strict_raises_the_first_problem(mixed):
    with pytest.raises(ImageError, match=r"the file is empty; .*1\.png"):
        decode_all(Dataset(mixed), 16, strict=True)


def test_nothing_readable_is_an_error_and_nothing_at_all_is_not(mixed):
    with pytest.raises(DataError, match=r"none of the 2 images can be read; .*1\.png: the file is empty"):
        decode_all(Dataset([mixed[1], mixed[4]]), 16)
    assert decode_all(Dataset([]), 16).pixels.shape == (0, 16, 16, 3)


@pytest.mark.parametrize("batch_size", [1, 4, 6, 100])
def test_a_stream_is_decode_all_in_batches(mixed, batch_size):
    batches = list(decode_stream(mixed, 16, batch_size))
    together = decode_all(Dataset(mixed), 16)
    assert len(batches) == -(-6 // batch_size)
    assert (np.concatenate([batch.pixels for batch in batches]) == together.pixels).all()
    assert np.concatenate([batch.rows for batch in batches]).tolist() == together.rows.tolist()
    assert sum((batch.problems for batch in batches), ()) == together.problems


def test_an_interrupt_drops_what_was_not_begun(monkeypatch):
    begun = []

    def slow(source, size):
        begun.append(source)
        time.sleep(0.01)
        return np.zeros((size, size, 3), np.uint8)

    class Interrupting(Progress):
        @contextmanager
        def track(self, *_announced):
            def advance(steps):
                raise KeyboardInterrupt

            yield advance

    monkeypatch.setattr("handful.data.images.decode", slow)
    with pytest.raises(KeyboardInterrupt):
        decode_all(Dataset(list(range(1000))), 8, jobs=2, progress=Interrupting())
    assert len(begun) < 20
    stream = decode_stream(list(range(1000)), 8, 50, jobs=2)
    next(stream)
    begun.clear()
    stream.close()
    assert len(begun) < 20


def test_paths_may_be_long_and_foreign(tmp_path):
    folder = Path(tmp_path, *["größe" * 20] * 3)
    folder.mkdir(parents=True)
    assert decode(saved(folder / "写真.png", photo()), 8).shape == (8, 8, 3)
