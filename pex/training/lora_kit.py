"""What turns a folder of training data into one that an open model is trained with elsewhere."""

from __future__ import annotations

from pathlib import Path

SCRIPT = Path(__file__).with_name("lora_train.py")
_REQUIREMENTS = "torch>=2.4\ntransformers>=4.53\ntrl>=0.20\npeft>=0.15\ndatasets>=3.0\n"
_HOW = """\
# LoRA kit

Training data and a short script that trains LoRA weights for an open model with
[trl](https://huggingface.co/docs/trl). **Nothing was trained or tried here**: rate, rank and epochs
in `train.py` are usual first values, not the best ones for this data.

## Train

On a machine with a GPU; the base model should be one whose licence allows what you do with it.

```sh
pip install -r requirements.txt
python train.py --model Qwen/Qwen2.5-1.5B-Instruct
```

The loss on `validation.jsonl` is printed after each epoch: if it rises, take fewer epochs.
The result is in `adapter/`.

## Serve

With vLLM:

```sh
vllm serve Qwen/Qwen2.5-1.5B-Instruct --enable-lora --max-lora-rank 16 --lora-modules tuned=adapter
```

With llama.cpp (both scripts are in its repository; BASE is a folder with the base model):

```sh
python convert_hf_to_gguf.py BASE --outfile base.gguf
python convert_lora_to_gguf.py adapter --base BASE --outfile adapter.gguf
llama-server -m base.gguf --lora adapter.gguf --alias tuned --port 8000 --jinja
```

## Compare

In `pex.toml`:

```toml
[providers.own]
base_url = "http://127.0.0.1:8000/v1"
```

Then `pexlab run EXPERIMENT --set 'models=["own/tuned", "OLD"]'` compares it with another model on
cases that are not in this folder, and `pexlab adopt own/tuned --baseline OLD` all prompts.

"""


def put_kit(folder: Path, card: str) -> str:
    """Write the script, its requirements and the card into a folder with training data.

    Args:
        folder: with `train.jsonl` in trl's messages.
        card: of the data.

    Returns:
        The whole card.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> put_kit(folder, "# Training data: reviews").splitlines()[-1]
        '# Training data: reviews'
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'requirements.txt', 'train.py']
    """
    (folder / "train.py").write_bytes(SCRIPT.read_bytes())
    (folder / "requirements.txt").write_text(_REQUIREMENTS, encoding="utf-8")
    whole = _HOW + card
    (folder / "README.md").write_text(whole, encoding="utf-8")
    return whole
