"""How long a story will take and what it will cost, going by what earlier shots took on the same device."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .cost import CostSettings, Rate, cost_lines, shot_cost
from .report import Line, line

# Names of pipelines whose transformer runs at one size; the others end with 3 passes at four times the tokens.
# IC-LoRA without its stage 2 is a kind of its own.
ONE_SIZE = ("one_stage", "ic_lora_stage_1")
STAGE_2_PASSES = 3
# A token of LTX-2's video is 8 frames x 32 x 32 pixels.
LATENT_SIDE, LATENT_FRAMES = 32, 8
# Counted in the forward passes of SDK 1.0.0 at the released sizes (LTX-2.3 22B; LTX-2 19B is within 1 %), with
# torch.utils.flop_counter: 27.2 GFLOP a token, 0.786 MFLOP for each pair of tokens (self-attention is as much as
# the rest at 35,000 tokens), 4 TFLOP a pass for prompt and sound; decoding takes 13 to 42 GFLOP a token.
ATTENTION_IS_HALF = 35_000
TOKENS_OF_PROMPT_AND_SOUND = 150
PASSES_OF_DECODING = 1
# Of one shape (size, frames and passes) only the last few are looked at: drivers and programs change.
LAST_OF_A_SHAPE = 5
# Between shapes nearer to each other than this there is mostly noise.
WIDE_ENOUGH = 1.5
# A shape 1.5 times as large or as small weighs a tenth of one of the same size.
NEAR = 0.02


@dataclass(frozen=True)
class Work:
    """What shapes how long a shot takes.

    ``pipeline``: "distilled", "two_stage", "one_stage", "keyframes", "ic_lora", or "ic_lora_stage_1" where
    stage 2 is skipped; ``precision``: "bf16" or "fp8", with whatever else makes it another way of computing
    ("fp8, offload cpu"); ``device_name``: as torch calls it. ``width``,
    ``height`` in pixels and ``frames`` as rendered. ``forwards``: the transformer's passes in stage 1, steps
    times the passes of guidance; 8 for the distilled pipelines.
    """

    pipeline: str
    precision: str
    device_name: str
    width: int
    height: int
    frames: int
    forwards: int

    @property
    def kind(self) -> tuple[str, str, str]:
        """Works of one kind can be compared: pipeline, precision and device."""
        return self.pipeline, self.precision, self.device_name

    @property
    def units(self) -> float:
        """How much there is to compute, in passes of one token through the transformer's layers.

        A pass of t tokens is t (1 + t / 35,000) + 150, decoding one pass without attention. With t tokens
        in the finished video that is ``forwards`` passes of t / 4, three of t and the decoding, or with one
        size ``forwards`` of t and the decoding.
        """
        latents = (self.frames - 1) / LATENT_FRAMES + 1
        tokens = latents * (self.width / LATENT_SIDE) * (self.height / LATENT_SIDE)
        if self.pipeline in ONE_SIZE:
            denoising = self.forwards * _pass(tokens)
        else:
            denoising = self.forwards * _pass(tokens / 4) + STAGE_2_PASSES * _pass(tokens)
        return denoising + PASSES_OF_DECODING * tokens


def _pass(tokens: float) -> float:
    return tokens * (1 + tokens / ATTENTION_IS_HALF) + TOKENS_OF_PROMPT_AND_SOUND


@dataclass(frozen=True)
class ShotFigure:
    """``seconds`` that one shot took by itself, without loading."""

    work: Work
    seconds: float


@dataclass(frozen=True)
class LoadingFigure:
    """``seconds`` that one queue spent on loading models, and the bytes of weights that it read."""

    device_name: str
    seconds: float
    bytes_read: int


@dataclass(frozen=True)
class Figures:
    """What earlier runs took, the oldest first."""

    shots: tuple[ShotFigure, ...] = ()
    loadings: tuple[LoadingFigure, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """What is to be expected of a queue.

    ``scenes`` and ``frames`` (as rendered) are all that was asked for, ``shots_known`` and ``frames_known``
    those with figures to go by. ``seconds``: those shots and the loading together, None without any;
    ``loading_seconds``: the loading alone, None when there are no figures for it (``seconds`` is then without
    it). ``based_on``: how many earlier shots the figures are from.
    """

    scenes: int
    frames: int
    shots_known: int
    frames_known: int
    seconds: float | None
    loading_seconds: float | None
    based_on: int


def forecast_story(figures: Figures, works: Sequence[Work], bytes_to_read: int = 0) -> Forecast:
    """What ``works`` will take on a machine that has made ``figures``, when ``bytes_to_read`` of weights are read.

    A shape that was rendered before takes the median of its last five. Another one takes
    ``a + b * units`` of the kind's figures (see ``Work.units``), fitted so that the relative errors are least,
    nearer shapes first; with figures of one shape or of nearly equal ones, or when the fit makes no sense,
    ``b * units``.
    Shots of one kind tell nothing about another. Reading takes the median of seconds a byte. What the figures
    cannot know is not in it: a rewritten prompt, other programs on the GPU.
    """
    known: list[tuple[Work, float]] = []
    used: set[int] = set()
    estimates: dict[Work, tuple[float, set[int]] | None] = {}
    for work in works:
        if work not in estimates:
            estimates[work] = _estimate(figures.shots, work)
        estimate = estimates[work]
        if estimate is not None:
            known.append((work, estimate[0]))
            used |= estimate[1]
    device_name = works[0].device_name if works else ""
    loading = _loading(figures.loadings, device_name, bytes_to_read)
    return Forecast(
        scenes=len(works),
        frames=sum(work.frames for work in works),
        shots_known=len(known),
        frames_known=sum(work.frames for work, _ in known),
        seconds=sum(seconds for _, seconds in known) + (loading or 0.0) if known else None,
        loading_seconds=loading,
        based_on=len(used),
    )


def _estimate(shots: Sequence[ShotFigure], work: Work) -> tuple[float, set[int]] | None:
    """Seconds of ``work`` and the places of the figures that say so; None without figures of its kind."""
    shapes: dict[Work, list[int]] = {}
    for place, figure in enumerate(shots):
        if figure.work.kind == work.kind:
            shapes.setdefault(figure.work, []).append(place)
    last = {shape: places[-LAST_OF_A_SHAPE:] for shape, places in shapes.items()}
    medians = {shape: statistics.median(shots[place].seconds for place in places) for shape, places in last.items()}
    if work in medians:
        return medians[work], set(last[work])
    if not medians:
        return None
    points = [(shape.units, seconds) for shape, seconds in medians.items()]
    return _line_near(points, work.units), {place for places in last.values() for place in places}


def _line_near(points: Sequence[tuple[float, float]], units: float) -> float:
    """a + b ``units`` with a >= 0 and b > 0 for the least weighted sum of ((a + b u) / s - 1) ** 2.

    ``points``: (u, s), both positive. Points near to ``units`` weigh more, so that the line follows what it
    is asked about where the amount of work is not quite proportional to the time.
    """
    weights = [1 / (seconds**2 * (NEAR + math.log(each / units) ** 2)) for each, seconds in points]
    weighted = [(weight, each, seconds) for weight, (each, seconds) in zip(weights, points)]
    one = sum(weights)
    u = sum(weight * each for weight, each, _ in weighted)
    uu = sum(weight * each**2 for weight, each, _ in weighted)
    s = sum(weight * seconds for weight, _, seconds in weighted)
    us = sum(weight * each * seconds for weight, each, seconds in weighted)
    sizes = [each for each, _ in points]
    if max(sizes) >= WIDE_ENOUGH * min(sizes):
        determinant = one * uu - u * u
        constant, slope = (uu * s - u * us) / determinant, (one * us - u * s) / determinant
        if constant >= 0 and slope > 0:
            return constant + slope * units
    return us / uu * units


def _loading(loadings: Sequence[LoadingFigure], device_name: str, bytes_to_read: int) -> float | None:
    if bytes_to_read <= 0:
        return 0.0
    speeds = [each.seconds / each.bytes_read for each in loadings if each.device_name == device_name]
    return statistics.median(speeds[-LAST_OF_A_SHAPE:]) * bytes_to_read if speeds else None


def forecast_lines(
    forecast: Forecast,
    shot_seconds: float,
    device_name: str,
    settings: CostSettings,
    rates: tuple[Rate, ...],
    at_most: bool = False,
) -> tuple[Line, ...]:
    """The forecast in words, with its cost.

    ``shot_seconds``: how long the finished video of all scenes plays; where some have no figures, the price of
    8 seconds counts the share of those that have. ``at_most``: shots may come out shorter. Nothing for no scenes.
    Raises ValueOutOfRange as ``shot_cost`` does.
    """
    if not forecast.scenes:
        return ()
    asked = {"scenes": forecast.scenes, "frames": forecast.frames}
    most = (line("forecast-most"),) if at_most else ()
    if forecast.seconds is None:
        return (line("forecast-none", **asked), *most)
    video_seconds = shot_seconds * forecast.frames_known / forecast.frames
    cost = shot_cost({"all": forecast.seconds}, video_seconds, device_name, settings, rates)
    expected = {**asked, "minutes": minutes(forecast.seconds), "records": forecast.based_on}
    if cost.krw is None:
        lines = [line("forecast-time", **expected)]
    else:
        lines = [line("forecast", **expected, krw=f"{cost.krw:.0f}")]
    unknown = forecast.scenes - forecast.shots_known
    if unknown:
        lines.append(line("forecast-partly", count=unknown))
    if forecast.loading_seconds is None:
        lines.append(line("forecast-loading-unknown"))
    elif forecast.loading_seconds:
        lines.append(line("forecast-loading", minutes=minutes(forecast.loading_seconds)))
    # The last line of a cost: how it compares with the target, or how to set a rate.
    return *lines, *most, cost_lines(cost)[-1]


def minutes(seconds: float) -> str:
    """For people, as exact as a forecast is: "0.4", "9.5", "14"; never "0.0"."""
    value = max(seconds / 60, 0.1)
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
