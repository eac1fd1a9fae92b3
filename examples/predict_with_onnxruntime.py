"""A model folder without handful: python examples/predict_with_onnxruntime.py model/ photo.jpg"""

import json
import sys
from pathlib import Path

import cv2
import onnxruntime

folder, photo = Path(sys.argv[1]), sys.argv[2]
about = json.loads((folder / "handful.json").read_text(encoding="utf-8"))
session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

size, rgb = about["size"], cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
way = cv2.INTER_AREA if min(rgb.shape[:2]) >= size else cv2.INTER_LINEAR  # as handful does
pixels = cv2.resize(rgb, (size, size), interpolation=way)[None]  # (1, size, size, 3), uint8, squashed to a square
(probabilities,) = session.run(["probabilities"], {"pixels": pixels})

for name, probability in sorted(zip(about["classes"], probabilities[0], strict=True), key=lambda pair: -pair[1]):
    print(f"{name}\t{probability:.4f}")
