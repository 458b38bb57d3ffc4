"""The films that the fake Seedance server makes, and how it gives them out."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import av
import pytest
import requests

from dev.fake_seedance import FakeSeedance
from dev.fake_seedance_client import (
    V2_5,
    V2_MINI,
    PlainClient,
)

DAY = 86400


@pytest.mark.parametrize(
    ("fields", "codec", "pixels", "sound"),
    [
        ({"model": V2_MINI, "resolution": "480p", "duration": 4}, "h264", "yuv420p", "aac"),
        ({"model": V2_MINI, "resolution": "480p", "duration": 4, "generate_audio": False}, "h264", "yuv420p", None),
        ({"model": V2_5, "resolution": "480p", "duration": 4, "output_format": "mov"}, "h264", "yuv444p", "pcm_s16le"),
    ],
)
def test_films_have_the_formats_of_their_models(
    server: FakeSeedance, client: PlainClient, fields: dict[str, Any], codec: str, pixels: str, sound: str | None
) -> None:
    task = client.create(**fields)
    server.finish()
    with av.open(io.BytesIO(client.download(client.poll(task)["content"]["video_url"]).content)) as film:
        video = film.streams.video[0]
        assert (video.codec_context.name, video.pix_fmt) == (codec, pixels)
        assert [stream.codec_context.name for stream in film.streams.audio] == ([sound] if sound else [])
        assert sum(1 for _ in film.decode(video=0)) == 97


def test_a_new_signature_does_not_bring_a_file_back() -> None:
    with FakeSeedance(signs_again=True) as server:
        client = PlainClient(server)
        task = client.create(resolution="480p", duration=2)
        server.clock.advance(DAY)
        assert client.download(client.poll(task)["content"]["video_url"]).status_code == 200
        server.clock.advance(60)
        gone = client.download(client.poll(task)["content"]["video_url"])
        assert (gone.status_code, gone.headers["Content-Type"]) == (404, "application/xml")


def test_a_download_address_is_for_get_without_a_key_a_hundred_times(server: FakeSeedance, client: PlainClient) -> None:
    task = client.create(resolution="480p", duration=2)
    server.finish()
    url = client.poll(task)["content"]["video_url"]
    assert not url.startswith(server.base_url.rsplit("/", 2)[0])  # its own port
    assert requests.head(url, timeout=20).status_code == 403
    assert client.download(url[:-1]).status_code == 403
    assert client.download(url.replace("Expires=86400", "Expires=999999")).status_code == 403
    assert client.download(url, Authorization="Bearer test-key").status_code == 400
    whole = client.download(url)
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    tag = whole.headers["ETag"]
    for wanted, part in (
        ("bytes=0-99", slice(0, 100)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
    ):
        answer = client.download(url, Range=wanted, **{"If-Range": tag})
        assert (answer.status_code, answer.content) == (206, whole.content[part])
    assert client.download(url, Range="bytes=100-", **{"If-Range": '"other"'}).content == whole.content
    assert client.download(url, Range="bytes=99999999-").status_code == 416
    statuses = [client.download(url).status_code for _ in range(95)]
    assert statuses == [200] * 94 + [403]


def test_no_two_tasks_have_equal_files(server: FakeSeedance, client: PlainClient) -> None:
    tasks = [client.create(resolution="480p", duration=2, seed=1) for _ in range(2)]
    server.finish()
    films = [client.download(client.poll(task)["content"]["video_url"]).content for task in tasks]
    assert hashlib.sha256(films[0]).digest() != hashlib.sha256(films[1]).digest()
