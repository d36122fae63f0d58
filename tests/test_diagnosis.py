"""The diagnosis finds the root cause, whatever stands around it, and accuses no healthy log."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import tracemalloc
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.diagnose_cli import add_arguments, run
from harness.diagnosis import HITS_PER_RULE, Reader, diagnose, render
from harness.lines import clean
from harness.rules import RULES
from harness.types import Rule

START = """\
(APIServer pid=1) INFO 09-28 15:47:00 [api_server.py:1896] vLLM API server version 0.10.1.1
(APIServer pid=1) INFO 09-28 15:47:08 [__init__.py:711] Resolved architecture: GptOssForCausalLM
(EngineCore_0 pid=120) INFO 09-28 15:47:12 [core.py:74] Initializing a V1 LLM engine (v0.10.1.1) with config: \
model='openai/gpt-oss-120b', speculative_config=None, dtype=torch.bfloat16, quantization=mxfp4
(EngineCore_0 pid=120) INFO 09-28 15:47:14 [gpu_model_runner.py:1953] Starting to load model openai/gpt-oss-120b...
"""
READY = """\
(EngineCore_0 pid=120) INFO 09-28 15:55:14 [gpu_model_runner.py:2007] Model loading took 65.9651 GiB and 330.1 seconds
(EngineCore_0 pid=120) INFO 09-28 15:55:20 [kv_cache_utils.py:849] GPU KV cache size: 471,360 tokens
(APIServer pid=1) INFO:     Started server process [1]
(APIServer pid=1) INFO:     Waiting for application startup.
(APIServer pid=1) INFO:     Application startup complete.
"""
STOP = """\
(APIServer pid=1) INFO:     Shutting down
(APIServer pid=1) INFO:     Waiting for application shutdown.
(APIServer pid=1) INFO:     Application shutdown complete.
"""
WRAPPER = """\
(APIServer pid=1) Traceback (most recent call last):
(APIServer pid=1)   File "/usr/local/bin/vllm", line 10, in <module>
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
ERROR = "(EngineCore_0 pid=120) ERROR 09-28 15:47:24 [core.py:700] "
FREE = (
    "ValueError: Free memory on device (31.44/47.38 GiB) on startup is less than desired GPU memory utilization "
    "(0.95, 45.01 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes."
)
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 896.00 MiB. GPU 0 has a total capacity of 95.00 GiB "
    "of which 507.50 MiB is free."
)
FATAL = "EngineCore encountered a fatal error."
DEAD = (
    "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root "
    "cause."
)
NAME = (
    'docker: Error response from daemon: Conflict. The container name "/gpt-oss-120b" is already in use by container '
    '"4e0a6c9fd2b1a3c4". You have to remove (or rename) that container to be able to reuse that name.'
)
PORT = (
    "docker: Error response from daemon: driver failed programming external connectivity on endpoint gpt-oss-120b "
    "(6f3a): Bind for 0.0.0.0:8000 failed: port is already allocated."
)


def died(*messages: str) -> str:
    """An engine that fails to start, with these messages as its traceback."""
    lines = ("EngineCore failed to start.", "Traceback (most recent call last):", *messages)
    return START + "".join(f"{ERROR}{line}\n" for line in lines) + WRAPPER


def rule(log: str | bytes, **state: object) -> str | None:
    """The rule that answers a log."""
    found = diagnose(log, **state)  # type: ignore[arg-type]
    return found.rule if found else None


class TestRootCause:
    def test_what_a_serving_engine_died_of_is_told(self) -> None:
        """Its own exception ends the traceback after the line that says it is dead."""
        log = (Path(__file__).parent / "logs" / "engine-dead" / "first-chat.log").read_bytes()
        found = diagnose(log, exit_code=0)
        assert found is not None
        assert found.rule == "engine-dead"
        what = "ModuleNotFoundError: No module named 'intel_extension_for_pytorch'"
        assert found.cause.en == f"The engine died: {what}."
        assert found.evidence[-1].text.endswith(what)
        for size in (1, 1000):  # however it comes
            reader = Reader()
            for at in range(0, len(log), size):
                reader.feed(log[at : at + size])
            assert reader.diagnosis(exit_code=0) == found

    def test_nor_is_it_the_last_word_of_what_nobody_knows(self) -> None:
        """The first error is told, in both languages; the last line only where there is none."""
        found = diagnose(died("ValueError: CPU backend only supports V1."))
        assert found is not None
        assert found.rule == "unexplained"
        assert found.cause.en.endswith(" First error: ValueError: CPU backend only supports V1.")
        assert found.cause.zh_tw.endswith("第一個錯誤：ValueError: CPU backend only supports V1。")
        found = diagnose(f"{START}{ERROR}nothing more\n", exit_code=1)
        assert found is not None
        assert "Last words: nothing more" in found.cause.en

    def test_a_command_that_complains_has_failed_although_nobody_knows_its_words(self) -> None:
        """Nothing else was said; beside a server's own words such a line is none of its business."""
        assert rule("Error: the frobnicator has no frobs\n") == "unexplained"
        assert rule("FATA[0000] the frobnicator has no frobs\n") == "unexplained"
        assert rule("frobnicate: /frobs/7: Not a directory\n") == "unexplained"
        assert rule("kernel: INFO: task VLLM::EngineCor:18 blocked for more than 120 seconds.\n") == "unexplained"
        assert rule("  Warning  FailedScheduling  6m  default-scheduler  no frobs\n") == "unexplained"
        assert (
            rule("  Warning  FailedScheduling  6m  s  no frobs\n  Normal   Scheduled  5m  s  assigned vllm\n") is None
        )
        cancelled = "slurmstepd: error: *** STEP 9.8 ON spark-1 CANCELLED AT 2026-07-16T17:59:04"
        assert rule(f"{cancelled} ***\n") is None
        assert rule(f"{cancelled} DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***\n") == "unexplained"
        assert rule(START + "Error: the frobnicator has no frobs\n") is None
        assert rule("the frobnicator has no frobs\n") is None

    def test_the_last_container_is_removed_first_and_need_not_be_there(self) -> None:
        """`docker rm -f NAME` before every start."""
        gone = "Error response from daemon: No such container: vllm-gpt-oss\n"
        assert rule(gone + START) is None
        assert rule(gone) == "unexplained"

    def test_nor_is_the_wait_for_a_worker_that_had_failed(self) -> None:
        """The others wait for it until their time is over."""
        said = "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing"
        waited = (
            "torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 1/8 clients joined.\n"
        )
        found = diagnose(died(said) + waited)
        assert found is not None
        assert found.rule == "unexplained"
        assert said in found.cause.en
        assert rule(START + waited) == "start-timeout"

    def test_what_was_raised_before_is_told_with_it(self) -> None:
        """That the model's class could not be looked at may have a cause in the image."""
        first = "ImportError: cannot import name 'x' from 'triton'"
        found = diagnose(
            f"{died(first)}{ERROR}ValueError: Model architectures ['XForCausalLM'] failed to be inspected.\n"
        )
        assert found is not None
        assert found.rule == "unsupported-model"
        assert found.cause.en.endswith(f"architecture: XForCausalLM. First error: {first}.")
        assert found.cause.zh_tw.endswith(f"第一個錯誤：{first}。")

    def test_the_wrapper_is_never_the_answer(self) -> None:
        """`Engine core initialization failed. See root cause above` points elsewhere: there the answer is."""
        found = diagnose(died(FREE))
        assert found is not None
        assert found.rule == "gpu-memory-startup"
        assert [line.line for line in found.evidence] == [7]
        assert found.vllm_version == "0.10.1.1"

    @pytest.mark.parametrize(
        ("messages", "expected"),
        [
            (("torch._inductor.exc.InductorError: OutOfMemoryError: " + OOM[24:],), "cuda-oom"),
            (("torch._inductor.exc.InductorError: x", OOM), "cuda-oom"),
            ((OOM, "", "During handling of the above exception, another exception occurred:", "", FREE), "cuda-oom"),
            (("OSError: [Errno 28] No space left on device: '/dev/shm/psm_1'",), "shm-too-small"),
            (
                (
                    "huggingface_hub.errors.GatedRepoError: 401 Client Error.",
                    "The above exception was the direct cause of the following exception:",
                    "ValueError: Invalid repository ID or local directory specified: 'google/gemma-3-27b-it'.",
                ),
                "hf-gated",
            ),
            (
                (
                    "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig",
                    "  Value error, User-specified max_model_len (9999999) is greater than the derived max_model_len "
                    "(max_position_embeddings=131072 or model_max_length=None in model's config.json).",
                ),
                "max-model-len-invalid",
            ),
            (("RuntimeError: NCCL error: unhandled cuda error", OOM), "cuda-oom"),
            (("torch.distributed.DistBackendError: NCCL error: CUDA error: an illegal memory access",), "engine-dead"),
            (("RuntimeError: CUDA error: unspecified launch failure", "RuntimeError: NCCL error: x"), "engine-dead"),
            (("RuntimeError: NCCL error: unhandled system error", DEAD), "nccl-error"),
            (("AttributeError: 'Foo' object has no attribute 'bar'",), "unexplained"),
        ],
    )
    def test_the_cause_wins_over_its_consequences(self, messages: tuple[str, ...], expected: str) -> None:
        """Two errors: the first cause is the answer, whichever stands last."""
        assert rule(died(*messages)) == expected

    def test_a_port_conflict_that_leaves_a_name_conflict_is_a_port_conflict(self) -> None:
        """Docker leaves the container behind when the port is taken; the next try meets its name."""
        assert rule(PORT + "\n" + NAME) == "port-in-use"
        assert rule(NAME, daemon_error=PORT) == "port-in-use"
        assert rule(NAME) == "container-name-conflict"

    def test_the_numbers_of_the_log_are_in_cause_and_remedy(self) -> None:
        """The utilisation that fits is free/total with some room, rounded down."""
        found = diagnose(died(FREE))
        assert found is not None
        assert "31.44 of 47.38 GiB" in found.cause.en
        assert "--gpu-memory-utilization to 0.61" in found.remedy.en
        assert "0.61" in found.remedy.zh_tw

    def test_the_name_in_the_conflict_is_in_the_remedy(self) -> None:
        """The remedy can be pasted."""
        found = diagnose("", daemon_error=NAME)
        assert found is not None
        assert "docker rm -f gpt-oss-120b" in found.remedy.en

    def test_an_unknown_failure_shows_its_last_lines_and_how_to_add_a_rule(self) -> None:
        """`unexplained` is an answer too."""
        found = diagnose(died("AttributeError: 'Foo' object has no attribute 'bar'"), container="vllm-x")
        assert found is not None
        assert "AttributeError" in found.evidence[0].text
        assert "harness/rules.py" in found.remedy.en
        assert "docker logs vllm-x" in found.remedy.en

    def test_a_restart_that_got_ready_clears_the_failed_try(self) -> None:
        """The first start failed, the second serves: no failure."""
        assert rule(died(FREE) + START + READY) is None

    def test_in_a_restart_loop_the_last_try_is_shown(self) -> None:
        """The evidence is of the newest try."""
        log = died(FREE) * 3
        found = diagnose(log)
        assert found is not None
        assert found.evidence[0].line == log[: log.rindex("ValueError")].count("\n") + 1


