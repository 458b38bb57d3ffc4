"""Pictures of every kind become the RGB picture that the SDK needs."""

from __future__ import annotations

import io
import math

import numpy
import pytest
from PIL import Image

from storymotion.errors import SeveralPictures, UnreadableImage
from storymotion.ltx.shots import Guide, guide_from_pixels


def pixels_of(guide: Guide) -> numpy.ndarray:
    image = Image.open(io.BytesIO(guide.png))
    assert image.mode == "RGB"
    return numpy.asarray(image)


def test_comfyui_images_come_back_exactly(picture: numpy.ndarray) -> None:
    as_comfyui_loads_it = (picture.astype(numpy.float32) / 255.0)[None]
    assert numpy.array_equal(pixels_of(guide_from_pixels(as_comfyui_loads_it)), picture)


def test_grey_becomes_rgb() -> None:
    grey = numpy.full((4, 6), 0.5, numpy.float32)
    assert (pixels_of(guide_from_pixels(grey)) == 128).all()
    assert pixels_of(guide_from_pixels(grey[..., None])).shape == (4, 6, 3)


def test_transparency_is_laid_on_white() -> None:
    picture = numpy.zeros((2, 2, 4), numpy.uint8)
    picture[0, 0] = (10, 20, 30, 255)
    laid = pixels_of(guide_from_pixels(picture))
    assert tuple(laid[0, 0]) == (10, 20, 30)
    assert tuple(laid[1, 1]) == (255, 255, 255)


@pytest.mark.parametrize(
    ("shape", "says"), [((1, 1, 3), "1 x 1 pixels"), ((4, 4, 2), "(4, 4, 2)"), ((4,), "(4,)"), ((1, 0, 5, 3), "5 x 0")]
)
def test_what_is_no_picture(shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(UnreadableImage) as caught:
        guide_from_pixels(numpy.zeros(shape, numpy.float32))
    assert says in str(caught.value)


def test_not_a_number_is_no_picture() -> None:
    picture = numpy.zeros((4, 4, 3), numpy.float32)
    picture[1, 1, 1] = math.nan
    with pytest.raises(UnreadableImage, match="not numbers"):
        guide_from_pixels(picture)


def test_several_pictures() -> None:
    with pytest.raises(SeveralPictures, match="holds 3 pictures"):
        guide_from_pixels(numpy.zeros((3, 4, 4, 3), numpy.float32))
