"""What a backbone for texts is: its tokenizer, its windows, and features of any text by ONNX Runtime alone."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from handful.core.progress import SILENT, Progress
from handful.core.words import count
from handful.data.cache import FeatureCache
from handful.nn.backbone import Backbone
from handful.nn.kept_features import Rows, kept_features
from handful.nn.onnx_runtime import open_session
from handful.nn.text_windows import CHUNK, MOST_WINDOWS, Run, TextSpec, TextWindows, check_texts, has_gaps


class TextBackbone(Backbone):
    """A backbone for texts: the graph takes `ids` and `mask`, int64 (n, length), and so does the module."""

    spec: TextSpec

    @property
    @abstractmethod
    def tokenizer_bytes(self) -> bytes:
        """The `tokenizer.json` that belongs to the graph."""

    @cached_property
    def windows(self) -> TextWindows:
        """What turns texts into batches of token ids."""
        return TextWindows(self.tokenizer_bytes, self.spec)

    def embed(
        self, texts: Sequence[str], cache: FeatureCache | None = None, progress: Progress = SILENT
    ) -> npt.NDArray[np.float16]:
        """Pooled features of every text, by ONNX Runtime on the CPU.

        A text longer than the window is read in windows that overlap, whose features are averaged. Features do not
        depend on the batch: on one machine they are the same bytes, whatever texts stand beside them.

        Args:
            texts: n of them, in any order and of any length.
            cache: Where to look first and to keep what was computed; nowhere when None.
            progress: Told how many texts were computed, and of texts too long to be read whole.
        Returns:
            Shape (n, dim), float16: rounded once, so that a cached feature equals a fresh one. `[:, None]` of it is
            what the probe takes for one view.
        Raises:
            DataError: when one of them is no text.
            ModelError: when the installed encoder is another one.
            MissingPackage: without the extra `text`.
        """
        check_texts(texts)

        def compute(missing: Rows) -> Iterator[tuple[Rows, npt.NDArray[np.float32]]]:
            run = self._runner()
            for start in range(0, len(missing), CHUNK):
                rows = missing[start : start + CHUNK]
                tokens = self.windows.tokens([texts[row] for row in rows])
                yield rows, self.windows.embeddings(tokens, run, dim)

        self._mention_gaps(texts, progress)
        dim = sum(layer.dim for layer in self.layers)
        keys = [self._key(text) for text in texts]
        return kept_features(keys, dim, compute, cache, f"computing features ({self.name})", progress)

    def _runner(self) -> Run:
        session = open_session(self.graph_bytes, where=self.name)
        return lambda ids, mask: np.asarray(session.run(["features"], {"ids": ids, "mask": mask})[0])

    def _mention_gaps(self, texts: Sequence[str], progress: Progress) -> None:
        most = MOST_WINDOWS * self.windows.size
        long = [text for text in texts if len(text) > most]  # a token has at least one character
        if n_long := sum(has_gaps(len(ids), self.windows.size) for ids in self.windows.tokens(long)):
            longer = f"{count(n_long, 'text')} longer than {most} word pieces"
            progress.note(f"{longer}: of each, {MOST_WINDOWS} passages spread evenly over it are read")

    def _key(self, text: str) -> str:
        content = text.encode("utf-8", "replace")
        return hashlib.blake2b(self.fingerprint.encode() + b"|" + content, digest_size=20).hexdigest()