class TestExitState:
    @pytest.mark.parametrize(
        ("log", "state", "expected"),
        [
            (START, {"exit_code": 137}, "host-oom-killed"),
            (START, {"exit_code": 137, "oom_killed": True}, "host-oom-killed"),
            (START + READY, {"oom_killed": True, "exit_code": 137}, "host-oom-killed"),
            (START, {"exit_code": 1}, "unexplained"),
            (START, {"exit_code": 0}, "unexplained"),  # ended before it ever listened
            (START, {}, None),  # still loading
            ("", {"exit_code": 127}, "entrypoint-missing"),
            ("", {"exit_code": 1}, "unexplained"),
            ("", {}, None),
            (START, {"exit_code": 139}, "engine-dead"),
            (START, {"timed_out_s": 600.0}, "start-timeout"),
            (START + READY, {"exit_code": 0}, None),
            (START + READY + STOP, {"exit_code": 0}, None),
            (START + READY + STOP, {"exit_code": 143}, None),
            (START + READY + STOP, {"exit_code": 137}, None),  # docker stop ran out of patience
            (START + READY, {"exit_code": 143}, None),
            (START + READY + ERROR + FATAL + "\n" + ERROR + DEAD + "\n" + STOP, {"exit_code": 0}, "engine-dead"),
            (START + READY + ERROR + OOM + "\n" + ERROR + FATAL + "\n", {"exit_code": 0}, "cuda-oom"),
            (died(FREE), {"exit_code": 137}, "gpu-memory-startup"),
            (
                START + READY + ERROR + "EngineCore hit an exception: Traceback (most recent call last):\n",
                {},
                "engine-dead",
            ),
            (START + READY + "CRITICAL Got fatal signal from worker processes, shutting down.\n", {}, "engine-dead"),
            (START + "Killed\n", {}, "host-oom-killed"),
            (START + READY + "Killed\n", {}, "host-oom-killed"),
            (START + READY + STOP + "Killed\n", {}, None),
            (START + "Killed\n" + START + READY, {}, None),  # another start, which serves
            (died("TypeError: nobody knows this") + "Killed\n", {}, "unexplained"),  # it killed itself
            (
                died("RuntimeError: NCCL error: unhandled system error") + "x.sh: line 3: 9 Killed   vllm\n",
                {},
                "nccl-error",
            ),
        ],
    )
    def test_the_exit_state_counts(self, log: str, state: dict[str, object], expected: str | None) -> None:
        """137, OOMKilled, exit 0 after the engine died, a log that just stops."""
        assert rule(log, **state) == expected

    def test_where_only_the_exit_state_speaks_the_last_lines_are_the_evidence(self) -> None:
        """With their numbers."""
        found = diagnose(START, exit_code=137)
        assert found is not None
        assert [line.line for line in found.evidence] == [1, 2, 3, 4]

    def test_a_start_that_timed_out_names_its_phase(self) -> None:
        """The phase it hung in is the clue."""
        found = diagnose(START, timed_out_s=600)
        assert found is not None
        assert "'weights'" in found.cause.en
        assert "600 s" in found.cause.en


