"""Known failures: one literal entry each, no code. `harness.diagnosis` reads them.

To add a failure: a `Rule` here and a real log of it under `tests/logs/<rule-id>/`, or its message in
`tests/wordings.py`. A pattern is searched in one message (prefixes, ANSI codes and wrapping are taken care of); it
needs a whole plain word of four letters outside optional parts and alternatives (a test says so when it has none).
Order breaks no ties: the first failure in a log wins, except that a rule yields to those it names in `consequence_of`.
Wordings: vLLM's source, versions 0.6 to 0.33, its libraries, PyTorch 2.6 to 2.13, Docker Engine 20.10 to 29, runc, crun,
Podman, NVIDIA's container toolkit and drivers, the kernel.
"""

from __future__ import annotations

from harness.types import Rule, Stage, Text

_SAYS = r"(?:^|\n)(?:[\w.]*\.)?(?:Value|Assertion|NotImplemented|Runtime|Type|Key|Validation)?(?:Error|Exception): "
"""The head of a message that one of Python's own exceptions, or a check of values, carries."""

PLACES: tuple[tuple[str, str], ...] = (
    (r"/huggingface_hub/(?!.*\n(?:Type|Attribute|Name)Error)", "hf-missing"),
    (
        r":(?:load_weights|\w*weight_loader|load_\w+_weights?|weight_loader_v2)\n(?!(?:.*\n)*(?:NotImplemented|Attribute)Error)",
        "corrupt-weights",
    ),
    (r"/transformers/utils/hub\.py", "hf-missing"),
    (r"/pynccl\w*\.py", "nccl-error"),
    (r"/safetensors/", "corrupt-weights"),
    (r"/(?:tokenizers|sentencepiece|mistral_common|tiktoken|jinja2)/", "tokenizer-or-template"),
    (
        r"/transformers/(?:tokenization|processing|image_processing|video_processing|feature_extraction|convert_slow)_",
        "tokenizer-or-template",
    ),
    (
        r"/transformers/models/\w+/(?:tokenization|processing|image_processing|video_processing|feature_extraction)_",
        "tokenizer-or-template",
    ),
    (
        r"/vllm/(?:transformers_utils/tokenizer\w*\.py|tokenizers/|transformers_utils/tokenizers/)",
        "tokenizer-or-template",
    ),
    (
        r"/transformers/(?:configuration_utils|dynamic_module_utils|models/auto/\w+|models/\w+/configuration_\w+)\.py",
        "unsupported-model",
    ),
    (
        r"/vllm/(?:transformers_utils/config\w*\.py|transformers_utils/configs/|model_executor/models/registry\.py)",
        "unsupported-model",
    ),
    (r"/vllm/model_executor/(?:layers/quantization|kernels/linear)/|/compressed_tensors/", "unsupported-quantization"),
    (r"/vllm/model_executor/layers/fused_moe/oracle/", "unsupported-quantization"),
    (
        r"/torch/(?:_inductor|_dynamo)/|/triton/(?:compiler|runtime|backends)/(?!.*\nValueError: Pointer)|/torch/utils/cpp_extension",
        "compile-failure",
    ),
    (r"/inductor_cache/|/torchinductor_\w+/", "compile-failure"),  # what was compiled, and does not fit its inputs
    (r"/flashinfer/jit/(?!env\.)|/cutlass/base_dsl/|/deep_gemm/jit", "compile-failure"),
    (
        r"/vllm/(?:engine/arg_utils|envs|entrypoints/openai/cli_args|utils/argparse_utils)\.py|/vllm/config(?:\.py|/(?!.*:(?:get_current_vllm_config|assert_hashable)\n))|/argparse\.py:(?!.*\nTypeError)",
        "bad-flag",
    ),
    (r"/vllm/platforms/.*:check_and_update_config\n", "bad-flag"),
    (r"/vllm/distributed/utils\.py:get_pp_indices", "bad-flag"),
    (
        r"/vllm/(?:lora|v1/kv_offload|distributed/kv_transfer)/.*\n(?:ValueError|NotImplementedError|AssertionError|RuntimeError|Exception): (?:--|[A-Z]|vLLM )",
        "bad-flag",
    ),
    (r"/vllm/(?:v1/)?(?:spec_decode|attention)/.*\n(?:ValueError|NotImplementedError): (?:--|[A-Z])", "bad-flag"),
    (
        r"/vllm/(?:v1/)?(?:worker|core)/.*:(?:__init__|get_kv_cache_spec|_?(?:check|verify|assert|raise|initialize)_\w+)\n(?:ValueError|NotImplementedError|AssertionError): (?:--|[A-Z])",
        "bad-flag",
    ),
    (r"/vllm/.*\n.*\b(?:[Ss]et|[Ss]etting|[Aa]djusting) `?(?:VLLM_[A-Z_]+|[a-z]+_[a-z_]+)(?:=| value)", "bad-flag"),
    (
        r"/vllm/(?:reasoning|parser|tool_parsers|entrypoints/openai/tool_parsers)/.*:(?:__init__|get_\w+|validate_\w+)\n",
        "bad-flag",
    ),
    (r"/vllm/entrypoints/.*:create_server_socket\n|/uvicorn/config\.py:create_ssl_context\n", "bad-flag"),
    (r"/vllm/platforms/.*:(?:visible_)?device_id_to_physical_device_id\n", "bad-flag"),
    (r"HTTPError: 401 Client Error: Unauthorized for url: \S*huggingface", "hf-gated"),
    # whatever the place: words that such messages share, though nobody knows them
    (_SAYS + r".*(?<![\w-])--[a-z][a-z]+(?:-[a-z]+)*\b", "bad-flag"),
    (
        _SAYS + r".*(?:\bnot (?:yet |currently )?supported (?:when|with|together|in combination)\b|\bnot allowed with\b"
        r"|\b(?:cannot|can't|can not|must not) be (?:used|enabled|set|combined|specified)\b"
        r"|\b(?:incompatible|not compatible) with\b(?!.*\btensor)|\bmutually exclusive\b"
        r"|\bis (?:required|only supported) (?:when|with|for|if)\b"
        r"|\bmust be (?:set|specified|provided|greater|less|larger|smaller|positive|at least|a multiple|divisible|between)\b)",
        "bad-flag",
    ),
    (_SAYS + r".*(?i:quantiz)", "unsupported-quantization"),
    (_SAYS + r".*(?i:compute capability|\bsm_?\d{2,3}|gpu arch)", "unsupported-arch"),
    (_SAYS + r".*(?i:tokenizer|chat.template|\bprocessor\b)", "tokenizer-or-template"),
    (_SAYS + r".*(?i:model (?:arch|type|class)|architecture)", "unsupported-model"),
)
"""`file:function` where an exception was raised, and on a line of its own what it said → the rule it points to when
nobody knows its words. Tried on messages that no part of this was made from, the words that messages share set 134 right
that were `unexplained`, and 5 wrong."""

DEATH_RULE = "engine-dead"
"""The rule whose hits end the serving: what was seen shortly before is its cause."""

