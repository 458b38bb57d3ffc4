"""Which models are on the device together while a shot is made, and how much they work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import fit_working as working
from .fit_working import Widths
from .meter import DECODING, READING, STAGE_1, STAGE_2
from .models import BOTH_STAGES, Lora, ModelSet
from .shots import GuidedShot, ICLoraShot, KeyframesShot, OneStageShot, Shot, TwoStageShot

TRANSFORMER, ENCODER, UPSAMPLER = "transformer", "video_encoder", "spatial_upsampler"
DECODER, SOUND_DECODER, VOCODER = "video_decoder", "audio_decoder", "vocoder"
TEXT_ENCODER, PROCESSOR = "text_encoder", "gemma_embeddings_processor"


@dataclass(frozen=True)
class Moment:
    """Models that are on the device at the same time, and the bytes that they work with (an estimate).

    ``kept`` are those if the models of one phase stay on the device together, as ``residents`` has them unless
    memory is short. ``quick``: what it takes if it can have it, and is quicker for it; 0 where that is ``working``.
    """

    phase: str
    models: tuple[str, ...]
    kept: tuple[str, ...]
    working: int
    quick: int = 0

    def takes(self, room: int) -> int:
        """What it works with where so many bytes are left for it."""
        return max(self.working, min(self.quick, room))


@dataclass(frozen=True)
class Phase:
    """The fullest moment of a part of the run: ``weights`` on the device are exact, ``working`` is an estimate.

    ``quick``: what would have to be there for ``working`` for it to be quick; 0 where that makes no difference.
    """

    name: str
    weights: int
    working: int
    quick: int = 0

    @property
    def peak(self) -> int:
        """Bytes on the device."""
        return self.weights + self.working


def moments(widths: Widths, shot: Shot, reference_scale: int, text_encoder_on_device: bool) -> tuple[Moment, ...]:
    """What SDK 1.0.0's pipeline of ``shot`` has on the device, moment by moment.

    ``reference_scale``: the IC-LoRA's reference video has 1/n of stage 1's width and height.
    """
    return (
        *_reading(widths, shot, text_encoder_on_device),
        *_stage_1(widths, shot, reference_scale),
        *(_stage_2(widths, shot) if _has_stage_2(shot) else ()),
        *_decoding(widths, shot),
    )


def phases(
    moments_of_run: tuple[Moment, ...],
    sizes: Mapping[str, int],
    keep: str,
    resident: int,
    lean: bool,
    stay: tuple[str, ...] = (),
    room: int = 0,
    makes_room: bool = False,
) -> tuple[Phase, ...]:
    """The fullest moment of each phase.

    ``resident``: bytes of all models that keep = vram leaves on the device; ``lean``: the transformer is there
    alone (``residents.Placement``); ``stay``: models that do not leave it in between. ``room``: bytes for weights and
    work, of which a moment that gets quicker by it takes what is left; ``makes_room``: what would be left if nothing
    was kept for another phase, for the decision whether it may be.
    """
    fullest: dict[str, Phase] = {}
    for moment in moments_of_run:
        models = moment.models if lean else moment.kept
        weights = resident if keep == "vram" else sum(sizes[model] for model in {*models, *stay})
        beside = sum(sizes[model] for model in {*moment.kept, *stay}) if makes_room else weights
        phase = Phase(moment.phase, weights, moment.takes(room - beside), moment.quick)
        if moment.phase not in fullest or phase.peak > fullest[moment.phase].peak:
            fullest[moment.phase] = phase
    return tuple(fullest.values())


def prompts_of(shot: Shot) -> int:
    """Prompts to encode: with guidance there is a negative one."""
    return 2 if isinstance(shot, GuidedShot) else 1


def models_of(shot: Shot) -> tuple[str, ...]:
    """The components that the shot's pipeline loads, Gemma first."""
    upsampler = (UPSAMPLER,) if _has_stage_2(shot) else ()
    return (TEXT_ENCODER, PROCESSOR, ENCODER, TRANSFORMER, *upsampler, DECODER, SOUND_DECODER, VOCODER)


def transformers_of(models: ModelSet, shot: Shot) -> frozenset[tuple[tuple[str, float], ...]]:
    """The LoRA sets of the shot's transformers, one or two. Those of equal LoRAs are one model (``residents``)."""
    first = _loras(models, STAGE_1)
    second = _loras(models, STAGE_2)
    if isinstance(shot, TwoStageShot):
        return frozenset({first, second + _as_applied(shot.distilled_lora)})
    if isinstance(shot, ICLoraShot):
        # SDK 1.0.0's IC-LoRA pipeline has no LoRA in stage 2.
        own = first + _as_applied(shot.ic_lora)
        return frozenset({own} if shot.skip_stage_2 else {own, ()})
    return frozenset({first})


def distinct_transformers(models: ModelSet, shot: Shot) -> int:
    """How many transformers differ by their LoRAs: 1 or 2."""
    return len(transformers_of(models, shot))