HEALTHY_LINES = [
    "INFO 09-28 15:47:24 [gpu_worker.py:265] Free memory on device (110.1/121.69 GiB) on startup. Desired GPU memory "
    "utilization is (0.85, 103.4 GiB).",
    'ERROR 09-28 15:47:24 [repo_utils.py:57] Error retrieving file list: (MaxRetryError("HTTPSConnectionPool(host='
    "'huggingface.co', port=443): Max retries exceeded with url: /api\")), retrying 1 of 2",
    "INFO 09-28 15:47:24 [logger.py:41] Received request chatcmpl-1: prompt: 'RuntimeError: CUDA out of memory. Tried "
    "to allocate 2 GiB. HarmonyError: x vocab file'",
    'INFO:     127.0.0.1:5555 - "POST /v1/chat/completions HTTP/1.1" 400 Bad Request',
    "INFO 09-28 15:47:24 [shm_broadcast.py:466] No available shared memory broadcast block found in 60 seconds.",
    "[rank0]:[W1125 17:19:40.15 ProcessGroupNCCL.cpp:1524] Warning: WARNING: destroy_process_group() was not called",
    "/usr/lib/python3/torch/cuda/__init__.py:235: UserWarning: NVIDIA GB10 with CUDA capability sm_121 is not "
    "compatible with the current PyTorch installation.",
    "INFO 09-28 15:47:24 [x.py:1] error, failed, OOM, out-of-memory",
    "WARNING 09-28 15:47:24 [x.py:1] Failed to import from vllm._C with ImportError('libcuda.so.1: cannot open shared "
    "object file: No such file or directory')",
    "[Gloo] Rank 0 is connected to 0 peer ranks. Expected number of connected peer ranks is : 0",
    "",
    "2025-11-20 10:15:02,065 - ERROR - flashinfer.jit: [Autotuner]: Skipping tactic 31: CUDA out of memory",
    "Error while downloading from https://huggingface.co/x: HTTPSConnectionPool(host='huggingface.co', port=443): "
    "Read timed out.",
    "Ignored error while writing commit hash to /models/refs/main: [Errno 30] Read-only file system",
    "Could not cache non-existence of file. Will ignore error and continue. Error: [Errno 13] Permission denied",
    "'[Errno -3] Temporary failure in name resolution' thrown while requesting HEAD https://huggingface.co/Qwen/Qwen3-8B",
]