RULES: tuple[Rule, ...] = (
    Rule(
        id="harmony-vocab",
        stage=Stage.SERVE,
        patterns=(
            r"HarmonyError: (?P<what>.*vocab file.*)",
            r"(?P<what>error downloading or loading vocab file(?:: .*)?)",
            r"(?P<what>invalid tiktoken vocab file(?:: .*)?)",
        ),
        serving=True,
        fatal=True,
        cause=Text(
            en=(
                "gpt-oss needs the tokenizer vocabulary o200k_base.tiktoken for its Harmony format and could not "
                "load it[[: {what}]]."
            ),
            zh_tw="gpt-oss 的 Harmony 格式需要詞彙檔 o200k_base.tiktoken，但無法載入[[：{what}]]。",
        ),
        remedy=Text(
            en=(
                "Put o200k_base.tiktoken and cl100k_base.tiktoken into ~/vllm/encodings, then `docker rm -f "
                "{container}` and start again with `-v ~/vllm/encodings:/etc/encodings:ro -e "
                "TIKTOKEN_ENCODINGS_BASE=/etc/encodings`."
            ),
            zh_tw=(
                "把 o200k_base.tiktoken 與 cl100k_base.tiktoken 放進 ~/vllm/encodings，執行 `docker rm -f "
                "{container}`，再加上 `-v ~/vllm/encodings:/etc/encodings:ro -e "
                "TIKTOKEN_ENCODINGS_BASE=/etc/encodings` 重新啟動。"
            ),
        ),
    ),
    Rule(
        id="gpu-memory-startup",
        stage=Stage.START,
        patterns=(
            (
                r"Free memory on device (?:\S+ )?\((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than "
                r"desired GPU memory utilization \((?P<utilization>[\d.]+), (?P<wanted>[\d.]+) GiB\)"
            ),
            (
                r"Available memory on node \d+ \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than "
                r"desired CPU memory utilization \((?P<utilization>[\d.]+), (?P<wanted>[\d.]+) GiB\)"
            ),
            (
                r"Available memory on node \d+ \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on kv cache allocation is "
                r"less than requested memory for kv \((?P<wanted>[\d.]+) GiB\)"
            ),
            (
                r"Error in memory profiling\. Initial free memory (?P<initial>[\d.]+) (?:GiB|MiB|bytes)?,? current "
                r"free memory (?P<free>[\d.]+)"
            ),
            r"Error in memory profiling\.",
            r"Externally held weights on device \S+ \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) exceed the desired GPU memory utilization \((?P<utilization>[\d.]+), (?P<wanted>[\d.]+) GiB\)",
            r"Free memory on device \S+ \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than the engine's budget",
        ),
        fatal=True,
        ratios=(("fits", "free", "total"),),
        cause=Text(
            en=(
                "Not enough free memory at start[[: {free} of {total} GiB are free]][[, --gpu-memory-utilization "
                "{utilization} asks for {wanted} GiB]]."
            ),
            zh_tw=(
                "啟動時可用記憶體不足[[：{total} GiB 中只有 {free} GiB 可用]][[，--gpu-memory-utilization "
                "{utilization} 需要 {wanted} GiB]]。"
            ),
        ),
        remedy=Text(
            en=(
                "Lower --gpu-memory-utilization[[ to {fits} or less]] (and --max-model-len if the KV cache gets too "
                "small), or free memory: stop other GPU processes (`nvidia-smi`, `docker ps`) and, on GB10, drop the "
                "page cache with `sync; echo 3 | sudo tee /proc/sys/vm/drop_caches`."
            ),
            zh_tw=(
                "把 --gpu-memory-utilization 調低[[到 {fits} 以下]]（KV cache 太小時一併調低 --max-model-len），"
                "或釋放記憶體：停掉其他 GPU 程序（`nvidia-smi`、`docker ps`）；在 GB10 上可用 `sync; echo 3 | sudo "
                "tee /proc/sys/vm/drop_caches` 清除分頁快取。"
            ),
        ),
    ),
    Rule(
        id="kv-cache-too-small",
        stage=Stage.COMPILE,
        patterns=(
            (
                r"To serve at least one request with the models?'?s'? max seq len \((?P<length>\d+)\), "
                r"\(?(?P<wanted>[\d.]+) GiB KV cache is needed, which is larger than the available KV cache memory "
                r"\((?P<free>-?[\d.]+) GiB\)\.(?:.*?estimated maximum model length is (?P<fits>\d+))?"
            ),
            r"To serve at least one request with the models?'?s'? max seq len",
            r"No available memory for the cache blocks",
            (
                r"model's max seq len \((?P<length>\d+)\) is larger than the maximum number of tokens that can be "
                r"stored in KV cache \((?P<fits>\d+)\)"
            ),
            r"Cannot auto-fit max_model_len: not enough GPU memory",
            r"max_num_seqs \((?P<requests>\d+)\) exceeds available Mamba cache blocks \((?P<blocks>\d+)\)",
            r"(?P<wanted>[\d.]+) GiB KV cache is needed, which is larger than the available KV cache memory \((?P<free>-?[\d.]+) GiB",
            r"leaving none for the KV cache",
            r"only (?P<free>[\d.]+) GiB is available for the KV cache",
        ),
        consequence_of=("cuda-oom", "gpu-memory-startup"),
        fatal=True,
        cause=Text(
            en=(
                "After loading the model too little memory is left for the KV cache[[: one request of {length} "
                "tokens needs {wanted} GiB, {free} GiB are there]][[, at most {fits} tokens fit]]."
            ),
            zh_tw=(
                "載入模型後剩下的記憶體不夠放 KV cache[[：一個 {length} tokens 的請求需要 {wanted} GiB，只有 {free} "
                "GiB]][[，最多放得下 {fits} tokens]]。"
            ),
        ),
        remedy=Text(
            en=(
                "Lower --max-model-len[[ to {fits} or less]], or raise --gpu-memory-utilization if `free -g` shows "
                "room."
            ),
            zh_tw=(
                "把 --max-model-len 調低[[到 {fits} 以下]]；若 `free -g` 顯示還有空間，也可以調高 "
                "--gpu-memory-utilization。"
            ),
        ),
    ),
    Rule(
        id="cuda-oom",
        stage=Stage.LOAD,
        patterns=(
            (
                r"CUDA out of memory\. Tried to allocate (?P<wanted>[\d.]+ [KMG]iB)(?:.*?total capacity of "
                r"(?P<total>[\d.]+ GiB))?(?:.*?of which (?P<free>[\d.]+ [KMG]iB) is free)?"
            ),
            r"OutOfMemoryError: \w+ out of memory",
            r"\b[NXH]PU out of memory\. Tried to allocate (?P<wanted>[\d.]+ [KMG]iB)",
            r"Ran out of memory in memory space [hvs]mem",
            r"nrt_tensor_allocate status=\d+",
            r"RESOURCE_EXHAUSTED: .*(?:RuntimeProgramAllocation|[Oo]ut of memory|memory space hbm)",
            r"torch\.OutOfMemoryError: ",
            r"torch\.cuda\.OutOfMemoryError: ",
            r"CUDA Error: out of memory",
            r"Cuda error \S+:\d+ 'out of memory'",
            r"HIP error: out of memory",
            r"cudaErrorMemoryAllocation",
            r"CUDNN_STATUS_ALLOC_FAILED",
            r"NVML_SUCCESS == \w+ INTERNAL ASSERT FAILED",
            r"CUDA out of memory occurred when warming up sampler with (?P<requests>\d+)",
            r"CUDA error: out of memory",
            r"CUDA driver error: out of memory",
            r"Failed to load model - not enough GPU memory",
            r"CUDA_ERROR_OUT_OF_MEMORY",
            r"Cuda failure (?:\d+ )?'out of memory'",
            r"HIP failure: 'out of memory'",
            r"CUBLAS_STATUS_ALLOC_FAILED",
            r"DefaultCPUAllocator: (?:can't allocate memory|not enough memory)",
            r"NV_ERR_NO_MEMORY",
            r"Triton Error \[CUDA\]: out of memory",
            r"CUDART error: out of memory",
            r"NVML_SUCCESS == DriverAPI",
            r"Error allocating device buffer",
        ),
        cause=Text(
            en="The GPU ran out of memory[[ while allocating {wanted}]][[ ({free} free of {total})]].",
            zh_tw="GPU 記憶體用盡[[，當時要配置 {wanted}]][[（{total} 中只剩 {free}）]]。",
        ),
        remedy=Text(
            en=(
                "Lower --gpu-memory-utilization by 0.05 and --max-model-len (or --max-num-seqs), make sure nothing "
                "else uses the GPU (`nvidia-smi`), then start again."
            ),
            zh_tw=(
                "把 --gpu-memory-utilization 調低 0.05，並調低 --max-model-len（或 "
                "--max-num-seqs），確認沒有其他程序占用 GPU（`nvidia-smi`），再重新啟動。"
            ),
        ),
    ),
    Rule(
        id="host-oom-killed",
        stage=Stage.LOAD,
        patterns=(
            r"Failed core proc\(s\): \{[^}]*: -9\b",
            (
                r"Killed process (?P<pid>[\d.…]+) \((?P<process>[Vv][Ll][Ll][Mm]|EngineCore|python|ray|pt_main|cicc|nvcc|ptxas)"
            ),
            r"oom-kill:.*task=(?P<process>[Vv][Ll][Ll][Mm]|EngineCore|python|ray|pt_main|cicc|nvcc|ptxas)",
            r"A process of this unit has been killed by the OOM killer",
            r"code=killed, status=9/KILL",
            r"Failed with result 'oom-kill'",
            r"exit code:? -9\b",
            r"exitcode -9\b",
            r"exitcode: -9\b",
            r"(?<!with)\ssignal SIGKILL",
            r"killed by signal:? (?:9\b|Killed)",
            r"died with <Signals\.SIGKILL",
            r"signal: killed\b",
            r"exit (?:code|status):? 137\b",
            r"Exit Code: 137\b",
            r"(?:was|were) killed due to the node running low on memory",
            r"exited with code 137",
            r"Engine process \(pid \d+\) died.*(?:-9|SIGKILL)",
            r"\bOOMKilled\b(?!\"?\s*[:=]\s*\"?false)",
            r"Exited \(137\)",
            r"sending SIG(?:TERM|KILL) to process (?P<pid>\d+) .*(?P<process>[Vv][Ll][Ll][Mm]|python)",
            r"due to memory pressure",
            r"low on resource: memory",
            r"exceeds the memory usage threshold of",
            r"(?P<process>[Vv][Ll][Ll][Mm]|python|ray|pt_main|cicc)[\w:.]* invoked oom-killer",
            r"oom_reaper: reaped process (?P<pid>\d+) \((?P<process>[Vv][Ll][Ll][Mm]|EngineCore|python|ray|pt_main|cicc)",
            r"died due to signal 9\b",
            r"TaskOOM event",
            r"container oom [0-9a-f]{12}",
            r"System OOM encountered, victim process: (?P<process>[Vv][Ll][Ll][Mm]|python|ray|pt_main)",
            r"Killed /\S*(?P<process>vllm|docker|podman|libpod)\S* due to memory",
            r"container init was OOM-killed",
            r"possibly OOM-killed",
            r"\[Errno 12\] Cannot allocate memory",
            r"Out of memory: Killed process (?P<process>[Vv][Ll][Ll][Mm]|EngineCore|python|ray)",
            r"had condition: \[MemoryPressure\]",
            r"\(Result: oom-kill\)",
            r"code=killed, signal=KILL",
            r"Exceeded job memory limit",
            r"exceeded memory limit \(\d+ > \d+\)",
            r"Detected \d+ oom[_-]kill event",
        ),
        serving=True,
        exit_codes=(137,),
        oom_killed=True,
        cause=Text(
            en=(
                "The host, or the container's memory limit, ran out of memory while the engine was in phase "
                "'{phase}'[[; it was killed with SIGKILL (exit code {exit_code})]]. On GB10 the GPU's memory is the "
                "host's."
            ),
            zh_tw=(
                "引擎在「{phase}」階段時，主機或容器的記憶體上限已用盡[[，引擎被 SIGKILL 終止（exit code {exit_code}）]]。"
                "GB10 的 GPU 與主機共用記憶體。"
            ),
        ),
        remedy=Text(
            en=(
                "Confirm with `sudo dmesg -T | grep -iE 'out of memory|killed process'`, lower "
                "--gpu-memory-utilization by 0.1 (and --max-model-len), stop other memory users (`ps aux --sort=-rss "
                "| head`), remove a `--memory` limit, then start again."
            ),
            zh_tw=(
                "用 `sudo dmesg -T | grep -iE 'out of memory|killed process'` 確認，把 --gpu-memory-utilization 調低 "
                "0.1（以及 --max-model-len），停掉其他占用記憶體的程序（`ps aux --sort=-rss | head`），移除 "
                "`--memory` 上限，再重新啟動。"
            ),
        ),
    ),
    Rule(
        id="container-name-conflict",
        stage=Stage.DAEMON,
        patterns=(
            (
                r"[Tt]he container name \"/?(?P<name>[^\"]+)\" is already in use by container "
                r"\"?(?P<holder>[0-9a-f]{12,64})?"
            ),
            r"name \W*(?P<name>[\w.-]+)\W* is already in use",
            r"name \W*(?P<name>[\w.-]+)\W* is already (?:used by ID|assigned to) \W*(?P<holder>[0-9a-f]{12,64})?",
            r"name \W*(?P<name>[\w.-]+)\W* is in use: container already exists",
            r"name \W*(?P<name>[\w.-]+)\W* is reserved for \W*(?P<holder>[0-9a-f]{12,64})?",
            r"File already exists: \S*/enroot/(?P<name>\S+)",
        ),
        consequence_of=(
            "port-in-use",
            "gpu-runtime-missing",
            "ulimit-refused",
            "entrypoint-missing",
            "bind-mount-missing",
        ),
        cause=Text(
            en="A container of that name exists already[[: {name}]][[ ({holder})]].",
            zh_tw="已有同名的容器[[：{name}]][[（{holder}）]]。",
        ),
        remedy=Text(
            en=(
                "`docker rm -f[[ {name}]]`, then start again; look first whether it is still needed: `docker ps -a[[ "
                "--filter name={name}]]`."
            ),
            zh_tw=(
                "執行 `docker rm -f[[ {name}]]` 後重新啟動；先用 `docker ps -a[[ --filter name={name}]]` 確認它已不需要。"
            ),
        ),
    ),
    Rule(
        id="port-in-use",
        stage=Stage.DAEMON,
        patterns=(
            r"Bind for (?:\S+:)?(?P<port>\d+) failed: port is already allocated",
            r"listen (?:tcp|udp)\S* \S*?:(?P<port>\d+): bind: address already in use",
            r"failed to bind (?:host )?port .*?:(?P<port>\d+).*address already in use",
            r"[Pp]orts? (?P<port>\d+) is already in use",
            r"error while attempting to bind on address \('[^']*', (?P<port>\d+)",
            r"\[Errno (?:98|48)\].*[Aa]ddress already in use",
            r"Address already in use",
            r"port is already allocated",
            r"Ports are not available",
            r"EADDRINUSE",
            r"socket has failed to listen",
            r"address already in use",
            r"ports are not available: exposing port \w+ [\d.]*:?(?P<port>\d+)",
            r"ports are not available",
            r":(?P<port>\d+): bind: Only one usage of each socket address",
            r"Only one usage of each socket address",
            r"didn't have free ports for the requested",
            r"Could not find open port after",
            r"reason=port_in_use\b",
        ),
        serving=True,
        cause=Text(
            en="The port[[ {port}]] is taken by another process or container.",
            zh_tw="連接埠[[ {port}]] 已被其他程序或容器占用。",
        ),
        remedy=Text(
            en=(
                "Find the holder: `docker ps[[ --filter publish={port}]]` and `sudo ss -ltnp[[ 'sport = "
                ":{port}']]`. [[Stop it: `docker rm -f $(docker ps -q --filter publish={port})` where it is a "
                "container, `sudo fuser -k {port}/tcp` where it is a process||Stop it with `docker rm -f` and "
                "its name, or `sudo kill` and its process number]], then start again. A container that was left "
                "in state Created must be removed first: `docker rm -f {container}`."
            ),
            zh_tw=(
                "找出占用者：`docker ps[[ --filter publish={port}]]` 與 `sudo ss -ltnp[[ 'sport = :{port}']]`。[[是容器就執行 "
                "`docker rm -f $(docker ps -q --filter publish={port})`，是程序就執行 `sudo fuser -k {port}/tcp`||用 "
                "`docker rm -f` 加容器名稱，或 `sudo kill` 加程序編號停掉它]]，再重新啟動。若留下 Created 狀態的容器，先執行 `docker rm -f "
                "{container}`。"
            ),
        ),
    ),
    Rule(
        id="gpu-runtime-missing",
        stage=Stage.DAEMON,
        patterns=(
            r"could not select device driver \"[^\"]*\" with capabilities: \[",
            r"failed to discover GPU vendor from CDI",
            r"unknown or invalid runtime name: nvidia",
            r"exec: \W*nvidia-\S+ executable file not found",
            r"failed to inject CDI devices",
            r"invoking the NVIDIA Container Runtime Hook directly",
            r"failed to stat CDI host device (?P<device>\S+)",
            r"Insufficient nvidia\.com/gpu",
            r"Current node has no [A-Z]PU available",
            r"[Uu]nknown runtime specified \w+",
            r"unresolvable CDI devices (?P<device>\S+)",
            (
                r"nvidia-container-cli(?:\.real)?: (?:initialization|device|detection|ldcache|mount|permission) error"
                r"(?!.*version mismatch)"
            ),
            r"nvidia-container-cli: .*libnvidia-ml\.so",
            r"nvidia-container-runtime-hook.*(?:not found|no such file)",
            r"Failed to infer device type",
            r"No CUDA GPUs are available",
            r"No HIP GPUs are available",
            r"CUDA is not available",
            r"CUDA driver initialization failed",
            r"Unexpected error from cudaGetDeviceCount",
            r"Found no NVIDIA driver on your system",
            r"no CUDA-capable device is detected",
            r"libcuda\.so\.1: cannot open shared object file",
            r"[Ff]ailed to initialize NVML: (?:ERROR_\w+|Unknown Error|Driver Not Loaded|Insufficient Permissions)",
            r"NVMLError_LibraryNotFound",
            r"NVMLError_DriverNotLoaded",
            r"NVMLError_Unknown",
            r"CUDA unknown error",
            r"system not yet initialized",
            r"Device string must not be empty",
            r"Torch not compiled with CUDA enabled",
            r"device < num_gpus INTERNAL ASSERT FAILED",
            r"Use the NVIDIA Container Toolkit to start this container with GPU support",
            r"exec \S*nvidia-[^\s:]*: no such file",
            r"couldn't find binary nvidia-container-cli",
            r"error gathering device information while adding custom device \W*(?P<device>/dev/nvidia\w*)",
            r"open (?P<device>\S*lib(?:cuda|nvidia)\S*): no such file",
            r"stat (?P<device>nvidia\.com/gpu=[^\s:]+): no such file",
            r"error executing hook `\S*nvidia",
            r"cannot stat `(?P<device>\S*(?:nvidia|libcuda)\S*)`",
            r"OCI runtime \W*nvidia\W* not found",
            r"no known GPU vendor found",
            r"no runtime for \W*nvidia\W* is configured",
            r"devices unavailable for nvidia\.com/gpu",
            r"unhealthy devices nvidia\.com/gpu",
            r"did you configure the NVIDIA Container Toolkit",
            r"Failed to open libcuda\.so",
            r"NVIDIA-SMI has failed because it couldn't communicate",
            r"NVIDIA-SMI couldn't find libnvidia-ml",
            r"No devices were found",
            r"RmInitAdapter failed",
            r"NVRM: No NVIDIA GPU found",
            r"NVMLError_NoPermission",
            r"which means GPU support is disabled",
            r"NVMLError_InvalidArgument",
            r"NVMLError_NotFound",
            r"only supported with GPUs, no GPUs found",
            r"No available node types can fulfill resource request",
            r"No supported device detected",
            r"libcuda\.so cannot found",
            r"Ray does not allocate any GPUs",
            r"PyTorch was compiled without CUDA support",
            r"OutOfnvidia\.com/gpu",
            r"to find runtime handler nvidia\b",
            r"RuntimeClass \W*nvidia\W* not found",
            r"Command not found: nvidia-container-cli",
            r"nvidia-smi not found or no NVIDIA GPU",
            r"Module nvidia not found in directory",
            r"error starting plugins: error getting plugins",
        ),
        consequence_of=("driver-mismatch", "unsupported-arch"),
        cause=Text(
            en=(
                "The container gets no GPU: the NVIDIA driver or container toolkit is missing or not set up[[ "
                "({device})]]."
            ),
            zh_tw="容器拿不到 GPU：NVIDIA 驅動程式或 container toolkit 沒有安裝或沒有設定[[（{device}）]]。",
        ),
        remedy=Text(
            en=(
                "Check `nvidia-smi` on the host; then `sudo apt-get install -y nvidia-container-toolkit && sudo "
                "nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`, and start with "
                "`--gpus all`."
            ),
            zh_tw=(
                "先在主機上確認 `nvidia-smi`；再執行 `sudo apt-get install -y nvidia-container-toolkit && sudo "
                "nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker`，並以 `--gpus all` "
                "啟動。"
            ),
        ),
    ),
    Rule(
        id="driver-mismatch",
        stage=Stage.START,
        patterns=(
            r"nvidia-container-cli(?:\.real)?: requirement error: unsatisfied condition: (?P<condition>[^,\\]+)",
            r"The NVIDIA driver on your system is too old \(found version (?P<driver>\d+)\)",
            r"CUDA driver version is insufficient for CUDA runtime version",
            r"Driver/library version mismatch",
            r"driver/library version mismatch",
            r"the provided PTX was compiled with an unsupported toolchain",
            r"forward compatibility was attempted on non supported HW",
            r"cudaErrorInsufficientDriver",
            r"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
            r"system has unsupported display driver / cuda driver combination",
            r"cudaErrorUnsupportedPtxVersion",
            r"NVMLError_LibRmVersionMismatch",
            r"compatibility mode is UNAVAILABLE",
            r"CUDA Driver UNAVAILABLE \(cuInit\(0\) returned 80[34]\)",
            r"This container was built for NVIDIA Driver Release (?P<condition>[\d.]+) or later",
            r"API call is not supported in the installed CUDA driver",
            r"NVRM: API mismatch",
            r"installed in this system is not supported by",
            r"requires use of the NVIDIA open kernel modules",
        ),
        cause=Text(
            en=(
                "The host's NVIDIA driver does not fit the image's CUDA[[: {condition} is required]][[ (driver API "
                "{driver})]]."
            ),
            zh_tw="主機的 NVIDIA 驅動程式與映像檔的 CUDA 不相容[[：需要 {condition}]][[（driver API {driver}）]]。",
        ),
        remedy=Text(
            en=(
                "Compare `nvidia-smi` with the image's release notes: update the driver (`sudo apt-get update && "
                "sudo apt-get dist-upgrade && sudo reboot`) or use an older image; after a driver update without "
                "reboot, reboot."
            ),
            zh_tw=(
                "比對 `nvidia-smi` 與映像檔的版本說明：更新驅動程式（`sudo apt-get update && sudo apt-get "
                "dist-upgrade && sudo reboot`）或改用較舊的映像檔；若更新驅動後尚未重新開機，請重新開機。"
            ),
        ),
    ),
    Rule(
        id="unsupported-arch",
        stage=Stage.LOAD,
        patterns=(
            r"no kernel image is available for execution on the device",
            r"cudaErrorNoKernelImageForDevice",
            r"(?:CUDA|HIP) error: invalid device function",
            r"CUDA capability (?P<arch>sm_\w+) is not compatible",
            r"Value '(?P<arch>sm_\w+)' is not defined for option 'gpu-name'",
            r"ptxas fatal",
            r"(?P<arch>sm_\d+\w*) is not supported",
            r"Unsupported (?:gpu|GPU|CUDA) arch\w*:? ?(?P<arch>\S+)?",
            r"only supports? (?:sm|SM)_?\d+",
            r"not supported (?:on|for) (?:this GPU|compute capability|(?P<arch>(?:sm|SM) ?_?\d+\w*))",
            r"with compute capability (?P<arch>[\d.]+) is not supported",
            r"[Cc]ompute capability of at least (?P<wanted>[\d.]+)",
            r"requires? compute capability (?P<wanted>\d[\d.]*)",
            r"devices? with compute capability (?:>=?|at least) ?(?P<wanted>[\d.]+)",
            r"Unsupported SM version",
            r"Only SM [\d.x]+(?: and [\d.x]+)* (?:is|are) supported",
            r"Unsupported arch:? ?(?P<arch>\d+)",
            r"SM (?P<arch>\d+\.x) requires CUDA",
            r"Unknown architecture (?P<arch>sm_\w+)",
            r"No supported GPU\(s\) detected",
            r"RuntimeError: Error Internal$",
            r"\.cuh:\d+, Error Internal",
            r"minimum capability\D+(?P<wanted>\d+)\D+[Cc]urrent capability\D+(?P<arch>\d+)",
            r"only supported on (?P<wanted>Hopper|Blackwell|Ampere)\b",
            r"(?P<arch>(?:sm|SM)_?\d+\w*) not supported",
            r"device kernel image is invalid",
            r"CUDA error: invalid device function",
            r"No supported CUDA architectures found",
            r"not supported in this architecture",
            r"Unsupported architecture",
            r"only supports? (?P<wanted>Turing|Ampere|Hopper|Blackwell)\b",
            r"compute capability not supported",
            r"does not support .* with (?:compute )?capability (?P<arch>[\d.]+)",
            r"No compiled \w+ for .*(?:compute|CUDA device) capability\D*(?P<arch>\d+)",
            r"/impls/(?P<arch>sm\d+[a-z]?)\w*\.cuh",
            r"Failed to (?:run|initialize) cutlass .* on (?P<arch>sm\d+)",
            r"nvrtc: error: invalid value for --gpu-architecture",
            r"requires (?:GPUs? with )?(?:sm_?|compute capability )(?P<wanted>\d[\d.]*\w*) or (?:higher|newer|above)",
            r"expects arch to be one of \[(?P<wanted>[^\]]*)\], but got (?:Arch\.)?(?P<arch>sm_\w+)",
            r"does not support the deployment configuration since kernel does not support current device",
            r"NVPTX compiler invocation failed",
            r"requires (?P<wanted>SM ?\d+|[Hh]opper|[Bb]lackwell)\+? GPU",
            r"Sinks are only supported in FlashAttention",
            r"does not support attention sinks",
            r"requires the (?P<wanted>SM\d+) ",
            r"requires (?P<wanted>Hopper|Blackwell|Ampere) (?:\w+ )?GPU",
            r"(?:MLA|FlashAttention ?\d?|(?P<arch>SM\d+\w?)) is not supported on this device",
            r"No compiled \w+(?: \w+)? kernel",
            r"No compiled \w+: no \w+ kernel",
            r"CUBLAS_STATUS_ARCH_MISMATCH",
            r"Please recompile with support for (?P<wanted>\w+)",
            r"does not support compute capability (?P<arch>[\d.]+)",
            r"only supported on (?P<wanted>SM ?\d+)",
            r"(?P<arch>sm_\w+) is not enabled",
            r"Arch conditional MMA instruction used without targeting",
            r"FlashInfer requires (?P<wanted>sm\d+)",
            r"Assertion error .*: Unknown recipe",
            r"Cannot read \S*TensileLibrary",
            r"requires an (?P<wanted>SM\d+)-class GPU",
            r"Failed to set the allowed dynamic shared memory",
            r"only supports (?P<wanted>.*) GPUs or newer",
            r"not supported on CUDA arch (?P<wanted>< ?\d+)?",
            r"which is too old to be supported",
            r"Unsupported FA version",
            r"No operator found for `?memory_efficient",
            r"This flash attention build does not support",
            r"Device does not support multicasting",
        ),
        consequence_of=("unsupported-quantization",),
        cause=Text(
            en="The image has no kernels for this GPU's architecture[[ ({arch})]].",
            zh_tw="映像檔沒有支援這顆 GPU 架構的 kernel[[（{arch}）]]。",
        ),
        remedy=Text(
            en=(
                "Use an image built for GB10 (sm_121, CUDA 13): `docker pull nvcr.io/nvidia/vllm:25.09-py3` or "
                "newer; `nvidia-smi --query-gpu=name,compute_cap --format=csv` shows what the GPU is."
            ),
            zh_tw=(
                "改用支援 GB10（sm_121、CUDA 13）的映像檔：`docker pull nvcr.io/nvidia/vllm:25.09-py3` "
                "或更新版本；`nvidia-smi --query-gpu=name,compute_cap --format=csv` 可查看 GPU 架構。"
            ),
        ),
    ),
    Rule(
        id="image-pull",
        stage=Stage.DAEMON,
        patterns=(
            r"pull access denied(?: for (?P<image>[^\s,]+))?",
            r"manifest for (?P<image>\S+) not found",
            r"manifest unknown",
            r"No such image: (?P<image>\S+)",
            r"failed to resolve reference \"(?P<image>[^\"]+)\"",
            r"toomanyrequests: ",
            r"daemon: Get \W*https://\S+/v2/[^:]*: (?P<why>.+)",
            r"Get \S+/v2/\S*: dial tcp (?P<why>.+)",
            r"Head \W*https://\S+/v2/[^:]*manifests[^:]*: (?P<why>.+)",
            r"unauthorized: (?:authentication required|incorrect username or password)",
            r"repository \S+ not found: does not exist or no pull access",
            r"invalid reference format",
            r"failed to register layer",
            r"error pulling image",
            r"Failed to pull image \W*(?P<image>[^\s\"]+)",
            r"failed to pull (?:and unpack )?image",
            r"\bErrImagePull\b",
            r"\bImagePullBackOff\b",
            r"received unexpected HTTP status: (?P<why>\d+)",
            r"requested access to the resource is denied",
            r"unexpected status from (?:HEAD|GET) request",
            r"did not resolve to an alias",
            r"failed to fetch (?:anonymous|oauth) token",
            r"failed to authorize: ",
            r"failed to copy: httpReadSeeker: ",
            r"daemon: unauthorized: ",
            r"pull rate limit",
            r"short read: expected \d+ bytes but got \d+",
            r"error getting credentials",
            r"\bErrImageNeverPull\b",
            r"unable to copy from source docker://(?P<image>\S+?):? ",
            r"copying system image from manifest",
            r"Image (?P<image>\S+[:/]\S+) Error\b",
            r"trying and failing to pull image",
            r"failed to import docker image: (?P<image>\S+)",
            r"URL https://\S+ returned error code: (?P<why>40[134].*)",
            r"Checksum mismatch: [0-9a-f]{64}",
        ),
        consequence_of=("disk-full", "image-platform"),
        cause=Text(
            en="The image cannot be pulled[[: {image}]][[ ({why})]].",
            zh_tw="無法下載映像檔[[：{image}]][[（{why}）]]。",
        ),
        remedy=Text(
            en=(
                "Check the name and tag, then pull by hand: `docker pull "
                "[[{image}||nvcr.io/nvidia/vllm:25.09-py3]]`; for nvcr.io first `docker login nvcr.io` (user "
                "`$oauthtoken`, password: NGC API key). `docker images` shows what is there."
            ),
            zh_tw=(
                "確認名稱與 tag 後手動下載：`docker pull [[{image}||nvcr.io/nvidia/vllm:25.09-py3]]`；nvcr.io 請先 `docker "
                "login nvcr.io`（使用者 `$oauthtoken`，密碼為 NGC API key）。`docker images` 可查看現有映像檔。"
            ),
        ),
    ),
    Rule(
        id="image-platform",
        stage=Stage.DAEMON,
        patterns=(
            r"no matching manifest for (?P<wanted>\S+) in the manifest list",
            r"no match for platform in manifest",
            r"no image found in (?:manifest list|image index) for architecture \W*(?P<wanted>\w+)",
            r"Could not open '/lib64/ld-linux-x86-64\.so\.2'",
            r"exec format error",
            r"Exec format error",
            r"image with reference .* was found but (?:does not match|its platform)",
            r"architecture \(\w+\) could not run on the host's \((?P<wanted>\w+)\)",
        ),
        consequence_of=("unsupported-arch",),
        quiet=True,
        cause=Text(
            en="The image is built for another CPU architecture[[ than {wanted}]].",
            zh_tw="映像檔是給其他 CPU 架構用的[[，不是 {wanted}]]。",
        ),
        remedy=Text(
            en=(
                "GB10 is arm64: `docker image inspect $(docker inspect -f '{{.Config.Image}}' {container}) "
                "--format '{{.Architecture}}'` must say arm64; if it does not: `docker pull --platform "
                "linux/arm64 $(docker inspect -f '{{.Config.Image}}' {container})`. `docker images` shows what "
                "is there."
            ),
            zh_tw=(
                "GB10 是 arm64：`docker image inspect $(docker inspect -f '{{.Config.Image}}' {container}) "
                "--format '{{.Architecture}}'` 應為 arm64；若不是，執行 `docker pull --platform linux/arm64 $(docker "
                "inspect -f '{{.Config.Image}}' {container})`。`docker images` 可查看現有映像檔。"
            ),
        ),
    ),
    Rule(
        id="entrypoint-missing",
        stage=Stage.DAEMON,
        patterns=(
            r"exec: [^\w./-]*(?P<command>[^\"\\]+)\W+ executable file not found",
            r"exec: [^\w./-]*(?P<command>[^\"\\]+)\W+ stat [^\"]+ no such file",
            r"exec: [^\w./-]*(?P<command>[^\"\\]+)\W+ permission denied",
            r"exec: [^\w./-]*(?P<command>[^\"\\]+)\W+ no such file",
            r"exec: [^\w./-]*(?P<command>[^\"\\]+)\W+ is a directory",
            r"(?<!fork/)exec (?P<command>\S+): no such file or directory",
            r"(?:line \d+|bash|sh): (?:\d+: )?(?:exec: )?(?P<command>vllm|python3?|\S+/vllm): (?:command )?not found",
            r": exec: (?P<command>\S+): not found",
            r"nvidia_entrypoint\.sh: line \d+: (?:exec: )?(?P<command>\S+): (?:No such file|Is a directory|invalid option|not found|cannot execute)",
            r"(?:Error|python[\d.]*): No module named '?(?P<command>vllm(?:\.entrypoints[\w.]*)?)(?![\w.])",
            r"can't open file '(?P<command>[^']+)'",
            r"failed to exec pid1: No such file",
            r"exec user process caused\W+ no such file",
            r"[Nn]o command specified",
            r"executable file \W*(?P<command>[\w./-]+)\W* not found in \$PATH",
            r"crun: open executable: Permission denied",
            r"missing dynamic library\?\) \W*(?P<command>[\w./-]+)",
            r"no command or entrypoint provided",
            r"tini \(\d+\)\] exec (?P<command>\S+) failed",
            r"/env: \W*(?P<command>\w+)\S* No such file",
            r"^(?P<command>vllm|python3?): (?:command )?not found",
            r"\"(?P<command>[\w./-]+)\": executable file not found in \$PATH",
            r"status=203/EXEC",
            r"at step EXEC spawning (?P<command>[^\s:]+)",
            r"execve\(\): (?P<command>\S+): No such file or directory",
            r"enroot-switchroot: failed to execute: (?P<command>[^\s:]+)",
        ),
        exit_codes=(126, 127),
        cause=Text(
            en="The container's command does not exist in the image[[: {command}]].",
            zh_tw="映像檔裡沒有容器要執行的指令[[：{command}]]。",
        ),
        remedy=Text(
            en=(
                "Give the whole command after the image, `vllm serve` and the model first; what the image starts "
                "by itself: `docker image inspect $(docker inspect -f '{{.Config.Image}}' {container}) --format "
                "'{{.Config.Entrypoint}} {{.Config.Cmd}}'`; `docker logs {container}` shows the rest."
            ),
            zh_tw=(
                "在映像檔後面給完整指令，以 `vllm serve` 加模型名稱開頭；映像檔本身會執行什麼：`docker image inspect $(docker inspect -f "
                "'{{.Config.Image}}' {container}) --format '{{.Config.Entrypoint}} {{.Config.Cmd}}'`；`docker "
                "logs {container}` 可看其餘訊息。"
            ),
        ),
    ),
    Rule(
        id="hf-gated",
        stage=Stage.START,
        patterns=(
            r"You are trying to access a gated repo",
            r"GatedRepoError",
            r"Cannot access gated repo for url \S*?huggingface\.co/(?P<model>[\w.-]+/[\w.-]+)",
            r"Access to model (?P<model>\S+) is restricted",
            r"awaiting a review from the repo authors",
            r"enable access to public gated repositories",
            r"403 Client Error.* for url: \S*huggingface\.co",
            r"403 Forbidden: ",
            r"Invalid credentials in Authorization header",
            r"Invalid user token",
            r"LocalTokenNotFoundError",
            r"Illegal header value b'Bearer",
            r"in header value: 'Bearer",
            r"required variable \"?HF_TOKEN\"? is missing",
            r"(?<!HTTPError:\s)401 Client Error: Unauthorized for url: \S*huggingface",
            r"HTTP status client error \(40[13] \w+\)",
        ),
        cause=Text(
            en="The model is gated on Hugging Face and this token has no access[[: {model}]].",
            zh_tw="模型在 Hugging Face 上受限，目前的 token 沒有權限[[：{model}]]。",
        ),
        remedy=Text(
            en=(
                "Accept the licence on [[https://huggingface.co/{repo}||the model's page]], then pass a token "
                "that may read it: `export HF_TOKEN=hf_…` and start with `-e HF_TOKEN`."
            ),
            zh_tw=(
                "先在[[ https://huggingface.co/{repo} ||模型頁面]]接受授權條款，再傳入有權限的 token：`export HF_TOKEN=hf_…`，啟動時加上 "
                "`-e HF_TOKEN`。"
            ),
        ),
    ),
    Rule(
        id="hf-missing",
        stage=Stage.START,
        patterns=(
            r"Invalid repository ID or local directory specified: '(?P<model>[^']+)'",
            r"(?P<model>\S+) is not a local folder and is not a valid model identifier",
            r"We couldn't connect to '?(?P<host>\S+?)'? to load",
            r"Cannot find an appropriate cached snapshot folder for the specified revision",
            r"LocalEntryNotFoundError",
            r"RepositoryNotFoundError",
            r"Repository Not Found for url: https?://[^/\s]+/(?:api/models/)?(?P<model>[\w.-]+(?:/(?!resolve|revision|tree)[\w.-]+)?)",
            r"RevisionNotFoundError",
            r"HFValidationError: .*'(?P<model>[^']+)'",
            r"outgoing traffic has been disabled",
            r"Invalid username or password",
            r"does not appear to have a file named (?P<file>config\.json|\w+\.py)",
            r"(?:404|429|50\d) (?:Client|Server) Error: .* for url: \S*huggingface\.co",
            r"Can't load the configuration of '(?P<model>[^']+)'",
            r"Incorrect path_or_model_id: '(?P<model>[^']+)'",
            r"No supported config format found in (?P<model>\S+)",
            r"Could not detect config format",
            r"The file path '(?P<file>[^']+)' not exist",
            r"Cannot find the requested files in the",
            r"[Mm]odel path (?P<model>\S+) (?:does not exist|not found)",
            r"Revision Not Found for url",
            r"Max retries exceeded with url: .*huggingface",
            r"OfflineModeIsEnabled",
            r"HfHubHTTPError",
            r"CAS service error",
            r"Temporary failure in name resolution",
            r"(?<!\d\s-\s)Name or service not known",
            r"host='(?P<host>huggingface\.co|[\w.-]*\.huggingface\.co|[\w.-]*\.hf\.co|hf-mirror\.com)'.*(?:Max retries exceeded|Read timed out)",
            r"ConnectError: \[Errno -?\d+\]",
            r"All connection attempts failed",
            r"CERTIFICATE_VERIFY_FAILED",
            r"is not a valid git identifier",
            r"Entry Not Found for url: \S*/config\.json",
            r"No such file or directory: '?(?P<model>[^']+)/config\.json",
            r"No model weights found in: `?(?P<model>[^`]+)",
            r"Could not receive runai_response",
            r"Unable to locate credentials",
            r"error occurred \(\w+\) when calling the \w+ operation",
            r"Client Error: .* for url: \S*modelscope",
            r"Downloaded GGUF files not found in",
            r"Remote end closed connection without response",
            r"Connection broken: IncompleteRead",
            r"The read operation timed out",
            r"peer closed connection without sending complete message body",
            r"Unknown scheme for proxy URL",
            r"No adapter found for (?P<file>\S+)",
            r"Could not find config\.json for remote GGUF",
            r"Could not find GGUF file for repo",
            r"Cannot find any safetensors model weights with `?(?P<model>[^`]+)",
            r"is not a valid tensorizer URI",
            r"Unrecognised GGUF reference: (?P<file>\S+)",
            r"Could not find mm_proj file",
            r"(?P<file>\S+) doesn't contain tensors",
            r"CacheNotFound: Cache directory not found: (?P<model>\S+)",
            r"ValueError: (?P<file>\S+) is not a file",
            r"No such file or directory: '(?P<file>[^']*adapter_config\.json)",
        ),
        consequence_of=("hf-gated", "disk-full", "permission-denied"),
        cause=Text(
            en="The model cannot be found or reached[[: {model}]][[ ({file} missing)]][[ ({host} unreachable)]].",
            zh_tw="找不到模型，或無法連線取得[[：{model}]][[（缺少 {file}）]][[（無法連上 {host}）]]。",
        ),
        remedy=Text(
            en=(
                "Check the model's name; check what is there: `ls ~/vllm/huggingface/hub[[ {path}]]`; without "
                "network, download it first on a machine that has one: [[`hf download {repo} --cache-dir "
                "~/vllm/huggingface/hub`||`hf download` with the model's name and `--cache-dir "
                "~/vllm/huggingface/hub`]], and mount it with `-v ~/vllm/huggingface:/root/.cache/huggingface`."
            ),
            zh_tw=(
                "檢查模型名稱；查看現有內容：`ls ~/vllm/huggingface/hub[[ {path}]]`；沒有網路時，先在有網路的機器下載：[[`hf download {repo} "
                "--cache-dir ~/vllm/huggingface/hub`||`hf download` 加模型名稱與 `--cache-dir "
                "~/vllm/huggingface/hub`]]，並以 `-v ~/vllm/huggingface:/root/.cache/huggingface` 掛載。"
            ),
        ),
    ),
    Rule(
        id="disk-full",
        stage=Stage.LOAD,
        patterns=(
            r"No space left on device: '(?P<path>[^']+)'",
            r"No space left on device",
            r"no space left on device",
            r"kind: StorageFull",
            (
                r"Not enough free disk space to download the file\. The expected file size is: (?P<wanted>[\d.]+ "
                r"MB)\. The target location (?P<path>\S+) only has (?P<free>[\d.]+ MB)"
            ),
            r"Not enough free disk space to download",
            r"OSError: \[Errno 28\]",
            r"Disk quota exceeded",
            r"Data processing error: .*os error 28",
            r"\bENOSPC\b",
            r"low on resource: ephemeral-storage",
            r"disk is full",
            r"disk quota exceeded",
            r"Failed to garbage collect required amount of images",
            r"node\.kubernetes\.io/disk-pressure",
            r"Background writer channel closed",
            r"Insufficient ephemeral-storage",
            r"exceeded its local ephemeral storage limit",
            r"Usage of EmptyDir volume .* exceeds the limit",
            r"had condition: \[DiskPressure\]",
            r"low on resource: (?:inodes|ephemeral-storage|nodefs|imagefs)",
        ),
        consequence_of=("shm-too-small",),
        cause=Text(
            en="The disk is full[[: {wanted} needed, {free} free]][[ at {path}]].",
            zh_tw="磁碟空間不足[[：需要 {wanted}，只剩 {free}]][[（{path}）]]。",
        ),
        remedy=Text(
            en=(
                "`df -h ~/vllm /var/lib/docker`; free space with `docker system prune` and by removing models under "
                "~/vllm/huggingface/hub that are not needed (`du -sh ~/vllm/huggingface/hub/*`), then start again."
            ),
            zh_tw=(
                "執行 `df -h ~/vllm /var/lib/docker`；用 `docker system prune` 並刪除 ~/vllm/huggingface/hub "
                "下不需要的模型（`du -sh ~/vllm/huggingface/hub/*`）騰出空間，再重新啟動。"
            ),
        ),
    ),
    Rule(
        id="shm-too-small",
        stage=Stage.LOAD,
        patterns=(
            r"Bus error",
            r"bus error encountered in worker",
            (
                r"Insufficient space in (?P<segment>/dev/shm) for shared-memory allocation: (?P<wanted>\d+ MiB) "
                r"required, (?P<free>\d+ MiB) free"
            ),
            r"insufficient shared memory",
            r"No space left on device: '/(?:dev/shm|psm_)",
            r"[Ee]rror while creating shared memory segment (?P<segment>\S+)",
            r"Failed core proc\(s\): \{[^}]*: -7\b",
            r"unable to (?:open|mmap|allocate|write) .*shared memory",
            r"/dev/shm is too small",
            r"attaching to shared memory segment (?P<segment>\S+)(?!.*No such file)",
            r"died unexpectedly \(exit code: -7\)",
            r"SIGBUS received at",
            r"/dev/shm.* No space left",
            r"posix_fallocate.*No space",
            r"exceeds memory available in /dev/shm",
            r"unable to (?:write to|mmap \d+ bytes from) file </torch_\d",
            r"Insufficient space in (?P<segment>/dev/shm) for ",
            r"Usage of EmptyDir volume \W*(?P<segment>\w*shm\w*)\W* exceeds",
        ),
        serving=True,
        exit_codes=(135,),
        cause=Text(
            en="/dev/shm in the container is too small[[: {wanted} needed, {free} free]]; Docker's default is 64 MB.",
            zh_tw="容器內的 /dev/shm 太小[[：需要 {wanted}，只剩 {free}]]；Docker 預設只有 64 MB。",
        ),
        remedy=Text(
            en="`docker rm -f {container}` and start with `--ipc=host` (or `--shm-size=16g`).",
            zh_tw="執行 `docker rm -f {container}`，並以 `--ipc=host`（或 `--shm-size=16g`）重新啟動。",
        ),
    ),
    Rule(
        id="nccl-error",
        stage=Stage.LOAD,
        patterns=(
            r"NCCL [Ee]rror(?: \d+| in)?: ?(?P<what>.*)",
            r"\[c10d\] (?P<what>The client socket has timed out .*)",
            r"ncclSystemError",
            r"ncclInternalError",
            r"ncclUnhandledCudaError",
            r"ncclInvalidUsage",
            r"ncclRemoteError",
            r"NCCL WARN (?P<what>.*(?:[Ff]ail|[Ee]rror|Duplicate GPU).*)",
            r"Watchdog caught collective operation timeout",
            r"DistBackendError",
            r"(?P<what>HCCL function error: .*)",
            r"(?P<what>Failed to connect to GCS at address \S+)",
            r"Gloo connectFullMesh failed",
            r"gloo/transport/tcp/\w+\.cc:\d+\] (?P<what>.*)",
            r"Connection closed by peer \[",
            r"DistNetworkError: (?P<what>.*)",
            r"NcclError: (?P<what>.*)",
            r"pynccl_wrapper\.py\", line \d+ in (?P<what>nccl\w+)",
            r"custom_all_reduce\.cuh:\d+ '(?!an illegal)(?P<what>[^']+)",
            r"(?P<what>Barrier timed out after [\d.]+ seconds)",
            r"(?P<what>ProcessGroupNCCL's watchdog got stuck .*)",
            r"NCCL WARN (?P<what>.*(?:returned \d+\(|retries|closed by remote|no socket interface|no device found|Mismatched|No transport|with status|incompatible devices|maxSharedMem).*)",
            r"(?P<what>Failed to connect to GCS within .*)",
            r"(?P<what>RendezvousConnectionError: .*)",
            r"(?P<what>This node has an IP address of \S+ and Ray expects .*)",
            r"(?P<what>Timed out initializing process group in store based barrier)",
            r"Error: (?P<what>The client socket has .*)",
            r"(?P<what>oneCCL: .*)",
            r"CCL_ERROR\| (?P<what>.*)",
        ),
        consequence_of=(
            "cuda-oom",
            "driver-mismatch",
            "shm-too-small",
            "unsupported-arch",
            "host-oom-killed",
            "engine-dead",
        ),
        cause=Text(
            en="Communication between GPUs or hosts failed (NCCL)[[: {what}]].",
            zh_tw="GPU 或主機之間的通訊失敗（NCCL）[[：{what}]]。",
        ),
        remedy=Text(
            en=(
                "One GB10 needs `--tensor-parallel-size 1`. For more hosts set `NCCL_SOCKET_IFNAME` and "
                "`GLOO_SOCKET_IFNAME` to the interface that links them (`ip -br addr`), and start once with `-e "
                "NCCL_DEBUG=INFO`."
            ),
            zh_tw=(
                "單台 GB10 請用 `--tensor-parallel-size 1`。多台主機時把 `NCCL_SOCKET_IFNAME` 與 "
                "`GLOO_SOCKET_IFNAME` 設為互連的介面（`ip -br addr`），並加上 `-e NCCL_DEBUG=INFO` 再啟動一次。"
            ),
        ),
    ),
    Rule(
        id="bad-flag",
        stage=Stage.START,
        patterns=(
            r"error: unrecognized arguments: (?P<flag>.+)",
            r"error: argument (?P<flag>\S+): (?P<why>.+)",
            r"error: the following arguments are required: (?P<flag>.+)",
            r"error: ambiguous option: (?P<flag>\S+)",
            r"With `?vllm serve`?, you should provide the model as a positional argument",
            r"unknown (?:shorthand )?flag: (?P<flag>.+)",
            r"'(?P<flag>\w+)' and '\w+' must be the same\. Got",
            r"number of required [A-Z]PUs exceeds the total number of available",
            r"invalid tool call parser: (?P<flag>\S+)",
            r"invalid reasoning parser: (?P<flag>\S+)",
            r"invalid choice: '?(?P<flag>[^ ']+)'?",
            r"docker: invalid (?:argument|reference|publish|containerPort)",
            r"GPU memory utilization must be less than 1\.0\. Got (?P<flag>[\d.]+)",
            r"requires `?--(?P<flag>[a-z-]+)",
            r"validation errors? for (?P<flag>\w+Config)",
            r"validation errors? for (?P<flag>\w+Args)",
            r"`?(?P<flag>\w+)`? is only supported for multimodal models",
            r"requires at least 1 argument",
            r"flag needs an argument: (?P<flag>.+)",
            r"must be divisible by tensor parallel size",
            r"assert self\.total_num_\w+ % (?:self\.)?(?P<flag>tp_size) == 0",
            r"AssertionError: \d+ is not divisible by \d+",
            r"max_num_batched_tokens \(\d+\) must be greater than or equal to (?P<flag>max_num_seqs)",
            r"is (?:larger|greater) than `?(?P<flag>max_num_batched_tokens)",
            r"--(?P<flag>[a-z-]+) is required",
            r"exceeds the total number of available GPUs",
            r"\w*EngineArgs\.__init__\(\) got an unexpected keyword argument '(?P<flag>[\w-]+)'",
            r"the input device is not a TTY",
            r"Additional property (?P<flag>\S+) is not allowed",
            r"\byaml: line \d+: (?P<why>.+)",
            r"[Ss]peculative decoding .*(?:not (?:yet )?supported|does not support)",
            r"does not support (?P<flag>LoRA)\b",
            r"[Pp]ipeline parallelism is (?:only|not) supported",
            r"(?:larger|greater) than the number of available GPUs",
            r"(?:Unrecognized|Unknown|Invalid) attention backend:? (?P<flag>\S+)",
            r"does not support (?P<flag>float16)",
            r"Invalid value '(?P<flag>[^']+)' for \w+",
            r"\bare mutually exclusive",
            r"Invalid data-parallel launch options: (?P<why>.+)",
            r"Load format `(?P<flag>[^`]+)` is not supported",
            r"Unknown (?:load_format|dtype|config format):? `?(?P<flag>[^` ]+)",
            r"Selected backend (?P<flag>\S+) is not valid for this configuration\. Reason: (?P<why>.+)",
            r"does not support `--(?P<flag>[a-z-]+) (?P<why>[^`]+)`",
            r"Unrecognized distributed executor backend (?P<flag>\S+)",
            r"Config file must be of a yaml",
            r"No model specified! ",
            r"(?:CUDA|HIP) error: (?P<why>invalid device ordinal)",
            r"'(?P<flag>[\w-]+)' is not a docker command",
            r"unable to find (?P<flag>(?:user|group) \S+?): no matching entries",
            r"No valid attention backend found for (?P<flag>\w+)(?:.*Reasons: (?P<why>.*))?",
            r"refers to undefined (?P<flag>(?:volume|network|config|secret) \S+?)(?::|$)",
            r"invalid compose project",
            r"Unsupported (?P<flag>\w+ method|dtype|load format): (?P<why>.+)",
            r"must be one of (?P<why>[\[{'\"(].*)",
            r"Must be one of (?P<why>[\[{'\"(].*)",
            r"Valid (?:options|choices|values|modes|kinds|layouts|backends)(?: are)?:? (?P<why>[\[{'\"(].*)",
            r"to less than max local gpu count",
            r"(?P<flag>world_size) \(\d+\) (?:must be|is not) equal to",
            r"(?P<flag>world_size) \(\d+\) is less than than max local gpu count",
            r"DP adjusted local rank \d+ is out of bounds",
            r"(?P<flag>local_world_size) \(\d+\) (?:must be|exceeds)",
            r"Unknown distributed executor backend:? (?P<flag>\S+)",
            r"Consider reducing (?P<flag>tensor_parallel_size)",
            r"Unknown all2all backend: (?P<flag>\S+)",
            r"Unsupported connector type: (?P<flag>\S+)",
            r"not currently supported with KV connectors",
            r"must be specified in (?P<flag>kv_connector_extra_config)",
            r"potential fix is to set (?P<flag>disable_sliding_window)",
            r"Expandable segments are not compatible with memory pool",
            r"does not support any pooling tasks",
            r"please try (?P<flag>cudagraph_mode)=",
            r"Unable to read the config file at (?P<flag>\S+)",
            r"invalid argument \W*[^\"]*\W* for \"(?P<flag>-[^\"]+)\" flag",
            r"validating \S+\.ya?ml: (?P<why>.+)",
            r"services\.(?P<flag>\S+) (?:value|must be|missing property|additional properties)",
            r"services\.(?P<flag>\S+): \"\w+\" and \"\w+\" attributes are exclusive",
            r"conflicting options: (?P<why>.+)",
            r"not found in reasoning_parsers",
            r"(?P<flag>Reasoning parser '[^']+') not found",
            r"port must be 0-65535",
            r"Cannot assign requested address \(addr='(?P<flag>[^']+)'",
            r"LoRA rank \d+ is greater than (?P<flag>max_lora_rank)",
            r"(?P<flag>VLLM_\w+) cannot be used with",
            r"Could not load logging config",
            r"Inconsistent GPU visibility env vars: (?P<why>[^.]+)",
            r"Configuration mismatch detected for engine",
            r"Error setting CUDA_VISIBLE_DEVICES",
            r"invalid GGUF quant type",
            r"Unexpected extra config keys for load format",
            r"extra config is not supported for load format",
            r"(?P<flag>tensorizer_uri) should include",
            r"InstantTensor requires NVIDIA",
            r"Unknown TurboQuant cache dtype: '?(?P<flag>\w+)",
            r"(?P<flag>moe_backend)='(?P<why>\w+)' is not supported",
            r"EPLB is only supported for",
            r"not in supported list of hidden sizes",
            r"must be divisible by (?P<flag>tp_size)",
            r"Tensor parallel size \d+ is greater than",
            r"Tensor parallel world size must divide",
            r"Tensor parallel currently supported for quantized models only",
            r"does not support (?:'all' )?(?P<flag>prefix caching)",
            r"(?P<flag>mm_encoder_attn_dtype)='fp8' requires",
            r"does not support (?P<flag>\S+) backend now",
            r"Cannot provide a placement group",
            r"does not support (?P<flag>ray)\b",
            r"int\(\) with base 10: '(?P<flag>(?:tcp://|MIG-|GPU-)[^']+)",
            r"(?P<flag>\w+) is not applicable in headless mode",
            r"requires (?P<flag>VLLM_USE_V1)\b",
            r"Sleep mode can only be used for one instance",
            r"does not support the '(?P<flag>\w+)' task",
            r"OpenTelemetry is not available",
            r"\"(?P<flag>\w+Config)\" object has no field",
            r"Unsupported block size",
            r"not divisible by the number of tensor parallelism",
            r"Expected both speculative_model",
            r"not implemented for '(?P<flag>Half)'",
            r"batch_invariant mode is not supported",
            r"unsupported kv_cache_dtype",
            r"error: unexpected argument '(?P<flag>[^']+)' found",
            r"error: invalid value '(?P<why>[^']*)' for '(?P<flag>[^']+)'",
            r"Process (?P<flag>\w+) \(PID: \d+\) died with exit code 2\b",
        ),
        consequence_of=(
            "max-model-len-invalid",
            "unsupported-quantization",
            "unsupported-model",
            "unsupported-arch",
            "hf-gated",
            "hf-missing",
            "tokenizer-or-template",
            "gpu-runtime-missing",
            "kv-cache-too-small",
            "cuda-oom",
            "disk-full",
            "permission-denied",
            "corrupt-weights",
            "ulimit-refused",
            "image-pull",
        ),
        exit_codes=(2,),
        cause=Text(
            en="vLLM (or Docker) does not accept an argument[[: {flag}]][[ ({why})]].",
            zh_tw="vLLM（或 Docker）不接受某個參數[[：{flag}]][[（{why}）]]。",
        ),
        remedy=Text(
            en=(
                "Correct or drop it; `docker run --rm $(docker inspect -f '{{.Config.Image}}' {container}) vllm "
                "serve --help=all` lists what this version knows."
            ),
            zh_tw=(
                "修正或移除該參數；`docker run --rm $(docker inspect -f '{{.Config.Image}}' {container}) vllm serve "
                "--help=all` 會列出這個版本支援的參數。"
            ),
        ),
    ),
    Rule(
        id="unsupported-quantization",
        stage=Stage.START,
        patterns=(
            r"Unknown quantization method: ?(?P<method>[^\s.]+)?",
            r"argument --quantization/-q: invalid choice: '(?P<method>[^']+)'",
            r"(?P<method>Mxfp4) linear layer is not implemented",
            r"Failed to find a kernel that can implement the (?P<method>\w+) linear layer",
            (
                r"Quantization method specified in the model config \((?P<method>[^)]+)\) does not match the "
                r"quantization method specified in the `?quantization`? argument \((?P<flag>[^)]+)\)"
            ),
            r"is not supported for quantization method (?P<method>[^\s.]+)",
            r"The quantization method (?P<method>\S+) is not supported for the current GPU",
            r"is not divisible by min_thread_n",
            r"is not divisible by min_thread_k",
            r"\b(?P<method>\w+) quantization is currently not supported in",
            r"Cannot find the config file for (?P<method>\w+)",
            r"Failed to find a kernel that can implement",
            r"Please install (?P<method>bitsandbytes)",
            r"No compressed-tensors compatible scheme",
            r"Unsupported quant_method",
            r"Unsupported quantization",
            r"Only symmetric quantization",
            r"Marlin does not support",
            r"No (?P<method>\w+) MoE backend supports",
            r"\b(?P<method>\w+) quantization is not (?:yet )?supported",
            r"Quantization scheme is not supported for",
            r"is not divisible by weight quantization block_\w",
            r"input size is not aligned with the quantized weight shape",
            r"does not support the deployment configuration since kernel does not support (?! current device)(?P<what>.+)",
            r"is not supported for (?P<method>\w+) MoE\.",
            r"Unsupported num_bits",
            r"Unsupported weight_bits",
            r"Asymmetric quantization not supported",
            r"projections need to have same quantization scheme",
            r"not all shards of (?P<what>\S+) are quantized",
            r"requires all shards of a fused layer",
            r"different quantization (?:schemes|_?config\S*) .*shards",
            r"requires consistent quant config",
            r"Unable to find matching target for (?P<what>\S+) in the compressed-tensors config",
            r"Unsupported FusedMoe scheme",
            r"Invalid quantization method: (?P<method>\S+)",
            r"in the model's quantization config",
            r"output size is not aligned with the quantized weight shape",
            r"quant(?:ization)? method (?P<method>\S+) is deprecated",
            r"does not support (?P<what>\w+ kv-cache)",
            r"(?P<what>\w+ kv-cache) is not supported with",
            r"(?P<what>FP8 KV cache) not yet supported",
            r"(?P<what>FP8 KV cache) on CPU requires",
            r"optimized (?P<what>\w+) kernel is only available on CUDA platforms",
            r"validation errors? for (?P<what>QuantizationArgs)",
            r"file appears to be version \d+ which we cannot handle",
            r"(?P<what>\w+) is not a valid GGMLQuantizationType",
            r"BitsAndBytes loader does not support (?P<what>\w+)",
            r"does not support BitsAndBytes quantization",
            r"BitsAndBytes models with tensor parallelism is not supported",
            r"group GEMM only supports (?P<what>\w+)",
            r"Unknown ModelOpt quant algo: (?P<what>\S+)",
            r"ModelOpt currently only supports",
            r"does not support (?P<what>\w+) quantization yet",
            r"Found unknown quantization=",
            r"BitsAndBytes models with TP is not supported",
            r"Invalid thread config: thread",
            r"not implemented for '(?P<what>Float8_\w+)'",
            r"Unsupported dtype (?P<what>torch\.float8\w+)",
            r"Supports only \S*_w4a16",
            r"not supported for (?P<what>CompressedTensors\w+)",
            r"(?P<what>gpt\w*_marlin_gemm) only supports",
            r"not divisible by tile_n_size",
            r"size_k must divisible by",
            r"BitAndBytes with enforce_eager",
        ),
        cause=Text(
            en=(
                "This model, GPU or version cannot be served with that quantisation[[ ({method})]][[; the flag says "
                "{flag}]][[: {what}]]."
            ),
            zh_tw="這個模型、GPU 或版本不支援該量化方式[[（{method}）]][[；參數指定的是 {flag}]][[：{what}]]。",
        ),
        remedy=Text(
            en=(
                "Drop `--quantization` (vLLM takes it from the checkpoint), or use a checkpoint quantised that way, "
                "or a newer image."
            ),
            zh_tw=(
                "移除 `--quantization`（vLLM 會從 checkpoint 讀取），或改用以該方式量化的 "
                "checkpoint，或使用較新的映像檔。"
            ),
        ),
    ),
    Rule(
        id="unsupported-model",
        stage=Stage.START,
        patterns=(
            (
                r"Model architectures? \[(?P<arch>[^\]]*)\] (?:are not supported|failed to be inspected|is not "
                r"supported)"
            ),
            r"Model architecture (?P<arch>\S+) was supported in vLLM until (?P<version>\S+)",
            r"model type `?(?P<arch>[\w.-]+)`? but Transformers does not recognize this architecture",
            r"does not recognize this architecture",
            r"has no vLLM implementation and the Transformers implementation is not compatible with vLLM",
            r"Trying to run tensor parallelization but the model does not support it",
            r"Sliding window for some but all layers is not supported",
            r"Cannot find model module",
            r"contains custom code which must be executed to correctly load the model",
            r"Please pass the argument `?trust_remote_code",
            r"This modeling file requires the following packages",
            r"has no vLLM implementation",
            r"AttributeError: '(?P<arch>(?!Vllm|Model|Cache|Parallel|Scheduler|Device|Load|Speculative|Compilation|LoRA)\w+)Config' object has no attribute",
            r"requires you to execute the configuration file in that repo",
            r"Unrecognized model in (?P<arch>\S+)",
            r"GGUF model with architecture (?P<arch>\S+) is not supported",
            r"Unrecognized configuration class",
            r"No model architectures are specified",
            r"(?P<arch>\w+) only supports versions? .*Got version",
            r"modeling backend requires transformers>=(?P<version>\S+) for",
            r"text_config extracted from the model config does not have",
            r"Failed to load mistral '[^']+' config",
            r"Head size \d+ is not supported by",
            r"does not support sliding window yet",
            r"Unknown gguf model_type: (?P<what>\w+)",
            r"Missing required keys in `rope_",
            r"Class validation error for validator",
            r"Validation error for field '",
            r"Model does not support EAGLE3 interface",
            r"the draft model config must have",
            r"determine (?:the )?number of (?:kv|key-value attention) heads",
            r"cannot determine the num of attention layers",
            r"is not supported in-tree anymore",
            r"does not currently have a class to handle the requested model type",
            r"does not support tensor parallel",
            r"Unknown MoE activation: '?(?P<what>\w+)",
            r"Unsupported activation: (?P<what>\w+)",
            r"Unknown RoPE scaling type:? (?P<what>\w+)",
            r"[Uu]nsupported head size",
            r"head_size \(\d+\) is not supported",
            r"Invalid CPU attention head_dim",
            r"rope_scaling\W* must be a dictionary",
            r"does not yet support (?P<what>\w+) models",
            r"Only SiLU activation is supported",
            r"Encoder self-attention .*not implemented",
        ),
        cause=Text(
            en="This vLLM does not know the model's architecture[[: {arch}]].[[ First error: {first}.]]",
            zh_tw="這個版本的 vLLM 不支援模型架構[[：{arch}]]。[[第一個錯誤：{first}。]]",
        ),
        remedy=Text(
            en=(
                "Use an image with a newer vLLM (and transformers), or another model; a model with code of its own "
                "needs `--trust-remote-code`."
            ),
            zh_tw=(
                "改用較新 vLLM（與 transformers）的映像檔，或換一個模型；自帶程式碼的模型需要 `--trust-remote-code`。"
            ),
        ),
    ),
    Rule(
        id="max-model-len-invalid",
        stage=Stage.START,
        patterns=(
            (
                r"User-specified max_model_len \((?P<length>\d+)\) is greater than the derived max_model_len "
                r"\(\w+=(?P<fits>\d+)"
            ),
            r"User-specified max_model_len",
            r"do(?:es)? not support max_model_len greater than (?P<fits>\d+)(?:.*\(received (?P<length>\d+)\))?",
            r"max_num_batched_tokens \((?P<batched>\d+)\) is smaller than max_model_len \((?P<length>\d+)\)",
        ),
        cause=Text(
            en="--max-model-len[[ {length}]] is more than the model can do[[ ({fits})]].",
            zh_tw="--max-model-len[[ {length}]] 超過模型上限[[（{fits}）]]。",
        ),
        remedy=Text(
            en="Start with a smaller --max-model-len[[: `--max-model-len {fits}` or less]].",
            zh_tw="改用較小的 --max-model-len 啟動[[：`--max-model-len {fits}` 或更小]]。",
        ),
    ),
    Rule(
        id="corrupt-weights",
        stage=Stage.LOAD,
        patterns=(
            r"SafetensorError: (?P<what>.*)",
            r"Error while deserializing header: (?P<what>\w+)",
            r"MetadataIncompleteBuffer",
            r"HeaderTooLarge",
            r"HeaderTooSmall",
            r"InvalidHeaderDeserialization",
            r"InvalidHeaderLength",
            r"PytorchStreamReader failed (?P<what>.*)",
            r"Unable to load weights from pytorch checkpoint file",
            r"Consistency check failed: file should be of size (?P<wanted>\d+) but has size (?P<found>\d+)",
            r"Following weights were not initialized from checkpoint: (?P<what>.{0,200})",
            r"Attempted to load weight \((?P<what>.*)\) into parameter",
            r"There is no module or parameter named '(?P<what>[^']+)' in",
            r"Cannot find any model weights",
            r"Tried to load weights of size (?P<what>.*)",
            r"No such file or directory: \"?(?P<what>[^\" ]+\.(?:safetensors|bin))",
            r"KeyError: '(?P<what>[\w.]*layers\.\d+\.[^']+)'",
            r"does not appear to have files? named \S*(?P<what>model[\w.-]*\.safetensors|pytorch_model\S*)",
            r"Error no file named (?P<what>.*?),? found in directory",
            r"UnpicklingError",
            r"config file at '?(?P<what>[^' ]+)'? is not a valid JSON file",
            r"assert param\w*\.(?:shape|size\(\)) == loaded_weight\.",
            r"size mismatch for (?P<what>\S+): copying a param",
            r"Weight files referenced in index but missing",
            r"EOFError: Ran out of input",
            r"unexpected EOF, expected \d+ more bytes",
            r"GGUF magic invalid",
            r"mmap length is greater than file size",
            r"cannot mmap an empty file",
            r"Failed to map GGUF parameters",
            r"contains tensors on the meta device",
            r"Attempted to load nested weight '(?P<what>[^']+)'",
            r"so the tied weight is uninitialized",
            r"(?P<what>\S+) integrity check failed",
            r"shape mismatch between model and checkpoint",
            r"Unexpected weight(?::| for) (?P<what>\S+)",
            r"Missing keys \('?(?P<what>[\w.]+)",
        ),
        consequence_of=("cuda-oom", "disk-full"),
        cause=Text(
            en=(
                "The weights on disk are damaged, incomplete or do not fit the model[[: {what}]][[ ({found} of "
                "{wanted} bytes)]]."
            ),
            zh_tw="磁碟上的權重損毀、不完整，或與模型不符[[：{what}]][[（{wanted} 位元組中只有 {found}）]]。",
        ),
        remedy=Text(
            en=(
                "[[Download {repo} again: `rm -rf {directory} && hf download {repo} --cache-dir "
                "~/vllm/huggingface/hub`||Compare the sizes of the model's files (`ls -lL "
                "~/vllm/huggingface/hub/models--*/snapshots/*`, or where it is mounted from) with those on its "
                "page, remove its directory with `rm -rf`, and fetch it again with `hf download`]], then start "
                "again.[[ It was read from {path}.]]"
            ),
            zh_tw=(
                "[[重新下載 {repo}：`rm -rf {directory} && hf download {repo} --cache-dir "
                "~/vllm/huggingface/hub`||比對模型檔案大小（`ls -lL "
                "~/vllm/huggingface/hub/models--*/snapshots/*`，或掛載來源目錄）與模型頁面是否一致，用 `rm -rf` 刪除該目錄，再以 `hf "
                "download` 重新下載]]，再重新啟動。[[讀取位置：{path}。]]"
            ),
        ),
    ),
    Rule(
        id="tokenizer-or-template",
        stage=Stage.START,
        patterns=(
            r"Can't load tokenizer for '(?P<what>[^']+)'",
            r"Couldn't instantiate the backend tokenizer",
            r"Tokenizer class (?P<what>\S+) does not exist",
            r"Unable to load vocabulary from file",
            r"default chat template is no longer allowed",
            r"Cannot use chat template functions because",
            r"The supplied chat template (?:string )?\((?P<what>[^)]*)\) (?:appears path-like|looks like)",
            r"TemplateSyntaxError: (?P<what>.*)",
            r"chat template .* (?:not found|does not exist)",
            r"Can't load image processor for '(?P<what>[^']+)'",
            r"Can't load feature extractor for",
            r"Exception: data did not match any variant of untagged enum (?P<what>\w+)",
            r"expected str, bytes or os\.PathLike object, not NoneType",
            r"has no attribute '?all_special_tokens_extended",
            r"does not appear to have a file named (?P<what>(?:preprocessor|tokenizer|processor)\S*\.json)",
            r"Failed to load the tokenizer",
            r"Error loading tokenizer",
            r"Exception: (?P<what>(?:expected value|EOF while parsing .*|.*) at line \d+ column \d+)$",
            r"could not parse ModelProto",
            r"No tokenizer file found",
            r"Unrecognized processing class in",
            r"requires the (?P<what>protobuf) library",
            r"in _set_model_specific_special_tokens",
            r"TypeError: not a string$",
            r"requires the (?P<what>SentencePiece|tiktoken) library",
            r"Converting from (?:SentencePiece and )?Tiktoken failed",
            r"'(?P<what>\w*(?:Tokenizer|Processor)\w*)' object has no attribute",
            r"supplied chat template path doesn't exist",
            r"Chat template rendering timed out",
            r"Make sure that a (?P<what>Mistral tokenizer) is present",
            r"module (?P<what>\w*[Tt]okenizer\w*) has no attribute",
            r"cannot import name '(?P<what>\w*Tokenizer\w*)'",
            r"Failed to load (?:the )?(?:image |video |feature )?processor",
            r"Invalid type of HuggingFace processor",
            r"Cannot get the vocabulary of the tokenizer",
            r"size must contain 'shortest_edge'",
        ),
        consequence_of=("hf-gated", "hf-missing", "disk-full", "permission-denied"),
        serving=True,
        cause=Text(
            en="The tokenizer or the chat template cannot be loaded[[: {what}]].",
            zh_tw="無法載入 tokenizer 或 chat template[[：{what}]]。",
        ),
        remedy=Text(
            en=(
                "Check that tokenizer.json, tokenizer_config.json and the chat template lie beside the weights: "
                "`ls -lL [[{directory}/snapshots/*||~/vllm/huggingface/hub/models--*/snapshots/*]]`[[ (it was "
                "read from {path})]]; [[download them again: `hf download {repo} --cache-dir "
                "~/vllm/huggingface/hub`||download the model again with `hf download`]], or name another with "
                "`--tokenizer` or `--chat-template`."
            ),
            zh_tw=(
                "確認 tokenizer.json、tokenizer_config.json 與 chat template 和權重放在一起：`ls -lL "
                "[[{directory}/snapshots/*||~/vllm/huggingface/hub/models--*/"
                "snapshots/*]]`[[（讀取位置：{path}）]]；[[重新下載：`hf download {repo} --cache-dir "
                "~/vllm/huggingface/hub`||用 `hf download` 重新下載模型]]，或以 `--tokenizer`、`--chat-template` 指定其他檔案。"
            ),
        ),
    ),
    Rule(
        id="compile-failure",
        stage=Stage.COMPILE,
        patterns=(
            r"torch\._inductor\.exc\.\w+: (?P<what>.*)",
            r"InductorError: (?P<what>.*)",
            r"BackendCompilerFailed",
            r"(?P<what>No such file or directory: '\S+/\.triton/cache)",
            r"(?P<what>Mosaic failed to compile TPU kernel.*)",
            r"torch\._dynamo\.exc\.\w+: (?! ?backend=)(?P<what>.+)",
            r"triton\.compiler\.errors\.\w+",
            r"Failed to find C compiler",
            r"CppCompileError: (?P<what>.*)",
            r"ninja: build stopped",
            r"Ninja build failed",
            r"Error building extension '(?P<what>[^']+)'",
            r"ConstraintViolationError: (?P<what>.*)",
            r"PassManager::run failed",
            r"LLVM ERROR: (?P<what>.*)",
            r"Error compiling objects for extension",
            r"nvcc fatal\W+(?P<what>.+)",
            r"fatal error: (?P<what>\S+\.h: No such file or directory)",
            r"PTXASError",
            r"NoTritonConfigsError",
            r"Could not find nvcc",
            r"InvalidCxxCompiler",
            r"CompilationError: at",
            r"failed to map segment from shared object",
            r"No such file or directory: '(?:\S*/)?(?P<what>ninja|nvcc|gcc|g\+\+|cc|ptxas)'",
            r"CalledProcessError: Command '\[?'?\S*?(?P<what>gcc|g\+\+|\bcc|clang(?:\+\+)?|nvcc|ninja|ptxas)'",
            r"OutOfResources: (?P<what>out of resource.*)",
            r"Triton Error \[CUDA\]: (?! ?(?:an illegal|out of memory))(?P<what>.*)",
            r"MLIRError: (?P<what>.*)",
            r"vLLM failed to compile the model",
            r"compiled artifact is not serializable",
            r"Inductor cache lookup failed",
            r"Failed to run autotuning code block: (?P<what>.*)",
            r"Failed to compile the graph",
            r"unsupported GNU version",
            r"uses too much shared data",
            r"cannot find -l(?P<what>\w+)",
            r"NVCC compilation failed",
            r"llvm/Support/Casting\.h",
            r"nvcc --generate-dependencies-with-compile",
            r"detected CUDA version \(\S+\) mismatches",
            r"Cannot find CUDA_HOME",
            r"CUDA_HOME is not set",
            r"failed to get the hash of the compiled graph",
            r"auto_functionalized was not removed",
            r"(?P<what>Detected data-dependent branching)",
            r"(?P<what>Dynamo failed to run FX node .*)",
            r"arange's range must be a power of 2",
            r"jit/kernel_runtime\.hpp",
            r"include file '(?P<what>[\w/.]+\.h)' not found",
            r"detected while processing an MLIR pass pipeline",
            r"Pipeline failed while executing",
        ),
        consequence_of=(
            "cuda-oom",
            "host-oom-killed",
            "disk-full",
            "permission-denied",
            "driver-mismatch",
            "gpu-memory-startup",
            "unsupported-arch",
            "gpu-runtime-missing",
        ),
        cause=Text(
            en="Compiling the model's kernels failed[[: {what}]].",
            zh_tw="編譯模型的 kernel 失敗[[：{what}]]。",
        ),
        remedy=Text(
            en=(
                "Start once with `--enforce-eager` to get going; then remove the compile cache (`rm -rf "
                "~/.cache/vllm/torch_compile_cache`, in the container /root/.cache/vllm) and try an image of another "
                "version."
            ),
            zh_tw=(
                "先加上 `--enforce-eager` 啟動以恢復服務；再刪除編譯快取（`rm -rf "
                "~/.cache/vllm/torch_compile_cache`，容器內為 /root/.cache/vllm），並嘗試其他版本的映像檔。"
            ),
        ),
    ),
    Rule(
        id="engine-dead",
        stage=Stage.SERVE,
        patterns=(
            r"EngineCore encountered a fatal error",
            r"EngineDeadError",
            r"EngineCore encountered an issue\. See stack trace",
            r"Engine core proc \S+ died unexpectedly",
            r"Worker proc \S+ died unexpectedly",
            r"engine core exited unexpectedly",
            r"AsyncEngineDeadError",
            r"MQEngineDeadError",
            r"Engine loop has died",
            r"RPC call to \w+ timed out",
            r"Engine process \(pid \d+\) died",
            r"failed \(engine dead\)",
            r"Engine loop is not running",
            r"MQLLMEngine is already dead",
            r"Background loop has errored already",
            r"WorkerProc hit an exception",
            r"EngineCore hit an exception",
            r"[Gg]ot fatal signal from worker processes",
            r", in run_engine_loop\b",
            r", in engine_step\b",
            r", in run_busy_loop\b",
            r"engine_core\.run_busy_loop\(\)",
            r", in _run_engine\b",
            r"\._run_engine\(",
            r"Engine background task failed",
            r"Exception in callback functools\.partial\(<function _(?:log_task_completion|raise_exception_on_finish)",
            r"(?P<what>CUDA error: an illegal (?:memory access|instruction))",
            r"(?P<what>CUDA error: device-side assert)",
            r"block: \[[\d,]+\], thread: \[[\d,]+\] (?P<what>Assertion .*)",
            r"(?P<what>CUDA error: unspecified launch failure)",
            r"(?P<what>CUDA error: misaligned address)",
            r"(?P<what>CUDA error: the launch timed out)",
            r"(?P<what>CUBLAS_STATUS_EXECUTION_FAILED)",
            r"NVRM: (?P<what>Xid \([^)]*\): \d+)",
            r"terminate called after throwing an instance of '(?!c10::DistBackend)(?P<what>[^']+)'",
            r"\bcore dumped\b",
            r"(?P<what>\bHSA_STATUS_ERROR_EXCEPTION\b)",
            r"\*\*\* SIG(?:ABRT|SEGV|ILL|FPE) received at",
            r"(?P<what>CUDA error: uncorrectable ECC error)",
            r"(?P<what>GPU has fallen off the bus)",
            r"Triton Error \[CUDA\]: (?P<what>an illegal memory access)",
            r"Segmentation fault",
            r"Segfault encountered",
            r"The actor died unexpectedly before finishing this task",
            r"A worker died or was killed while executing a task",
            r"rank=\[?\d+\]? died unexpectedly",
            r"(?P<what>an illegal memory access was encountered)",
            r"CUDA error: (?P<what>uncorrectable NVLink error)",
            r"CUDA error: (?P<what>hardware stack error)",
            r"(?P<what>GPU is lost)",
            r"(?P<what>fallen off the bus and is not responding)",
            r"(?:VLLM|vllm|python|pt_main|ray)[\w:.]*\[\d+\]: (?P<what>segfault at)",
            r"(?:VLLM|vllm|python|pt_main|ray)[\w:.]*\[\d+\] (?P<what>general protection fault)",
            r"Fatal Python error: (?P<what>.+)",
            r"(?P<what>double free or corruption)",
            r"(?P<what>(?:realloc|free|munmap_chunk)\(\): invalid (?:pointer|size))",
            r"(?P<what>Memory access fault by GPU node)",
            r"(?P<what>UR_RESULT_ERROR_DEVICE_LOST)",
            r"Engine core process \S+ died unexpectedly",
            r"Engine iteration timed out",
            r"AsyncLLMEngine has failed, terminating",
            r"MQLLMEngine didn't reply within",
            r"(?:VLLM|vllm|python|pt_main|ray)[\w:.]*\[\d+\] (?P<what>trap invalid opcode)",
            r"self\.run_engine_loop\(\)",
            r"(?P<what>Kernel task happen error)",
            r"XidCriticalError: (?P<what>Xid=\d+)",
            r"Result: core-dump\b",
            r"Exit Code:\s+139\b",
        ),
        consequence_of=("*",),
        serving=True,
        exit_codes=(139, 134),
        cause=Text(
            en="The engine died[[: {what}]].",
            zh_tw="引擎死亡[[：{what}]]。",
        ),
        remedy=Text(
            en=(
                "Read what stands before the first traceback (`docker logs {container} 2>&1 | grep -nE "
                "'ERROR|Traceback' | head`), then `docker rm -f {container}` and start again; the exit code 0 of a "
                "dead engine means nothing."
            ),
            zh_tw=(
                "先看第一個 traceback 之前的訊息（`docker logs {container} 2>&1 | grep -nE 'ERROR|Traceback' | "
                "head`），再 `docker rm -f {container}` 並重新啟動；引擎死亡後的 exit code 0 沒有意義。"
            ),
        ),
    ),
    Rule(
        id="permission-denied",
        stage=Stage.START,
        patterns=(
            r"permission denied while trying to connect to the [Dd]ocker",
            r"PermissionError: \[Errno 1?[13]\] (?:Permission denied|Operation not permitted)(?:: '?(?P<path>[^']*))?",
            r"PermissionError at (?P<path>\S+) when downloading",
            r"\[Errno 13\] Permission denied(?:: '?(?P<path>[^']*))?",
            r"mkdir (?P<path>\S+): permission denied",
            r"\[Errno 30\] Read-only file system: '(?P<path>[^']+)'",
            r"Permission denied \(os error 13\)",
            r"cannot create directory \W*(?P<path>[^\s':]+)\W* Permission denied",
            r"\b(?:open|l?stat|statfs|access) (?P<path>/\S+): permission denied",
            r"cannot open shared object file: Permission denied",
            r"(?:[Cc]annot|[Ff]ailed to|[Uu]nable to) .*[Pp]ermission denied",
            r"getpwuid\(\): uid not found: (?P<path>\d+)",
            r"PermissionError\(1?[13], '(?:Permission denied|Operation not permitted)'\)",
            r"lsetxattr\S* (?P<path>/\S+): operation not permitted",
            r"(?:changing (?:permissions|ownership) of|cannot (?:create|touch|remove|open)) .*?(?P<path>/[^\s':]+)\W+Read-only file system",
            r"execve\(\): (?P<path>\S+): Permission denied",
            r"sh: (?:\d+: )?(?P<path>\S+): Permission denied",
            r"file lookup failed: (?P<path>\S+): permission denied",
            r"\bavc: denied .*nvidia.*permissive=0",
            r"Remounting filesystem read-only",
        ),
        consequence_of=("bind-mount-missing", "image-pull", "ulimit-refused"),
        cause=Text(
            en="Permission denied[[: {path}]].",
            zh_tw="權限不足[[：{path}]]。",
        ),
        remedy=Text(
            en=(
                "For the Docker socket: `sudo usermod -aG docker $USER && newgrp docker`. For the cache on the host: `sudo "
                "chown -R $USER ~/vllm`, and mount it writable (no `:ro`). For a directory inside the container[[ "
                "({path})]]: start it as root (no `--user`), or with `-e HOME=/tmp`."
            ),
            zh_tw=(
                "Docker socket：`sudo usermod -aG docker $USER && newgrp docker`。主機上的快取：`sudo chown -R $USER "
                "~/vllm`，且不要以唯讀（`:ro`）掛載。容器內的目錄[[（{path}）]]：以 root 啟動（不加 `--user`），或加上 `-e HOME=/tmp`。"
            ),
        ),
    ),
    Rule(
        id="docker-daemon-down",
        stage=Stage.DAEMON,
        patterns=(
            r"Cannot connect to the Docker daemon(?: at (?P<socket>\w+:/\S+?)\.?(?:\s|$))?",
            r"Is the docker daemon running",
            r"failed to connect to the docker API at (?P<socket>\S+)",
            r"Couldn't connect to Docker daemon at (?P<socket>\S+)",
            r"Cannot connect to Podman",
            r"Error while fetching server API version: (?P<why>.*)",
            r"error during connect: (?P<why>.*)",
            r"docker\.sock: connect: (?P<why>connection refused|no such file or directory)",
            r"request returned (?:\d+ )?Internal Server Error for API route",
            r"Docker Desktop is (?P<why>manually paused|unable to start)",
            r"unable to resolve docker endpoint: (?P<why>.*)",
            r"transport connection broken: (?P<why>malformed HTTP response)",
            r"Job for docker\.service failed",
            r"Failed to start docker\.service",
            r"unable to configure the Docker daemon with file (?P<why>.*)",
            r"failed to start daemon[:,] (?P<why>.*)",
            r"failed to start containerd: (?P<why>.*)",
            r"failed to load listeners: (?P<why>.*)",
            r"dockerd needs to be started with root privileges",
            r"rootlesskit:parent\] error: (?P<why>.*)",
            r"An HTTP request took too long to complete",
            r"cannot access containerd socket",
            r"rootless containerd not running",
            r"The command 'docker' could not be found",
            r"Command 'docker' not found",
            r"dial unix \S*containerd\.sock: connect: ",
        ),
        consequence_of=("permission-denied",),
        cause=Text(
            en="The Docker daemon does not answer[[ at {socket}]].",
            zh_tw="Docker daemon 沒有回應[[（{socket}）]]。",
        ),
        remedy=Text(
            en=(
                "`sudo systemctl start docker`, then `docker info`; if it does not start: `sudo journalctl -u docker "
                "-n 50`. Check `echo $DOCKER_HOST` and `docker context ls` too."
            ),
            zh_tw=(
                "執行 `sudo systemctl start docker` 後用 `docker info` 確認；若無法啟動：`sudo journalctl -u docker "
                "-n 50`。也請檢查 `echo $DOCKER_HOST` 與 `docker context ls`。"
            ),
        ),
    ),
    Rule(
        id="bind-mount-missing",
        stage=Stage.DAEMON,
        patterns=(
            r"error while creating mount source path '(?P<path>[^']+)'",
            r"error mounting \"(?P<path>[^\"]+)\" to rootfs",
            r"Are you trying to mount a directory onto a file",
            r"invalid mount config for type \"bind\"",
            r"includes invalid characters for a local volume name",
            r"statfs (?P<path>\S+): no such file or directory",
            r"mount path must be absolute",
            r"Mounts denied",
            r"hostPath type check failed: (?P<path>\S+)",
            r"MountVolume\.SetUp failed",
            r"invalid volume specification: '(?P<path>[^']*)'",
            r"invalid spec: (?P<path>\S*): empty section between colons",
            r"external volume \W*(?P<path>[\w.-]+)\W* not found",
            r"error while mounting volume '(?P<path>[^']+)'",
            r"error setting label on mount source '(?P<path>[^']+)'",
            r"persistentvolumeclaim \W*(?P<path>[\w.-]+)\W* not found",
            r"--env-file: open (?P<path>\S+): no such file",
            r"env file (?P<path>\S+) not found",
            r"Unable to attach or mount volumes",
            r"source path does not exist: (?P<path>\S+)",
            r"mount source (?P<path>\S+) doesn't exist",
            r"failed to mount: (?P<path>\S+) at",
        ),
        cause=Text(
            en="A directory to be mounted does not exist on the host[[: {path}]].",
            zh_tw="要掛載的目錄在主機上不存在[[：{path}]]。",
        ),
        remedy=Text(
            en="`mkdir -p[[ {path}]]` (or correct the path after `-v`; it must be absolute), then start again.",
            zh_tw="執行 `mkdir -p[[ {path}]]`（或修正 `-v` 後面的路徑，須為絕對路徑），再重新啟動。",
        ),
    ),
    Rule(
        id="ulimit-refused",
        stage=Stage.DAEMON,
        patterns=(
            r"error setting rlimits?(?:.*\btype (?P<type>\d+))?",
            r"ulimit: .*cannot modify limit",
            r"ulimit: error setting limit",
            r"setrlimit \W*(?P<what>RLIMIT_\w+)",
            r"invalid ulimit argument: (?P<what>.*)",
            r"ulimit option \"(?P<what>[^\"]+)\" requires",
            r"ulimit soft limit must be less than or equal to hard limit",
            r"Failed to adjust resource limit (?P<what>RLIMIT_\w+)",
            r"ulimits\.(?P<what>\w+) must be",
            r"fork: retry: Resource temporarily unavailable",
        ),
        cause=Text(
            en="The host refuses a --ulimit of the container[[ (rlimit type {type}; 8 is memlock)]][[: {what}]].",
            zh_tw="主機拒絕容器的 --ulimit[[（rlimit 類型 {type}；8 為 memlock）]][[：{what}]]。",
        ),
        remedy=Text(
            en=(
                "Start the daemon as root (not rootless) with CAP_SYS_RESOURCE, raise its limit (`sudo systemctl "
                "edit docker`: `LimitMEMLOCK=infinity`, then `sudo systemctl restart docker`), or drop the --ulimit."
            ),
            zh_tw=(
                "以 root（非 rootless）並具 CAP_SYS_RESOURCE 執行 daemon，提高上限（`sudo systemctl edit "
                "docker`：`LimitMEMLOCK=infinity`，再 `sudo systemctl restart docker`），或移除該 --ulimit。"
            ),
        ),
    ),
    Rule(
        id="start-timeout",
        stage=Stage.START,
        patterns=(
            r"Waited (?P<waited>\d+) ?s(?:econds)? \(configured by VLLM_ENGINE_READY_TIMEOUT_S",
            r"[Tt]im(?:ed out|eout) waiting for (?:the )?(?:\w+ )?(?:engine|server|[Ll][Ll][Mm])",
            r"configured by VLLM_ENGINE_READY_TIMEOUT_S",
            r"Timed out after (?P<waited>\d+) ?s(?:econds)? waiting for (?:clients|engine|server)",
            r"DistStoreError: (?P<what>.*)",
            r"Did not receive response from front-end process",
            r"failed to start within (?:the )?timeout",
            r"failed to start in time",
            r"dependency failed to start: container \S+ is unhealthy",
            r"did not become (?:ready|healthy) (?:in|within)",
            r"Timeout (?P<waited>\d+) ?s waiting for .* to become (?:healthy|ready)",
            r"Timed out waiting for READY from .* after (?P<waited>\d+) ?s",
            r"failed (?:startup|liveness) probe, will be restarted",
            r"application not healthy after",
            r"timeout waiting for dependencies",
            r"timed out waiting for the condition",
            r"exceeded its progress deadline",
            r"start operation timed out",
            r"RPCServer didn't reply within",
            r"Startup probe failed: Get\b",
            r"start-post operation timed out",
            r"timeout occurred after waiting (?P<waited>\d+) seconds for \S*(?:vllm|:8000)",
            r"failed to start (?:after|within) (?P<waited>\d+) ?s\b",
            r'"FailingStreak": \d\d',
        ),
        consequence_of=("*",),
        timeout=True,
        cause=Text(
            en="The engine was not ready in time[[ ({waited} s)]]; it was in phase '{phase}'.",
            zh_tw="引擎未能及時就緒[[（{waited} 秒）]]；停在「{phase}」階段。",
        ),
        remedy=Text(
            en=(
                "`docker logs --tail 50 {container}`: if it still makes progress, give it more time (`-e "
                "VLLM_ENGINE_READY_TIMEOUT_S=1800`); if not, `docker rm -f {container}` and start again."
            ),
            zh_tw=(
                "執行 `docker logs --tail 50 {container}`：若仍有進展，給它更多時間（`-e "
                "VLLM_ENGINE_READY_TIMEOUT_S=1800`）；否則 `docker rm -f {container}` 後重新啟動。"
            ),
        ),
    ),
)
"""Every known failure."""

UNEXPLAINED = Rule(
    id="unexplained",
    stage=Stage.UNKNOWN,
    cause=Text(
        en="The deployment failed for a reason no rule knows[[ (exit code {exit_code})]].[[ First error: {first}.]][[ Last "
        "words: {tail}]]",
        zh_tw="部署失敗，原因不在已知規則中[[（exit code {exit_code}）]]。[[第一個錯誤：{first}。]][[最後訊息：{tail}]]",
    ),
    remedy=Text(
        en=(
            "Read `docker logs {container}`; once the cause is known add a `Rule` to harness/rules.py and the log to "
            "tests/logs/<rule-id>/."
        ),
        zh_tw=(
            "請看 `docker logs {container}`；找到原因後，在 harness/rules.py 加一條 `Rule`，並把 log 放進 "
            "tests/logs/<rule-id>/。"
        ),
    ),
)
"""What is left when a failure matches no rule."""
