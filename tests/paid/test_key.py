"""The key: whose file, which host, and that nothing shows it."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
import traceback
from pathlib import Path

import pytest

from storymotion.errors import KeyMissing, KeyUnusable
from storymotion.paid import key as key_module
from storymotion.paid.address import find_address
from storymotion.paid.key import Secret, load_key
from storymotion.paid.provider import SEEDANCE
from storymotion.paid.redact import redacted

KEY = "ark-0123456789abcdef"
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "ark.key"
    path.write_text(KEY, encoding="utf-8")
    path.chmod(0o600)
    return path


def load(path: Path | str) -> str:
    return load_key(SEEDANCE, {"ARK_API_KEY_FILE": str(path)})[0].reveal()


def refusal(path: Path | str) -> str:
    with pytest.raises(KeyUnusable) as caught:
        load(path)
    told = caught.value.speak("ko") + "".join(traceback.format_exception(caught.value))
    assert KEY not in told
    return caught.value.reasons[0].code


def test_the_variable_comes_before_the_file(key_file: Path) -> None:
    environ = {"ARK_API_KEY": " from-variable\n", "ARK_API_KEY_FILE": str(key_file)}
    assert load_key(SEEDANCE, environ)[0].reveal() == "from-variable"
    assert load_key(SEEDANCE, {**environ, "ARK_API_KEY": ""})[0].reveal() == KEY
    with pytest.raises(KeyMissing, match="neither ARK_API_KEY nor ARK_API_KEY_FILE"):
        load_key(SEEDANCE, {})


@pytest.mark.parametrize("content", [f"{KEY}\n", f"{KEY}\r\n", f"  {KEY}  ", f"\ufeff{KEY}\n"])
def test_what_surrounds_the_key_does_not_matter(key_file: Path, content: str) -> None:
    key_file.write_bytes(content.encode("utf-8"))
    assert load(key_file) == KEY


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"short", b"two words-of-it", f"{KEY}\n{KEY}\n".encode(), b"\xff\xfe\x00bad-bytes", b"a" * 5000,
     "cl\u00e9-cl\u00e9-cl\u00e9".encode(), b"bell\x07bell"],
)  # fmt: skip
def test_a_file_that_holds_no_key_is_refused(key_file: Path, content: bytes) -> None:
    key_file.write_bytes(content)
    assert refusal(key_file) == "key-not-a-key"


def test_files_that_are_not_files_are_refused(key_file: Path, tmp_path: Path) -> None:
    assert refusal(tmp_path / "none") == "key-file-unreadable"
    assert refusal("ark.key") == "key-file-relative"
    assert refusal(tmp_path) in ("key-file-not-regular", "key-file-unreadable")  # Windows opens no folder


@posix_only
def test_links_and_pipes_are_refused(key_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.key"
    link.symlink_to(key_file)
    assert refusal(link) == "key-file-not-regular"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert refusal(pipe) == "key-file-not-regular"
    assert refusal("/dev/null") == "key-file-not-regular"


@posix_only
def test_a_link_that_is_put_in_its_place_is_not_followed(
    key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link.key"
    link.symlink_to(key_file)
    monkeypatch.setattr(Path, "is_symlink", lambda self: False)
    assert refusal(link) == "key-file-unreadable"


@posix_only
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o602, 0o620, 0o610, 0o601])
def test_a_file_that_others_can_reach_is_refused(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert refusal(key_file) == "key-file-open-to-others"


@posix_only
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_for_its_owner_is_read_without_a_note(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    assert load_key(SEEDANCE, {"ARK_API_KEY_FILE": str(key_file)}) == (Secret(KEY), ())


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(key_file: Path) -> None:
    os.chown(key_file, 65534, -1)
    assert refusal(key_file) == "key-file-of-another"


def test_on_windows_the_file_is_below_the_profile_and_its_permissions_are_said_to_be_unchecked(
    key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file.chmod(0o644)  # Windows shows nothing else
    monkeypatch.setattr(key_module, "WINDOWS", True)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    found, notes = load_key(SEEDANCE, {"ARK_API_KEY_FILE": str(key_file)})
    assert found.reveal() == KEY and [each.code for each in notes] == ["key-file-unchecked"]
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "profile")
    assert refusal(key_file) == "key-file-outside-profile"
    assert refusal(tmp_path / "profile" / ".." / "ark.key") == "key-file-outside-profile"


def test_a_secret_shows_only_its_fingerprint() -> None:
    secret = Secret(KEY)
    shown = f"{secret} {secret!r} {secret!s:>40} %s" % secret + str([secret]) + repr({"key": secret})
    assert KEY not in shown and secret.fingerprint in shown
    assert len(secret.fingerprint) == 8 and secret.fingerprint not in KEY
    for store in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, vars):
        with pytest.raises(TypeError):
            store(secret)
    assert secret == Secret(KEY) and secret != Secret(f"{KEY}x") and secret != KEY and len({secret, Secret(KEY)}) == 1


# Where the key goes


@pytest.mark.parametrize(
    ("named", "base"),
    [
        ("", "https://ark.ap-southeast.bytepluses.com/api/v3"),
        ("https://ark.ap-southeast.bytepluses.com", "https://ark.ap-southeast.bytepluses.com/api/v3"),
        ("https://ark.ap-southeast.bytepluses.com/api/v3/", "https://ark.ap-southeast.bytepluses.com/api/v3"),
        ("HTTPS://ARK.cn-beijing.volces.com/api/v3", "https://ark.cn-beijing.volces.com/api/v3"),
    ],
)
def test_official_addresses_take_real_keys_only(named: str, base: str) -> None:
    address = find_address(SEEDANCE, Secret(KEY), {"ARK_BASE_URL": named})
    assert (address.base, address.is_loopback) == (base, False) and base.startswith(address.origin)
    with pytest.raises(KeyUnusable, match="begins with test-"):
        find_address(SEEDANCE, Secret(f"test-{KEY}"), {"ARK_BASE_URL": named})


@pytest.mark.parametrize(
    ("named", "base"),
    [
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123/api/v3"),
        ("http://localhost:8123/api/v3", "http://localhost:8123/api/v3"),
        ("https://127.9.9.9/other/", "https://127.9.9.9/other"),
        ("http://[::1]:8123", "http://[::1]:8123/api/v3"),
    ],
)
def test_loopback_takes_test_keys_only(named: str, base: str) -> None:
    address = find_address(SEEDANCE, Secret(f"test-{KEY}"), {"ARK_BASE_URL": named})
    assert (address.base, address.is_loopback) == (base, True)
    with pytest.raises(KeyUnusable, match="a real key is not sent there"):
        find_address(SEEDANCE, Secret(KEY), {"ARK_BASE_URL": named})


@pytest.mark.parametrize(
    "named",
    [
        "http://ark.ap-southeast.bytepluses.com/api/v3",
        "https://ark.ap-southeast.bytepluses.com:8443/api/v3",
        "https://ark.ap-southeast.bytepluses.com/api/v3/../../evil",
        "https://ark.ap-southeast.bytepluses.com.evil.com/api/v3",
        "https://evil.com/ark.ap-southeast.bytepluses.com/api/v3",
        "https://ark.ap-southeast.bytepluses.com@evil.com/api/v3",
        "https://ark.eu-west.bytepluses.com/api/v3",
        "http://127.0.0.1@evil.com",
        "http://127.0.0.1:80@evil.com/",
        "http://evil.com#127.0.0.1",
        "http://evil.com\\@127.0.0.1",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://127.0.0.1:99999",
        "http://127.1",
        "http://2130706433",
        "http://0.0.0.0:80",
        "http://192.168.0.1",
        "http://169.254.169.254",
        "ftp://127.0.0.1",
        "//127.0.0.1",
        "127.0.0.1:80",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://127.0.0.1/?a=b",
        "http://127.0.0.1/ x",
        "http://loc\u0430lhost",
    ],
)
@pytest.mark.parametrize("key", [KEY, f"test-{KEY}"])
def test_foreign_addresses_are_refused(named: str, key: str) -> None:
    with pytest.raises(KeyUnusable, match="ARK_BASE_URL names neither") as caught:
        find_address(SEEDANCE, Secret(key), {"ARK_BASE_URL": named})
    assert "evil" not in str(caught.value) and key not in str(caught.value)


def test_redacted_text_holds_no_secret() -> None:
    text = redacted(
        f"GET https://u:pw@h.com/v.mp4?X-Tos-Signature=abc&X=1 {KEY} Authorization: Bearer other-key\n"
        "x-tos-signature=zzz, see 'http://h.com/a?b=c'",
        KEY,
    )
    assert text == (
        "GET https://h.com/v.mp4?... ... Authorization: Bearer ... x-tos-signature=... see 'http://h.com/a?...'"
    )
    assert len(redacted("word " * 999)) <= 500