class TestHealthy:
    @pytest.mark.parametrize("line", HEALTHY_LINES)
    def test_words_alone_accuse_nobody(self, line: str) -> None:
        """A healthy log with the words error, failed, OOM, out-of-memory in it yields no diagnosis."""
        assert rule(line) is None
        assert rule(START + line + "\n" + READY) is None
        assert rule(START + READY + line + "\n") is None
        assert rule(START + READY + line + "\n" + STOP, exit_code=0) is None

    def test_a_clients_bad_request_is_not_the_deployments_failure(self) -> None:
        """One request that failed while the engine serves on."""
        bad = (
            "(APIServer pid=1) ERROR 09-28 16:00:00 [serving_chat.py:257] Error in preprocessing prompt inputs\n"
            "(APIServer pid=1) ERROR 09-28 16:00:00 [serving_chat.py:257] Traceback (most recent call last):\n"
            "(APIServer pid=1) ERROR 09-28 16:00:00 [serving_chat.py:257] TypeError: can only concatenate str\n"
        )
        assert rule(START + READY + bad) is None

    def test_a_prompt_in_the_log_kills_nobody(self) -> None:
        """What a user asked about is no death, and ends no wait."""
        reader = Reader()
        reader.feed((START + READY).encode())
        asked = (
            "INFO 01-03 18:37:00 [logger.py:37] Received request cmpl-1: prompt: 'Engine core initialization failed'\n"
        )
        assert reader.feed(asked.encode()) is None
        assert reader.diagnosis() is None

    def test_another_try_in_one_piece_of_the_log_is_not_taken_for_serving(self) -> None:
        """A complaint before the engine listens is read again with the lines after it, and stays before it."""
        complaint = "(APIServer pid=1) ERROR 03-01 13:30:11 [x.py:1] default chat template is no longer allowed\n"
        assert diagnose([START + complaint + READY, "INFO:     more\n", "and more\n"]) is None

    def test_a_collectors_level_is_not_the_lines(self) -> None:
        """A log collector calls everything INFO; vLLM's own level behind it counts, and a traceback has none."""
        collected = "INFO 2025-11-19T20:16:36.09Z [resource.labels.containerName: vllm] "
        assert rule("".join(f"{collected}{line}\n" for line in died(OOM).splitlines())) == "cuda-oom"

    def test_an_exception_without_its_traceback_is_a_failure(self) -> None:
        """Somebody picked the last line out of a log."""
        assert (
            rule("(EngineCore pid=9) ERROR 01-01 10:00:00 [core.py:1] ValueError: nobody knows this\n") == "unexplained"
        )
        assert rule("docker: Error response from daemon: network x not found\n") == "unexplained"

    def test_a_missing_vocabulary_is_although_the_engine_serves_on(self) -> None:
        """Every chat of gpt-oss fails: the deployment is not usable."""
        line = (
            "(APIServer pid=1) openai_harmony.HarmonyError: error downloading or loading vocab file: failed to download"
        )
        assert rule(START + READY + line) == "harmony-vocab"

    @pytest.mark.parametrize(
        "asked", ["Aborted request 85bac0a6a206462aadb2f9d86b92b5f6.", "Received request cmpl-0f1e2d3c:"]
    )
    def test_a_traceback_after_a_request_is_no_failed_start(self, asked: str) -> None:
        """The start is not in the log, but somebody was served before it."""
        later = "Task exception was never retrieved\nTraceback (most recent call last):\nAttributeError: nobody knows\n"
        assert rule(f"INFO 07-11 13:13:34 [async_llm_engine.py:222] {asked}\n{later}") is None
        assert rule(f"INFO 07-11 13:13:34 [x.py:222] Received request to start\n{later}") == "unexplained"

    def test_what_happens_in_the_serving_loop_ends_the_serving(self) -> None:
        """An excerpt from the engine's traceback, without start and without a word of the engine's death."""
        frame = '  File "/usr/lib/python3/dist-packages/vllm/v1/engine/core.py", line 493, in run_busy_loop\n'
        assert rule(f"Traceback (most recent call last):\n{frame}ValueError: nobody knows this\n") == "engine-dead"

    def test_a_log_that_stops_in_the_midst_of_a_traceback_shows_a_failure(self) -> None:
        """The line that would say what it was is not there."""
        cut = 'Traceback (most recent call last):\n  File "/x/mllama.py", line 1392, in forward\n    assert a >= b\n'
        assert rule(START + cut) == "unexplained"
        assert rule(START + READY + cut) is None
        assert rule(START + cut + "(EngineCore_0 pid=1) INFO 09-28 15:47:14 [x.py:1] goes on\n") is None

    def test_where_it_stops_tells_the_cause_as_well_as_where_it_was_raised(self) -> None:
        """The innermost frame of a traceback without its end."""
        cut = (
            'Traceback (most recent call last):\n  File "/x/triton/runtime/build.py", line 32, in _build\n    raise Run'
        )
        assert rule(START + cut) == "compile-failure"

    def test_a_native_stack_at_the_end_ends_the_serving(self) -> None:
        """An error in the midst of whose stack the log stops was not one request's."""
        error = "[rank3]:[E716 19:47:26.3 shim_common.cpp:523] CUDA out of memory. Tried to allocate 2.00 GiB."
        frame = "frame #1: <unknown function> + 0x44280c (0x4000c58b280c in /x/torch/lib/libc10_cuda.so)"
        assert rule(f"{START}{READY}{error}\n{frame}\n") == "cuda-oom"
        assert rule(f"{START}{READY}{error}\n{frame}\nINFO 09-28 15:47:14 [x.py:1] goes on\n") is None

    @pytest.mark.parametrize(
        ("hint", "expected"),
        [
            (
                "INFO 05-20 20:12:25 [__init__.py:252] No platform detected, vLLM is running on UnspecifiedPlatform\n",
                "gpu",
            ),
            (
                "file_download.py:798: UserWarning: Not enough free disk space to download the file. Needed: 9 MB\n",
                "disk",
            ),
        ],
    )
    def test_what_a_start_may_survive_counts_when_it_says_no_more(self, hint: str, expected: str) -> None:
        """Until it is ready, and unless something says what broke it."""
        assert (rule(hint) or "").startswith(expected)
        assert rule(hint + START + READY) is None
        assert rule(hint + died(FREE)) == "gpu-memory-startup"
        assert (
            rule(hint + START + "INFO 09-28 15:48:00 [gpu_worker.py:298] Available KV cache memory: 9.1 GiB\n") is None
        )

    def test_who_stopped_a_start_has_not_broken_it(self) -> None:
        """A signal while the engine starts ends in a traceback, too."""
        frame = '  File "/x/vllm/entrypoints/openai/api_server.py", line 1307, in signal_handler\n'
        stopped = f"{START}Traceback (most recent call last):\n{frame}KeyboardInterrupt: terminated\n"
        assert rule(stopped) is None
        assert rule(stopped, exit_code=1) == "unexplained"

    @pytest.mark.parametrize("before", [START + READY, ""])
    @pytest.mark.parametrize("step", ["run_busy_loop", "_run_engine"])
    def test_nor_who_stopped_the_engine_in_its_work(self, before: str, step: str) -> None:
        """The signal is raised in the midst of the loop; what had died before is dead all the same."""
        loop = f'Traceback (most recent call last):\n  File "/x/vllm/v1/engine/core.py", line 9, in {step}\n'
        assert rule(f"{before}{loop}KeyboardInterrupt\n") is None
        assert rule(f"{before}{loop}ValueError: x\n{loop}KeyboardInterrupt: terminated\n") == "engine-dead"

    @pytest.mark.parametrize(
        "line",
        [
            "NVRM: nvCheckOkFailedNoLog: Check failed: Out of memory [NV_ERR_NO_MEMORY]",
            "[1.1] Out of memory: Killed process 9 (chrome) total-vm:1",
        ],
    )
    def test_a_host_short_of_memory_has_killed_no_engine_that_goes_on(self, line: str) -> None:
        """Its kernel writes into the same journal."""
        assert rule(f"{START}{READY}{line}\nINFO 09-28 15:47:14 [loggers.py:1] Avg prompt throughput: 1\n") is None

    def test_a_workers_exception_while_it_starts_is_told_by_its_words(self) -> None:
        """That the worker met one is no cause; in a traceback of the serving loop it would be the engine's end."""
        said = "RuntimeError: shape mismatch: value tensor of shape [5] cannot be broadcast"
        hit = f"{ERROR}WorkerProc hit an exception.\n{ERROR}Traceback (most recent call last):\n"
        frame = f'{ERROR}  File "/x/vllm/v1/worker/gpu/model_runner.py", line 1500, in sample_tokens\n'
        found = diagnose(f"{START}{hit}{frame}{ERROR}{said}\n")
        assert found is not None
        assert (found.rule, said in found.cause.en) == ("unexplained", True)
        loop = f"{ERROR}    engine_core.run_busy_loop()\n"
        assert rule(f"{hit}{frame}{ERROR}{said}\n{loop}") == "engine-dead"
        assert rule(f"{hit}{frame}{ERROR}{said}\n{ERROR}EngineCore encountered a fatal error.\n") == "engine-dead"

    @pytest.mark.parametrize(
        "step", ["_run_engine", "engine_step", "add_request", "_add_request", "_validate_and_add_requests"]
    )
    def test_without_a_server_the_step_tells_whether_the_engine_died(self, step: str) -> None:
        """A script that asks the engine itself: its next token may be the end, a request it refuses is not."""
        frames = "".join(
            f'  File "/x/vllm/{file}.py", line 1, in {function}\n'
            for file, function in (("entrypoints/llm", step), ("models/x", "forward"))
        )
        said = f"Traceback (most recent call last):\n{frames}ValueError: 2738 multimodal tokens for 3704 places\n"
        assert rule(said) == ("engine-dead" if "engine" in step else None)

    def test_a_notebooks_traceback_has_other_frames(self) -> None:
        """Only the source lines say where it was."""
        said = (
            "/x/vllm/entrypoints/llm.py in generate(self)\n--> 871         outputs = self._run_engine(use_tqdm=True)\n"
        )
        assert rule(f"{said}AttributeError: 'X' object has no attribute 'y'\n") == "engine-dead"

    def test_a_server_around_the_engine_that_gives_up_has_failed(self) -> None:
        """Triton's words; the reason is not always there."""
        assert rule("E0101 model.py:289] Failed to start engine: signal only works in main thread\n") == "unexplained"

    def test_a_script_that_fails_after_its_answers_accuses_nobody(self) -> None:
        """All prompts are processed; what the script makes of the answers is its own."""
        own = 'Traceback (most recent call last):\n  File "/x/mine.py", line 14, in <module>\nAssertionError\n'
        assert rule(f"Processed prompts: 100%|####| 1/1 [00:01<00:00]\n{own}") is None
        assert rule(own) == "unexplained"

    def test_what_a_finalizer_raised_ended_nothing(self) -> None:
        """Python says so above the traceback; the next one counts again."""
        own = (
            'Traceback (most recent call last):\n  File "/x/_store.py", line 59, in __del__\nTypeError: not callable\n'
        )
        ignored = f"Exception ignored in: <function TCPStore.__del__ at 0x7f93>\n{own}"
        assert rule(START + ignored) is None
        assert rule(START + ignored.rpartition("TypeError")[0]) is None
        assert rule(START + ignored + own) == "unexplained"

    @pytest.mark.parametrize(
        ("head", "raised"),
        [
            ("NVLink detection failed.", "pynvml.NVMLError_NotSupported: Not Supported"),
            ("Failed to load plugin terratorch", "ModuleNotFoundError: No module named 'torchgeo'"),
            ("Error saving model info cache.", "OSError: [Errno 28] No space left on device"),
        ],
    )
    def test_what_vllm_can_do_without_breaks_no_start(self, head: str, raised: str) -> None:
        """A log that ends soon after it: its traceback is one of an error that was caught."""
        tag = "ERROR 11-20 10:12:03 [utils.py:88] "
        frame = 'File "/usr/lib/python3.12/site-packages/vllm/platforms/cuda.py", line 380, in check'
        lines = [head, "Traceback (most recent call last):", f"  {frame}", "    check()", raised]
        assert rule(START + "".join(f"{tag}{line}\n" for line in lines)) is None
        assert rule(START + "".join(f"{tag}{line}\n" for line in lines[1:])) is not None
        assert rule(START + "".join(f"{tag}{line}\n" for line in lines) + died(FREE)) == "gpu-memory-startup"

    def test_a_harmless_traceback_has_one_end(self) -> None:
        """What is chained to it belongs to it; another one does not, nor what stands long after one without end."""
        head = "ERROR 11-20 10:12:03 [utils.py:88] "
        caught = [f"{head}Error saving model info cache.", f"{head}Traceback (most recent call last):"]
        first = [f"{head}KeyError: 'x'", f"{head}During handling of the above exception, another exception occurred:"]
        second = [f"{head}Traceback (most recent call last):", f"{head}OSError: [Errno 28] No space left on device"]
        assert rule(START + "\n".join([*caught, *first, *second]) + "\n") is None
        assert rule(START + "\n".join([*caught, *second]) + "\n") == "disk-full"
        endless = "\n".join([*caught, *[f"{head}  and on"] * 500])
        assert rule(f"{START}{endless}\nValueError: the frobnicator has no frobs\n") == "unexplained"

    def test_an_exceptions_name_may_go_on(self) -> None:
        """`NVMLError_NotSupported`: its traceback ends there, and what stands below is not searched for its end."""
        said = "Traceback (most recent call last):\n  x\npynvml.NVMLError_FrobsGone: gone\nValueError: of another one\n"
        found = diagnose(START + said)
        assert found is not None
        assert "FrobsGone" in found.evidence[0].text

    def test_a_line_above_does_not_make_a_harmless_one_a_failure(self) -> None:
        """Two lines that read together like one message."""
        lost = "Could not cache non-existence of file. Will ignore error and continue. [Errno 13] Permission denied\n"
        assert rule(f"{START}ERROR 09-28 15:47:24 [core.py:700] EngineCore failed to start.\n{lost}") == "unexplained"

    def test_what_a_serving_engine_says_of_one_requests_adapter(self) -> None:
        """In a log that begins while it serves: a start's failure it cannot be."""
        served = 'INFO:     10.0.0.5:5 - "POST /v1/completions HTTP/1.1" 200 OK\n'
        missing = "ERROR 08-27 10:49:21 [core.py:769] ValueError: LoRA rank 64 is greater than max_lora_rank 16.\n"
        assert rule(served + missing) is None
        assert rule(missing) == "bad-flag"
        assert rule(served + missing, exit_code=1) == "bad-flag"

    def test_among_several_writers_who_serves_has_requests_that_fail(self) -> None:
        """Whoever it is: nobody announced a start."""
        served = 'inference-1 | INFO:     10.0.0.5:5 - "POST /v1/completions HTTP/1.1" 200 OK\n'
        other = "cron-1 | nightly\n"
        error = "inference-1 | Traceback (most recent call last):\ninference-1 |   x\ninference-1 | KeyError: 'x'\n"
        assert rule(served + other + error) is None
        assert rule(served.replace("inference", "web") + other + error) == "unexplained"

    def test_among_several_writers_the_one_with_vllms_name_is_the_engine(self) -> None:
        """Where nobody announced a start: that it listens ends its start."""
        log = "web-1 | hello\n{0} | INFO:     Application startup complete.\n{0} | OSError: [Errno 28] No space left\n"
        assert rule(log.format("my-vllm-1")) is None
        assert rule(log.format("engine-1")) == "disk-full"

    def test_a_traceback_is_one_writers(self) -> None:
        """What another one writes in between does not end it."""
        head = "engine-1 | Exception ignored in: <function f>\nengine-1 | Traceback (most recent call last):\n"
        own, other = "engine-1 | TypeError: 'NoneType'\n", "web-1 | INFO: x\n"
        assert rule(head + own + other) is None
        assert rule(f"{head}web-1 | requests.exceptions.ConnectionError: x\n{own}") is None

    def test_another_services_stop_is_not_the_engines(self) -> None:
        """They share the server, not the end."""
        ours = [f"inference-1 | {line}" for line in died(FREE).splitlines()]
        stop = "webui-1 | INFO:     Shutting down"
        assert rule("\n".join([*ours[:3], stop, *ours[3:]])) == "gpu-memory-startup"

    def test_another_services_harmless_traceback_hides_nothing(self) -> None:
        """Its end is not looked for in the engine's lines."""
        theirs = (
            "--- Logging error ---",
            "Traceback (most recent call last):",
            "TypeError: not all arguments converted",
        )
        ours = [f"inference-1 | {line}" for line in died(FREE).splitlines()]
        for at in (0, 3):
            mixed = [*ours[:at], *(f"webui-1     | {line}" for line in theirs), *ours[at:]]
            assert rule("\n".join(mixed)) == "gpu-memory-startup"
        endless = [f"webui-1     | {line}" for line in theirs[:2]]
        died_of = [f"inference-1 | {line}" for line in (START + "ValueError: no frobs").splitlines()]
        assert rule("\n".join([*died_of[:-1], *endless, died_of[-1]])) == "unexplained"

    @pytest.mark.parametrize(
        ("before", "failure", "expected"),
        [
            (
                'File "/usr/lib/python3.12/dist-packages/vllm/entrypoints/x.py", line 9, in create_server_socket',
                "PermissionError: [Errno 13] Permission denied",
                "permission-denied",
            ),
            (
                'File "/usr/lib/python3.12/dist-packages/fastapi/routing.py", line 134, in merged_lifespan',
                "PermissionError: [Errno 13] Permission denied: '/etc/keys'",
                "permission-denied",
            ),
            (
                'INFO:     10.0.0.5:5 - "POST /v1/completions HTTP/1.1" 200 OK',
                "vllm: error: unrecognized arguments: --x",
                "bad-flag",
            ),
        ],
    )
    def test_what_no_request_does_is_a_failed_start(self, before: str, failure: str, expected: str) -> None:
        """Although frames of the server, or an earlier engine's requests, stand before it."""
        head = "Traceback (most recent call last):\n  " if before.startswith("File") else ""
        assert rule(f"{head}{before}\n{failure}\n") == expected

    def test_a_clients_traceback_is_not_the_engines(self) -> None:
        """Both wrote into one terminal."""
        said = 'Traceback (most recent call last):\n  File "/x/site-packages/{}/y.py", line 9, in f\nKeyError: x\n'
        assert rule(said.format("openai")) is None
        assert rule(said.format("vllm/entrypoints/openai")) == "unexplained"
        assert rule(said.format("openai").replace("in f", "in <module>")) == "unexplained"  # the server imports it, too

    @pytest.mark.parametrize(
        "step",
        [
            *("create_chat_completion", "create_completion", "chat_completion_stream_generator", "wrapped_app"),
            *("extract_tool_calls", "extract_tool_calls_streaming", "run_endpoint_function"),
        ],
    )
    def test_a_traceback_through_an_endpoint_is_one_requests(self, step: str) -> None:
        """Without a word of the server around it, and with the error above its frames, as trackers show it."""
        frame = f'  File "/x/vllm/entrypoints/openai/serving_chat.py", line 241, in {step}\n'
        assert rule(f"IndexError: pop from empty list\n{frame}    current = loads(text)\n") is None
        assert rule(f"IndexError: pop from empty list\n{frame.replace(step, 'load_model')}    x()\n") == "unexplained"
        assert rule(f"Traceback (most recent call last):\n{frame}IndexError: pop from empty list\n") is None

    @pytest.mark.parametrize(
        "step",
        [
            'starlette/middleware/errors.py", line 164, in __call__',
            'fastapi/routing.py", line 134, in app',
            'vllm/entrypoints/openai/chat_completion/serving.py", line 259, in _create_chat_completion',
        ],
    )
    def test_a_traceback_through_the_web_framework_is_one_requests(self, step: str) -> None:
        """In a log that begins in its midst."""
        frame = f'  File "/usr/lib/python3.12/dist-packages/{step}\n    await self.app()\n'
        assert rule(f"{frame}KeyError: 'choices'\n") is None
        own = frame.replace(step, 'vllm/worker/x.py", line 9, in load')
        assert rule(f"{own}KeyError: 'choices'\n") == "unexplained"

    def test_a_finalizer_that_comes_too_late_breaks_nothing(self) -> None:
        """Python ends; another worker's line stands between its traceback and what says that it is ignored."""
        late = (
            "Traceback (most recent call last):\nImportError: sys.meta_path is None, Python is likely shutting down\n"
        )
        assert rule(START + late) is None

    def test_a_tool_parsers_trouble_is_one_requests(self) -> None:
        """A model that answers with broken JSON ends no deployment."""
        where = "ERROR 03-20 16:44:04 hermes_tool_parser.py:338] "
        lines = f"{where}Error trying to handle streaming tool call.\n{where}Traceback (most recent call last):\n"
        assert rule(f"{lines}{where}AttributeError: 'NoneType' object has no attribute 'get'\n") is None

    def test_an_engine_that_was_told_to_end_leaves_a_dead_one_behind(self) -> None:
        """As newer versions say it; the server of a start that failed ends its engine, too, and then says why."""
        told = "(EngineCore pid=9) INFO 09-28 15:50:00 [core.py:1261] Shutdown initiated (timeout=0)\n"
        dead = f"{ERROR}vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.\n"
        assert rule(START + READY + told + dead) is None
        assert rule(START + READY + dead + told) == "engine-dead"
        assert (
            rule(f"{START}{told}ValueError: The supplied chat template (x.jinja) looks like a file path\n") is not None
        )

    def test_an_interrupt_in_the_terminal_ends_the_engine_first(self) -> None:
        """Ctrl-C reaches every process: the server hears of a dead engine before it is told to stop."""
        dead = "ERROR 08-27 11:13:59 [core_client.py:562] Engine core proc EngineCore_0 died unexpectedly"
        assert rule(f"{START}{READY}^C{dead}, shutting down client.\n") is None
        assert rule(f"{START}{READY}{dead}, shutting down client.\n") == "engine-dead"
        looked = f"{START}{READY}^C\nme@spark:~$ docker logs --tail 4 vllm\n"
        assert rule(f"{looked}{dead}, shutting down client.\n") == "engine-dead"

    def test_a_stop_by_hand_leaves_tracebacks_behind(self) -> None:
        """SIGTERM: the engine goes first and the API server reports it dead."""
        log = (
            "(APIServer pid=1) INFO 07-25 15:20:29 [launcher.py:100] [shutdown] API server: shutdown triggered\n"
            "(EngineCore pid=2) INFO 07-25 15:20:29 [core.py:1] [shutdown] EngineCore: exiting busy loop\n"
            f"(APIServer pid=1) ERROR 07-25 15:20:29 [async_llm.py:704] {DEAD}\n"
        )
        assert rule(START + READY + log, exit_code=0) is None
        assert rule(START + "KeyboardInterrupt\n" + WRAPPER, exit_code=130) is None

    def test_who_was_ready_first_is_not_taken_for_the_engine(self) -> None:
        """However the log comes in: vLLM's own first line tells who it is."""
        web = (
            "web-1 | INFO:     Application startup complete.\n"
            + 'web-1 | INFO:     1.2.3.4:5 - "GET / HTTP/1.1" 200 OK\n' * 300
        )
        ours = "".join(f"inference-1 | {line}\n" for line in died(FREE).splitlines())
        assert rule(web + ours) == "gpu-memory-startup"
        found = diagnose(f"{line}\n" for line in (web + ours).splitlines())
        assert found is not None
        assert found.rule == "gpu-memory-startup"

    def test_another_containers_error_is_not_vllms(self) -> None:
        """Interleaved containers of one compose project."""
        ours = "".join(f"vllm-1   | {line}\n" for line in (START + READY).splitlines())
        theirs = (
            "db-1     | FATAL:  could not create shared memory segment: No space left on device\n"
            "web-1    | OSError: [Errno 98] Address already in use\n"
        )
        assert rule(theirs + ours + theirs) is None
        first, rest = ours[:300].rsplit("\n", 1)[0] + "\n", ""
        assert rule(first + theirs + rest) is None


