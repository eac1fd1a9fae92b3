"""From a folder of photos to a model folder: python examples/fit_folder.py photos/ model/ new-photo.jpg"""

import sys

import handful

photos, out, new = sys.argv[1:]
classifier = handful.fit(photos, budget="2m")  # a test/ folder in it is scored too, never trained on

score = classifier.metrics_["score"]  # None where there is nothing to validate on
if score:
    print(f"accuracy {score['value']:.2f}, between {score['low']:.2f} and {score['high']:.2f}, n = {score['n']}")
else:
    print("no score:", classifier.metrics_["score_missing"])
for row in classifier.metrics_["evidence"]:
    print(f"{row['technique']:25} {'on' if row['on'] else 'off':3}  {row['gain']:+.1f} points, {row['verdict']}")
for finding in classifier.metrics_["audit"]["findings"]:
    print(f"{finding['severity']}: {finding['message']}")

classifier.save(out)

model = handful.load(out)  # as another program would: without torch and scikit-learn
for record in model.predict([new]).records():
    print(record)
