"""A Jupyter kernel provisioner that forks kernels from a zygote."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from pex.batch.kernels.safe import USUAL, safe
from pex.batch.kernels.zygotes import ZYGOTES, Refused, Zygote


class ForkProvisioner(LocalProvisioner):
    """Forks kernels if possible, and starts others as Jupyter does."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork the kernel that `cmd` would start; start it normally if it cannot be forked."""
        env = kwargs.get("env", os.environ)
        if not forkable(cmd):
            return await super().launch_kernel(safe(cmd), **kwargs)
        cwd = str(kwargs.get("cwd") or Path.cwd())
        for zygote in _twice(env):
            try:
                process = zygote.fork(cmd, cwd, env)
            except Refused as reason:
                zygote.refusal = str(reason)
                self.log.debug("an ordinary kernel: %s", reason)
                break
            except OSError as error:  # it has just ended
                self.log.debug("another zygote: %s", error)
                continue
            self.process = process  # type: ignore[assignment]
            self.pid = self.pgid = process.pid
            self.cwd = cwd
            return self.connection_info
        return await super().launch_kernel(safe(cmd), **kwargs)


def _twice(env: Mapping[str, str]) -> Iterator[Zygote]:
    yield ZYGOTES.of(env)
    yield ZYGOTES.of(env)


def forkable(cmd: list[str]) -> bool:
    """Whether a command starts this interpreter's own kernel, on a system that forks safely."""
    own = len(cmd) > 3 and cmd[0] == sys.executable and tuple(cmd[1:3]) == USUAL
    return own and sys.platform == "linux"
