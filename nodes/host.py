"""What the library needs of ComfyUI while it works: progress on the node, and cancel."""

from __future__ import annotations

from ..storymotion.progress import Progress

UNITS = 1000


def node_progress() -> Progress:
    """Progress on the node that runs now; raises ComfyUI's own exception when the user cancels."""
    import comfy.model_management
    import comfy.utils
    from comfy_execution.utils import get_executing_context
    from server import PromptServer

    bar = comfy.utils.ProgressBar(UNITS)
    context = get_executing_context()
    server = getattr(PromptServer, "instance", None)
    shown: tuple[int, str] = (-1, "")

    def report(done: int, total: int, what: str) -> None:
        nonlocal shown
        comfy.model_management.throw_exception_if_processing_interrupted()
        now = (done * UNITS // total, what)
        # Called for every layer of the model: only what the user can see goes out on the socket.
        if now[0] != shown[0]:
            bar.update_absolute(now[0], UNITS)
        if now[1] != shown[1] and context is not None and server is not None:
            server.send_progress_text(what, context.node_id)
        shown = now

    return report
