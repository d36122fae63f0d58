"""Every rule finds its own wordings: messages that vLLM, PyTorch, Docker and the kernel really print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.diagnosis import diagnose, render
from harness.landmarks import NOISE
from harness.patterns import keys
from harness.rules import PLACES, RULES, UNEXPLAINED
from harness.types import Rule
from tests.wordings import WORDINGS

LOGS = Path(__file__).parent / "logs"

"""Rule → real messages, cut to what matters (vLLM 0.8 to 0.32, Docker 20.10 to 29, Podman, the kernel, systemd)."""


def answers(rule_id: str) -> list[tuple[str, str]]:
    """(rule, log) pairs for the parametrised test below."""
    return [(rule_id, wording) for wording in WORDINGS[rule_id]]


@pytest.mark.parametrize(("expected", "wording"), [pair for rule in WORDINGS for pair in answers(rule)])
def test_a_real_message_is_recognised(expected: str, wording: str) -> None:
    """The message alone, as it is pasted into a ticket."""
    found = diagnose(wording)
    assert found is not None
    assert found.rule == expected
    assert found.evidence
    for text in (found.cause.en, found.cause.zh_tw, found.remedy.en, found.remedy.zh_tw):
        assert "[[" not in text
        assert not re.search(r"{(?:container|exit_code|phase|tail|waited)}", text)


TRACEBACK = """\
(EngineCore pid=87) ERROR 03-27 10:12:11 [core.py:946] Traceback (most recent call last):
(EngineCore pid=87) ERROR 03-27 10:12:11 [core.py:946]   File "/usr/lib/python3.12/dist-packages/vllm/config/vllm.py", \
line 1, in __post_init__
(EngineCore pid=87) ERROR 03-27 10:12:11 [core.py:946]     check()
(EngineCore pid=87) ERROR 03-27 10:12:11 [core.py:946]   File "/usr/lib/python3.12/dist-packages/{file}", \
line 7, in {function}
(EngineCore pid=87) ERROR 03-27 10:12:11 [core.py:946]     raise {error}()
(EngineCore pid=87) ERROR 03-27 10:12:11 [core.py:946] {error}: something no rule has ever heard of
"""


@pytest.mark.parametrize(
    ("file", "function", "error", "expected"),
    [
        ("vllm/config/scheduler.py", "verify", "ValueError", "bad-flag"),
        ("vllm/model_executor/layers/quantization/awq.py", "create_weights", "ValueError", "unsupported-quantization"),
        ("vllm/model_executor/models/gpt_oss.py", "load_weights", "AssertionError", "corrupt-weights"),
        ("vllm/model_executor/models/gpt_oss.py", "load_weights", "NotImplementedError", "unexplained"),
        ("transformers/tokenization_utils_base.py", "from_pretrained", "TypeError", "tokenizer-or-template"),
        ("torch/_inductor/codecache.py", "load", "RuntimeError", "compile-failure"),
        ("x/inductor_cache/ep/cepq2zs.py", "call", "ValueError", "compile-failure"),
        ("vllm/platforms/cuda.py", "check_and_update_config", "NotImplementedError", "bad-flag"),
        ("huggingface_hub/file_download.py", "hf_hub_download", "ValueError", "hf-missing"),
        ("huggingface_hub/hf_api.py", "__init__", "TypeError", "unexplained"),  # another version than its caller's
        ("vllm/v1/worker/gpu_model_runner.py", "profile_run", "ValueError", "unexplained"),
        ("torch/nn/functional.py", "linear", "RuntimeError", "unexplained"),
        ("vllm/config/scheduler.py", "<module>", "ImportError", "unexplained"),
        ("argparse.py", "error", "ValueError", "bad-flag"),
        ("argparse.py", "add_argument", "TypeError", "unexplained"),  # the code's own mistake
        ("transformers/utils/hub.py", "cached_files", "ValueError", "hf-missing"),
        ("vllm/distributed/device_communicators/pynccl_wrapper.py", "NCCL_CHECK", "RuntimeError", "nccl-error"),
    ],
)
def test_an_unknown_exception_is_judged_by_where_it_was_raised(
    file: str, function: str, error: str, expected: str
) -> None:
    """The innermost frame counts; one that says nothing leaves the failure unexplained."""
    found = diagnose(TRACEBACK.format(file=file, function=function, error=error))
    assert found is not None
    assert found.rule == expected
    assert found.evidence[0].text.endswith(f"{error}: something no rule has ever heard of")
    if expected != "unexplained":
        assert "something no rule has ever heard of" in found.cause.en
        assert "something no rule has ever heard of" in found.cause.zh_tw


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("could not detect the topology. Pass --numa-bind-nodes explicitly or disable --numa-bind.", "bad-flag"),
        ("the answer is 41, with -- for once -- no flag to blame", "unexplained"),
        ("custom frobnicators are not supported when speculative frobnication is enabled", "bad-flag"),
        ("frob_size must be at least 2", "bad-flag"),
        ("view size is not compatible with input tensor's size and stride", "unexplained"),
        ("frobnication of quantized layers is not there yet", "unsupported-quantization"),
        ("frobnication needs compute capability 13", "unsupported-arch"),
        ("the tokenizer cannot frobnicate", "tokenizer-or-template"),
        ("no such model type: frobnicator", "unsupported-model"),
        ("something frobnicated", "unexplained"),
    ],
)
def test_an_unknown_exception_is_judged_by_words_that_others_share(said: str, expected: str) -> None:
    """What it is about, wherever it was raised, and with the traceback cut off."""
    where = {"file": "vllm/utils/numa_utils.py", "function": "_get_numa_node", "error": "RuntimeError"}
    whole = TRACEBACK.format(**where).replace("something no rule has ever heard of", said)
    for log in (whole, whole.splitlines()[-1]):
        found = diagnose(log)
        assert found is not None
        assert found.rule == expected


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "OSError: You are trying to access a gated repo.\nMake sure to have access to it.\n401 Client Error.\n\n"
            "Cannot access gated repo for url https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct/resolve/main/x.\n",
            "no access: meta-llama/Llama-3.2-1B-Instruct.",
        ),
        (
            "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error.\n\n"
            "Repository Not Found for url: https://huggingface.co/gpt2-small/resolve/main/config.json.\n",
            "reached: gpt2-small.",
        ),
        (
            'docker: Error response from daemon: invalid mount config for type "bind":\n'
            "bind source path does not exist: /home/you/data\n",
            "on the host: /home/you/data.",
        ),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
            "does not answer at unix:///var/run/docker.sock.",
        ),
        (
            "TimeoutError: Timed out waiting for engines. Waited 600s (configured by VLLM_ENGINE_READY_TIMEOUT_S)",
            "600 s",
        ),
        ("OSError: [Errno 28] No space left on device: '/root/.cache/huggingface/x'\n", "full at /root/.cache/"),
        (
            "RuntimeError: Ninja build failed. Ninja output:\nnvcc fatal   : Unknown option '-static-global=false'\n",
            "failed: Unknown option '-static-global=false'.",
        ),
        (
            "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that can be "
            "stored in KV cache (29472). Try\n",
            "at most 29472 tokens fit.",
        ),
        ('exec: "--model": executable file not found in $PATH: unknown.', "in the image: --model."),
    ],
)
def test_a_cause_says_what_the_log_says(log: str, said: str) -> None:
    """The names and numbers of the failure, also where the next lines have them."""
    found = diagnose(log)
    assert found is not None
    assert said in found.cause.en


@pytest.mark.parametrize(
    "log",
    [
        "ERROR 07-03 03:19:15 [serving_chat.py:200] Traceback (most recent call last):\n"
        "ERROR 07-03 03:19:15 [serving_chat.py:200] ValueError: This model's maximum context length is 16384 tokens.\n",
        "(APIServer pid=1) ERROR 06-23 08:11:44 [serving.py:932] openai_harmony.HarmonyError: Unexpected token 200002 "
        "while expecting start token 200006\n",
        "ERROR:    Exception in ASGI application\nTraceback (most recent call last):\n"
        '  File "/usr/lib/python3.12/dist-packages/vllm/tool_parsers/hermes.py", line 57, in __init__\n'
        "KeyError: '<tool_call>'\n",
        'INFO:     10.0.0.5:51234 - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error\n'
        "Traceback (most recent call last):\nKeyError: 'choices'\n",
    ],
)
def test_one_request_s_error_accuses_no_start(log: str) -> None:
    """Pasted without the start: what a handler of requests says is about a request."""
    assert diagnose(log) is None


def samples() -> list[tuple[str, Path]]:
    """Logs captured from real deployments: tests/logs/<rule-id>/*.log, `healthy` for those without a failure."""
    return [(path.parent.name, path) for path in sorted(LOGS.glob("*/*.log"))]


