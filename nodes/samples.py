"""The picture that the shipped workflows load, put where Load Image finds it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "workflows" / "input"
log = logging.getLogger("storymotion")


def offer_samples() -> None:
    """Copy the sample pictures into ComfyUI's input folder, once for every ComfyUI.

    Without them a template would open on a picture that is not there, which newer servers refuse to
    queue. A note in the user folder remembers it, so a sample that somebody deletes stays deleted.
    """
    import folder_paths

    inputs = Path(folder_paths.get_input_directory())
    note = Path(folder_paths.get_user_directory()) / "storymotion" / "samples-copied.txt"
    try:
        known = note.read_text(encoding="utf-8").split("\n") if note.exists() else []
        new = [sample for sample in sorted(SAMPLES.iterdir()) if sample.name not in known]
        for sample in new:
            if not (inputs / sample.name).exists():
                inputs.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(sample, inputs / sample.name)
        if new:
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text("\n".join([*filter(None, known), *(sample.name for sample in new)]), encoding="utf-8")
    except OSError as error:
        # A read-only ComfyUI is no reason not to load.
        log.warning("StoryMotion could not copy its sample pictures: %s", error)
