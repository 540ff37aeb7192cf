"""Sandboxes beside the kernel's own, which never have more than that one has."""

from __future__ import annotations

import dataclasses

from IPython.core.error import UsageError

from ...config import HopxConfig
from ...library.sandbox import DEFAULT_TEMPLATE, Sandbox
from ...magics.registry import Maker, Settings

__all__ = ["KernelMaker"]


class KernelMaker(Maker):
    """Makes sandboxes of the kernel's kind, with its interpreter and its limits, and the network only where it has it.

    Parameters
    ----------
    options : HopxConfig
        The kernel's.
    """

    def __init__(self, options: HopxConfig) -> None:
        self._options = options
        # Code in there finds nobody who would make further sandboxes for it.
        self.runner_options = dataclasses.replace(options.runner_options(), beside=False)

    def kinds(self) -> list[str]:
        """The kernel's own."""
        return [self._options.kind]

    def settle(
        self, kind: str | None, template: str | None, network: bool | None, env: dict[str, str], present: int
    ) -> Settings:
        """As `Maker.settle`."""
        own, limit = self._options.kind, self._options.max_sandboxes_beside
        if kind not in (None, own):
            raise UsageError(
                f"--kind {kind:.80}: a sandbox beside the kernel's own is of the same kind, {own}; the option "
                "HopxConfig.kind (HOPX_KIND) says which"
            )
        if network and not self._options.network:
            raise UsageError(
                "--network: the kernel's own sandbox has no network, and so has none beside it; the option "
                "HopxConfig.network (HOPX_NETWORK) gives it to both"
            )
        if present >= limit:
            raise UsageError(
                "the option HopxConfig.max_sandboxes_beside (HOPX_MAX_SANDBOXES_BESIDE) allows "
                f"{limit} sandboxes beside the kernel's own, and there are {present}"
                + ("; end one with %sandbox NAME kill" if present else "")
            )
        return super().settle(own, template, network, env, present)

    def make(self, settings: Settings) -> Sandbox:
        """As `Maker.make`."""
        options = self._options.sandbox_options()
        own = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
        own.pop("env"), own.pop("network")
        own_template = own.pop("template", None)
        template = own_template if own_template and settings.template == DEFAULT_TEMPLATE else settings.template
        return Sandbox._make(template, settings.kind, dict(settings.env), settings.network, **own)
