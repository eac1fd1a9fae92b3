import os
from pathlib import Path

import numpy as np
import pytest

from handful.data.cache import FeatureCache

ENTRY_BYTES = 4 + 2 * 100


def vector(seed=0, dim=100):
    return np.random.default_rng(seed).normal(size=dim).astype(np.float16)


def key(number):
    return f"{number:040x}"[::-1]  # the first digits choose the folder


def filled(folder, n, limit=10**9):
    """A cache whose entries were last used one minute after the other."""
    cache = FeatureCache(folder, limit)
    for number in range(n):
        cache.put(key(number), vector(number))
        used(cache, number, 60 * number)
    return cache


def used(cache, number, when):
    (path,) = cache.folder.glob(f"??/{key(number)}.f16")
    os.utime(path, (when, when))


def kept(cache, n):
    return [number for number in range(n) if cache.get(key(number), 100) is not None]


def test_what_was_put_comes_back_bit_for_bit(tmp_path):
    cache = FeatureCache(tmp_path)
    odd = np.array([0, -0.0, 65504, 6e-8, np.inf, np.nan], dtype=np.float16)
    cache.put(key(1), odd)
    assert FeatureCache(tmp_path).get(key(1), 6).tobytes() == odd.tobytes()
    assert cache.get(key(2), 6) is None


def test_the_last_one_to_write_wins(tmp_path):
    cache = filled(tmp_path, 1)
    cache.put(key(0), vector(7))
    np.testing.assert_array_equal(cache.get(key(0), 100), vector(7))
    assert cache.state().n_entries == 1


@pytest.mark.parametrize("damage", ["one bit", "cut", "empty", "longer", "another length"])
def test_a_damaged_entry_counts_as_missing(tmp_path, damage):
    cache = filled(tmp_path, 1)
    (path,) = tmp_path.glob("??/*.f16")
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[50] ^= 1
    path.write_bytes({"cut": content[:-2], "empty": b"", "longer": content + b"\0\0"}.get(damage, bytes(content)))
    assert cache.get(key(0), 99 if damage == "another length" else 100) is None
    cache.put(key(0), vector(0))
    assert cache.get(key(0), 100) is not None


def test_nothing_half_written_is_left_behind(tmp_path, monkeypatch):
    cache = filled(tmp_path, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        cache.put(key(0), vector(5))
    monkeypatch.undo()
    np.testing.assert_array_equal(cache.get(key(0), 100), vector(0))
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 1


def test_the_state_counts_entries_and_bytes(tmp_path):
    assert FeatureCache(tmp_path / "absent").state().n_entries == 0
    state = filled(tmp_path, 3, limit=1000).state()
    assert (state.folder, state.n_entries, state.n_bytes, state.limit) == (tmp_path, 3, 3 * ENTRY_BYTES, 1000)


def test_clearing_drops_everything_and_says_what_there_was(tmp_path):
    cache = filled(tmp_path / "features", 3)
    assert cache.clear().n_entries == 3
    assert cache.state().n_entries == 0
    assert cache.clear().n_bytes == 0
    cache.put(key(0), vector())
    assert kept(cache, 3) == [0]


def test_trimming_drops_the_longest_unused_until_a_tenth_is_free(tmp_path):
    cache = filled(tmp_path, 12, limit=10 * ENTRY_BYTES)
    cache.trim()
    assert kept(cache, 12) == list(range(3, 12))  # nine tenths of the limit


def test_reading_an_entry_makes_it_recently_used(tmp_path):
    cache = filled(tmp_path, 12, limit=10 * ENTRY_BYTES)
    assert cache.get(key(0), 100) is not None
    cache.trim()
    assert kept(cache, 12) == [0, *range(4, 12)]


def test_below_the_limit_nothing_is_dropped(tmp_path):
    cache = filled(tmp_path, 10, limit=10 * ENTRY_BYTES)
    cache.trim()
    assert kept(cache, 10) == list(range(10))


def test_a_cache_that_can_only_be_read_still_answers(tmp_path, monkeypatch):
    cache = filled(tmp_path, 1)

    def read_only(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.utime", read_only)
    np.testing.assert_array_equal(cache.get(key(0), 100), vector(0))


def test_the_usual_place_is_in_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDFUL_CACHE", str(tmp_path))
    assert FeatureCache().folder == tmp_path / "features"


def test_entries_that_another_process_drops_meanwhile_are_passed_over(tmp_path, monkeypatch):
    cache, glob = filled(tmp_path, 3, limit=2 * ENTRY_BYTES), Path.glob
    monkeypatch.setattr(Path, "glob", lambda *given: [tmp_path / "ab" / "gone.f16", *glob(*given)])
    cache.trim()
    assert cache.state().n_entries == 1
