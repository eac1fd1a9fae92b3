"""A Keras model, which under the torch backend is a torch module, as one of ours: channels first, layers by name."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from torch import Tensor, nn


class KerasStates(nn.Module):
    """Images (n, 3, h, w) to the named layers of a Keras model and its output, pictures among them channels first.

    Args:
        keras: The library, under its torch backend.
        model: With one input and one output.
        layers: Names of layers inside.
        channels_last: Whether the model takes and gives (n, h, w, c).
    """

    def __init__(self, keras: ModuleType, model: Any, layers: tuple[str, ...], channels_last: bool) -> None:
        super().__init__()
        outputs = {name: model.get_layer(name).output for name in layers}
        self.model = keras.Model(model.inputs, {**outputs, "output": model.outputs[0]})
        self.channels_last = channels_last

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        seen = self.model(images.permute(0, 2, 3, 1) if self.channels_last else images, training=False)
        return {name: self._channels_first(state) for name, state in seen.items()}

    def _channels_first(self, state: Any) -> Any:
        moved = self.channels_last and isinstance(state, Tensor) and state.ndim == 4
        return state.permute(0, 3, 1, 2) if moved else state
