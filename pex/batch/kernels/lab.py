"""The kernels of `pexlab lab`: none imports anything of its notebook's folder as it starts."""

from __future__ import annotations

from jupyter_server.services.kernels.kernelmanager import ServerKernelManager

from pex.batch.kernels.safe import safe


class Manager(ServerKernelManager):
    """JupyterLab's own, with another launcher."""

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """The command that starts the kernel."""
        return safe(super().format_kernel_cmd(extra_arguments))