def wrapped(width: int) -> Callable[[str], str]:
    """A terminal that breaks lines."""
    return lambda log: "\n".join(
        "\n".join(line[i : i + width] for i in range(0, max(len(line), 1), width)) for line in log.split("\n")
    )


def prefixed(prefix: str) -> Callable[[str], str]:
    """Whoever wrote the log down put this in front of every line."""
    return lambda log: "\n".join(prefix + line for line in log.split("\n"))


def docker_json(log: str) -> str:
    """Docker's json-file driver."""
    return "\n".join(json.dumps({"log": line + "\n", "stream": "stderr", "time": "x"}) for line in log.split("\n"))


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "wrapped at 80": wrapped(80),
    "wrapped at 120": wrapped(120),
    "CRLF": lambda log: log.replace("\n", "\r\n"),
    "compose": prefixed("vllm-1  | "),
    "journald": prefixed("Nov 26 21:06:11 spark-1 docker[812]: "),
    "kubernetes": prefixed("2026-11-26T21:06:11.123456789Z "),
    "a time with a bar": prefixed("2025-03-05 14:28:45 | "),
    "CRI": prefixed("2026-11-26T21:06:11.123456789+00:00 stderr F "),
    "ANSI": lambda log: log.replace("(EngineCore_0 pid=120)", "\x1b[1;36m(EngineCore_0 pid=120)\x1b[0;0m"),
    "ANSI remains": lambda log: log.replace("(EngineCore_0 pid=120)", "[1;36m(EngineCore_0 pid=120)[0;0m"),
    "newer prefixes": lambda log: log.replace("EngineCore_0 ", "EngineCore "),
    "json-file": docker_json,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (FREE, "gpu-memory-startup"),
        (OOM, "cuda-oom"),
        ("openai_harmony.HarmonyError: invalid tiktoken vocab file: No such file or directory", "harmony-vocab"),
        (
            "safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer",
            "corrupt-weights",
        ),
        ("NotImplementedError: Mxfp4 linear layer is not implemented", "unsupported-quantization"),
    ],
)
def test_the_form_of_a_log_changes_nothing(form: str, message: str, expected: str) -> None:
    """Wrapped lines, ANSI codes, changing prefixes, journald, compose, Kubernetes, CRLF, JSON."""
    assert rule(FORMS[form](died(message))) == expected


