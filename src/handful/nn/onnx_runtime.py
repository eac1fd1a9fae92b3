"""Opening a graph with ONNX Runtime: one place decides its threads and how its failures read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import onnxruntime

from handful.core.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(graph: bytes | str, threads: int | None = None, where: str = "") -> InferenceSession:
    """A session on the CPU.

    Args:
        graph: The serialized model, or the path of one.
        threads: Threads inside one operation; the number of usable cores when None.
        where: What to name in an error.
    Raises:
        ModelError: when the graph is damaged or too new for the installed runtime.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or n_cores()
    options.log_severity_level = 3  # errors only: the runtime's advice is not for our users
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as failure:  # the runtime raises a dozen private types for a bad graph
        raise ModelError(f"ONNX Runtime cannot load the graph ({failure})", where, "make the model again") from failure


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