def told(log: str, path: Path) -> str:
    """The rule for a captured log, with the exit state its container ended in."""
    state = path.with_suffix(".exit").read_text().split() if path.with_suffix(".exit").exists() else []
    found = diagnose(log, exit_code=int(state[0]) if state else None, oom_killed=state[1:] == ["true"])
    return found.rule if found else "healthy"


@pytest.mark.parametrize(("expected", "path"), samples(), ids=lambda value: getattr(value, "stem", value))
def test_a_captured_log_yields_its_rule(expected: str, path: Path) -> None:
    """With the exit state the container ended in, where the log alone says nothing."""
    assert told(path.read_text(errors="replace"), path) == expected


OTHERS = (
    "webui-1   | INFO:     Started server process [1]",
    "webui-1   | INFO:     Application startup complete.",
    'webui-1   | INFO:     172.18.0.1:52514 - "GET /api/config HTTP/1.1" 200 OK',
    "webui-1   | ERROR [open_webui.routers.openai] Connection error: Cannot connect to host vllm:8000",
    'nginx-1   | 172.18.0.1 - - [28/Nov/2026:13:00:00 +0000] "GET /health HTTP/1.1" 502 157 "-" "curl/8.5.0"',
    "litellm-1 | Traceback (most recent call last):",
    'litellm-1 |   File "/app/litellm/proxy/proxy_server.py", line 812, in startup',
    "litellm-1 | prisma.errors.ClientNotConnectedError: Client is not connected to the query engine",
    "db-1      | 2026-11-28 13:00:00.001 UTC [1] LOG:  database system is ready to accept connections",
)
"""What the other services of a compose project say; two of them run on the server that vLLM has, too."""


