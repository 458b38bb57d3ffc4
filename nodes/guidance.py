"""The node that sets how strongly a shot is guided."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..storymotion.ltx.guidance import PRESETS, RANGES, Guidance, Guider, default_guider, parse_blocks
from .editor_hints import with_editor_hints
from .language import says_errors_in_users_language
from .types import LTX2Guidance

MODALITIES = ("video", "audio")
MEANINGS = {
    "cfg": "How strongly the prompt is followed. 1 = off; above 7 the picture breaks up.",
    "stg": "Steers away from what the model makes when blocks are skipped: steadier motion. 0 = off.",
    "rescale": "Takes back contrast that guidance adds. 0 = not at all.",
    "modality": "How closely picture and sound follow each other. 1 = off.",
    "skip_step": "Guide every n+1-th step only: faster and looser. 0 = every step.",
}


def _numbers(modality: str) -> list[Any]:
    """The widgets of one modality, with the SDK's own numbers as defaults."""
    default = default_guider(modality)
    widgets: list[Any] = []
    for name, meaning in MEANINGS.items():
        lowest, highest = RANGES[name]
        tooltip = f"Preset custom only, {modality}. {meaning}"
        if name == "skip_step":
            widgets.append(
                io.Int.Input(
                    f"{modality}_{name}",
                    default=default.skip_step,
                    min=int(lowest),
                    max=int(highest),
                    optional=True,
                    tooltip=tooltip,
                )
            )
            continue
        widgets.append(
            io.Float.Input(
                f"{modality}_{name}",
                default=getattr(default, name),
                min=lowest,
                max=highest,
                step=0.05,
                optional=True,
                tooltip=tooltip,
            )
        )
    widgets.append(
        io.String.Input(
            f"{modality}_stg_blocks",
            default="auto",
            optional=True,
            tooltip=f"Preset custom only, {modality}. The blocks that STG skips, such as 28 or 28,29; "
            "auto = the checkpoint's own.",
        )
    )
    return widgets


class StoryMotionGuidance(io.ComfyNode):
    """A preset, or every number of the SDK's guider for picture and sound."""

    @classmethod
    @with_editor_hints
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StoryMotionGuidance",
            display_name="LTX-2 Guidance",
            category="StoryMotion/LTX-2",
            description="How strongly stage 1 of Two Stage, One Stage and Keyframes is guided.",
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
                    default="auto",
                    tooltip="auto: what the checkpoint's version asks for. official: what the installed SDK says. "
                    "aggressive quality: the creator's mode, 20 steps unless the shot says otherwise. "
                    "custom: the numbers below.",
                ),
                *(widget for modality in MODALITIES for widget in _numbers(modality)),
            ],
            outputs=[LTX2Guidance.Output(display_name="guidance", tooltip="For nodes with a guidance socket.")],
        )

    @classmethod
    @says_errors_in_users_language
    def execute(cls, preset: str, **numbers: Any) -> io.NodeOutput:
        if preset != "custom":
            return io.NodeOutput(Guidance(preset, ignored=_changed(numbers)))
        return io.NodeOutput(Guidance(preset, _guider("video", numbers), _guider("audio", numbers)))


def _changed(numbers: dict[str, Any]) -> tuple[str, ...]:
    """Widgets that are not as they came."""
    came = {widget.id: widget.default for modality in MODALITIES for widget in _numbers(modality)}
    return tuple(name for name, value in numbers.items() if value != came.get(name, value))


def _guider(modality: str, numbers: dict[str, Any]) -> Guider:
    default = default_guider(modality)
    values = {name: numbers.get(f"{modality}_{name}", getattr(default, name)) for name in MEANINGS}
    blocks = f"{modality}_stg_blocks"
    return Guider(**values, stg_blocks=parse_blocks(blocks, numbers.get(blocks, "auto")))