WIDE = (
    "(EngineCore_0 pid=120) WARNING 09-28 15:47:20 [vllm.py:97] Compiling again: the last try ended in "
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 896.00 MiB, and ValueError: No available memory for "
    "the cache blocks\n"
)


@pytest.mark.parametrize("width", [80, 100, 120])
class TestWrapped:
    """A terminal, or `fold`, broke every line at one width."""

    def test_a_warning_is_none_the_worse_for_it(self, width: int) -> None:
        """Its second half has no level of its own: the first half has it."""
        assert rule(wrapped(width)(START + WIDE * 3 + "(EngineCore_0 pid=120) INFO still loading\n")) is None
        assert rule(wrapped(width)(START + WIDE + READY)) is None

    def test_a_stop_whose_words_were_broken_is_a_stop(self, width: int) -> None:
        """What the engine says while it is taken down is no failure."""
        stop = (
            "(APIServer pid=551751) INFO 08-21 10:24:34 [launcher.py:100] [shutdown] API server: shutdown triggered\n"
            "(APIServer pid=551751) ERROR 08-21 10:24:34 [async_llm.py:704] " + DEAD + "\n"
        )
        assert rule(wrapped(width)(START + READY + WIDE + stop), exit_code=0) is None

    def test_a_failure_is_found_all_the_same(self, width: int) -> None:
        """The wrapper, too, is recognised in pieces."""
        assert rule(wrapped(width)(died(FREE))) == "gpu-memory-startup"
        assert rule(wrapped(width)(died("AttributeError: 'Foo' object has no attribute 'bar'"))) == "unexplained"


