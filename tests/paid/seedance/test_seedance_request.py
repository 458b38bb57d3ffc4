"""A request is checked before it is sent, hashed so that it is paid for once, and worded without defaults."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import fields, replace

import numpy
import pytest
from PIL import Image

from storymotion.errors import (
    SeedanceCannot,
    SeedanceFirstFrameMissing,
    SeedancePictureUnusable,
    SeedancePromptCommand,
    SeedancePromptMissing,
    SeedanceRequestTooLarge,
    ValueOutOfRange,
)
from storymotion.paid.seedance.models import load_catalogue
from storymotion.paid.seedance.pictures import check_picture, picture_digest, png_from_pixels
from storymotion.paid.seedance.request import (
    SeedanceRequest,
    check_request,
    effective_seed,
    request_body,
    request_digest,
)

CATALOGUE, _ = load_catalogue()
FAST = CATALOGUE.model("seedance-1-0-pro-fast-251015")
PRO = CATALOGUE.model("seedance-1-0-pro-250528")
TWO = CATALOGUE.model("dreamina-seedance-2-0-260128")
TWO_FIVE = CATALOGUE.model("dreamina-seedance-2-5-260628")
ORIGIN = "https://ark.ap-southeast.bytepluses.com"


def picture(width: int = 320, height: int = 320, shade: int = 0, kind: str = "PNG") -> bytes:
    pixels = numpy.full((height, width, 3), shade, dtype=numpy.uint8)
    pixels[:, : width // 2] = 200
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format=kind)
    return target.getvalue()


def request(**changes: object) -> SeedanceRequest:
    return replace(SeedanceRequest(FAST.id, "She turns her head."), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "model", "words"),
    [
        (request(resolution="4k"), FAST, "resolution is 4k, which Seedance 1.0 Pro Fast"),
        (request(resolution="1080p"), CATALOGUE.model("dreamina-seedance-2-0-fast-260128"), "480p, 720p"),
        (request(service_tier="flex"), TWO, "service_tier is flex"),
        (request(ratio="2:1"), FAST, "16:9, 4:3, 1:1, 3:4, 9:16, 21:9"),
        (request(ratio="adaptive"), FAST, "ratio is adaptive"),
        (request(duration=1), FAST, "2 to 12"),
        (request(duration=13), FAST, "2 to 12"),
        (request(duration=-1), FAST, "duration is -1"),
        (request(duration=3), TWO, "4 to 15, or -1"),
        (request(first_frame=picture(), last_frame=picture()), FAST, "last_frame"),
        (request(first_frame=picture(), last_frame=picture()), TWO_FIVE, "Set ratio to adaptive"),
    ],
)
def test_what_the_model_does_not_offer_is_refused(made: SeedanceRequest, model: object, words: str) -> None:
    with pytest.raises(SeedanceCannot) as raised:
        check_request(made, model)  # type: ignore[arg-type]
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("made", "model"),
    [
        (request(), FAST),
        (request(ratio="adaptive", first_frame=picture()), FAST),
        (request(prompt="", first_frame=picture()), FAST),
        (request(first_frame=picture(), last_frame=picture()), PRO),
        (request(first_frame=picture(), last_frame=picture(), ratio="adaptive", camera_fixed=False), TWO_FIVE),
        (request(duration=-1, camera_fixed=False), TWO),
        (request(seed=2**31 - 1, take=7, service_tier="flex"), FAST),
    ],
)
def test_what_it_offers_passes(made: SeedanceRequest, model: object) -> None:
    assert check_request(made, model) == ()  # type: ignore[arg-type]


def test_what_the_model_cannot_use_is_said() -> None:
    notes = check_request(request(seed=5), TWO)
    assert [note.speak() for note in notes] == [
        "Seedance 2.0 has no seed; the value of that input is not used.",
        "Seedance 2.0 has no camera_fixed; the value of that input is not used.",
    ]


@pytest.mark.parametrize("changes", [{"seed": -2}, {"seed": 2**31}, {"take": 0}, {"take": 10**7}])
def test_numbers_out_of_range(changes: dict[str, int]) -> None:
    with pytest.raises(ValueOutOfRange):
        check_request(request(**changes), FAST)


@pytest.mark.parametrize("prompt", ["", "   \n"])
def test_neither_words_nor_a_picture(prompt: str) -> None:
    with pytest.raises(SeedancePromptMissing):
        check_request(request(prompt=prompt), FAST)


def test_a_last_frame_alone() -> None:
    with pytest.raises(SeedanceFirstFrameMissing):
        check_request(request(last_frame=picture()), PRO)


@pytest.mark.parametrize(
    ("prompt", "command"),
    [
        ("She turns --rs 1080p", "--rs"),
        ("--resolution 72Op she turns", "--resolution"),
        ("turn--wm true", "--wm"),
        ("turn \u2014dur 12", "\u2014dur"),
        ("turn --whatever 3", "--whatever"),
    ],
)
def test_a_command_in_the_prompt_is_refused(prompt: str, command: str) -> None:
    with pytest.raises(SeedancePromptCommand) as raised:
        check_request(request(prompt=prompt), FAST)
    assert raised.value.command == command


@pytest.mark.parametrize("prompt", ["Wait -- she turns.", "a well-known face", "no\u2014never", "\uac00 -- \ub098"])
def test_dashes_are_words(prompt: str) -> None:
    check_request(request(prompt=prompt), FAST)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (b"", "cannot be read"),
        (b"not a picture", "cannot be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 400 400\n", "cannot be read"),
        (picture()[:-40], "cannot be read"),
        (picture(299, 400), "299 x 400"),
        (picture(6001, 3000), "6001 x 3000"),
        (picture(300, 760), "300 : 760"),
        (picture(760, 300), "760 : 300"),
        (b"\x00" * 30 * 10**6, "30.0 MB"),
    ],
)
def test_pictures_that_the_service_would_refuse(broken: bytes, words: str) -> None:
    with pytest.raises(SeedancePictureUnusable) as raised:
        check_request(request(first_frame=broken), FAST)
    assert words in str(raised.value) and "first_frame" in str(raised.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_formats(kind: str) -> None:
    sent = request_body(request(first_frame=picture(kind=kind)), FAST, ORIGIN)["content"][1]
    assert sent["role"] == "first_frame"
    assert sent["image_url"]["url"].startswith(f"data:image/{kind.lower()};base64,")


def test_all_pictures_together_are_too_large() -> None:
    noise = numpy.random.default_rng(0).integers(0, 256, (2900, 2900, 3), dtype=numpy.uint8)
    large = png_from_pixels(noise)
    assert 24 * 10**6 < len(large) < 30 * 10**6
    with pytest.raises(SeedanceRequestTooLarge):
        check_request(request(first_frame=large, last_frame=large), PRO)


def test_the_body_leaves_no_default_to_the_service() -> None:
    made = request(first_frame=picture(), seed=11)
    body = request_body(made, FAST, ORIGIN)
    content = body.pop("content")
    assert body == {
        "model": FAST.id,
        "resolution": "720p",
        "ratio": "16:9",
        "duration": 5,
        "seed": 11,
        "camera_fixed": True,
        "watermark": False,
        "service_tier": "default",
    }
    assert content[0] == {"type": "text", "text": "She turns her head."}
    assert base64.b64decode(content[1]["image_url"]["url"].split(",")[1]) == made.first_frame


def test_what_the_model_does_not_know_is_not_sent() -> None:
    body = request_body(request(model=TWO.id), TWO, ORIGIN)
    assert "seed" not in body and "camera_fixed" not in body and body["generate_audio"] is True
    assert "generate_audio" not in request_body(request(), FAST, ORIGIN)


def test_a_picture_without_words_sends_no_empty_text() -> None:
    content = request_body(request(prompt=" ", first_frame=picture()), FAST, ORIGIN)["content"]
    assert [item["type"] for item in content] == ["image_url"]


def test_both_frames_have_their_roles() -> None:
    content = request_body(request(first_frame=picture(), last_frame=picture(shade=9)), PRO, ORIGIN)["content"]
    assert [item.get("role") for item in content] == [None, "first_frame", "last_frame"]


def test_every_field_changes_the_hash() -> None:
    base = request(first_frame=picture(), last_frame=picture(shade=1), seed=3)
    other = {
        "model": PRO.id,
        "prompt": "She nods.",
        "resolution": "480p",
        "ratio": "1:1",
        "duration": 6,
        "seed": 4,
        "camera_fixed": False,
        "watermark": True,
        "service_tier": "flex",
        "sound": False,
        "first_frame": picture(shade=2),
        "last_frame": None,
        "take": 2,
    }
    assert set(other) == {field.name for field in fields(base)}
    model = replace(PRO, sound=True)
    hashes = {request_digest(replace(base, **{name: value}), model, ORIGIN) for name, value in other.items()}  # type: ignore[arg-type]
    hashes.add(request_digest(replace(base, model=FAST.id), model, ORIGIN))
    # ``model`` of the base is already FAST, so that one change came back to it: count the rest.
    assert len(hashes) == len(other) + 1
    assert request_digest(base, model, "http://127.0.0.1:1") not in hashes


def test_the_hash_is_the_same_tomorrow() -> None:
    """A changed rule would pay for every finished shot again: change this value only with a migration."""
    assert request_digest(request(seed=1), FAST, ORIGIN) == HASH_OF_THE_PLAIN_REQUEST


HASH_OF_THE_PLAIN_REQUEST = "cb40a75c84374357a76c4d2a6984723bf78af79278d2034c5a673dca274d4c05"


def test_a_png_counts_by_its_pixels_and_a_lossy_file_by_its_bytes() -> None:
    pixels = numpy.asarray(Image.open(io.BytesIO(picture())))
    again = io.BytesIO()
    Image.fromarray(pixels).save(again, format="PNG", compress_level=1)
    assert again.getvalue() != picture()
    assert picture_digest(again.getvalue()) == picture_digest(picture())
    assert picture_digest(picture(kind="JPEG")) != picture_digest(picture())


def test_swapped_frames_are_another_shot() -> None:
    one, two = picture(shade=1), picture(shade=2)
    assert request_digest(request(first_frame=one, last_frame=two), PRO, ORIGIN) != request_digest(
        request(first_frame=two, last_frame=one), PRO, ORIGIN
    )


def test_the_derived_seed_is_of_the_request_and_the_take() -> None:
    first, again, second = (effective_seed(request(take=take), FAST, ORIGIN) for take in (1, 1, 2))
    assert first == again != second
    assert first is not None and 0 <= first < 2**31
    assert request_body(request(), FAST, ORIGIN)["seed"] == first
    assert effective_seed(request(seed=0), FAST, ORIGIN) == 0
    assert effective_seed(request(seed=9), TWO, ORIGIN) is None


def test_pixels_become_the_same_png_every_time() -> None:
    pixels = numpy.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=numpy.uint8)
    made = png_from_pixels(pixels)
    assert made == png_from_pixels(pixels.copy()) == png_from_pixels(numpy.asfortranarray(pixels))
    assert check_picture(made, "first_frame") == "png"
    assert (numpy.asarray(Image.open(io.BytesIO(made))) == pixels).all()


@pytest.mark.parametrize("wrong", [numpy.zeros((300, 300), "uint8"), numpy.zeros((300, 300, 3), "float32")])
def test_pixels_of_another_kind(wrong: numpy.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        png_from_pixels(wrong)


def test_pictures_are_not_in_the_repr() -> None:
    assert len(repr(request(first_frame=picture()))) < 400


def test_the_body_is_json_whatever_the_prompt() -> None:
    body = request_body(request(prompt='\uace0\uac1c\ub97c \ub3cc\ub9b0\ub2e4 "quoted" \ud83d'), FAST, ORIGIN)
    assert json.loads(json.dumps(body)) == body


def test_the_shape_of_a_silent_model_has_no_sound() -> None:
    assert request().shape(FAST).sound is False and request().shape(TWO).sound is True