def _loras(models: ModelSet, stage: str) -> tuple[tuple[str, float], ...]:
    in_stage = [lora for lora in models.loras if lora.stages in (BOTH_STAGES, stage)]
    return tuple(each for lora in in_stage for each in _as_applied(lora))


def _as_applied(lora: Lora | None) -> tuple[tuple[str, float], ...]:
    return ((str(lora.path), lora.strength),) if lora and lora.strength else ()


def _has_stage_2(shot: Shot) -> bool:
    return shot.stages == "two" and not (isinstance(shot, ICLoraShot) and shot.skip_stage_2)


def _keeps_encoder(shot: Shot) -> bool:
    """Do the SDK's lines hold the video encoder while the transformer runs? One Stage and Two Stage let go of it."""
    return isinstance(shot, KeyframesShot) or not isinstance(shot, (OneStageShot, TwoStageShot))


def _reading(widths: Widths, shot: Shot, text_encoder_on_device: bool) -> tuple[Moment, ...]:
    prompts = prompts_of(shot)
    encoder = Moment(READING, (TEXT_ENCODER,), (TEXT_ENCODER,), working.reading(widths, prompts, shot.enhance_prompt))
    # States that come from the CPU arrive prompt by prompt.
    waiting = prompts if text_encoder_on_device else 1
    processor = Moment(READING, (PROCESSOR,), (PROCESSOR,), working.processing(widths, waiting))
    return (encoder, processor) if text_encoder_on_device else (processor,)


def _stage_1(widths: Widths, shot: Shot, reference_scale: int) -> tuple[Moment, ...]:
    half = 1 if isinstance(shot, OneStageShot) else 2
    width, height = shot.width // half, shot.height // half
    with_encoder = (TRANSFORMER, ENCODER)
    reference_tokens, encoding = 0, working.encoding(widths, width, height, 1)
    if isinstance(shot, ICLoraShot):
        reference = width // reference_scale, height // reference_scale, shot.rendered_frames
        reference_tokens = working.video_tokens(*reference)
        encoding = working.encoding(widths, *reference)
    return (
        # Distilled and Keyframes load the transformer before they encode their pictures, the others after.
        Moment(STAGE_1, (ENCODER,) if _encodes_alone(shot) else with_encoder, with_encoder, encoding),
        _denoising(STAGE_1, widths, shot, (width, height), reference_tokens, with_encoder),
    )


def _encodes_alone(shot: Shot) -> bool:
    return isinstance(shot, ICLoraShot) or not _keeps_encoder(shot)


def _stage_2(widths: Widths, shot: Shot) -> tuple[Moment, ...]:
    tokens = working.video_tokens(shot.width, shot.height, shot.rendered_frames)
    together = (TRANSFORMER, ENCODER, UPSAMPLER)
    # Distilled has one transformer for both stages and does not let go of it in between.
    one_transformer = not isinstance(shot, (TwoStageShot, ICLoraShot))
    return (
        Moment(
            STAGE_2,
            together if one_transformer else (ENCODER, UPSAMPLER),
            together,
            working.upsampling(widths, tokens),
        ),
        _denoising(STAGE_2, widths, shot, (shot.width, shot.height), 0, together),
    )


def _denoising(
    phase: str, widths: Widths, shot: Shot, size: tuple[int, int], reference_tokens: int, kept: tuple[str, ...]
) -> Moment:
    frames = shot.rendered_frames
    picture = working.video_tokens(*size, 1)
    # A guide on frame 0 replaces tokens, any other brings its own; keyframes always do.
    guides = sum(1 for guide in shot.guides if guide.frame != 0 or isinstance(shot, KeyframesShot))
    tokens = working.video_tokens(*size, frames) + guides * picture + reference_tokens
    sound = working.sound_tokens(frames, shot.fps)
    together = 1
    if phase == STAGE_1 and isinstance(shot, GuidedShot) and widths.abilities.batches_guidance:
        together = shot.guidance_batch
    return Moment(
        phase,
        (TRANSFORMER, ENCODER) if _keeps_encoder(shot) else (TRANSFORMER,),
        kept,
        working.denoising(widths, together * tokens, together * sound, prompts_of(shot)),
    )


def _decoding(widths: Widths, shot: Shot) -> tuple[Moment, ...]:
    takes_tiles = widths.abilities.tiles_one_stage or not isinstance(shot, OneStageShot)
    tiling = shot.tiling if takes_tiles else "off"
    video = working.decoding(widths, *shot.rendered_size, shot.rendered_frames, tiling)
    sound = working.decoding_sound(working.sound_tokens(shot.rendered_frames, shot.fps))
    kept = (DECODER, SOUND_DECODER, VOCODER)
    quick = working.quick_decoding(widths, *shot.rendered_size, shot.rendered_frames, tiling)
    return (
        Moment(DECODING, (DECODER,), kept, video, quick if quick > video else 0),
        Moment(DECODING, kept, kept, sound),
    )
