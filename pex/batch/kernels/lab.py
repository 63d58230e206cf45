"""The kernels of `pexlab lab`: none imports anything from its notebook's folder at start."""

from __future__ import annotations

from jupyter_server.services.kernels.kernelmanager import ServerKernelManager

from pex.batch.kernels.safe import safe


class Manager(ServerKernelManager):
    """JupyterLab's own kernel manager with a different launcher."""

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """The command that starts the kernel."""
        return safe(super().format_kernel_cmd(extra_arguments))
