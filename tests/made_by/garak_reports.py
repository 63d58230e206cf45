"""Reports of garak in tests/importers/files/garak, made by garak itself.

Run it from the root of the repository, with the Python of an environment that has garak; pexlab is
that of the repository:

    python -m venv /tmp/garak && /tmp/garak/bin/pip install garak==0.17.1
    /tmp/garak/bin/python tests/made_by/garak_reports.py .venv/bin/pexlab

`built-in` attacks the built-in model, which `pexlab model serve` offers as an endpoint, with probes
whose detectors need no download. `interrupted` is the same, ended in the middle of its second
probe. `none` has a target that never answers; in `threshold`, a detector gives random values, and
garak counts them with another threshold than its usual one, which its report does not name. No
network is used.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = Path(__file__).parent.parent / "importers" / "files" / "garak"
SUFFIX = ".report.jsonl"
PORT = 8791
KEY = "OPENAICOMPATIBLE_API_KEY"
GENERATOR = {
    "openai": {
        "OpenAICompatible": {
            "uri": f"http://127.0.0.1:{PORT}/v1/",
            "temperature": 0.7,
            "max_tokens": 40,
            "seed": 7,
        }
    }
}
ENDPOINT = "openai.OpenAICompatible"
RUNS = {
    "built-in": (ENDPOINT, "local/smollm2",
                 "web_injection.PlaygroundMarkdownExfil,goodside.ThreatenJSON,test.Blank"),
    "interrupted": (ENDPOINT, "local/smollm2", "goodside.ThreatenJSON,goodside.WhoIsRiley"),
    "none": ("test.Nones", "", "goodside.ThreatenJSON"),
    "threshold": ("test.Repeat", "", "test.Test"),
}  # fmt: skip
MORE = {"threshold": ["--detectors", "always.Random", "--eval_threshold", "0.7"]}


def started(name: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start garak; its report is in the folder."""
    kind, target, probes = RUNS[name]
    config = folder / "garak.json"
    config.write_text(
        json.dumps({
            "system": {"verbose": 0},
            "run": {"seed": 7, "generations": 2, "soft_probe_prompt_cap": 4},
            "plugins": {"generators": GENERATOR, "extended_detectors": True},
            "reporting": {"report_dir": str(folder), "report_prefix": name},
        })
    )  # fmt: skip
    args = ["--config", str(config), "--target_type", kind, "--probes", probes]
    args += [*(["--target_name", target] if target else []), *MORE.get(name, [])]
    env = {**os.environ, KEY: "made-up", "XDG_DATA_HOME": str(folder),
           "HF_HUB_OFFLINE": "1"}  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "garak", *args], cwd=folder, env=env)


def attempts(report: Path, probe: str) -> int:
    """How many answered attempts of a probe a report has."""
    text = report.read_text(encoding="utf-8") if report.is_file() else ""
    return sum('"status": 1' in line and f'"{probe}"' in line for line in text.splitlines())


def scrubbed(text: str, folder: Path) -> str:
    """Without the paths of the machine that made it."""
    return text.replace(str(Path(sys.prefix).resolve()), "/venv").replace(str(folder), "/run")


def main() -> None:
    """Make the reports, or those that are named."""
    FILES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        server = subprocess.Popen(
            [Path(sys.argv[1]).resolve(), "model", "serve", "--port", str(PORT),
             "--api-key-env", KEY],
            cwd=place,
            env={**os.environ, KEY: "made-up"},
        )  # fmt: skip
        try:
            time.sleep(10)
            for name in sys.argv[2:] or RUNS:
                run = started(name, place)
                report = place / f"{name}{SUFFIX}"
                if name == "interrupted":
                    while attempts(report, "goodside.WhoIsRiley") < 2 and run.poll() is None:
                        time.sleep(0.02)
                    run.send_signal(signal.SIGINT)
                run.wait()
                target = FILES / f"{name}{SUFFIX}"
                target.write_text(scrubbed(report.read_text(encoding="utf-8"), place), "utf-8")
                print(f"{target.name}: {target.stat().st_size:,} bytes")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