@pytest.mark.parametrize("service", ["vllm-1", "inference-1"])
@pytest.mark.parametrize(("expected", "path"), samples(), ids=lambda value: getattr(value, "stem", value))
def test_a_captured_log_yields_its_rule_among_others(expected: str, path: Path, service: str) -> None:
    """Interleaved with other services, whatever its own is called: none of their lines is taken for the engine's."""
    lines = path.read_text(errors="replace").splitlines()
    for offset in range(0, len(lines) + 1, max(1, len(lines) // 4)):
        mixed = [f"{service} | {line}" for line in lines]
        for number, line in enumerate(OTHERS):
            mixed.insert(min(offset + 2 * number, len(mixed)), line)
        assert told("\n".join(mixed), path) == expected, offset


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
class TestEntry:
    def test_it_has_a_wording_or_a_log(self, rule: Rule) -> None:
        """A rule needs something real that shows it."""
        assert WORDINGS.get(rule.id) or list((LOGS / rule.id).glob("*.log"))

    def test_its_patterns_compile_and_have_a_key(self, rule: Rule) -> None:
        """Without a whole plain word a pattern would never be tried."""
        for pattern in rule.patterns:
            re.compile(pattern)
            assert keys(pattern), pattern

    def test_its_texts_ask_only_for_what_can_be_known(self, rule: Rule) -> None:
        """Names in the templates are groups of its patterns, ratios, or always there; in both languages the same."""
        known = {"container", "exit_code", "phase", "tail", "waited", "first", "repo", "directory", "path"} | {
            name for name, _, _ in rule.ratios
        }
        for pattern in rule.patterns:
            known |= set(re.compile(pattern).groupindex)
        for text in (rule.cause, rule.remedy):
            names = [set(re.findall(r"{(\w+)}", language)) for language in (text.en, text.zh_tw)]
            assert names[0] == names[1]
            assert names[0] <= known

    def test_what_it_yields_to_exists(self, rule: Rule) -> None:
        """`consequence_of` names rules, or `*`."""
        assert set(rule.consequence_of) <= {"*"} | {other.id for other in RULES}
        assert rule.id not in rule.consequence_of

    def test_unknown_values_leave_no_holes(self, rule: Rule) -> None:
        """Whatever is not known is left out of the sentence."""
        for text in (rule.cause, rule.remedy):
            shown = render(text, {"container": "x", "phase": "start"}, rule)
            assert "?" not in shown.en, shown.en
            assert "[[" not in shown.en + shown.zh_tw


def test_every_id_is_known_once() -> None:
    """The ids of the project's table of failures."""
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids)) == 31
    assert UNEXPLAINED.id == "unexplained"


def test_noise_never_hides_a_wording() -> None:
    """The list of harmless lines matches none of the messages above."""
    noise = re.compile("|".join(NOISE))
    for wordings in WORDINGS.values():
        for wording in wordings:
            assert not all(noise.search(line) for line in wording.splitlines())


def test_a_notebooks_remark_accuses_nobody() -> None:
    """It shows where it would have failed; nothing did."""
    assert (
        diagnose("      1 try:\n----> 2     import flash_attn\n      3 except ImportError: No module named 'vllm'")
        is None
    )


def test_every_place_points_to_a_rule() -> None:
    """A mistyped one would leave its exceptions unexplained, and nobody would see it."""
    assert {rule for _, rule in PLACES} <= {rule.id for rule in RULES}
