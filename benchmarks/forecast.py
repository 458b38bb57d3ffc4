"""How far a forecast is off: shapes of shots, each forecast from the other shapes, and from one shape alone.

    python -m benchmarks.forecast

Models of random weights on the CPU, kept between shots, so that nothing is loaded. Seconds are those of
the processor in this one thread (median of three): other programs on the machine do not count.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from storymotion.forecast import Figures, ShotFigure, Work, forecast_story

SHAPES = ((192, 128, 25), (320, 192, 25), (448, 256, 49), (640, 384, 25), (640, 384, 49))
# Layers and width of the transformer: the tiny set, and one in which the matrices are most of the work.
SETS = ((2, 32), (6, 384))
ROUNDS, STEPS, PASSES = 3, 6, 4


def main() -> None:
    """Measure and print the tables."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for layers, width in SETS:
            for pipeline in ("distilled", "two_stage"):
                print(f"\n{pipeline}, {layers} layers of {width} channels\n")
                _print_table(_measure(Path(folder), layers, width, pipeline))


def _measure(models_dir: Path, layers: int, width: int, pipeline: str) -> list[ShotFigure]:
    from dev.tiny_models import make_model_set
    from storymotion.ltx.models import Lora, ModelSet
    from storymotion.ltx.render import render_shot
    from storymotion.ltx.residents import Residents
    from storymotion.ltx.shots import DistilledShot, Shot, TwoStageShot

    tiny = make_model_set(models_dir, layers=layers, width=width)
    models = ModelSet(tiny.checkpoint, tiny.gemma_root, tiny.spatial_upscaler, keep="vram")
    residents, lora = Residents(), Lora(tiny.distilled_lora, 0.6)

    def shot(size: tuple[int, int, int]) -> Shot:
        if pipeline == "distilled":
            return DistilledShot("a red cat walks", *size, 24.0, 1)
        return TwoStageShot("a red cat walks", *size, 24.0, 1, steps=STEPS, distilled_lora=lora)

    forwards = 8 if pipeline == "distilled" else STEPS * PASSES
    figures = []
    render_shot(models, shot(SHAPES[0]), "cpu", residents=residents)
    for _ in range(ROUNDS):
        for size in SHAPES:
            started = time.process_time()
            render_shot(models, shot(size), "cpu", residents=residents)
            seconds = time.process_time() - started
            figures.append(ShotFigure(Work(pipeline, "bf16", "the CPU", *size, forwards), seconds))
    return figures


def _print_table(figures: list[ShotFigure]) -> None:
    print("| shot | s | forecast from the other shapes | from the smallest | from the largest |")
    print("|---|---|---|---|---|")
    works = list(dict.fromkeys(figure.work for figure in figures))
    for work in works:
        measured = statistics.median(figure.seconds for figure in figures if figure.work == work)
        from_others = [figure for figure in figures if figure.work != work]
        from_one = [[figure for figure in figures if figure.work == end] for end in (works[0], works[-1])]
        errors = [_error(known, work, measured) for known in (from_others, *from_one)]
        print(f"| {work.width} x {work.height} x {work.frames} | {measured:.2f} | {' | '.join(errors)} |")


def _error(known: list[ShotFigure], work: Work, measured: float) -> str:
    seconds = forecast_story(Figures(tuple(known)), [work]).seconds
    assert seconds is not None
    return f"{seconds / measured - 1:+.0%}"


if __name__ == "__main__":
    main()
