"""The exact probe on features of any origin, in scikit-learn's way: python examples/probe_on_your_features.py

Here: thirty measurements of each of 40 tumours, and 529 more to test on.
"""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from handful import LinearProbe

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=40, stratify=y, random_state=0)

model = make_pipeline(StandardScaler(), LinearProbe()).fit(X_train, y_train)
probe = model[-1]
left_out = (probe.classes_[probe.left_out_scores_.argmax(axis=1)] == y_train).mean()
print(f"penalty {probe.penalty_:.3g}, chosen by exact leave-one-out on {len(X_train)} examples")
print(f"accuracy {left_out:.3f} left out, {model.score(X_test, y_test):.3f} on {len(X_test)} new examples")
print("probabilities of the first three:", model.predict_proba(X_test[:3])[:, 1].round(3).tolist())