class TestCut:
    """Somebody kept a part of the log."""

    REFUSED = (
        "(APIServer pid=1) Traceback (most recent call last):\n"
        "(APIServer pid=1) vllm.exceptions.VLLMValidationError: This model's maximum context length is 8192 tokens.\n"
        "(APIServer pid=1) ValueError: too long\n"
    )
    THROUGHPUT = (
        "(APIServer pid=1) INFO 11-26 22:02:52 [loggers.py:259] Engine 000: Avg prompt throughput: 7.2 tokens/s, "
        "Avg generation throughput: 1.0 tokens/s, Running: 1 reqs, Waiting: 0 reqs\n"
    )

    def test_lines_filled_up_with_spaces_were_not_wrapped(self) -> None:
        """A terminal's copy: every line as wide as the window, and none goes on in the next."""
        frames = [
            "Traceback (most recent call last):",
            *(f'  File "/x/{n}.py", line 1, in f' for n in range(9)),
            "    from a import (b,",
            "ImportError: cannot import name 'b'",
        ]
        assert rule("\n".join(f"{line:<100}" for line in frames) + "\n") == "unexplained"

    def test_a_request_that_was_refused_is_no_failed_start(self) -> None:
        """The engine serves, whichever comes first: its throughput or the refusal."""
        assert rule(self.REFUSED + self.THROUGHPUT) is None
        assert rule(self.THROUGHPUT + self.REFUSED) is None

    def test_a_start_that_fails_after_it_does(self) -> None:
        """A restart is a start."""
        assert rule(self.THROUGHPUT + died("AttributeError: 'Foo' object has no attribute 'bar'")) == "unexplained"
        assert rule(self.THROUGHPUT + died(FREE)) == "gpu-memory-startup"

    def test_at_the_head_of_a_traceback(self) -> None:
        """That something was raised is known; not by a request's part of the server, nor under a logger's name."""
        head = "Traceback (most recent call last):\n"
        assert rule(START + ERROR + head) == "unexplained"
        assert rule(f"ERROR 06-24 14:40:09 [serving_chat.py:200] {head}") is None
        asked = (
            '(APIServer pid=1)   File "/x/vllm/entrypoints/openai/api_router.py", line 58, in create_chat_completion\n'
        )
        assert rule(f"(APIServer pid=1) {head}{asked}(APIServer pid=1)     generator = await handler.create(\n") is None
        said = "[2025-11-18 11:37:57] [ERROR] [vllm.entrypoints.openai.serving_chat] ValueError: too long\n"
        assert rule(said) is None

    def test_what_a_notebook_shows_around_a_frame(self) -> None:
        """The lines before and after the one that failed are source, no log."""
        shown = (
            "File /x/vllm/entrypoints/llm.py:473, in LLM.generate(self, prompts)\n"
            "    472 self._validate(prompts)\n"
            "    473 outputs = self._run_engine(use_tqdm=use_tqdm)\n"
        )
        assert rule(shown) is None


class TestRemedyNamesWhatTheLogNames:
    CUT = "safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer"

    @pytest.mark.parametrize(
        "model",
        ["openai/gpt-oss-120b", "/root/.cache/huggingface/hub/models--openai--gpt-oss-120b/snapshots/8b19"],
    )
    def test_a_model_of_the_hub(self, model: str) -> None:
        """What to remove and what to fetch can be pasted, offline too, where the log names a snapshot."""
        found = diagnose(died(self.CUT).replace("openai/gpt-oss-120b", model))
        assert found is not None
        for text in (found.remedy.en, found.remedy.zh_tw):
            assert "rm -rf ~/vllm/huggingface/hub/models--openai--gpt-oss-120b" in text
            assert "hf download openai/gpt-oss-120b --cache-dir" in text

    def test_a_model_of_a_directory(self) -> None:
        """Nothing is named that does not exist."""
        found = diagnose(died(self.CUT).replace("openai/gpt-oss-120b", "/models/mine"))
        assert found is not None
        assert "/models/mine" in found.remedy.en
        assert "models--models" not in found.remedy.en

    def test_no_remedy_has_a_word_to_be_replaced_first(self) -> None:
        """At 3 a.m. nobody knows what stands for MODEL."""
        for rule_ in RULES:
            shown = render(rule_.remedy, {"container": "vllm-x", "phase": "start"}, rule_)
            for text in (shown.en, shown.zh_tw):
                assert not re.search(r"\b(?:IMAGE|MODEL|ORG|NAME|PID|FILE|CONTAINER)\b", text), text


def test_utf_16_is_read() -> None:
    """PowerShell's redirection writes it."""
    assert rule(died(FREE).encode("utf-16")) == "gpu-memory-startup"


