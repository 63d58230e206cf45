"""A real Jupyter kernel in a folder."""

from pathlib import Path

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

SETUP = """
import pex
prompt = pex.Prompt("{{ word }}", name="echo")
cases = [{"word": f"w{i}", "expected": "w1"} for i in range(40)]
exp = pex.Experiment("echo", pex.grid(prompt, "lab/m1"), cases, ["exact"])
"""


class Kernel:
    """A kernel in a folder."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=300)

    def start(self, code: str) -> str:
        return str(self.client.execute(code))

    def finish(self, asked: str, timeout_s: float = 300) -> list[dict]:
        """The outputs of a cell, when it has ended."""
        outputs = []
        while True:
            message = self.client.get_iopub_msg(timeout=timeout_s)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return outputs
            outputs.append({"kind": kind, **content})

    def run(self, code: str) -> list[dict]:
        return self.finish(self.start(code))

    def text(self, code: str) -> str:
        return "".join(o["text"] for o in self.run(f"print({code})") if o["kind"] == "stream")
