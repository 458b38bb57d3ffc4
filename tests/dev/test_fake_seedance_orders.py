"""What the fake Seedance server takes, refuses and charges, model by model."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timezone
from typing import Any

import pytest

from dev import fake_seedance_client
from dev.fake_seedance import FakeSeedance
from dev.fake_seedance_client import (
    PRO,
    PRO_1_5,
    V2,
    V2_5,
    V2_FAST,
    PlainClient,
    error_of,
    image,
    order,
    picture,
)

BEFORE_1_5_ENDED = datetime(2026, 10, 1, tzinfo=timezone.utc).timestamp()


# Model, tier, resolution, seconds -> tokens, USD to four places: the provider's prices of 2026-09-11, 16:9.
WORKED_EXAMPLES = """
FAST default 480p 5 49005 0.0490 | FAST default 480p 10 97605 0.0976 | FAST default 720p 5 103818 0.1038
FAST default 720p 10 206778 0.2068 | FAST default 1080p 5 246840 0.2468 | FAST default 1080p 10 491640 0.4916
FAST flex 480p 5 49005 0.0245 | FAST flex 480p 10 97605 0.0488 | FAST flex 720p 5 103818 0.0519
FAST flex 720p 10 206778 0.1034 | FAST flex 1080p 5 246840 0.1234 | FAST flex 1080p 10 491640 0.2458
PRO default 480p 5 49005 0.1225 | PRO default 480p 10 97605 0.2440 | PRO default 720p 5 103818 0.2595
PRO default 720p 10 206778 0.5169 | PRO default 1080p 5 246840 0.6171 | PRO default 1080p 10 491640 1.2291
PRO_1_5 silent 480p 5 50638 0.0608 | PRO_1_5 silent 480p 10 100858 0.1210 | PRO_1_5 silent 720p 5 108900 0.1307
PRO_1_5 silent 720p 10 216900 0.2603 | PRO_1_5 silent 1080p 5 245025 0.2940 | PRO_1_5 audio 480p 5 50638 0.1215
PRO_1_5 audio 480p 10 100858 0.2421 | PRO_1_5 audio 720p 10 216900 0.5206 | PRO_1_5 audio 1080p 10 488025 1.1713
V2_MINI default 480p 5 50638 0.1772 | V2_MINI default 720p 10 216900 0.7591 | V2_FAST default 480p 5 50638 0.2836
V2_FAST default 720p 5 108900 0.6098 | V2_FAST default 720p 10 216900 1.2146 | V2 default 480p 5 50638 0.3545
V2 default 720p 5 108900 0.7623 | V2 default 1080p 5 245025 1.8867 | V2 default 1080p 10 488025 3.7578
V2 default 4k 5 980100 3.9204 | V2 default 4k 10 1952100 7.8084 | V2_5 default 480p 5 48437 0.5183
V2_5 default 480p 10 96475 1.0323 | V2_5 default 720p 5 108900 1.1652 | V2_5 default 1080p 10 488025 5.7099
"""


def test_tokens_and_charges_are_those_of_the_worked_examples() -> None:
    rows = [row.split() for row in re.split(r"[|\n]", WORKED_EXAMPLES.strip())]
    with FakeSeedance(start=BEFORE_1_5_ENDED, rate_limits=False) as server:
        client = PlainClient(server)
        for model, tier, resolution, seconds, _, _ in rows:
            more: dict[str, Any] = {"service_tier": "flex"} if tier == "flex" else {}
            more |= {"generate_audio": tier == "audio"} if model == "PRO_1_5" else {}
            fields = {"resolution": resolution, "ratio": "16:9", "duration": int(seconds)} | more
            client.create(model=getattr(fake_seedance_client, model), **fields)
            server.finish()
        found = [(str(charge.tokens), f"{charge.usd:.4f}") for charge in server.charges()]
    assert found == [(tokens, usd) for *_, tokens, usd in rows]


@pytest.mark.parametrize(
    ("ratio", "tokens"),
    [("16:9", 103818), ("9:16", 103818), ("4:3", 110110), ("3:4", 110110), ("1:1", 108900), ("21:9", 113740)],
)
def test_every_ratio_has_its_tokens(server: FakeSeedance, client: PlainClient, ratio: str, tokens: int) -> None:
    client.create(resolution="720p", ratio=ratio, duration=5)
    server.finish()
    assert [charge.tokens for charge in server.charges()] == [tokens]


def test_unset_parameters_and_nulls_take_the_dear_defaults(server: FakeSeedance, client: PlainClient) -> None:
    nulls = dict.fromkeys(("resolution", "ratio", "duration", "seed", "frames", "generate_audio", "priority"))
    for task in (client.create(), client.create(**nulls)):
        server.finish()
        done = client.poll(task)
        assert (done["resolution"], done["ratio"], done["duration"]) == ("1080p", "16:9", 5)
        assert done["usage"]["total_tokens"] == 246840
    assert len({charge.request_digest for charge in server.charges()}) == 1


def test_frames_win_over_seconds(server: FakeSeedance, client: PlainClient) -> None:
    task = client.create(resolution="480p", frames=29, duration=12)
    server.finish()
    done = client.poll(task)
    assert done["frames"] == 29
    assert "duration" not in done
    assert done["usage"]["total_tokens"] == 864 * 480 * 29 // 1024


BAD_PARAMETERS: list[tuple[dict[str, Any], str, str]] = [
    ({"resolution": "72Op"}, "InvalidParameter", "resolution"),
    ({"resolution": "4k"}, "InvalidParameter", "resolution"),
    ({"model": V2_FAST, "resolution": "1080p"}, "InvalidParameter", "resolution"),
    ({"ratio": "2:1"}, "InvalidParameter", "ratio"),
    ({"ratio": "adaptive"}, "InvalidParameter", "ratio"),
    ({"duration": 1}, "InvalidParameter", "duration"),
    ({"duration": 13}, "InvalidParameter", "duration"),
    ({"duration": 5.0}, "InvalidParameter", "duration"),
    ({"duration": -1}, "InvalidParameter", "duration"),
    ({"model": V2, "duration": 3}, "InvalidParameter", "duration"),
    ({"model": V2_5, "duration": 31}, "InvalidParameter", "duration"),
    ({"frames": 25}, "InvalidParameter", "frames"),
    ({"frames": 30}, "InvalidParameter", "frames"),
    ({"model": V2, "frames": 29}, "InvalidParameter.UnsupportedParameter", "frames"),
    ({"seed": 2**31}, "InvalidParameter", "seed"),
    ({"seed": -2}, "InvalidParameter", "seed"),
    ({"seed": True}, "InvalidParameter", "seed"),
    ({"model": V2, "seed": 1}, "InvalidParameter.UnsupportedParameter", "seed"),
    ({"model": V2, "camera_fixed": True}, "InvalidParameter.UnsupportedParameter", "camera_fixed"),
    ({"camera_fixed": "false"}, "InvalidParameter", "camera_fixed"),
    ({"watermark": 0}, "InvalidParameter", "watermark"),
    ({"generate_audio": False}, "InvalidParameter.UnsupportedParameter", "generate_audio"),
    ({"service_tier": "cheap"}, "InvalidParameter", "service_tier"),
    ({"model": V2, "service_tier": "flex"}, "InvalidParameter", "service_tier"),
    ({"execution_expires_after": 3599}, "InvalidParameter", "execution_expires_after"),
    ({"priority": 1}, "InvalidParameter.UnsupportedParameter", "priority"),
    ({"model": V2, "priority": 10}, "InvalidParameter", "priority"),
    ({"draft": True}, "InvalidParameter.UnsupportedParameter", "draft"),
    ({"model": V2_5, "draft": True, "resolution": "720p"}, "InvalidParameter", "resolution"),
    ({"output_format": "mov"}, "InvalidParameter", "output_format"),
    ({"safety_identifier": "x" * 65}, "InvalidParameter", "safety_identifier"),
    ({"content": "a boat"}, "InvalidParameter", "content"),
    ({"content": [{"type": "poem"}]}, "InvalidParameter", "content.type"),
    ({"content": [{"type": "text", "text": " "}]}, "MissingParameter", "content.text"),
    ({"content": [image(), image(role="last_frame")]}, "InvalidParameter", "content"),
    ({"model": PRO, "content": [image(), image(role=None)]}, "MissingParameter", "content.role"),
    ({"model": PRO, "content": [image(role="last_frame")]}, "InvalidParameter", "content"),
    ({"model": V2, "content": [image(), image(role="reference_image")]}, "InvalidParameter", "content"),
    ({"content": [image(role="reference_image")]}, "InvalidParameter", "content"),
    ({"model": V2, "content": [image(role="reference_image")] * 10}, "InvalidParameter", "content"),
    ({"content": [{"type": "image_url", "image_url": picture()}]}, "InvalidParameter", "content.image_url"),
    ({"content": [image("")]}, "InvalidImageURL.EmptyURL", "image_url"),
    ({"content": [image("picture.png")]}, "InvalidImageURL.InvalidFormat", "image_url"),
    ({"content": [image("asset://1")]}, "InvalidImageURL.InvalidFormat", "image_url"),
    ({"content": [image(picture(declared="PNG"))]}, "InvalidImageURL.InvalidFormat", "image_url"),
    ({"content": [image(picture(form="png", declared="heic"))]}, "InvalidImageURL.InvalidFormat", "image_url"),
    ({"content": [image("data:image/png;base64,AAAA")]}, "InvalidImageURL.InvalidFormat", "image_url"),
    ({"content": [image("data:image/png;base64,%%")]}, "InvalidImageURL.InvalidFormat", "image_url"),
    ({"content": [image(picture(299, 299))]}, "InvalidParameter", "image_url"),
    ({"content": [image(picture(6001, 3000, "jpeg"))]}, "InvalidParameter", "image_url"),
    ({"content": [image(picture(300, 751))]}, "InvalidParameter", "image_url"),
    ({"content": [image(picture(751, 300))]}, "InvalidParameter", "image_url"),
]


@pytest.mark.parametrize(("fields", "code", "parameter"), BAD_PARAMETERS)
def test_a_bad_parameter_is_refused_and_makes_no_task(
    server: FakeSeedance, client: PlainClient, fields: dict[str, Any], code: str, parameter: str
) -> None:
    error = error_of(client.ask("POST", json=order() | fields), 400)
    assert (error["code"], error["param"]) == (code, parameter)
    assert not server.tasks()


@pytest.mark.parametrize(
    "fields",
    [
        {"content": [image()]},
        {"content": [image(role=None), {"type": "text", "text": "A boat."}], "ratio": "adaptive"},
        {"content": [image(picture(form="jpeg"))]},
        {"content": [image("https://example.com/picture.png")]},
        {"model": PRO, "content": [image(), image(role="last_frame")]},
        {"model": V2, "content": [image(role="reference_image")] * 9, "priority": 9},
        {"model": V2, "content": [image(picture(form="png", declared="heic")), image("asset://1", "last_frame")]},
        {"seed": 2**31 - 1, "camera_fixed": True, "watermark": True, "frames": 289, "service_tier": "flex"},
        {"framespersecond": 999},
        {"model": V2_5, "draft": True, "output_format": "mov", "omni_reference_task_type": "auto"},
    ],
)
def test_what_the_documents_allow_is_taken(client: PlainClient, fields: dict[str, Any]) -> None:
    client.create(**fields)


def test_a_picture_of_30_mb_and_a_request_of_64_mb_are_too_large(server: FakeSeedance, client: PlainClient) -> None:
    large = "data:image/png;base64," + base64.b64encode(bytes(30_000_000)).decode()
    error = error_of(client.ask("POST", json=order([image(large)])), 400)
    assert "30 MB" in error["message"]
    error = error_of(client.ask("POST", json=order([{"type": "text", "text": "x" * 64_000_000}])), 400)
    assert "64 MB" in error["message"]
    assert client.create()


def test_an_adaptive_ratio_is_the_nearest_to_the_picture(server: FakeSeedance, client: PlainClient) -> None:
    task = client.create(content=[image(picture(400, 600))], resolution="480p", duration=2)
    server.finish()
    assert client.poll(task)["ratio"] == "3:4"


def test_of_several_bad_parameters_one_is_named_and_not_always_the_same(client: PlainClient) -> None:
    bad = order(resolution="8k", duration=99, seed=-5)
    named = {error_of(client.ask("POST", json=bad), 400)["param"] for _ in range(40)}
    assert named == {"resolution", "duration", "seed"}


@pytest.mark.parametrize(
    ("text", "resolution", "seconds"),
    [
        ("A boat --rs 480p --dur 3 --wm true", "480p", 3),
        ("A boat --resolution 72Op --duration 3", "1080p", 3),  # a typo costs 2.38 times as much
        ("A boat --dur 99 --cf false", "1080p", 5),
    ],
)
def test_commands_in_the_text_are_weakly_checked(
    server: FakeSeedance, client: PlainClient, text: str, resolution: str, seconds: int
) -> None:
    task = client.create(content=[{"type": "text", "text": text}])
    server.finish()
    done = client.poll(task)
    assert (done["resolution"], done["duration"]) == (resolution, seconds)


@pytest.mark.parametrize(("model", "known"), [("seedance-1-0-pro-251015", False), (PRO_1_5, False), (V2, True)])
def test_an_unknown_or_retired_model_is_not_found(client: PlainClient, model: str, known: bool) -> None:
    answer = client.ask("POST", json=order(model=model))
    assert known == (answer.status_code == 200)
    if not known:
        assert error_of(answer, 404)["code"] == "InvalidEndpointOrModel.NotFound"
