"""Train LoRA weights on train.jsonl with trl. See README.md.

pip install -r requirements.txt
python train.py --model Qwen/Qwen2.5-1.5B-Instruct
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def load_rows(path: str | Path) -> list[dict[str, Any]]:
    """The conversations of a file of JSON lines, each with messages that end with an answer."""
    rows = []
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            row = json.loads(line)
            messages = row.get("messages")
            if not messages or messages[-1].get("role") != "assistant":
                raise ValueError(f"{path}:{number}: no messages that end with the assistant's")
            rows.append(row)
    return rows


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Train LoRA weights on train.jsonl.")
    parser.add_argument("--model", required=True, help="name at Hugging Face, or a folder")
    parser.add_argument("--out", default="adapter", help="folder for the weights")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rate", type=float, default=2e-4, help="learning rate")
    parser.add_argument("--rank", type=int, default=16, help="rank of the LoRA matrices")
    parser.add_argument("--batch", type=int, default=4, help="rows on the device at once")
    parser.add_argument("--accumulate", type=int, default=4, help="such batches for each step")
    parser.add_argument(
        "--longest", type=int, default=2048, help="tokens of a row; the rest is cut"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--answers-only", action="store_true",
                        help="learn the answers only, if the template marks them")  # fmt: skip
    return parser.parse_args()


def main() -> None:
    """Train and save the weights."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    given = options()
    here = Path(__file__).resolve().parent
    train = Dataset.from_list(load_rows(here / "train.jsonl"))
    validation = here / "validation.jsonl"
    held = Dataset.from_list(load_rows(validation)) if validation.exists() else None
    trainer = SFTTrainer(
        model=given.model,
        train_dataset=train,
        eval_dataset=held,
        peft_config=LoraConfig(
            r=given.rank, lora_alpha=2 * given.rank, lora_dropout=0.05,
            target_modules="all-linear", task_type="CAUSAL_LM",
        ),
        args=SFTConfig(
            output_dir=f"{given.out}-checkpoints",
            num_train_epochs=given.epochs,
            learning_rate=given.rate,
            per_device_train_batch_size=given.batch,
            gradient_accumulation_steps=given.accumulate,
            max_length=given.longest,
            assistant_only_loss=given.answers_only,
            bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
            eval_strategy="no" if held is None else "epoch",
            save_strategy="epoch",
            logging_steps=5,
            seed=given.seed,
            report_to="none",
        ),
    )  # fmt: skip
    trainer.train()
    trainer.save_model(given.out)
    trainer.processing_class.save_pretrained(given.out)


if __name__ == "__main__":
    main()
