"""What the library needs of ComfyUI while it works: progress and previews on the node, and cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import wants_previews

if TYPE_CHECKING:
    import torch

UNITS = 1000


class NodeProgress:
    """Progress on the node that runs now, as the library's ``Progress`` and ``OnPreview``."""

    def __init__(self) -> None:
        import comfy.utils
        from comfy_execution.utils import get_executing_context
        from server import PromptServer

        self._bar = comfy.utils.ProgressBar(UNITS)
        context = get_executing_context()
        self._node = None if context is None else context.node_id
        self._server = getattr(PromptServer, "instance", None)
        self._shown = (-1, "")

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show ``done`` of ``total`` and the phase; raises ComfyUI's own exception when the user cancels."""
        self.raise_if_cancelled()
        now = (done * UNITS // total, what)
        # Called for every layer of the model: only what the user can see goes out on the socket.
        if now[0] != self._shown[0]:
            self._bar.update_absolute(now[0], UNITS)
        if now[1] != self._shown[1]:
            self.say(what)
        self._shown = now

    def raise_if_cancelled(self) -> None:
        """Raise ComfyUI's own exception when the user has cancelled."""
        import comfy.model_management

        comfy.model_management.throw_exception_if_processing_interrupted()

    def say(self, text: str) -> None:
        """Show ``text`` on the node."""
        if self._node is not None and self._server is not None:
            self._server.send_progress_text(text, self._node)

    def preview(self, latent: torch.Tensor) -> None:
        """Show a latent frame [height, width, channels] as ComfyUI previews latents, if the user wants previews."""
        if not wants_previews():
            return
        import comfy.latent_formats as formats
        import latent_preview

        # ComfyUI before LTX-2 has the colours of LTX-Video's latents only: close, not equal.
        latent_format = getattr(formats, "LTXAV", formats.LTXV)()
        previewer = latent_preview.get_previewer(latent.device, latent_format)
        if previewer is None:
            return
        as_video = latent.permute(2, 0, 1)[None, :, None]
        image = previewer.decode_latent_to_preview_image("JPEG", as_video)
        self._bar.update_absolute(self._shown[0], UNITS, image)
