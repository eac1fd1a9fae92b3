"""Arrays instead of files, and pictures that belong together: python examples/arrays_with_groups.py

Three pictures were taken of each object. In another fold, two of them would give the third away; `groups` keeps them
together, so that the score is that of objects the model has never seen.
"""

import numpy as np
from sklearn.datasets import load_digits

from handful import ImageClassifier

N_OBJECTS, N_PICTURES = 15, 3
rng = np.random.default_rng(0)
digits = load_digits(n_class=3)
images, labels, objects = [], [], []
for number, row in enumerate(rng.permutation(len(digits.target))[:N_OBJECTS]):
    large = np.kron(255 - 15 * digits.images[row], np.ones((8, 8))).astype(np.uint8)
    for picture in range(N_PICTURES):
        images.append(np.roll(large, (4 * picture, -4 * picture), axis=(0, 1)))
        labels.append(f"digit {digits.target[row]}")
        objects.append(number)

classifier = ImageClassifier(metric="balanced_accuracy", random_state=0).fit(images, labels, groups=objects)
score = classifier.metrics_["score"]
print(f"balanced accuracy {score['value']:.2f} [{score['low']:.2f}, {score['high']:.2f}]")
print(classifier.metrics_["recipe"]["description"])

judged = classifier.judge([images[0], rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)])  # and one of pure noise
for record in judged.records():
    print(record)
