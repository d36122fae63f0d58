"""What vLLM, its libraries, Docker, NVIDIA's software and the kernel really print, by the rule that must know it."""

from __future__ import annotations

WORDINGS: dict[str, tuple[str, ...]] = {
    "harmony-vocab": (
        "openai_harmony.HarmonyError: error downloading or loading vocab file: failed to download or load vocab file",
        "openai_harmony.HarmonyError: invalid tiktoken vocab file: No such file or directory (os error 2)",
        (
            "ERROR 08-08 08:01:30 [serving_chat.py:257] openai_harmony.HarmonyError: error downloading or "
            "loading vocab file: failed to download or load vocab file"
        ),
        "openai_harmony.HarmonyError: invalid tiktoken vocab file: hash mismatch: computed=aa, expected=bb",
        (
            "HarmonyError: error downloading or loading vocab file: failed to download or load vocab file\n\n"
            "Caused by:\n   "
        ),
    ),
    "gpu-memory-startup": (
        "AssertionError: Error in memory profiling. This happens when the GPU memory was not properly cleaned up",
        (
            "ValueError: Free memory on device (31.44/47.38 GiB) on startup is less than desired GPU memory "
            "utilization (0.95, 45.01 GiB). Decrease GPU memory utilization"
        ),
        (
            "ValueError: Free memory on device cuda:0 (111.99/139.8 GiB) on startup is less than desired GPU "
            "memory utilization (0.95, 132.81 GiB). Decrease GPU memory"
        ),
        (
            "ValueError: Available memory on node 0 (21.32/23.54 GiB) on startup is less than desired CPU "
            "memory utilization (0.99, 23.31 GiB). Decrease"
        ),
        (
            "AssertionError: Error in memory profiling. Initial free memory 10.72 GiB, current free memory "
            "12.31 GiB. This"
        ),
        (
            "AssertionError: Error in memory profiling. Initial free memory 23467393024, current free memory "
            "23563862016."
        ),
        (
            "ValueError: Free memory on device (2.77/121.69 GiB) on startup is less than desired GPU memory "
            "utilization (0.9, 109.52 GiB)."
        ),
        (
            "ValueError: Externally held weights on device cuda:0 (90.1/119.7 GiB) exceed the desired GPU "
            "memory utilization (0.7, 83.8 GiB). Increase"
        ),
        (
            "ValueError: Available memory on node 0 (7.41/15.52 GiB) on kv cache allocation is less than "
            "requested memory for kv (12.0 GiB)."
        ),
        (
            "ValueError: Free memory on device cuda:0 (20.1/121.7 GiB) on startup is less than the engine's "
            "budget of 109.5 GiB."
        ),
    ),
    "kv-cache-too-small": (
        (
            "ValueError: The worker already uses 34.80 GiB (model weights and runtime), more than the 31.25 "
            "GiB of CPU memory reserved for it on node 0, leaving none for the KV cache. On the CPU backend, "
            "the `--gpu-memory-utilization` flag controls the fraction of CPU memory reserved (despite its "
            "name). To resolve: increase `--gpu-memory-utilization` to more than 0.63, or set the KV cache "
            "size explicitly with"
        ),
        (
            "ValueError: frontend multimodal GPU decoding reserves 12.0 GiB (8.0 GiB raw-frame budget, 4.0 GiB "
            "decoder cache budget), but only 9.31 GiB is available for the KV cache. Reduce "
            "mm_ipc_gpu_memory_gb or hw_decoders, use a different video backend, or increase "
            "gpu_memory_utilization."
        ),
        "ValueError: To serve at least one request with the models's max seq len (40960), (5.62 GiB KV cache is",
        (
            "ValueError: To serve at least one request with the model's max seq len (131072), 16.0 GiB KV "
            "cache is needed,"
        ),
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when",
        (
            "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can "
            "be stored in KV cache (48880). Try increasing"
        ),
        "ValueError: Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token.",
        (
            "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that can "
            "be stored in KV cache (11088). Try increasing"
        ),
        "ValueError: To serve at least one request with the models's max seq len (262144), (24.00 GiB KV cache is",
        (
            "ValueError: max_num_seqs (256) exceeds available Mamba cache blocks (113). Each decode sequence "
            "requires one Mamba cache block, so CUDA graph capture cannot proceed."
        ),
    ),
    "cuda-oom": (
        (
            "RuntimeError: NVML_SUCCESS == DriverAPI::get()->nvmlInit_v2_() INTERNAL ASSERT FAILED at "
            '"../c10/cuda/CUDACachingAllocator.cpp":813, please report a bug to PyTorch.'
        ),
        (
            "RuntimeError: Bad StatusOr access: RESOURCE_EXHAUSTED: Error allocating device buffer: Attempting "
            "to allocate 112.00M. That was not possible. There are 97.06M free.; (1x0x0_HBM0)"
        ),
        "RuntimeError: CUDART error: out of memory",
        "NVRM: nvCheckOkFailedNoLog: Check failed: Out of memory [NV_ERR_NO_MEMORY]",
        'RuntimeError: nrt_tensor_allocate status=4 message="Allocation Failure"',
        "ValueError: Ran out of memory in memory space vmem while allocating on stack for %name.32",
        "RuntimeError: CUDA Error: out of memory at /workspace/csrc/cumem_allocator.cpp:139",
        "RuntimeError: Failed: Cuda error csrc/custom_all_reduce.cuh:368 'out of memory'",
        'RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "/pytorch/c10/cuda/CUDACachingAllocator.cpp":1016',
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 896.00 MiB. GPU 0 has a total "
            "capacity of 95.00"
        ),
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB. GPU 0 has a total capacty of",
        "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try",
        (
            "torch.AcceleratorError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously "
            "reported at some"
        ),
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization to free",
        "torch._inductor.exc.InductorError: OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0",
        (
            "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 130.00 MiB. GPU 0 has a total "
            "capacity of 15.92"
        ),
        "[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB. GPU 0 has a total capacity",
        "RuntimeError: Engine core initialization failed. torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you",
        "RuntimeError: Triton Error [CUDA]: out of memory",
        "torch.OutOfMemoryError: XPU out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of",
        (
            "[FATAL ERROR]: HIP failure: 'out of memory' (in ncclCommInitRank)\nRuntimeError: NCCL error: "
            "unhandled cuda error"
        ),
        (
            "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used "
            "18.21G of 15.75G hbm."
        ),
    ),
    "host-oom-killed": (
        "Message:  Pod was rejected: The node had condition: [MemoryPressure].",
        "Active: failed (Result: oom-kill) since Thu 2025-11-20 08:22:14 UTC; 3min ago",
        "Main PID: 1411 (code=killed, signal=KILL)",
        "slurmstepd: error: Exceeded job memory limit",
        "slurmstepd: error: StepId=118422.0 exceeded memory limit (67912345600 > 64424509440), being killed",
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=118422.0. Some of the step tasks have been "
            "OOM Killed."
        ),
        "OSError: [Errno 12] Cannot allocate memory",
        (
            "kernel: VLLM::EngineCor invoked oom-killer: "
            "gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO), order=0, oom_score_adj=0"
        ),
        "kernel: oom_reaper: reaped process 9412 (python3), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
        "nvcc error   : 'cicc' died due to signal 9 (Kill signal)",
        (
            'containerd[1205]: time="2025-11-20T08:22:10.113Z" level=info msg="TaskOOM event '
            'container_id:\\"4f2c9a7be1d35c0b86f0f7a9e3d2b1c4a5968778695a4b3c2d1e0f9a8b7c6d5e\\""'
        ),
        (
            "2025-11-20T08:22:10.118Z container oom "
            "4f2c9a7be1d35c0b86f0f7a9e3d2b1c4a5968778695a4b3c2d1e0f9a8b7c6d5e (image=vllm/vllm-openai:latest, "
            "name=vllm)"
        ),
        "Warning  SystemOOM  51s  kubelet  System OOM encountered, victim process: VLLM::EngineCor, pid: 18431",
        (
            "systemd-oomd[939]: Killed "
            "/system.slice/docker-4f2c9a7be1d35c0b86f0f7a9e3d2b1c4a5968778695a4b3c2d1e0f9a8b7c6d5e.scope due "
            "to memory pressure for /system.slice being 61.27% > 50.00% for > 20s with reclaim activity"
        ),
        (
            "Error response from daemon: failed to create task for container: failed to create shim task: OCI "
            "runtime create failed: runc create failed: unable to start container process: container init was "
            "OOM-killed (memory limit too low?)"
        ),
        (
            "Error: OCI runtime exec failed: exec failed: unable to start container process: error executing "
            "setns process: exit status 1 (possibly OOM-killed): unknown"
        ),
        "Aug 19 07:28:44 Killed process 3652 (VLLM::EngineCor) total-vm:160958kB, anon-rss:65483kB",
        ("Memory on the node was 96.10GB / 100.00GB (0.961), which exceeds the memory usage threshold of 0.95."),
        "ray.exceptions.OutOfMemoryError: 1 worker(s) were killed due to the node running low on memory.",
        "subprocess.CalledProcessError: Command '['vllm', 'serve', 'x']' died with <Signals.SIGKILL: 9>.",
        "    Last State:     Terminated\n      Exit Code:    137",
        (
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): "
            "{'EngineCore_DP0': -9}"
        ),
        "Nov 26 21:06:11 spark-1 kernel: Out of memory: Killed process 12345 (VLLM::EngineCor) total-vm:186032872kB,",
        "[81234.567890] Memory cgroup out of memory: Killed process 4242 (VLLM::EngineCor) total-vm:20303036kB,",
        "Nov 26 21:06:11 spark-1 systemd[1]: vllm.service: A process of this unit has been killed by the OOM killer.",
        "Nov 26 21:06:12 spark-1 systemd[1]: vllm.service: Main process exited, code=killed, status=9/KILL",
        "INFO 04-23 23:45:36 [loader.py:402] Loading weights onto GPU. This may take a few minutes...\nKilled",
        "/start.sh: line 12:    17 Killed                  vllm serve openai/gpt-oss-120b",
        "vllm-1 exited with code 137",
        (
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): "
            "{'EngineCore': -9}"
        ),
        "      Reason:       OOMKilled",
        '"OOMKilled": true,',
        'be9c31226f2a  vllm  "/opt/nvidia"  12 minutes ago  Exited (137) 2 minutes ago',
        "Sep 14 23:16:52 spark-1 kernel: Memory cgroup out of memory: Killed process 99123 (VllmWorker-0)",
        'earlyoom[1021]: sending SIGTERM to process 8727 uid 0 "VLLM::EngineCor": badness 1201, VmRSS 98211 MiB',
        "systemd-oomd[880]: Killed /system.slice/docker-4e0a.scope due to memory pressure for /system.slice being",
        "Failed core proc(s): {'EngineCore': 'pid=12345 killed by signal 9 (SIGKILL)'}",
        (
            "Status: Failed Reason: Evicted Message: The node was low on resource: memory. Container vllm was"
            " using 118Gi"
        ),
        "Out of memory: Killed process VLLM::EngineCore total-vm:690813156kB anon-rss:511342372kB",
    ),
    "container-name-conflict": (
        "[ERROR] File already exists: /opt/ml/.local/share/enroot/vllm",
        'Error: name "vllm" is in use: container already exists',
        (
            'Error: failed to reserve container name "vllm_vllm-7c9d_default_5b7f_2": name '
            '"vllm_vllm-7c9d_default_5b7f_2" is reserved for "4f2c9a7be1d35c0b86f0"'
        ),
        'docker: Error response from daemon: Conflict. The container name "/gpt-oss-120b" is already in use by',
        'Error response from daemon: Conflict. The container name "/vllm" is already in use by container',
        'Error: creating container storage: the container name "vllm" is already in use by',
        (
            "docker.errors.APIError: 409 Client Error for "
            'http+docker://localhost/v1.41/containers/create?name=gpt-oss-120b: Conflict ("Conflict. The '
            'container name "/gpt-oss-120b" is already in use by container "0123456789ab". You'
        ),
        ('nerdctl: time="2025-10-01T10:00:00Z" level=fatal msg="name \\"vllm\\" is already used by ID \\"abc\\""'),
        "Error response from daemon: Conflict, The name vllm is already assigned to 3f2a9c1b77d0. You have to delete",
    ),
    "port-in-use": (
        (
            "Warning  FailedScheduling  12s  default-scheduler  0/1 nodes are available: 1 node(s) didn't have "
            "free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption "
            "victims found for incoming pod."
        ),
        "RuntimeError: Could not find open port after 1000 attempts starting from port 8100",
        (
            "docker: Error response from daemon: driver failed programming external connectivity on endpoint "
            "gpt-oss-120b (6f3a): Bind for 0.0.0.0:8000 failed: port is already allocated."
        ),
        (
            "docker: Error response from daemon: driver failed programming external connectivity on endpoint "
            "vllm (af): Error starting userland proxy: listen tcp4 0.0.0.0:8000: bind: address already in use."
        ),
        (
            "docker: Error response from daemon: failed to set up container networking: driver failed "
            "programming external connectivity on endpoint vllm (b2): failed to bind host port for "
            "0.0.0.0:8000:172.17.0.2:8000/tcp: address already in use"
        ),
        "OSError: [Errno 98] Address already in use",
        "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
        "docker: Error response from daemon: Ports are not available: exposing port TCP 0.0.0.0:8000 -> 0.0.0.0:0:",
        (
            "Error response from daemon: failed to set up container networking: driver failed programming "
            "external connectivity on endpoint x (c): Bind for :::8000 failed: port is already allocated"
        ),
        (
            "INFO:     Application startup complete.\nERROR:    [Errno 98] error while attempting to bind on "
            "address ('0.0.0.0', 5001): address already in use\nINFO:    "
        ),
        "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address.",
        "OSError: [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
        (
            "Error response from daemon: ports are not available: exposing port TCP 127.0.0.1:8000 -> "
            "127.0.0.1:0: listen tcp4"
        ),
        (
            "listen tcp4 127.0.0.1:8000: bind: Only one usage of each socket address (protocol/network "
            "address/port) is normally"
        ),
        "VLLM_PREFLIGHT_FAILED reason=port_in_use port=8001",
    ),
    "gpu-runtime-missing": (
        "Reason:           OutOfnvidia.com/gpu",
        (
            "Warning  FailedCreatePodSandBox  9s (x4 over 48s)  kubelet  Failed to create pod sandbox: rpc "
            "error: code = Unknown desc = failed to find runtime handler nvidia from runtime list "
            "map[crun:0xc0003fa2a0 runc:0xc0003fa000]"
        ),
        'Error creating: pods "vllm-5f7c9d-" is forbidden: pod rejected: RuntimeClass "nvidia" not found',
        "[ERROR] Command not found: nvidia-container-cli, see https://github.com/NVIDIA/libnvidia-container",
        "ERROR: nvidia-smi not found or no NVIDIA GPU detected on this host. Aborting.",
        "modprobe: FATAL: Module nvidia not found in directory /lib/modules/6.14.0-33-generic",
        (
            "E1120 09:05:40.311872       1 main.go:173] error starting plugins: error getting plugins: failed "
            "to construct NVML resource managers: error building device map: error building device map from "
            "config.resources: error building GPU device map: error visiting device: error building Device: "
            "error getting device memory: Not Supported"
        ),
        "RuntimeError: No supported device detected,",
        "AssertionError: libcuda.so cannot found!",
        (
            "ValueError: Ray does not allocate any GPUs on the driver node.Driver IP: 10.0.0.1, worker IPs: "
            "['10.0.0.2', '10.0.0.2'].Consider adjusting the Ray placement group or running the driver on a "
            "GPU node."
        ),
        "RuntimeError: PyTorch was compiled without CUDA support",
        "ValueError: ProcessGroupNCCL is only supported with GPUs, no GPUs found!",
        (
            "(autoscaler +1m10s) Error: No available node types can fulfill resource request {'GPU': 1.0, "
            "'node:192.168.100.10': 0.001}. Add suitable node types to this cluster to resolve this issue."
        ),
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: unable to retrieve OCI runtime error (open "
            "/run/containerd/io.containerd.runtime.v2.task/moby/4f2c9a7be1d35c0b86f0f7a9e3d2b1c4a5968778695a4b3c2"
            "d1e0f9a8b7c6d5e/log.json: "
            'no such file or directory): exec: "nvidia-container-runtime": executable file not found in '
            "$PATH:"
        ),
        (
            "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open "
            "shared object file: no such file or directory"
        ),
        (
            "Error response from daemon: failed to create task for container: failed to create shim task: OCI "
            "runtime create failed: failed to create NVIDIA Container Runtime: failed to construct OCI spec "
            "modifier: failed to create the automatic CDI modifier: failed to generate CDI spec for mode "
            '"auto": failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND: unknown'
        ),
        (
            "Error response from daemon: failed to create task for container: failed to create shim task: OCI "
            "runtime create failed: unable to retrieve OCI runtime error (open "
            "/run/containerd/io.containerd.runtime.v2.task/moby/4f2c9a7be1d35c0b86f0f7a9e3d2b1c4a5968778695a4b3c2"
            "d1e0f9a8b7c6d5e/log.json: "
            "no such file or directory): fork/exec /usr/bin/nvidia-container-runtime: no such file or directory"
        ),
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: runc create failed: unable to start container process: error "
            "during container init: error running prestart hook #0: exit status 1, stdout: , stderr: couldn't "
            'find binary nvidia-container-cli in PATH: exec: "nvidia-container-cli": executable file not '
            "found in $PATH"
        ),
        (
            "docker: Error response from daemon: error gathering device information while adding custom device "
            '"/dev/nvidia0": no such file or directory'
        ),
        (
            "Error response from daemon: failed to create task for container: failed to create shim task: OCI "
            "runtime create failed: runc create failed: unable to start container process: error during "
            "container init: failed to fulfil mount request: open "
            "/usr/lib/aarch64-linux-gnu/libcuda.so.580.95.05: no such file or directory"
        ),
        "Error: stat nvidia.com/gpu=all: no such file or directory",
        "Error: OCI runtime error: crun: error executing hook `/usr/bin/nvidia-container-toolkit` (exit code: 1)",
        (
            "Error: crun: cannot stat `/usr/lib64/libEGL_nvidia.so.565.57.01`: No such file or directory: OCI "
            "runtime attempted to invoke a command that was not found"
        ),
        'Error: default OCI runtime "nvidia" not found: invalid argument',
        (
            "Warning  FailedCreatePodSandBox  2s (x5 over 49s)  kubelet  Failed to create pod sandbox: rpc "
            'error: code = Unknown desc = failed to get sandbox runtime: no runtime for "nvidia" is '
            "configured"
        ),
        (
            "Warning  UnexpectedAdmissionError  11s  kubelet  Allocate failed due to requested number of "
            "devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected"
        ),
        (
            "Warning  UnexpectedAdmissionError  3m2s  kubelet  Allocate failed due to no healthy devices "
            "present; cannot allocate unhealthy devices nvidia.com/gpu, which is unexpected"
        ),
        (
            "E1120 08:14:51.120037       1 factory.go:119] If this is a GPU node, did you configure the NVIDIA "
            "Container Toolkit?"
        ),
        "RuntimeError: Failed to open libcuda.so.1",
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the "
            "latest NVIDIA driver is installed and running."
        ),
        (
            "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA "
            "Display Driver is properly installed and present in your system."
        ),
        "No devices were found",
        "NVRM: GPU 0000:01:00.0: RmInitAdapter failed! (0x24:0x65:1568)",
        "NVRM: No NVIDIA GPU found.",
        "vllm.third_party.pynvml.NVMLError_NoPermission: Insufficient Permissions",
        (
            "RuntimeError: CUDA_VISIBLE_DEVICES is set to empty string, which means GPU support is disabled. "
            "If you are using ray, please unset the environment variable `CUDA_VISIBLE_DEVICES` inside the "
            "worker/actor. Check https://github.com/vllm-project/vllm/issues/8402 for more information."
        ),
        "vllm.third_party.pynvml.NVMLError_InvalidArgument: Invalid Argument",
        "vllm.third_party.pynvml.NVMLError_NotFound: Not Found",
        "Error response from daemon: failed to create task: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND",
        "torch.cuda.DeferredCudaCallError: device >= 0 && device < num_gpus INTERNAL ASSERT FAILED at x.cpp",
        "   Use the NVIDIA Container Toolkit to start this container with GPU support; see",
        "invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the docker --gpus flag) is not",
        'exec: "nvidia-container-runtime": executable file not found in $PATH: unknown',
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
        'Error response from daemon: could not select device driver "nvidia" with capabilities: [[gpu]]',
        "docker: Error response from daemon: unknown or invalid runtime name: nvidia.",
        "docker: Error response from daemon: failed to discover GPU vendor from CDI: no known GPU vendor found",
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: could not apply required modification to OCI specification: "
            "error modifying OCI spec: failed to inject CDI devices: unresolvable CDI devices "
            "nvidia.com/gpu=all"
        ),
        (
            "docker: Error response from daemon: OCI runtime create failed: runc create failed: unable to "
            "start container process: error during container init: error running hook #0: error running hook: "
            "exit status 1, stdout: , stderr: Auto-detected mode as 'legacy'\nnvidia-container-cli: "
            "initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no "
            "such file or directory:"
        ),
        (
            "RuntimeError: Failed to infer device type, please set the environment variable "
            "`VLLM_LOGGING_LEVEL=DEBUG` to"
        ),
        "RuntimeError: No CUDA GPUs are available",
        (
            "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and "
            "installed a"
        ),
        "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
        "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown.",
        "pynvml.NVMLError_LibraryNotFound: NVML Shared Library Not Found",
        "RuntimeError: CUDA error: no CUDA-capable device is detected",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
        "RuntimeError: Device string must not be empty",
        "AssertionError: Torch not compiled with CUDA enabled",
        "nvidia-container-cli: initialization error: driver error: failed to process request: unknown.",
        (
            "ValueError: Current node has no GPU available. current_node_resource={'CPU': 20.0}. vLLM engine "
            "cannot start without GPU."
        ),
    ),
    "driver-mismatch": (
        "NVRM: installed in this system requires use of the NVIDIA open kernel modules.",
        "RuntimeError: CUDA error: API call is not supported in the installed CUDA driver",
        "NVRM: API mismatch: the client 'VLLM::EngineCor' (pid 48211)",
        "NVRM: installed in this system is not supported by the",
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: runc create failed: unable to start container process: error "
            "during container init: error running hook #0: error running hook: exit status 1, stdout: , "
            "stderr: Auto-detected mode as 'legacy'\nnvidia-container-cli: requirement error: unsatisfied "
            "condition: cuda>=12.4,"
        ),
        "RuntimeError: The NVIDIA driver on your system is too old (found version 12040). Please update your GPU",
        (
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before "
            "calling NumCudaDevices() that might have already set an error? Error 803: system has unsupported "
            "display driver / cuda driver combination"
        ),
        (
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before "
            "calling NumCudaDevices() that might have already set an error? Error 804: forward compatibility "
            "was attempted on non supported HW"
        ),
        "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95",
        "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown.",
        "torch.AcceleratorError: CUDA error: the provided PTX was compiled with an unsupported toolchain.",
        (
            "RuntimeError: CUDA driver initialization failed, you might not have a CUDA gpu. CUDA error: CUDA "
            "driver version is insufficient for CUDA runtime version"
        ),
        "pynvml.NVMLError_LibRmVersionMismatch: RM has detected an NVML/RM version mismatch.",
        (
            "ERROR: This container was built for NVIDIA Driver Release 590.48 or later, but\n       version "
            "580.159.03 was detected and compatibility mode is UNAVAILABLE."
        ),
        "CUDA Driver UNAVAILABLE (cuInit(0) returned 803)",
    ),
    "unsupported-arch": (
        "AssertionError: fp8e4nv data type is not supported on CUDA arch < 89",
        (
            "torch._inductor.exc.GPUTooOldForTriton: Found NVIDIA GeForce GTX 1080 which is too old to be "
            "supported by the triton GPU compiler, which is used as the backend. Triton only supports devices "
            "of CUDA Capability >= 7.0, but your device is of CUDA capability 6.1"
        ),
        "ValueError: Unsupported FA version: None",
        "NotImplementedError: No operator found for memory_efficient_attention_forward",
        "RuntimeError: This flash attention build does not support tanh softcapping.",
        "RuntimeError: [SymmDeviceMemory] Device does not support multicasting.",
        "tvm.error.InternalError: Failed to set the allowed dynamic shared memory size to 196608",
        "AssertionError: Sinks are only supported in FlashAttention 3",
        (
            "NotImplementedError: FlashInfer backend currently does not support attention sinks, please use "
            "trtllm on blackwell or flash attention on earlier GPUs."
        ),
        "ValueError: --kv-cache-dtype nvfp4 requires the SM100 trtllm-gen FlashInfer path.",
        (
            "AssertionError: use_fp4_indexer_cache requires Blackwell datacenter GPUs (sm_10x, e.g. "
            "B200/GB200); sm_120 (consumer Blackwell) and earlier architectures are not supported."
        ),
        "AssertionError: FlashMLA is not supported on this device",
        "NotImplementedError: No compiled nvfp4 mm kernel for SM 121. Recompile with CUDA >= 12.8 and CC >= 100.",
        (
            "NotImplementedError: No compiled get_cutlass_moe_mm_data: no cutlass_scaled_mm kernel for CUDA "
            "device capability: 89. Required capability: 90, 100, or 120"
        ),
        (
            "RuntimeError: CUDA error: CUBLAS_STATUS_ARCH_MISMATCH when calling `cublasGemmEx( handle, opa, "
            "opb, m, n, k, alpha, a, CUDA_R_16BF, lda, b, CUDA_R_16BF, ldb, beta, c, CUDA_R_16BF, ldc, "
            "CUDA_R_32F, CUBLAS_GEMM_DEFAULT_TENSOR_OP)`"
        ),
        (
            "RuntimeError: Please recompile with support for hopper by passing 90-real as an arch to "
            "build_wheel.py. "
            "(/usr/local/lib/python3.12/dist-packages/flashinfer/data/csrc/nv_internal/tensorrt_llm/kernels/cutla"
            "ss_kernels/moe_gemm/launchers/moe_gemm_tma_ws_launcher.inl:112)"
        ),
        "flashinfer.utils.BackendSupportedError: gemm_fp8_nt_groupwise does not support compute capability 89",
        "RuntimeError: XQA is only supported on SM90, SM100, SM120 GPUs",
        (
            "RuntimeError: Error in function 'gdn_prefill' at /workspace/csrc/gdn_prefill_launcher.cu:65: "
            "sm_90a is not enabled, delta rule kernel is not built"
        ),
        ("ERROR : Arch conditional MMA instruction used without targeting appropriate compute capability. Aborting."),
        "RuntimeError: FlashInfer requires sm75+",
        (
            "RuntimeError: Assertion error "
            "(/workspace/.deps/deepgemm-src/csrc/apis/../jit_kernels/impls/../heuristics/../../utils/layout.hpp:76): "
            "Unknown recipe"
        ),
        (
            "rocBLAS error: Cannot read /opt/rocm/lib/rocblas/library/TensileLibrary.dat: No such file or "
            "directory for GPU arch : gfx1151"
        ),
        "ValueError: SparseMQAIndexer requires an SM100-class GPU and DeepGEMM >= 2.8.",
        "[rank0]: RuntimeError: HIP error: invalid device function",
        "RuntimeError: cutlass_gemm_caller, /workspace/csrc/quantization/cutlass_gemm_caller.cuh:62, Error Internal",
        "RuntimeError: Marlin kernels require compute capability 8.0 or newer",
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        "torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device",
        "ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'",
        (
            "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your "
            "Tesla T4 GPU has"
        ),
        (
            "RuntimeError: NVIDIA GB10 with CUDA capability sm_121 is not compatible with the current PyTorch "
            "installation."
        ),
        "RuntimeError: FlashMLA only supports SM90",
        "RuntimeError: [FP8 block scale] only supports sm120",
        "triton.runtime.errors.PTXASError: PTXAS error: Internal Triton PTX codegen error\nptxas fatal   : Value",
        "RuntimeError: CUTLASS: cudaErrorNoKernelImageForDevice",
        "RuntimeError: CUDA error: device kernel image is invalid",
        "RuntimeError: FlashAttention-3 is only supported on Hopper GPUs",
        "RuntimeError: No supported CUDA architectures found for major versions [10].",
        "RuntimeError: FlashAttention only supports Ampere GPUs or newer.",
        "ValueError: type fp8e4nv not supported in this architecture. The supported fp8 dtypes are ('fp8e4b15',",
        "ValueError: mm_fp4 does not support backend 'cute-dsl' with capability 120",
        "No compiled cutlass_scaled_mm for a compute capability less than CUDA device capability: 121",
        "RuntimeError: Assertion error (include_parser.hpp:69): Failed to open: /x/impls/sm121_fp8_mqa_logits.cuh",
        "RuntimeError: [FP4 gemm Runner] Failed to run cutlass FP4 gemm on sm120. Error: Error Internal",
        "cutlass.cute.nvgpu.common.OpError: OpError: expects arch to be one of ['sm_120a'], but got Arch.sm_121a",
        (
            "ValueError: NvFp4 MoE backend 'FLASHINFER_CUTLASS' does not support the deployment "
            "configuration since kernel does not support current device."
        ),
        (
            "Failed to open: "
            "/usr/local/lib/python3.12/dist-packages/deep_gemm/include/deep_gemm/impls/sm121_fp8_mqa_logits.cuh"
        ),
        (
            "MLIRError: Failure while executing pass pipeline:\nerror: unknown: NVPTX compiler invocation "
            "failed, error log: ptxas application ptx input, line 969"
        ),
        "RuntimeError: Only SM 9.0 and 10.0 are supported",
        "ValueError: The FlashAttention 3 backend requires Hopper GPUs",
    ),
    "image-pull": (
        (
            'Error from server (BadRequest): container "vllm" in pod "vllm-7f8d9c6b4-2xkqp" is waiting to '
            "start: trying and failing to pull image"
        ),
        "slurmstepd: error: pyxis: failed to import docker image: vllm/vllm-openai:v0.99.0",
        (
            "slurmstepd: error: pyxis:     [ERROR] URL "
            "https://registry.example/v2/vllm/vllm-openai/manifests/v0.99.0 returned error code: 404 Not "
            "Found"
        ),
        "Checksum mismatch: 9c1f0a1e6f2b7c3d5e8a4b9d0c7f6e5d4c3b2a190807f6e5d4c3b2a1908f7e6d",
        (
            "Error: unable to copy from source docker://nvcr.io/nvidia/vllm:25.09-py3: initializing source "
            "docker://nvcr.io/nvidia/vllm:25.09-py3: unable to retrieve auth token: invalid username/password: "
            "unauthorized: authentication required"
        ),
        (
            "docker: Error response from daemon: pull access denied for vllm-openai, repository does not exist "
            "or may require 'docker login': denied: requested access to the resource is denied"
        ),
        "Error response from daemon: unauthorized: <html>",
        (
            "docker: Error response from daemon: toomanyrequests: You have reached your unauthenticated pull "
            "rate limit. https://www.docker.com/increase-rate-limit"
        ),
        "short read: expected 4832619511 bytes but got 2147483648: unexpected EOF",
        (
            'error getting credentials - err: exec: "docker-credential-desktop": executable file not found '
            "in $PATH, out: ``"
        ),
        "Warning  Failed  3s  kubelet  Error: ErrImageNeverPull",
        '  Warning  Failed     12s   kubelet  Failed to pull image "vllm/vllm-openai:nope": rpc error: code = NotFound',
        (
            "docker: Error response from daemon: pull access denied for vlm/vllm-openai, repository does not "
            "exist or may"
        ),
        "docker: Error response from daemon: manifest for nvcr.io/nvidia/vllm:25.99-py3 not found: manifest unknown:",
        ('docker: Error response from daemon: Get "https://registry.example/v2/": net/http: request canceled while'),
        'docker: Error response from daemon: Get "https://registry.example/v2/": dial tcp: lookup',
        "docker: Error response from daemon: unauthorized: authentication required.",
        "Error response from daemon: toomanyrequests: You have reached your pull rate limit. You may increase the",
        (
            "Unable to find image 'nvcr.io/nvidia/vllm:25.09-py3' locally\ndocker: Error response from daemon: "
            'failed to resolve reference "nvcr.io/nvidia/vllm:25.09-py3":'
        ),
        "Error response from daemon: No such image: gb10-acceptance/cpu-bench:nope",
        "docker: invalid reference format: repository name (Foo) must be lowercase.",
        "docker: Error response from daemon: pull access denied, repository does not exist or may require",
        "Error response from daemon: manifest unknown",
        "failed to solve: failed to fetch anonymous token: unexpected status from GET request to",
        " ✘ Image vllm/vllm-openai:nightly-e47c98ef Error failed to resolve reference",
    ),
    "image-platform": (
        (
            "FATAL:   could not open image /scratch/vllm-openai.sif: the image's architecture (amd64) could "
            "not run on the host's (arm64)"
        ),
        'Error: choosing an image from manifest list: no image found in image index for architecture "arm64"',
        "docker: no matching manifest for linux/arm64/v8 in the manifest list entries.",
        "exec /usr/bin/python3: exec format error",
        "standard_init_linux.go:228: exec user process caused: exec format error",
        (
            "WARNING: The requested image's platform (linux/amd64) does not match the detected host platform "
            "(linux/arm64/v8) and no specific platform was requested\nexec /usr/local/bin/vllm: exec format "
            "error"
        ),
        (
            "docker: Error response from daemon: no matching manifest for linux/arm64/v8 in the manifest list "
            "entries: no"
        ),
        "exec /opt/nvidia/nvidia_entrypoint.sh: exec format error",
        "docker: Error response from daemon: image with reference sha256:abc was found but does not match the",
    ),
    "entrypoint-missing": (
        "Nov 20 09:14:02 host systemd[1]: vllm.service: Main process exited, code=exited, status=203/EXEC",
        (
            "Nov 20 09:14:02 host (vllm)[4021]: vllm.service: Failed at step EXEC spawning "
            "/opt/vllm/.venv/bin/vllm: No such file or directory"
        ),
        "slurmstepd: error: execve(): vllm: No such file or directory",
        ("slurmstepd: error: pyxis:     enroot-switchroot: failed to execute: /bin/bash: No such file or directory"),
        (
            "Error: crun: executable file `vllm` not found in $PATH: No such file or directory: OCI runtime "
            "attempted to invoke a command that was not found"
        ),
        "Error: crun: open executable: Permission denied: OCI permission denied",
        (
            '{"msg":"exec container process (missing dynamic library?) `/usr/local/bin/vllm`: No such file '
            'or directory","level":"error","time":"2025-11-20T08:01:12.001Z"}'
        ),
        "Error: no command or entrypoint provided, and no CMD or ENTRYPOINT from image",
        "[FATAL tini (7)] exec vllm failed: No such file or directory",
        "/usr/bin/env: 'bash\\r': No such file or directory",
        'runc: exec: "C:/Program Files/Git/usr/bin/sh": stat C:/Program Files/Git/usr/bin/sh: no such file',
        "standard_init_linux.go:228: exec user process caused: no such file or directory",
        "ERROR (catatonit:2): failed to exec pid1: No such file or directory",
        "/opt/nvidia/nvidia_entrypoint.sh: line 67: /openai/gpt-oss-120b: No such file or directory",
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: runc create failed: unable to start container process: exec: "
            '"vlmm": executable file not found in $PATH: unknown.'
        ),
        (
            "docker: Error response from daemon: OCI runtime create failed: container_linux.go:380: starting "
            'container process caused: exec: "--model": executable file not found in $PATH: unknown.'
        ),
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: runc create failed: unable to start container process: error "
            'during container init: exec: "/start.sh": stat /start.sh: no such file or directory: unknown'
        ),
        "/opt/nvidia/nvidia_entrypoint.sh: line 67: exec: vlmm: not found",
        "bash: line 1: vllm: command not found",
        "/bin/sh: 1: vllm: not found",
        "python3: can't open file '/app/serve.py': [Errno 2] No such file or directory",
        "/usr/bin/python3: No module named vllm",
        "ModuleNotFoundError: No module named 'vllm'",
        "exec /entrypoint.sh: no such file or directory",
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: runc create failed: unable to start container process: exec: "
            '"serve": executable file not found in $PATH: unknown'
        ),
        (
            "/usr/bin/python3: Error while finding module specification for "
            "'vllm.entrypoints.openai.api_server' (ModuleNotFoundError: No module named 'vllm')"
        ),
        (
            "OCI runtime create failed: runc create failed: unable to start container process: exec: "
            '"/entrypoint.sh": permission denied: unknown'
        ),
        'OCI runtime create failed: exec: "/opt/start.sh": is a directory: unknown',
        'exec: "/opt/start.sh": no such file or directory: unknown',
    ),
    "hf-gated": (
        (
            "RuntimeError: Data processing error: CAS service error : Reqwest Error: HTTP status client error "
            "(401 Unauthorized), domain: "
            "https://cas-server.xethub.hf.co/v1/reconstructions/46ea4ba5786759efecf127c64dee654df39a3f02fdeaafc67734a06574619467"
        ),
        (
            "401 Client Error: Unauthorized for url: "
            "https://huggingface.co/google/gemma-3-27b-it/resolve/main/config.json (Request ID: "
            "Root=1-690a3c1e-4f2b7c3a5d6e7f801a2b3c4d;0f8b2c1e-6a77-4b5e-9d3f-2c1b0a998877)"
        ),
        (
            "huggingface_hub.errors.LocalTokenNotFoundError: Token is required (`token=True`), but no token "
            "found. You need to provide a token or be logged in to Hugging Face with `hf auth login` or "
            "`huggingface_hub.login`. See https://huggingface.co/settings/tokens."
        ),
        "httpcore.LocalProtocolError: Illegal header value b'Bearer '",
        (
            "error while interpolating services.vllm.environment.[]: required variable HF_TOKEN is missing a "
            "value: set HF_TOKEN in .env"
        ),
        "Invalid credentials in Authorization header",
        (
            "huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: "
            "https://huggingface.co/api/whoami-v2 (Request ID: Root=1) Invalid user token."
        ),
        "OSError: You are trying to access a gated repo.\nMake sure to have access to it at",
        (
            "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-6)\n\nCannot access "
            "gated repo for"
        ),
        "Your request to access model google/gemma-3-27b-it is awaiting a review from the repo authors.",
        "huggingface_hub.utils._errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-661471eb)\nRepo model",
        "OSError: You are trying to access a gated repo.\nMake sure to request access at",
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, "
            "You are trying to access a gated repo."
        ),
        "403 Forbidden: Please enable access to public gated repositories in your fine-grained token settings to view",
    ),
    "hf-missing": (
        (
            "FileNotFoundError: [Errno 2] No such file or directory: "
            "'/data/adapters/2024-03-28-00-04-12--lgy/adapter_config.json'"
        ),
        (
            "huggingface_hub.errors.CacheNotFound: Cache directory not found: /data/.cache/huggingface. Please "
            "use `cache_dir` argument or set `HF_HUB_CACHE` environment variable."
        ),
        "httpx.ConnectError: [Errno -2] Name or service not known",
        "RuntimeError: No model weights found in: `/models/llama-3.3-70b-bnb-4bit`",
        "Exception: Could not receive runai_response from libstreamer due to: b'File access error'",
        "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
        (
            "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the ListObjectsV2 "
            "operation: Access Denied"
        ),
        (
            "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: "
            "https://www.modelscope.cn/api/v1/models/Qwen/Qwen3-32B-Instruct/repo/files?Recursive=True&Revision=master"
        ),
        "ValueError: /models/llama-3.1-8b-instruct.Q4_K_M.gguf is not a file.",
        (
            "ValueError: Downloaded GGUF files not found in "
            "/root/.cache/huggingface/hub/models--unsloth--Qwen3-0.6B-GGUF/snapshots/50968a4468ef4233ed78cd7c3de2"
            "30dd1d61a56b "
            "for quant_type Q3_K"
        ),
        (
            "requests.exceptions.ConnectionError: (ProtocolError('Connection aborted.', "
            "RemoteDisconnected('Remote end closed connection without response')), '(Request ID: "
            "8d1c9a3e-4f1e-4c57-ae10-7a3e0b1a9d2f)')"
        ),
        (
            "urllib3.exceptions.ProtocolError: ('Connection broken: IncompleteRead(2147483648 bytes read, "
            "2768322560 more expected)', IncompleteRead(2147483648 bytes read, 2768322560 more expected))"
        ),
        "httpx.ReadTimeout: The read operation timed out",
        (
            "httpx.RemoteProtocolError: peer closed connection without sending complete message body (received "
            "1572864000 bytes, expected 4976698592)"
        ),
        "ValueError: Unknown scheme for proxy URL URL('proxy.corp.local:3128')",
        (
            "ValueError: Call to add_lora method failed: Loading lora sql-lora failed: No adapter found for "
            "/loras/sql-lora"
        ),
        (
            "ValueError: Could not find config.json for remote GGUF model repo. To load remote GGUF model "
            "through `<repo_id>:<quant_type>`, ensure your model has config.json (HF format) file. Otherwise "
            "please specify --hf-config-path <original_repo> in engine args to fetch config from unquantized "
            "hf model."
        ),
        (
            "ValueError: ('Could not find GGUF file for repo %s with quantization %s.', "
            "'unsloth/gemma-3-27b-it-GGUF', 'Q3_K')"
        ),
        "RuntimeError: Cannot find any safetensors model weights with `s3://models/llama-3.1-8b-instruct/`",
        (
            "ValueError: /models/llama/model.tensors is not a valid tensorizer URI. Please check that the URI "
            "is correct. It must either point to a local existing file, or have a S3, HTTP or HTTPS scheme."
        ),
        (
            "ValueError: Unrecognised GGUF reference: /models/gemma-3-27b-it-q4_0 (expected local file, raw "
            "URL, or <repo_id>/<filename>.gguf)"
        ),
        "AssertionError: Could not find mm_proj file for multimodal GGUF model",
        "ValueError: /loras/sql doesn't contain tensors",
        "OSError: deepseek-ai/x does not appear to have a file named configuration_deepseek.py.",
        "OSError: Incorrect path_or_model_id: '/models/llama'. Please provide either the path to a local folder or",
        (
            "ValueError: Invalid repository ID or local directory specified: 'no/such-model'.\nPlease verify "
            "the following"
        ),
        "OSError: no-such-model is not a local folder and is not a valid model identifier listed on",
        "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-68)\n\nRepository Not",
        "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the",
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the",
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name':",
        "OSError: /models/foo does not appear to have a file named config.json. Checkout",
        (
            "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the "
            "files on the Hub"
        ),
        (
            "requests.exceptions.HTTPError: 404 Client Error: Not Found for url: "
            "https://huggingface.co/api/models/foo/bar"
        ),
        (
            "huggingface_hub.errors.RevisionNotFoundError: 404 Client Error. (Request ID: Root=1-1)\n\nRevision "
            "Not Found"
        ),
        "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach",
        (
            "requests.exceptions.ConnectionError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', "
            "port=443): Max retries exceeded with url: /google/gemma-3-27b-it/resolve/main/config.json (Caused "
            "by NameResolutionError(\\\"Failed to resolve 'huggingface.co' ([Errno -3] Temporary failure in "
            "name"
        ),
        "OSError: Can't load the configuration of '/models/missing'. If you were trying to load it from",
        "huggingface_hub.errors.HfHubHTTPError: 504 Server Error: Gateway Time-out for url:",
        "httpx.ConnectError: [Errno -3] Temporary failure in name resolution",
        "ReadTimeoutError(\"HTTPSConnectionPool(host='huggingface.co', port=443): Read timed out.",
        "FileNotFoundError: [Errno 2] No such file or directory: '/models/gemma/config.json'",
        "Cache directory not found: /data/.cache/huggingface. Please use `cache_dir` argument or set `HF_HUB_CACHE`",
    ),
    "disk-full": (
        (
            "Warning  FailedScheduling  9s    default-scheduler  0/1 nodes are available: 1 Insufficient "
            "ephemeral-storage. preemption: 0/1 nodes are available: 1 No preemption victims found for "
            "incoming pod."
        ),
        'Warning  Evicted  21s  kubelet  Container vllm exceeded its local ephemeral storage limit "20Gi".',
        'Warning  Evicted  14s  kubelet  Usage of EmptyDir volume "model-storage" exceeds the limit "100Gi".',
        "Warning  Evicted  3m   kubelet  The node had condition: [DiskPressure].",
        (
            "Message:  The node was low on resource: ephemeral-storage. Threshold quantity: 46993491787, "
            "available: 13389604Ki. Container vllm was using 60Ki, request is 0, has larger consumption of "
            "ephemeral-storage."
        ),
        (
            "RuntimeError: Data processing error: File reconstruction error: Internal Writer Error: Background "
            "writer channel closed"
        ),
        (
            "Error: copying system image from manifest list: writing blob: adding layer with blob "
            '"sha256:3d5f0c2a": processing tar file(write /usr/local/cuda/lib64/libcusparse.so.12: disk '
            "quota exceeded): exit status 1"
        ),
        (
            "Warning  FreeDiskSpaceFailed  4m  kubelet  Failed to garbage collect required amount of images. "
            "Attempted to free 53687091200 bytes, but only found 0 bytes eligible to free."
        ),
        (
            "Warning  FailedScheduling  9s  default-scheduler  0/1 nodes are available: 1 node(s) had "
            "untolerated taint {node.kubernetes.io/disk-pressure: }. preemption: 0/1 nodes are available: 1 "
            "Preemption is not helpful for scheduling."
        ),
        "torch._inductor.exc.InductorError: OSError: [Errno 28]",
        "OSError: [Errno 28] No space left on device",
        "RuntimeError: Data processing error: CAS service error : IO Error: No space left on device (os error 28)",
        (
            "docker: failed to register layer: write "
            "/usr/local/lib/python3.12/dist-packages/torch/lib/libtorch_cuda.so: no space left on device."
        ),
        "torch._inductor.exc.InductorError: OSError: [Errno 28] No space left on device:",
        "OSError: [Errno 122] Disk quota exceeded: '/home/user/.cache/huggingface/hub/x'",
        "OSError: Not enough free disk space to download the file. The expected file size is: 4976.70 MB. The target",
        "docker: Error response from daemon: mkdir /var/lib/docker/overlay2/abc-init: no space left on device.",
        (
            "safetensors_rust.SafetensorError: Error while serializing: IoError(Os { code: 28, kind: "
            "StorageFull, message:"
        ),
        "sqlite3.OperationalError: database or disk is full",
        (
            "OSError: Not enough free disk space to download the file. The expected file size is: 4913.77"
            " MB. The target location /root/.cache/huggingface/hub only has 512.33 MB free disk space."
        ),
    ),
    "shm-too-small": (
        (
            "RuntimeError: Insufficient space in /dev/shm for the message queue: 160 MiB required, 64 MiB "
            "free. Increase /dev/shm (e.g. --shm-size or --ipc=host)."
        ),
        'Warning  Evicted  30s  kubelet  Usage of EmptyDir volume "dshm" exceeds the limit "2Gi".',
        "NCCL WARN Error while attaching to shared memory segment /dev/shm/nccl-6p (size 9637888), error: Bus error",
        "(RayWorker pid=4856) *** SIGBUS received at time=1695209888 on cpu 3 ***",
        (
            "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared "
            "memory (shm)."
        ),
        "Fatal Python error: Bus error",
        "OSError: [Errno 28] No space left on device: '/dev/shm/psm_1234'",
        (
            "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device "
            "error.\nLast error:\nError while creating shared memory segment /dev/shm/nccl-5y2Pmq (size "
            "33030528), error: No space left on"
        ),
        (
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): "
            "{'EngineCore_DP0': -7}"
        ),
        "Bus error (core dumped)",
        "(raylet) System memory request exceeds memory available in /dev/shm. The request is for 10200547328 bytes,",
        "NCCL WARN Call to posix_fallocate failed: No space left on device (28)",
        "RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: 160 MiB required, 64 MiB free.",
        "RuntimeError: unable to write to file </torch_18692_1954506624>: No space left on device (28)",
        "OSError: [Errno 28] No space left on device: '/psm_0f1c2d3e'",
    ),
    "nccl-error": (
        (
            "RuntimeError: Timed out initializing process group in store based barrier on rank: 1, for key: "
            "store_based_barrier_key:1 (world_size=2, worker_count=1, timeout=0:30:00)"
        ),
        "RuntimeError: oneCCL: exec.cpp:122 start_workers: EXCEPTION: failed to start worker # 0",
        (
            "[2026-05-26 11:26:16,798 E 179 526] gcs_rpc_client.h:554: Failed to connect to GCS within 60 "
            "seconds. GCS may have been killed. It's either GCS is terminated by `ray stop` or is killed "
            "unexpectedly. If it is killed unexpectedly, see the log file gcs_server.out. "
            "https://docs.ray.io/en/master/ray-observability/user-guides/configure-logging.html "
            "The program will"
        ),
        (
            "torch.distributed.elastic.rendezvous.api.RendezvousConnectionError: The connection to the C10d "
            "store has failed. See inner exception for details."
        ),
        (
            "RuntimeError: This node has an IP address of 192.168.1.23, and Ray expects this IP address to be "
            "either the GCS address or one of the Raylet addresses. Connected to GCS at 192.168.100.10 and "
            "found raylets at 192.168.100.10, 192.168.100.11 but none of these match this node's IP "
            "192.168.1.23. Are any of these actually a different IP address for the same node?You might need "
            "to provide"
        ),
        "RuntimeError: Barrier timed out after 30.00 seconds",
        (
            "[rank2]:[E1126 09:51:12.324142902 ProcessGroupNCCL.cpp:1552] [PG ID 0 PG GUID 0(default_pg) Rank "
            "2] ProcessGroupNCCL's watchdog got stuck for 480 seconds without making progress in monitoring "
            "enqueued collectives. This typically indicates a NCCL/CUDA API (e.g., CudaEventDestroy) hang "
            "blocking the watchdog, and could be triggered by another thread holding the GIL inside a CUDA "
            "api, or other"
        ),
        (
            "vllm-0:245:245 [0] misc/socket.cc:533 NCCL WARN socketPollConnect: Connect to 10.0.0.12<45678> "
            "returned 113(No route to host) errno 115(Operation now in progress)"
        ),
        "NCCL WARN Error while attaching to shared memory segment /dev/shm/nccl-6p (size 0), error: No such file",
        (
            "myhost:2292596:2292596 [0] init.cc:943 NCCL WARN Duplicate GPU detected : rank 0 and rank 1 both "
            "on CUDA device 53000"
        ),
        "[E329 06:28:12.54 socket.cpp:1023] [c10d] The client socket has timed out after 600000ms while trying to c",
        "(RayWorkerWrapper pid=67451, ip=10.1.0.7) RuntimeError: NCCL Error 2: unhandled system error (run with NCCL_D",
        '  File "/usr/vllm/distributed/device_communicators/pynccl_wrapper.py", line 277 in ncclCommInitRank',
        "RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details)",
        "torch.distributed.DistBackendError: NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.cpp:77,",
        "RuntimeError: NCCL error: invalid usage (run with NCCL_DEBUG=WARN for details)",
        "[rank1]:[E904 Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=ALLREDUCE, NumelIn=1,",
        (
            "RuntimeError: Gloo connectFullMesh failed with "
            "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:144] no"
        ),
        (
            "RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by "
            "peer [192.168.100.10]:34567"
        ),
        "RuntimeError: NCCL error: remote process exited or there was a network error",
        "torch.distributed.DistNetworkError: The client socket has timed out after 600000ms while trying to connect",
        "Failed: Cuda error csrc/custom_all_reduce.cuh:455 'invalid argument'",
        "cupy_backends.cuda.libs.nccl.NcclError: NCCL_ERROR_SYSTEM_ERROR: unhandled system error",
        "RuntimeError: HCCL function error: HcclCommInitRootInfo, error code is 6",
        "RuntimeError: Failed to connect to GCS at address 192.168.100.10:6379 within 5 seconds.",
    ),
    "bad-flag": (
        "ValueError: invalid literal for int() with base 10: 'tcp://10.152.183.44:8000'",
        "ValueError: data_parallel_rank is not applicable in headless mode",
        "AssertionError: Qwen3Next requires VLLM_USE_V1",
        "AssertionError: Sleep mode can only be used for one instance per process.",
        "ValueError: This model does not support the 'embed' task. Supported tasks: {'generate'}",
        (
            "ValueError: OpenTelemetry is not available. Unable to configure 'otlp_traces_endpoint'. Ensure "
            "OpenTelemetry packages are installed. Original error:"
        ),
        'ValueError: "CompilationConfig" object has no field "max_capture_size"',
        "RuntimeError: Unsupported block size: 64",
        "ValueError: The number of GPUs per node is not divisible by the number of tensor parallelism.",
        (
            "ValueError: Expected both speculative_model and num_speculative_tokens to be provided, but found "
            "speculative_model='ibm-fms/llama-13b-accelerator' and num_speculative_tokens=4."
        ),
        "RuntimeError: \"reshape_and_cache_cpu_impl\" not implemented for 'Half'",
        "RuntimeError: VLLM batch_invariant mode is not supported for GDN_ATTN.",
        "AssertionError: unsupported kv_cache_dtype (str), got float16.",
        (
            "ValueError: Cannot provide a placement group of placement_group_specs=[{'node:192.168.1.10': "
            "0.001, 'GPU': 1.0}, {'GPU': 1.0}] within 1800 seconds. See `ray status` and `ray list nodes` to "
            "make sure the cluster has enough resources."
        ),
        "AssertionError: please set tensor_parallel_size (4) to less than max local gpu count (2)",
        ("AssertionError: world_size (4) must be equal to the tensor_parallel_size (2) x pipeline_parallel_size (1)."),
        "RuntimeError: please ensure that world_size (8) is less than than max local gpu count (4)",
        "AssertionError: DP adjusted local rank 1 is out of bounds.",
        "AssertionError: local_world_size (2) must be less than or equal to the number of visible devices (1).",
        "ValueError: Unknown distributed executor backend: multiproc",
        (
            "ValueError: Weight input_size_per_partition=4736 for layer 'model.layers.0.mlp.down_proj' is not "
            "divisible by group_size=128. This happens when tensor_parallel_size splits the layer input into "
            "shards that are not a whole number of quant groups. Consider reducing tensor_parallel_size."
        ),
        "ValueError: Unknown all2all backend: deepep",
        "ValueError: Unsupported connector type: NixlConector",
        "AssertionError: Multiple KV cache groups are not currently supported with KV connectors",
        "Exception: num_cpu_blocks must be specified in kv_connector_extra_config",
        (
            "ValueError: Window left is not the same for all layers. One potential fix is to set "
            "disable_sliding_window=True"
        ),
        (
            "AssertionError: Expandable segments are not compatible with memory pool. Please track "
            "https://github.com/pytorch/pytorch/issues/147851 for the latest updates."
        ),
        (
            "RuntimeError: Model Qwen/Qwen3-8B does not support any pooling tasks. See "
            "https://docs.vllm.ai/en/latest/models/pooling_models.html to learn more."
        ),
        (
            "ValueError: CUDAGraphMode.FULL is not supported with FlexAttentionBackend backend "
            "(support:AttentionCGSupport.NEVER) ; please try cudagraph_mode=PIECEWISE, and make sure "
            "compilation mode is VLLM_COMPILE"
        ),
        (
            "ERROR 03-11 09:14:02 [argparse_utils.py:647] Unable to read the config file at "
            "/etc/vllm/config.yaml. Check path correctness"
        ),
        "KeyError: \"reasoning helper: 'qwen3_thinking' not found in reasoning_parsers\"",
        (
            "KeyError: \"Reasoning parser 'glm46' not found. Available parsers: deepseek_r1, deepseek_v3, "
            "ernie45, glm45, granite, holo2, hunyuan_a13b, kimi_k2, minimax_m2, minimax_m2_append_think, "
            'mistral, olmo3, openai_gptoss, qwen3, seed_oss, step3"'
        ),
        "OverflowError: bind(): port must be 0-65535.",
        "zmq.error.ZMQError: Cannot assign requested address (addr='tcp://192.168.100.11:13345')",
        "ValueError: Call to add_lora method failed: LoRA rank 64 is greater than max_lora_rank 16.",
        "ValueError: VLLM_ALLOW_RUNTIME_LORA_UPDATING cannot be used with api_server_count > 1",
        "RuntimeError: ('Could not load logging config. File does not exist: %s', '/app/logging_config.json')",
        (
            "ValueError: Inconsistent GPU visibility env vars: HIP_VISIBLE_DEVICES='0,1' vs "
            "CUDA_VISIBLE_DEVICES='0'. Please set only one, or ensure they match."
        ),
        (
            "RuntimeError: Configuration mismatch detected for engine 1. All DP workers must have identical "
            "configurations for parameters that affect collective communication (e.g., enable_eplb, "
            "eplb_config.log_balancedness). Worker hash: 7a1f9e0c52bd, Expected hash: 41c0de77b9a3. Please "
            "ensure all workers are started with the same command-line arguments."
        ),
        'Exception: Error setting CUDA_VISIBLE_DEVICES: local range: [2, 4) base value: "0,1"',
        "ValueError: Wrong GGUF model or invalid GGUF quant type: unsloth/Qwen3-0.6B-GGUF:UD-Q4_K_XL.",
        "ValueError: Unexpected extra config keys for load format auto: {'concurrency'}",
        "ValueError: Model loader extra config is not supported for load format dummy",
        (
            "ValueError: For a sharded model, tensorizer_uri should include a string format template like "
            "'%04d' to be formatted with the rank of the shard"
        ),
        "ValueError: InstantTensor requires NVIDIA GPUs",
        (
            "ValueError: Unknown TurboQuant cache dtype: 'turboquant_k3v2'. Valid presets: turboquant_k8v4, "
            "turboquant_4bit_nc, turboquant_k3v4_nc, turboquant_3bit_nc"
        ),
        "NotImplementedError: EPLB is only supported for FP8 quantization for now.",
        (
            "AssertionError: Hidden Size 2880 not in supported list of hidden sizes[2048, 2560, 3072, 4096, "
            "5120, 6144, 7168, 8192]"
        ),
        "ValueError: Attention sink heads (64) must be divisible by tp_size (3)",
        "ValueError: Tensor parallel size 16 is greater than the number of experts 8.",
        "AssertionError: Tensor parallel world size must divide num heads.",
        (
            "AssertionError: Tensor parallel currently supported for quantized models only if tensor parallel "
            "world size divides num groups."
        ),
        "AssertionError: Qwen3Next currently does not support prefix caching",
        (
            "ValueError: mm_encoder_attn_dtype='fp8' requires the FlashInfer cuDNN backend with cuDNN >= "
            "9.17.1 on Blackwell (SM 100) or newer. cuDNN's FP8 SDPA path with bf16/fp16 output is not "
            "available on Hopper (H100/H200) or earlier."
        ),
        "RuntimeError: Qwen3-VL does not support AttentionBackendEnum.FLASHINFER backend now.",
        "TypeError: Error: `--enable-auto-tool-choice` requires `--tool-call-parser`",
        "docker: 'compose' is not a docker command.",
        "docker: Error response from daemon: unable to find user vllm: no matching entries in passwd file.",
        "(RayWorkerVllm pid=1) ERROR 04-16 23:50:04 ray_utils.py:50] RuntimeError: HIP error: invalid device ordinal",
        (
            "ValueError: No valid attention backend found for cuda with AttentionSelectorConfig(head_size=64, "
            "dtype=torch.bfloat16). Reasons: {FLASH_ATTN: [kv_cache_dtype not supported], FLASHINFER: "
            "[kv_cache_dtype not supported]}."
        ),
        "[rank0]:     assert self.total_num_kv_heads % tp_size == 0",
        "ValueError: `limit_mm_per_prompt` is only supported for multimodal models.",
        "ValueError: Chunked MM input disabled but max_tokens_per_mm_item (2496) is larger than max_num_batched_tokens",
        "AssertionError: 20 is not divisible by 3",
        "vllm: error: unrecognized arguments: --no-such-flag",
        (
            "usage: vllm serve [model_tag] [options]\nvllm serve: error: argument --kv-cache-dtype: invalid "
            "choice: 'fp4'"
        ),
        "api_server.py: error: argument --max-model-len: invalid int value: 'many'",
        "ValueError: With `vllm serve`, you should provide the model as a positional argument or in a config file",
        "docker: unknown flag: --gpu\nSee 'docker run --help'.",
        "KeyError: 'invalid tool call parser: nope (chose from { deepseek_v3,hermes,openai })'",
        "unknown shorthand flag: 'x' in -xyz",
        "TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser",
        "vllm serve: error: argument --speculative-config/-sc: Value {foo} cannot be converted to <function loads at",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for CacheConfig\ngpu_memory_utilization\n ",
        "ValueError: GPU memory utilization must be less than 1.0. Got 1.2.",
        'docker: invalid argument "abc" for "--shm-size" flag: invalid size: \'abc\'',
        "ValueError: invalid reasoning parser: foo (chose from { deepseek_r1,qwen3 })",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig\n  Value error, Chunked MM",
        "ValueError: Total number of attention heads (32) must be divisible by tensor parallel size (3).",
        "ValueError: World size (2) is larger than the number of available GPUs (1) in this node. If this is",
        "ValueError: The model type 'gemma3' does not support float16. Reason: Numerical instability. Please use",
        "ValueError: Invalid value 'FLASHINFER_X' for VLLM_ATTENTION_BACKEND. Valid options: ['FLASH_ATTN']",
        "AsyncEngineArgs.__init__() got an unexpected keyword argument 'tool-call-parser'",
        "ValueError: attention_backend and attention_config.backend are mutually exclusive",
        (
            "ValueError: Selected backend FLASHMLA is not valid for this configuration. Reason: ['head_size "
            "not supported']"
        ),
        "ValueError: Load format `tensorizer2` is not supported",
        (
            "ValueError: Currently, 'draft_tensor_parallel_size' and 'tensor_parallel_size' must be the same."
            " Got 1 and 2."
        ),
        ("ValueError: The number of required GPUs exceeds the total number of available GPUs in the placement group."),
        (
            "ValueError: Invalid data-parallel launch options: `--data-parallel-hybrid-lb` and "
            "`--data-parallel-external-lb` cannot be enabled together."
        ),
        "ValueError: Unknown dtype: 'bf16'",
        "ValueError: This model does not support `--runner generate`.",
        (
            "ValueError: Unrecognized distributed executor backend rey. Supported values are 'ray', 'mp' "
            "'uni', 'external_launcher'"
        ),
        "ValueError: Config file must be of a yaml/yml type. .json supplied",
        "ValueError: No model specified! Please specify model either as a positional argument or in a config file.",
        'service "vllm" refers to undefined volume models: invalid compose project',
        "ValueError: block_size must be one of [16, 32, 64, 128]",
    ),
    "unsupported-quantization": (
        "RuntimeError: \"cat_cuda\" not implemented for 'Float8_e4m3fn'",
        "ValueError: Unsupported dtype torch.float8_e4m3fn: should be one of int8, uint8, int32, int64, float16.",
        "AssertionError: Supports only {mxfp,nvfp,int}4_w4a16 or fp8_w8a16",
        (
            "AssertionError: Expert Parallelism / expert_map is currently not supported for "
            "CompressedTensorsW4A4MoeMethod."
        ),
        "RuntimeError: gpt_marlin_gemm only supports bfloat16 and float16",
        (
            "RuntimeError: Worker failed with error 'size_k must divisible by BLOCK_SIZE_K', please check the "
            "stack trace above for the root cause"
        ),
        "ValueError: BitAndBytes with enforce_eager = False is not supported yet.",
        "NotImplementedError: FP8 KV cache on CPU requires x86 with AVX-512 or AMX.",
        "NotImplementedError: FlashAttention does not support fp8 kv-cache on this device.",
        "ValueError: fp8_e5m2 kv-cache is not supported with fp8 checkpoints.",
        "NotImplementedError: TritonMLA V1 with FP8 KV cache not yet supported",
        "NotImplementedError: The optimized moe_wna16_gemm kernel is only available on CUDA platforms",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for QuantizationArgs",
        "ValueError: Sorry, file appears to be version 1 which we cannot handle",
        "ValueError: 39 is not a valid GGMLQuantizationType",
        "ValueError: BitsAndBytes loader does not support awq quantization",
        (
            "AttributeError: Model MambaForCausalLM does not support BitsAndBytes quantization yet. No "
            "'packed_modules_mapping' found."
        ),
        (
            "ValueError: Prequant BitsAndBytes models with tensor parallelism is not supported. Please try "
            "with pipeline parallelism."
        ),
        (
            "RuntimeError: Not Implemented: SM120 group GEMM only supports nvfp4. "
            "(/usr/local/lib/python3.12/dist-packages/flashinfer/data/csrc/nv_internal/tensorrt_llm/kernels/cutla"
            "ss_kernels/cutlass_heuristic.cpp:512)"
        ),
        (
            "Value error, Unknown ModelOpt quant algo: MIXED_PRECISION [type=value_error, "
            "input_value=ArgsKwargs((), {'model': ...rocessor_plugin': None}), input_type=ArgsKwargs]"
        ),
        (
            "ValueError: ModelOpt currently only supports: ['FP8', 'NVFP4'] quantizations in vLLM. Please "
            "check the `hf_quant_config.json` file for your model's quant configuration."
        ),
        "NotImplementedError: Transformers modeling backend does not support MXFP4 quantization yet.",
        "ValueError: Found unknown quantization='{'qformat_weight': 'nvfp4'}' in config",
        "ValueError: Prequant BitsAndBytes models with TP is not supported.Please try with PP.",
        (
            "RuntimeError: Invalid thread config: thread_m_blocks = 4, thread_k = -1, thread_n = -1, "
            "num_threads = -1 for MKN = [49152, 256, 4096] and num_bits = 4, group_size = 16, has_act_order = "
            "0, is_k_full = 0, has_zp = 0, is_zp_float = 0, max_shared_mem = 101376"
        ),
        "ValueError: Unknown quantization method: . Must be one of ['aqlm', 'awq', 'fp8'].",
        "ValueError: No NvFp4 MoE backend supports the deployment configuration.",
        "NotImplementedError: No compressed-tensors compatible scheme was found.",
        "vllm serve: error: argument --quantization/-q: invalid choice: 'mxfp5' (choose from 'aqlm', 'awq', 'fp8',",
        "ValueError: Unknown quantization method: mxfp5. Must be one of ['awq', 'fp8', 'mxfp4'].",
        "NotImplementedError: Mxfp4 linear layer is not implemented",
        "ValueError: Failed to find a kernel that can implement the MXFP4 linear layer. Reasons: \n",
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, "
            "Quantization method specified in the model config (mxfp4) does not match the quantization method "
            "specified in the `quantization` argument (fp8). [type=value_error, input_value=ArgsKwargs((), "
            "{'model':"
        ),
        (
            "ValueError: torch.float16 is not supported for quantization method mxfp4. Supported dtypes: "
            "[torch.bfloat16]"
        ),
        (
            "ValueError: The quantization method gptq_marlin is not supported for the current GPU. Minimum "
            "capability: 80."
        ),
        "ValueError: The quantization method modelopt is not supported for the current GPU. Minimum capability: 89.",
        "ValueError: Cannot find the config file for awq",
        "ValueError: mxfp4 quantization is currently not supported in rocm.",
        (
            "ValueError: Quantization method specified in the model config (compressed-tensors) does not match "
            "the quantization method specified in the `quantization` argument (awq)."
        ),
        (
            "RuntimeError: size_n = 6816 is not divisible by tile_n_size = 64\nValueError: Weight "
            "output_size_per_partition = 6816 is not divisible by min_thread_n = 64."
        ),
        "RuntimeError: ('Quantization scheme is not supported for ', 'the current GPU. Min capability: 80. ',",
        "ValueError: Weight output_partition_size = 2560 is not divisible by weight quantization block_n = 128.",
        (
            "ValueError: NvFp4 MoE backend 'FLASHINFER_B12X' does not support the deployment configuration "
            "since kernel does not support quantization scheme QuantKey"
        ),
        "ValueError: moe_backend='flashinfer_b12x' is not supported for FP8 MoE.",
        "ValueError: Unsupported num_bits = 3. Supported num_bits = [4, 8]",
        (
            "ValueError: Detected some but not all shards of model.layers.0.mlp.gate_up_proj are quantized. "
            "All shards of fused layers to have the same precision."
        ),
        "ValueError: mxfp4 quantization is not yet supported for this model",
        "ValueError: Unsupported weight_bits: 3, currently only support [2, 4, 8].",
        "ValueError: Asymmetric quantization not supported for num_bits = 8. Supported: [4]",
        "ValueError: All projections need to have same quantization scheme",
        "ValueError: Fused module 'gate_up_proj' requires consistent quant config for all sub-layers",
        ("ValueError: Unable to find matching target for model.layers.0.mlp.experts in the compressed-tensors config."),
        "RuntimeError: Unsupported FusedMoe scheme: num_bits=8, None",
        "ValueError: Invalid quantization method: mxfp5",
        "ValueError: Cannot find any of ['bits', 'w_bit'] in the model's quantization config.",
        (
            "ValueError: The output size is not aligned with the quantized weight shape. This can be caused "
            "by too large tensor parallel size."
        ),
        "ValueError: The quantization method marlin is deprecated and will be removed in future versions of vLLM.",
    ),
    "unsupported-model": (
        "AttributeError: 'Qwen2Config' object has no attribute 'rope_theta'",
        "RuntimeError: Unsupported head size 32",
        "ValueError: head_size (100) is not supported. Supported head sizes: [64, 80, 96, 128]",
        "RuntimeError: Invalid CPU attention head_dim: 80",
        (
            "ValueError: `rope_scaling` must be a dictionary with two fields, `type` and `factor`, got "
            "{'factor': 8.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0, "
            "'original_max_position_embeddings': 8192, 'rope_type': 'llama3'}"
        ),
        "ValueError: V1 does not yet support Pooling models.",
        "AssertionError: Only SiLU activation is supported.",
        (
            "NotImplementedError: Encoder self-attention and encoder/decoder cross-attention are not "
            "implemented for TritonAttention..."
        ),
        (
            "ValueError: Head size 80 is not supported by FlashAttention. Supported head sizes are: [32, 64, "
            "96, 128, 160, 192, 224, 256]. Set VLLM_USE_V1=0 to use another attention backend."
        ),
        "NotImplementedError: FlexAttention does not support sliding window yet.",
        "RuntimeError: Unknown gguf model_type: gpt_oss",
        (
            "huggingface_hub.errors.StrictDataclassClassValidationError: Class validation error for validator "
            "'validate_layer_type':"
        ),
        "huggingface_hub.errors.StrictDataclassFieldValidationError: Validation error for field 'rope_theta':",
        "RuntimeError: Model does not support EAGLE3 interface but aux_hidden_state_outputs was requested",
        (
            "ValueError: For parallel drafting, the draft model config must have `pard_token`, `ptd_token_id`, "
            "or `dflash_config.mask_token_id` specified in its config.json."
        ),
        (
            "RuntimeError: Could not determine the number of key-value attention heads from model "
            "configuration. Model: /models/custom-moe, Architecture: ['CustomMoeForCausalLM']. This usually "
            "indicates an unsupported model architecture or missing configuration. Please check if your model "
            "is supported at: https://docs.vllm.ai/en/latest/models/supported_models.html"
        ),
        (
            "ValueError: The model is an hybrid without a layers_block_type or an attn_type_list, or a "
            "layer_types in the hf_config, cannot determine the num of attention layers"
        ),
        (
            "Value error, Model architecture Florence2ForConditionalGeneration is not supported in-tree "
            "anymore. Please install the plugin at https://github.com/vllm-project/bart-plugin if you want to "
            "use this model architecture. [type=value_error, input_value=ArgsKwargs((), {'model': "
            "'Qwen/Qwe...', 'quantization_config': None}), input_type=ArgsKwargs]"
        ),
        (
            "AttributeError: The Transformers modeling backend does not currently have a class to handle the "
            "requested model type: TransformersMultiModalForQuestionAnswering. Please open an issue at "
            "https://github.com/vllm-project/vllm/issues/new"
        ),
        (
            "ValueError: <class 'transformers.models.falcon_mamba.modeling_falcon_mamba.FalconMambaModel'> "
            "does not support tensor parallel yet!"
        ),
        (
            "ValueError: Unknown MoE activation: 'swiglu_oai'. Valid activations: ['silu', 'gelu', 'relu2', "
            "'swigluoai', 'swiglustep', 'silu_no_mul', 'gelu_no_mul', 'relu2_no_mul']"
        ),
        "ValueError: Unsupported activation: gelu. Only silu is supported for now.",
        "ValueError: Unknown RoPE scaling type longrope_v2",
        "ValueError: Currently, MiniCPMV only supports versions 2.0, 2.5, 2.6, 4.0. Got version: (4, 5)",
        "ValueError: Sliding window for some but all layers is not supported. This model uses sliding window but max_w",
        "ValueError: Trying to run tensor parallelization but the model does not support it yet!",
        "ImportError: This modeling file requires the following packages that were not found in your environment: x.",
        (
            "ValueError: Model architectures ['NoSuchArchForCausalLM'] are not supported for now. Supported "
            "architectures:"
        ),
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, "
            "Model architectures ['Qwen3_5ForConditionalGeneration'] are not supported for now. Supported "
            "architectures: dict_keys([...])"
        ),
        (
            "ValueError: The checkpoint you are trying to load has model type `gpt_oss` but Transformers does "
            "not recognize this architecture. This could be because of an"
        ),
        (
            "ValueError: Model architectures ['GptOssForCausalLM'] failed to be inspected. Please check the "
            "logs for more"
        ),
        "ValueError: Model architecture MotifForCausalLM was supported in vLLM until v0.10.2, and is not supported",
        (
            "ValueError: FooModel has no vLLM implementation and the Transformers implementation is not "
            "compatible with vLLM. Try setting VLLM_USE_V1=0."
        ),
        (
            "ValueError: The repository /models/x contains custom code which must be executed to correctly "
            "load the model."
        ),
        "ValueError: Unrecognized model in /models/x. Should have a `model_type` key in its config.json, or contain",
        (
            "Value error, The checkpoint you are trying to load has model type `glm5v` but Transformers does "
            "not recognize this architecture."
        ),
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, "
            "The repository Qwen/Foo contains custom code which must be executed to correctly load the model."
        ),
        "ValueError: GGUF model with architecture qwen3next is not supported yet.",
        (
            "ImportError: Transformers modeling backend requires transformers>=5.0.0 for MoE models support, "
            "but got 4.57.1"
        ),
        ("ValueError: The text_config extracted from the model config does not have `num_attention_heads` attribute."),
        (
            "ValueError: Failed to load mistral 'params.json' config for model ./m. Please check if the model"
            " is a mistral-format model"
        ),
    ),
    "max-model-len-invalid": (
        (
            "ValueError: TT-LLama8B and TT-Llama11B do not support max_model_len greater than 32768 on N150 "
            "(received 65536). Set --max_model_len to 32768 or lower in vLLM."
        ),
        "ValueError: User-specified max_model_len (200000) is greater than the derived max_model_len",
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, "
            "User-specified max_model_len (9999999) is greater than the"
        ),
        (
            "ValueError: max_num_batched_tokens (8192) is smaller than max_model_len (32768). This effectively "
            "limits the"
        ),
        "ValueError: User-specified max_model_len (32768) is greater than the derived max_model_len",
    ),
    "corrupt-weights": (
        (
            "AssertionError: transformer.h.39.attn.c_attn.weight shape mismatch between model and checkpoint: "
            "torch.Size([1600, 6144]) != torch.Size([1792, 6144])"
            "commit_id: http"
        ),
        "ValueError: Unexpected weight for Qwen2-VL GPTQ 4-bit custom model.",
        (
            "ValueError: Missing keys ('model.layers.31.mlp.down_proj.weight', 'model.norm.weight', "
            "'lm_head.weight') in loaded state!"
        ),
        (
            "FileNotFoundError: Weight files referenced in index but missing: "
            "{'/models/Llama-3.3-70B-Instruct/model-00017-of-00030.safetensors', "
            "'/models/Llama-3.3-70B-Instruct/model-00018-of-00030.safetensors'}"
        ),
        "EOFError: Ran out of input",
        "RuntimeError: unexpected EOF, expected 10485760 more bytes. The file might be corrupted.",
        "ValueError: GGUF magic invalid",
        "ValueError: mmap length is greater than file size",
        "ValueError: cannot mmap an empty file",
        (
            "RuntimeError: Failed to map GGUF parameters (2): ['model.layers.0.mlp.experts.gate_up_proj', "
            "'model.layers.0.mlp.experts.down_proj']"
        ),
        (
            "ValueError: The serialized model contains tensors on the meta device, indicating that some "
            "tensors were not loaded properly. Please check that the parameters of the model being specified "
            "match that of the serialized model, such as its quantization."
        ),
        (
            "ValueError: Attempted to load nested weight 'lm_head.weight.quant_map' into a single parameter "
            "'lm_head.weight'"
        ),
        (
            "ValueError: 'lm_head.weight' was skipped because it is tied to 'model.embed_tokens.weight' in "
            "Qwen3ForCausalLM, but 'model.embed_tokens.weight' was not found in the checkpoint, so the tied "
            "weight is uninitialized."
        ),
        "safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer",
        "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
        "safetensors_rust.SafetensorError: Error while deserializing header: InvalidHeaderDeserialization",
        "ERROR 02-26 05:28:06 engine.py:400] Error while deserializing header: InvalidHeaderDeserialization",
        "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully",
        "safetensors_rust.SafetensorError: Error while deserializing header: header too large",
        "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
        "OSError: Consistency check failed: file should be of size 4976698672 but has size 1234",
        (
            "ValueError: Following weights were not initialized from checkpoint: "
            "{'model.layers.0.mlp.gate_up_proj.weight'}"
        ),
        (
            "AssertionError: Attempted to load weight (torch.Size([4096, 4096])) into parameter "
            "(torch.Size([2048, 4096]))"
        ),
        "RuntimeError: Cannot find any model weights with `/models/x`",
        "ValueError: There is no module or parameter named 'lm_head.foo' in GptOssForCausalLM",
        "AssertionError: Tried to load weights of size torch.Size([6144, 30720])to a parameter of size",
        (
            "FileNotFoundError: No such file or directory: "
            '"/root/.cache/huggingface/hub/models--x/snapshots/1/model-00003-of-00005.safetensors"'
        ),
        "KeyError: 'layers.0.self_attn.q_proj.weight_scale'",
        (
            "OSError: Error no file named pytorch_model.bin, model.safetensors, tf_model.h5 found in directory "
            "/models/x."
        ),
        "_pickle.UnpicklingError: invalid load key, 'v'.",
        "OSError: It looks like the config file at '/m/config.json' is not a valid JSON file.",
        "    assert param_data.shape == loaded_weight.shape",
    ),
    "tokenizer-or-template": (
        "ValueError: size must contain 'shortest_edge' and 'longest_edge' keys.",
        (
            "TypeError: Invalid type of HuggingFace processor. Expected type: <class "
            "'transformers.models.qwen2_5_vl.processing_qwen2_5_vl.Qwen2_5_VLProcessor'>, but found type: "
            "<class 'transformers.models.qwen2.tokenization_qwen2_fast.Qwen2TokenizerFast'>"
        ),
        (
            "ValueError: Cannot get the vocabulary of the tokenizer <class "
            "'transformers_modules.Qwen.tokenization_qwen.QWenTokenizer'>. The tokenizer should have a "
            "get_vocab method."
        ),
        (
            "OSError: Found 0 files matching the pattern: `^tokenizer\\.model\\.v.*$|^tekken\\.json$`. Make sure "
            "that a Mistral tokenizer is present in ['config.json']."
        ),
        "ValueError: Cannot use chat template functions because tokenizer.chat_template is not set",
        "TypeError: not a string",
        "OSError: Can't load tokenizer for '/models/x'. If you were trying to load it from",
        (
            "ValueError: Couldn't instantiate the backend tokenizer from one of: \n(1) a `tokenizers` library "
            "serialization"
        ),
        "ValueError: Tokenizer class Qwen2TokenizerFooFast does not exist or is not currently imported.",
        "Exception: data did not match any variant of untagged enum ModelWrapper at line 1217944 column 3",
        (
            "ValueError: The supplied chat template (/no/such/template.jinja) looks like a file path, but it "
            "failed to be"
        ),
        "ValueError: The supplied chat template string (template.jinja) appears path-like, but doesn't exist!",
        "jinja2.exceptions.TemplateSyntaxError: unexpected '}'",
        (
            "ValueError: As of transformers v4.44, default chat template is no longer allowed, so you must "
            "provide a chat"
        ),
        "OSError: Can't load image processor for '/models/x'. If you were trying to load it from",
        "AttributeError: Qwen2Tokenizer has no attribute all_special_tokens_extended. Did you mean:",
        (
            "vllm.entrypoints.chat_utils.ChatTemplateResolutionError: As of transformers v4.44, default chat "
            "template is no longer allowed, so you must provide a chat"
        ),
        "OSError: /models/x does not appear to have a file named preprocessor_config.json. Checkout",
        "RuntimeError: Failed to load the tokenizer. If the tokenizer is a custom tokenizer not yet available in the",
        "RuntimeError: Internal: could not parse ModelProto from /models/llama/tokenizer.model",
        "Exception: EOF while parsing a value at line 1 column 0",
        (
            "ValueError: Converting from Tiktoken failed, if a converter for SentencePiece is available, "
            "provide a model path"
        ),
        "AttributeError: 'CachedPreTrainedTokenizerFast' object has no attribute 'default_chat_template'. Did you mean",
        "FileNotFoundError: the supplied chat template path doesn't exist",
        "TimeoutError: Chat template rendering timed out after 30 s",
        "ImportError: cannot import name 'Qwen3TokenizerFast' from 'transformers'",
        (
            "RuntimeError: Failed to load the processor. If the processor is a custom processor not yet "
            "available in the HuggingFace transformers library"
        ),
    ),
    "compile-failure": (
        (
            "[1/6] /usr/local/cuda/bin/nvcc --generate-dependencies-with-compile --dependency-output "
            "batch_prefill.cuda.o.d -std=c++17 -gencode=arch=compute_121a,code=sm_121a -O3 -c batch_prefill.cu "
            "-o batch_prefill.cuda.o"
        ),
        (
            "RuntimeError: The detected CUDA version (12.1) mismatches the version that was used to compile "
            "PyTorch (11.7). Please make sure to use the same CUDA versions."
        ),
        (
            "RuntimeError: Cannot find CUDA_HOME. CUDA must be available in order to build the package. ROCM "
            "is installed and verified PyTorch 2-0-ROCm"
        ),
        "AssertionError: CUDA_HOME is not set",
        "AssertionError: failed to get the hash of the compiled graph",
        (
            "AssertionError: auto_functionalized was not removed when serving DeepSeek-V4-Flash with DP=8 on "
            "RTX PRO 6000 ##"
        ),
        (
            "RuntimeError: Worker failed with error 'Data-dependent branching Explanation: Detected "
            "data-dependent branching (e.g."
        ),
        (
            "torch._dynamo.exc.TorchRuntimeError: Dynamo failed to run FX node with fake tensors: "
            "call_function <built-in method mm>(*(FakeTensor(..., device='cuda:0', size=(s72, 2880), "
            "dtype=torch.bfloat16), FakeTensor(..., device='cuda:0', size=(2048, 5760), "
            "dtype=torch.bfloat16)), **{}): got RuntimeError('a and b must have same reduction dim, but got "
            "[s72, 2880] X [2048, 5760].')"
        ),
        "ValueError: arange's range must be a power of 2",
        (
            "RuntimeError: Worker failed with error 'Assertion error "
            "(csrc/apis/../jit_kernels/impls/../../jit/kernel_runtime.hpp:45): exit_code == 0', please check "
            "the stack trace above for the root cause 4:57:03"
        ),
        "AssertionError: Failed to compile the graph",
        (
            "/usr/include/crt/host_config.h:143:2: error: #error -- unsupported GNU version! gcc versions "
            "later than 13 are not supported! The nvcc flag '-allow-unsupported-compiler' can be used to "
            "override this version check; however, using an unsupported host compiler may cause compilation "
            "failure or incorrect run time execution. Use at your own risk."
        ),
        (
            "ptxas error   : Entry function '_ZN10flashinfer27BatchPrefillWithRaggedKVCacheKernel' uses too "
            "much shared data (0x1a000 bytes, 0x18c00 max)"
        ),
        "/usr/bin/ld: cannot find -lcudart: No such file or directory",
        (
            "RuntimeError: Assertion error (csrc/apis/../jit_kernels/impls/../../jit/compiler.hpp:176): false "
            'and "NVCC compilation failed"'
        ),
        (
            "python3: /source/llvm-project/llvm/include/llvm/Support/Casting.h:566: decltype(auto) "
            "llvm::cast(const From&) [with To = mlir::triton::gpu::SharedEncodingAttr; From = "
            'mlir::Attribute]: Assertion `isa<To>(Val) && "cast<Ty>() argument of incompatible type!"\' '
            "failed."
        ),
        "FileNotFoundError: [Errno 2] No such file or directory: '/x/.triton/cache/de758c429c9f/fused_moe_kernel.json",
        "RuntimeError: Bad StatusOr access: INTERNAL: Mosaic failed to compile TPU kernel: Not Implemented: The last",
        "torch._inductor.exc.InductorError: RuntimeError: PassManager::run failed",
        "RuntimeError: Error building extension 'flashinfer_jit'",
        "torch._inductor.exc.InductorError: CalledProcessError: Command '['/usr/bin/gcc', '/tmp/tmpx/main.c', '-O3',",
        "torch._dynamo.exc.BackendCompilerFailed: backend='<vllm.compilation.backends.VllmBackend object at 0x7f>'",
        "RuntimeError: Failed to find C compiler. Please specify via CC environment variable or set",
        "torch._inductor.exc.InductorError: CppCompileError: C++ compile error",
        "/tmp/tmpq/cuda_utils.c:6:10: fatal error: Python.h: No such file or directory",
        "RuntimeError: Ninja build failed. Ninja output:\nninja: build stopped: subcommand failed.",
        "torch._dynamo.exc.Unsupported: Attempted to call function marked as skipped",
        "RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist",
        "triton.compiler.errors.CompilationError: at 1:0:",
        "torch._inductor.exc.InductorError: InvalidCxxCompiler: No working C++ compiler found in",
        (
            "ImportError: /root/.triton/cache/ab/cuda_utils.cpython-312-x86_64-linux-gnu.so: failed to map "
            "segment from shared object"
        ),
        "FileNotFoundError: [Errno 2] No such file or directory: 'ninja'",
        "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 114688, Hardware limit:",
        "subprocess.CalledProcessError: Command '['/usr/bin/gcc', '/tmp/t/cuda_utils.c', '-O3']' returned non-zero",
        "torch._inductor.exc.LoweringException: AssertionError:",
        (
            "RuntimeError: vLLM failed to compile the model. The most likely reason for this is that a "
            "previous compilation failed"
        ),
        (
            "RuntimeError: The compiled artifact is not serializable. This usually means that the model code "
            "has something that is not serializable"
        ),
        "AssertionError: Inductor cache lookup failed. Please remove the cache directory and try again.",
        "RuntimeError: Failed to run autotuning code block: Triton Error",
        "error: Failures have been detected while processing an MLIR pass pipeline",
        "Pipeline failed while executing [`ConvertTritonGPUToLLVM` on 'builtin.module' operation]:",
    ),
    "engine-dead": (
        (
            "I1120 11:47:03.512011       1 health.go:169] XidCriticalError: Xid=79 on "
            "Device=GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f; marking device as unhealthy."
        ),
        "Active: failed (Result: core-dump) since Thu 2025-11-20 08:22:14 UTC; 3min ago",
        "Exit Code:    139",
        (
            "traps: VLLM::EngineCor[48211] general protection fault ip:7f2d3c1a52f4 sp:7ffd0d7a3b80 error:0 in "
            "libtorch_cuda.so[7f2cd0000000+2f40000]"
        ),
        (
            "traps: vllm[211] trap invalid opcode ip:7f6b1a3c52f4 sp:7ffc0d7a3b80 error:0 in "
            "_C.abi3.so[7f6b19e00000+1b0000]"
        ),
        (
            "ERROR 11-20 10:12:13 [ray_executor_v2.py:522] RayWorkerProc rank=[1] died unexpectedly, shutting "
            "down executor."
        ),
        (
            "vllm.engine.multiprocessing.MQEngineDeadError: Engine loop is not running. Inspect the stacktrace "
            "to find the original error: RuntimeError('CUDA error: an illegal memory access was "
            "encountered\\nCUDA kernel errors might be asynchronously reported at some other API call, so the "
            "stacktrace below might be incorrect.\\nFor debugging consider passing "
            "CUDA_LAUNCH_BLOCKING=1\\nCompile with"
        ),
        "torch.AcceleratorError: CUDA error: uncorrectable NVLink error detected during the execution",
        "RuntimeError: CUDA error: hardware stack error",
        "vllm.third_party.pynvml.NVMLError_GpuIsLost: GPU is lost",
        "NVRM: fallen off the bus and is not responding to commands.",
        (
            "[12843.554120] VLLM::EngineCor[48211]: segfault at 10 ip 00007f2d3c1a52f4 sp 00007ffd0d7a3b80 "
            "error 4 in libcuda.so.580.95.05[7f2d3be00000+8f0000] likely on CPU 11 (core 5, socket 0)"
        ),
        "Fatal Python error: Segmentation fault",
        "double free or corruption (!prev)",
        "realloc(): invalid pointer",
        (
            "Memory access fault by GPU node-1 (Agent handle: 0x55d0c2f5d2a0) on address 0x7f3c0a000000. "
            "Reason: Unknown."
        ),
        "RuntimeError: level_zero backend failed with error: 20 (UR_RESULT_ERROR_DEVICE_LOST)",
        "RuntimeError: Engine core process EngineCore_DP1 died unexpectedly.",
        "ERROR 12-30 14:02:17 async_llm_engine.py:876] Engine iteration timed out. This should never happen!",
        "CRITICAL 01-05 08:50:31 launcher.py:72] AsyncLLMEngine has failed, terminating server process",
        "TimeoutError: MQLLMEngine didn't reply within 10000ms",
        "(RayWorkerVllm pid=1) *** SIGABRT received at time=1712868846 on cpu 107 ***",
        "Callback: Queue 0x7eeb aborting with error : HSA_STATUS_ERROR_EXCEPTION: An HSAIL operation resulted in",
        "/x/inductor_cache/se/cse.py:62: unknown: block: [486,0,0], thread: [8,0,0] Assertion `index out of",
        "ERROR 06-25 14:27:21 async_llm_engine.py:52] Engine background task failed",
        "Exception in callback functools.partial(<function _log_task_completion at 0x7f9a51e90b80>, error_callback=",
        "Exception in callback functools.partial(<function _raise_exception_on_finish at 0x7f>, request_tracker=<vllm.",
        "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`",
        "TimeoutError: RPC call to execute_model timed out.",
        "NVRM: Xid (PCI:000f:01:00): 79, pid=1234, name=VLLM::EngineCor, GPU has fallen off the bus.",
        "ERROR 10-12 02:10:43 [core.py:710] EngineCore encountered a fatal error.",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the",
        "ERROR 05-12 11:36:01 [core_client.py:704] Engine core proc EngineCore_DP0 died unexpectedly, shutting down",
        "ERROR 10-12 02:10:43 [core_client.py:655] [shutdown] MPClient: engine core exited unexpectedly; starting",
        "torch.AcceleratorError: CUDA error: an illegal memory access was encountered",
        "ERROR 01-01 00:00:00 engine.py:158] vllm.engine.multiprocessing.MQEngineDeadError: Engine loop is not",
        "vllm.engine.async_llm_engine.AsyncEngineDeadError: Background loop has errored already.",
        "CRITICAL 03-25 06:36:34 [launcher.py:116] MQLLMEngine is already dead, terminating server process",
        "!!!!!!! Segfault encountered !!!!!!!",
        "ERROR 05-04 01:50:00 [multiproc_executor.py:283] Worker proc VllmWorker-0 died unexpectedly, shutting down",
        "RuntimeError('Engine process (pid 77) died.')",
        "RuntimeError: CUDA error: an illegal instruction was encountered",
        "ray.exceptions.RayActorError: The actor died unexpectedly before finishing this task.",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    ),
    "permission-denied": (
        "slurmstepd: error: execve(): /opt/ml/serve.sh: Permission denied",
        "sh: 1: vllm: Permission denied",
        (
            "slurmstepd: error: pyxis:     nvidia-container-cli: container error: file lookup failed: "
            "/proc/421042/fsx/enroot/data/user-1111/pyxis_vllm/etc/debian_version: permission denied"
        ),
        (
            "type=AVC msg=audit(1763626930.118:412): avc:  denied  { read write } for  pid=18431 "
            'comm="python3" name="nvidiactl" dev="devtmpfs" ino=812 '
            "scontext=system_u:system_r:container_t:s0:c12,c901 "
            "tcontext=system_u:object_r:xserver_misc_device_t:s0 tclass=chr_file permissive=0"
        ),
        "kernel: EXT4-fs (nvme0n1p2): Remounting filesystem read-only",
        (
            "docker.errors.DockerException: Error while fetching server API version: ('Connection aborted.', "
            "PermissionError(13, 'Permission denied'))"
        ),
        "Error: lsetxattr(label=system_u:object_r:container_file_t:s0) /mnt/models: operation not permitted",
        "Error: statfs /var/run/docker.sock: permission denied",
        (
            "docker: permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock:"
        ),
        "PermissionError: [Errno 13] Permission denied: '/root/.cache/huggingface/hub'",
        "docker: Got permission denied while trying to connect to the Docker daemon socket at",
        "OSError: [Errno 30] Read-only file system: '/root/.cache/huggingface/hub/models--x'",
        "OSError: PermissionError at /root/.cache/huggingface/hub when downloading openai/gpt-oss-20b. Check cache",
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
        "RuntimeError: Data processing error: I/O error: Permission denied (os error 13)",
        "mkdir: cannot create directory '/root/.cache/vllm': Permission denied",
        "/x/libpython3.12.so.1.0: cannot open shared object file: Permission denied",
        "KeyError: 'getpwuid(): uid not found: 1001'",
        "PermissionError: [Errno 1] Operation not permitted",
        "chmod: changing permissions of '/opt/app/cache_root/spec.json': Read-only file system",
    ),
    "docker-daemon-down": (
        (
            'E1120 10:02:11.450193   40213 remote_runtime.go:633] "Status from runtime service failed" '
            'err="rpc error: code = Unavailable desc = connection error: desc = \\"transport: Error while '
            'dialing: dial unix /run/k3s/containerd/containerd.sock: connect: connection refused\\""'
        ),
        (
            "request returned 500 Internal Server Error for API route and version "
            "http://%2F%2F.%2Fpipe%2FdockerDesktopLinuxEngine/v1.51/containers/create?name=vllm, check if the "
            "server supports the requested API version"
        ),
        (
            "Error response from daemon: Docker Desktop is manually paused. Unpause it through the Whale menu "
            "or Dashboard"
        ),
        (
            'Failed to initialize: unable to resolve docker endpoint: context "spark": context not found: '
            "open "
            "/srv/ops/.docker/contexts/meta/9f8c3a7cbb3a3b0a5b02ac0c6f8b7a2f8d3f1f1d2a34e5a0b2d3c1a4d5e6f708/met"
            "a.json: "
            "no such file or directory"
        ),
        (
            'Get "http://spark-1:2376/v1.51/version": net/http: HTTP/1.x transport connection broken: '
            'malformed HTTP response "\\x15\\x03\\x01\\x00\\x02\\x02".'
        ),
        "Job for docker.service failed because the control process exited with error code.",
        "Failed to start docker.service: Unit docker.service is masked.",
        (
            "dockerd[2214]: unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid "
            "character '}' looking for beginning of object key string"
        ),
        (
            "dockerd[1832]: failed to start daemon, ensure docker is not running or delete "
            "/var/run/docker.pid: process with PID 1207 is still running"
        ),
        "dockerd[1832]: failed to start containerd: timeout waiting for containerd to start",
        (
            "dockerd[1832]: failed to load listeners: no sockets found via socket activation: make sure the "
            "service was started by systemd"
        ),
        (
            "dockerd needs to be started with root privileges. To run dockerd in rootless mode as an "
            "unprivileged user, see https://docs.docker.com/go/rootless/"
        ),
        (
            "[rootlesskit:parent] error: failed to setup UID/GID map: newuidmap 4711 [0 1000 1 1 100000 65536] "
            "failed: newuidmap: write to uid_map failed: Operation not permitted"
        ),
        "ERROR: An HTTP request took too long to complete. Retry with --verbose to obtain debug information.",
        (
            'time="2025-11-14T09:12:44+01:00" level=fatal msg="cannot access containerd socket '
            '\\"/run/containerd/containerd.sock\\": no such file or directory"'
        ),
        (
            "FATA[0000] rootless containerd not running? (hint: use `containerd-rootless-setuptool.sh install` "
            "to start rootless containerd): stat /run/user/1000/containerd-rootless: no such file or directory"
        ),
        "The command 'docker' could not be found in this WSL 2 distro.",
        "Command 'docker' not found, but can be installed with:",
        "ERROR: Couldn't connect to Docker daemon at http+docker://localhost - is it running?",
        "Cannot connect to Podman. Please verify your connection to the Linux system",
        "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon",
        "Cannot connect to the Docker daemon at tcp://127.0.0.1:2375. Is the docker daemon running?",
        "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the",
        "docker.errors.DockerException: Error while fetching server API version: ('Connection aborted.',",
        'error during connect: Get "http://%2F%2F.%2Fpipe%2FdockerDesktopLinuxEngine/v1.47/info": open',
    ),
    "bind-mount-missing": (
        (
            "Warning  FailedMount  15s (x2 over 2m30s)  kubelet            Unable to attach or mount volumes: "
            "unmounted volumes=[hf-cache], unattached volumes=[hf-cache dshm kube-api-access-7mb9n]: timed out "
            "waiting for the condition"
        ),
        (
            'docker: Error response from daemon: invalid mount config for type "bind": bind source path does '
            "not exist: /data/models/gpt-oss-120b"
        ),
        (
            "FATAL:   container creation failed: mount hook function failure: mount /data/models->/models "
            "error: while mounting /data/models: mount source /data/models doesn't exist"
        ),
        (
            "slurmstepd: error: pyxis:     enroot-mount: failed to mount: /lustre/models at "
            "/run/enroot/overlay/models: No such file or directory"
        ),
        "invalid spec: :/root/.cache/huggingface: empty section between colons",
        'external volume "hf-cache" not found',
        (
            "Error response from daemon: failed to populate volume: error while mounting volume "
            "'/var/lib/docker/volumes/models/_data': failed to mount local volume: mount "
            ":/export/models:/var/lib/docker/volumes/models/_data, data: addr=10.0.0.9,rw,nfsvers=4: no such "
            "file or directory"
        ),
        (
            "Error response from daemon: error setting label on mount source '/mnt/nfs/models': failed to set "
            "file label on /mnt/nfs/models: operation not supported"
        ),
        (
            "Warning  FailedScheduling  8s  default-scheduler  0/2 nodes are available: persistentvolumeclaim "
            '"hf-cache" not found. preemption: 0/2 nodes are available: 2 Preemption is not helpful for '
            "scheduling."
        ),
        "docker: --env-file: open .env: no such file or directory",
        "env file /opt/vllm/.env not found: stat /opt/vllm/.env: no such file or directory",
        ('docker: Error response from daemon: invalid mount config for type "bind": bind source path does not exist:'),
        (
            "docker: Error response from daemon: error while creating mount source path '/mnt/nas/models': "
            "mkdir /mnt/nas:"
        ),
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: runc create failed: unable to start container process: error "
            'during container init: error mounting "/home/user/x" to rootfs at "/etc/x": mount '
            "/home/user/x:/etc/x (via"
        ),
        (
            'docker: Error response from daemon: create ~/vllm: "~/vllm" includes invalid characters for a '
            'local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed.'
        ),
        'Error response from daemon: invalid mount config for type "bind": stat /data/hf: permission denied',
        "Error: statfs /home/user/vllm/encodings: no such file or directory",
    ),
    "ulimit-refused": (
        "bash: fork: retry: Resource temporarily unavailable",
        (
            'invalid argument "stack=67108864:1048576" for "--ulimit" flag: ulimit soft limit must be less '
            "than or equal to hard limit: 67108864 > 1048576"
        ),
        "systemd[8123]: vllm.service: Failed to adjust resource limit RLIMIT_MEMLOCK: Operation not permitted",
        "services.vllm.ulimits.memlock must be a integer or mapping",
        "unable to start container: crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied",
        (
            "docker: Error response from daemon: OCI runtime create failed: container_linux.go:380: starting "
            "container process caused: process_linux.go:545: container init caused: process_linux.go:508: "
            "setting rlimits for ready process caused: error setting rlimit type 8: operation not permitted: "
            "unknown."
        ),
        (
            "docker: Error response from daemon: failed to create task for container: failed to create shim "
            "task: OCI runtime create failed: runc create failed: unable to start container process: error "
            "during container init: error setting rlimits for ready process: error setting rlimit type 8: "
            "operation not"
        ),
        'docker: invalid argument "memlock" for "--ulimit" flag: invalid ulimit argument: memlock',
        "bash: ulimit: max locked memory: cannot modify limit: Operation not permitted",
        "sh: 1: ulimit: error setting limit (Operation not permitted)",
    ),
    "start-timeout": (
        "Nov 20 09:29:02 host systemd[1]: vllm.service: start-post operation timed out. Terminating.",
        "wait-for-it.sh: timeout occurred after waiting 900 seconds for vllm:8000",
        "vLLM failed to start after 1200s, last container status: running",
        '"FailingStreak": 40,',
        "application not healthy after 10m0s",
        "timeout waiting for dependencies",
        "error: timed out waiting for the condition on pods/vllm-0",
        'error: deployment "vllm" exceeded its progress deadline',
        "systemd[1]: vllm.service: start operation timed out. Terminating.",
        "TimeoutError: RPCServer didn't reply within 10000 ms",
        "ERROR - Timeout 300s waiting for workers to become healthy. Please set a larger value",
        (
            "TimeoutError: Timed out waiting for READY from StageEngineCoreProc after 300s. This typically "
            "indicates model loading or initialization is taking too long."
        ),
        "dependency failed to start: container vllm is unhealthy",
        "TimeoutError: Timed out waiting for engines to sendinitial message on input socket.",
        "TimeoutError: Timed out waiting for engine core processes to start. This is often caused by slow weight",
        "TimeoutError: Timed out waiting for engine startup",
        "RuntimeError: Timed out after 300 s waiting for server to start",
        "[Error] (Router) Failed to load model: vllm-server failed to start within timeout",
        "  Normal   Killing    2m    kubelet  Container vllm failed startup probe, will be restarted",
        'Startup probe failed: Get "http://10.244.0.208:8000/health": dial tcp: connect: connection refused',
    ),
}