class TestTotal:
    @given(st.binary(max_size=2000))
    @settings(max_examples=200, deadline=None)
    def test_any_bytes_have_an_answer(self, data: bytes) -> None:
        """Binary, NULs, truncated UTF-8: an answer, twice the same one, never a traceback."""
        assert diagnose(data) == diagnose(data)
        assert diagnose(data, exit_code=1) is not None

    @pytest.mark.parametrize(
        "data",
        [
            b"\xff\xfe\x00\xd8\x00",
            b'{"log":"\\ud800 CUDA out of memory"}',
            b'{"a":' * 100_000,
            b"\x1f\x8b\x08\x00",
            b"\x00" * 5000,
            b"x" * 3_000_000,
            b"\xc3",
            b"\r\n\r\r\n",
        ],
        ids=["UTF-16", "surrogate", "nested", "gzip", "NULs", "one line", "truncated UTF-8", "line ends"],
    )
    def test_odd_inputs_have_an_answer(self, data: bytes) -> None:
        """Nothing raises, and nothing is accused."""
        assert diagnose(data) is None

    @given(st.binary(max_size=300), st.integers(0, 12))
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_noise_around_a_failure_does_not_break_it(self, noise: bytes, cut: int) -> None:
        """Bytes of any kind on lines of their own."""
        lines = died(FREE).encode().split(b"\n")
        lines.insert(min(cut, len(lines)), noise.replace(b"\n", b"").replace(b"\x1b", b"").replace(b"\r", b""))
        assert diagnose(b"\n".join(lines), exit_code=1) is not None

    @given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(HEALTHY_LINES)), max_size=12))
    @settings(max_examples=150, deadline=None)
    def test_healthy_lines_anywhere_never_change_the_answer(self, insertions: list[tuple[int, str]]) -> None:
        """Inserted between any two lines of a failure, or of a healthy log."""
        for log, expected in ((died(FREE), "gpu-memory-startup"), (START + READY, None), (died(OOM), "cuda-oom")):
            lines = log.splitlines()
            for at, line in insertions:
                lines.insert(min(at, len(lines)), line)
            assert rule("\n".join(lines)) == expected

    @given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
    @settings(max_examples=60, deadline=None)
    def test_the_pieces_a_log_comes_in_do_not_matter(self, sizes: list[int]) -> None:
        """The same answer for any chunking."""
        data = died(FREE).encode()
        chunks, at = [], 0
        for size in sizes:
            chunks.append(data[at : at + size])
            at += size
        chunks.append(data[at:])
        assert diagnose(chunks) == diagnose(data)

    def test_memory_stays_flat(self) -> None:
        """A log six times as long leaves no more behind."""
        line = b'INFO:     10.0.0.1:5555 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n'
        peaks = []
        for blocks in (1, 6):
            reader = Reader()
            reader.feed((START + READY).encode())
            tracemalloc.start()
            for _ in range(blocks):
                reader.feed(line * (250_000 // len(line)))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < peaks[0] * 1.5 + 1_000_000

    def test_lines_of_a_serving_engine_are_not_even_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a long healthy log costs does not depend on the number of rules."""
        reader = Reader()
        reader.feed((START + READY).encode())
        served = (
            b'(APIServer pid=1) INFO:     10.0.0.1:5555 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n'
            b"(APIServer pid=1) INFO 11-26 22:02:52 [loggers.py:259] Engine 000: Avg prompt throughput: 7.2 tokens/s, "
            b"Running: 1 reqs, Waiting: 0 reqs, GPU KV cache usage: 0.1%, Prefix cache hit rate: 0.0%\n"
        )
        reader.feed(served * 10)
        read: list[object] = []
        monkeypatch.setattr(reader, "_read", lambda *line: read.append(line))
        reader.feed(served * 1000)
        assert not read

    def test_a_failure_that_repeats_itself_is_kept_a_few_times(self) -> None:
        """A restart loop of a million lines costs nothing."""
        reader = Reader()
        reader.feed((ERROR + OOM + "\n").encode() * 5000)
        found = reader.diagnosis()
        assert found is not None
        assert found.rule == "cuda-oom"
        assert len(reader._start.hits) <= HITS_PER_RULE


SERVED = (
    b'(APIServer pid=1) INFO:     10.0.0.1:5555 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n'
    * 20
    + b"(APIServer pid=1) INFO 11-26 22:02:52 [loggers.py:259] Engine 000: Avg prompt throughput: 7.2 tokens/s, "
    b"Running: 1 reqs, Waiting: 0 reqs, GPU KV cache usage: 0.1%, Prefix cache hit rate: 0.0%\n"
)


def seconds(log: bytes, rules: tuple[Rule, ...] = RULES) -> float:
    """CPU time of reading a log, the best of three; the table of the rules is made beforehand."""
    best = float("inf")
    for _ in range(3):
        reader = Reader(rules=rules)
        begun = time.process_time()
        for at in range(0, len(log), 1 << 18):
            reader.feed(log[at : at + (1 << 18)])
        reader.diagnosis()
        best = min(best, time.process_time() - begun)
    return best


class TestCost:
    """Ratios within one process, generous: they fail when a cost is of another order, not on a busy machine."""

    @pytest.mark.parametrize(
        "log",
        [
            (START + READY).encode() + SERVED * 200,
            died(FREE).encode() * 60,
            (ERROR + OOM + "\n").encode() * 1000,
            b"x" * 600_000,
            b"Traceback (most recent call last):\n" * 1500,
        ],
        ids=["served", "restart loop", "one failure again and again", "one long line", "heads of tracebacks"],
    )
    def test_it_grows_with_the_log_and_no_faster(self, log: bytes) -> None:
        """Four times the log, about four times the time."""
        seconds(log)
        assert seconds(log * 4) < 10 * seconds(log) + 0.05

    def test_it_hardly_grows_with_the_number_of_rules(self) -> None:
        """Eight times the rules, at most twice the time."""
        log = (START + READY).encode() + SERVED * 1500
        many = tuple(rule.model_copy(update={"id": f"{rule.id}-{n}"}) for n in range(8) for rule in RULES)
        seconds(log, many)
        assert seconds(log, many) < 2 * seconds(log) + 0.05


class TestReader:
    def test_the_first_fatal_line_is_told_at_once(self) -> None:
        """A wait can end there; the line is told once."""
        reader = Reader()
        assert reader.feed(START.encode()) is None
        told = reader.feed(f"{ERROR}EngineCore failed to start.\n".encode())
        assert told is not None
        assert told.line == 5
        assert reader.feed(b"more\n") is None

    def test_phases_version_and_facts_come_with_the_stream(self) -> None:
        """What the harness times and records."""
        reader = Reader()
        for piece in (START, READY):
            reader.feed(piece.encode())
        assert [phase.name for phase in reader.phases] == [
            "starting",
            "model",
            "engine",
            "weights",
            "weights loaded",
            "kv cache",
            "listening",
        ]
        assert reader.phase == "listening"
        assert reader.ready
        assert reader.vllm_version == "0.10.1.1"
        assert reader.facts["model_gib"] == "65.9651"
        assert reader.facts["kv_cache_tokens"] == "471,360"
        assert reader.facts["dtype"] == "bfloat16"

    def test_a_line_is_stripped_of_all_its_prefixes(self) -> None:
        """Compose, then Kubernetes, then vLLM's process, then its logger."""
        raw = (
            "vllm-1  | 2026-11-26T21:06:11.1Z \x1b[1;36m(EngineCore pid=9)\x1b[0;0m ERROR 11-26 21:06:11 [core.py:7] x"
        )
        line = clean(raw.encode(), 3)
        assert (line.message, line.source, line.level, line.number) == ("x", "vllm-1", "ERROR", 3)
        raw = "[2025-03-05 14:28:45,820] [ERROR] [MainThread] [vllm.worker.worker_base] >>> x"
        line = clean(raw.encode(), 4)
        assert (line.message, line.source, line.level, line.number) == ("x", "", "ERROR", 4)


class TestCommand:
    def answers(self, *arguments: str) -> int:
        """Run the verb."""
        parser = ArgumentParser()
        add_arguments(parser)
        return run(parser.parse_args(arguments))

    def test_one_object_per_input_in_order(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """`rule` is null for a healthy log."""
        bad, good = tmp_path / "bad.log", tmp_path / "good.log"
        bad.write_text(died(FREE))
        good.write_text(START + READY)
        assert self.answers("--json", str(bad), str(good)) == 0
        first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert set(first) == {"input", "rule", "stage", "cause", "evidence", "remedy", "vllm_version"}
        assert first["rule"] == "gpu-memory-startup"
        assert first["evidence"][0]["line"] == 7
        assert second == {
            "input": str(good),
            "rule": None,
            "stage": None,
            "cause": None,
            "evidence": [],
            "remedy": None,
            "vllm_version": "0.10.1.1",
        }

    def test_a_missing_file_is_one_line_and_the_others_are_answered(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Exit code 2."""
        log = tmp_path / "x.log"
        log.write_text(died(OOM))
        assert self.answers("--json", str(tmp_path / "none.log"), str(log)) == 2
        out, err = capsys.readouterr()
        assert json.loads(out)["rule"] == "cuda-oom"
        assert err.count("\n") == 1
        assert "No such file" in err

    def test_standard_input_gzip_and_chinese(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A gzipped log is read through."""
        import gzip

        packed = tmp_path / "x.log.gz"
        packed.write_bytes(gzip.compress(died(FREE).encode()))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(died(OOM).encode())))
        assert self.answers("--lang", "zh-TW", "--json", str(packed), "-") == 0
        first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
        assert first["rule"] == "gpu-memory-startup"
        assert "記憶體" in first["cause"]
        assert second["rule"] == "cuda-oom"

    def test_a_log_that_grows_is_read_to_the_end_it_had(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Somebody writes to it without end, faster than it is read: there is an answer nevertheless."""
        log, enough = tmp_path / "growing.log", threading.Event()
        log.write_text(died(FREE))

        def write() -> None:
            with log.open("ab") as file:
                while not enough.is_set() and file.tell() < 200_000_000:
                    file.write(SERVED)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert self.answers("--json", str(log)) == 0
            assert writer.is_alive()
        finally:
            enough.set()
            writer.join()
        assert json.loads(capsys.readouterr().out)["rule"] == "gpu-memory-startup"

    def test_a_containers_name_works_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Its log and its exit state are asked for."""
        parser = ArgumentParser()
        add_arguments(parser)
        arguments = parser.parse_args(["--json", "gpt-oss-120b"])
        assert run(arguments, lambda _: ([START.encode()], 137, True)) == 0
        assert json.loads(capsys.readouterr().out)["rule"] == "host-oom-killed"

        def unknown(name: str) -> tuple[list[bytes], int | None, bool]:
            raise LookupError(name)

        assert run(arguments, unknown) == 2
        assert "neither a file nor a container" in capsys.readouterr().err

    def test_the_text_form_reads(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Rule, cause, remedy, evidence with line numbers."""
        log = tmp_path / "x.log"
        log.write_text(died(FREE))
        assert self.answers(str(log)) == 0
        text = capsys.readouterr().out
        assert "gpu-memory-startup (start, vLLM 0.10.1.1)" in text
        assert "evidence 7:" in text
