"""What the measures have in common: brightness, smoothing, noise, and looking for a picture's parts in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Rec. 709.
RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722
# Differences of colour that nobody would call a change: compression, soft noise. 8-bit levels, root mean square.
UNSEEN = 12.0


def brightness(picture: np.ndarray) -> np.ndarray:
    """float32 ``[height, width]``, 0..255, of a uint8 RGB ``picture``."""
    import numpy as np

    return picture.astype(np.float32) @ np.array([RED, GREEN, BLUE], np.float32)


def resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A uint8 RGB picture as float32 ``[height, width, 3]``, every pixel the mean of those that it covers."""
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX), np.float32)


def smoothed(values: np.ndarray) -> np.ndarray:
    """Every value of ``[height, width]`` replaced by the mean of the 3 x 3 around it."""
    import numpy as np

    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9


def noise_of(difference: np.ndarray) -> float:
    """Standard deviation of noise in a difference of two frames: what moves is in the minority of pixels."""
    import numpy as np

    # Of a normal distribution half of all values lie within 0.6745 standard deviations.
    return float(np.median(np.abs(difference))) / 0.6745


def tile_means(values: np.ndarray, tile: int) -> np.ndarray:
    """Mean of each whole ``tile`` x ``tile`` square of ``[height, width]``; the rest at the edges is not used."""
    rows, columns = values.shape[0] // tile, values.shape[1] // tile
    whole = values[: rows * tile, : columns * tile]
    return whole.reshape(rows, tile, columns, tile).mean(axis=(1, 3))


def squared_error(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each pixel of two pictures ``[height, width, 3]``, the mean over its three colours."""
    import numpy as np

    apart = one - other
    return np.einsum("ijk,ijk->ij", apart, apart) / 3


def share_lost(reference: np.ndarray, frame: np.ndarray, tile: int, reach: int) -> float:
    """How much of ``reference`` is not in ``frame`` any more, 0..1; both float32 ``[height, width, 3]``, 0..255.

    Each square of ``tile`` pixels is looked for up to ``reach`` pixels away in both directions, so what only moved is
    not lost. One is lost as far as what fits best differs from it, compared with the contrast that it has in itself.
    Squares with contrast count more than plain ones, unless those change too.
    """
    import numpy as np

    height, width = reference.shape[:2]
    padded = np.pad(frame, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    best: np.ndarray | None = None
    for down in range(2 * reach + 1):
        for across in range(2 * reach + 1):
            error = tile_means(squared_error(reference, padded[down : down + height, across : across + width]), tile)
            best = error if best is None else np.minimum(best, error)
    assert best is not None
    contrast = (
        sum(
            tile_means(reference[..., band] ** 2, tile) - tile_means(reference[..., band], tile) ** 2
            for band in range(3)
        )
        / 3
    )
    lost = np.minimum(1, best / (contrast + UNSEEN**2))
    weight = np.maximum(np.clip(contrast / UNSEEN**2, 0.1, 1), lost)
    return float((weight * lost).sum() / weight.sum())


def covering(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """``picture``, uint8 RGB, scaled to cover ``width`` x ``height`` and cropped at the middle, as guides are."""
    import numpy as np
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.fit(Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS))
