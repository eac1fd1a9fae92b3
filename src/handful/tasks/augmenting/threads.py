"""Threads that take one image each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import cv2


@contextmanager
def one_image_each(jobs: int | None) -> Iterator[Executor]:
    """Threads that take one image each, with OpenCV kept from starting others of its own.

    What has not begun is dropped when the user leaves early, by Ctrl-C for one.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(jobs or os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(before)
