"""The least that can predict one photo with a model.onnx: `python bare_predict.py MODEL_FOLDER PHOTO`."""

import sys

import cv2
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(f"{sys.argv[1]}/model.onnx", providers=["CPUExecutionProvider"])
photo = cv2.cvtColor(cv2.imread(sys.argv[2]), cv2.COLOR_BGR2RGB)
size = session.get_inputs()[0].shape[1]
pixels = cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA)
print(np.round(session.run(["probabilities"], {"pixels": pixels[None]})[0], 3))
