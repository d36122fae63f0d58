"""Every text of the pages in both languages: labels, names of phases and measurements, and the data's sentences."""

from __future__ import annotations

import re

from harness.record import UNFINISHED, Record, blocking
from harness.types import Text, Verdict


def _table(rows: tuple[tuple[str, str, str], ...]) -> dict[str, Text]:
    return {key: Text(en=en, zh_tw=zh_tw) for key, en, zh_tw in rows}


LABELS = _table(
    (
        ("accepted", "Accepted", "驗收通過"),
        ("rejected", "Rejected", "驗收不通過"),
        ("blocked", "Blocked", "無法開始"),
        ("inconclusive", "Inconclusive", "無法判定"),
        ("interrupted", "Interrupted", "執行中斷"),
        ("unreadable", "Unreadable", "無法讀取"),
        ("record", "Deployment record", "部署紀錄"),
        ("records", "Deployment records", "部署紀錄總覽"),
        ("running", "Running", "執行中"),
        ("fleet", "Fleet", "多機總覽"),
        ("fleet-matrix", "Variants and boxes", "變體與機器"),
        (
            "fleet-note",
            "The newest result of each variant on each box. A lost box is interrupted, which judges no model.",
            "各變體在各機器上的最新結果。機器失聯記為「執行中斷」，不代表模型不合格。",
        ),
        ("campaigns", "Campaigns", "執行批次"),
        ("all-records", "All records", "所有紀錄"),
        ("skip", "Skip to the content", "跳到主要內容"),
        ("display", "Display", "顯示"),
        ("theme", "Light or dark", "切換深淺色"),
        ("contents", "On this page", "本頁內容"),
        ("expected-failure", "This failure is provoked on purpose; wanted is:", "此故障為刻意製造，預期結果為："),
        ("on-bench", "bench", "測試平台"),
        ("diagnosis", "Diagnosis", "診斷"),
        ("cause", "Cause", "原因"),
        ("remedy", "What to do", "處理方式"),
        ("evidence", "Evidence in the log", "記錄檔中的證據"),
        ("remedy-proof", "The remedy was applied", "已實際套用處理方式"),
        ("failed-after", "failed after", "故障發生於"),
        ("healthy-after", "healthy with the remedy after", "套用後恢復正常，耗時"),
        ("not-healthy-after", "NOT healthy with the remedy after", "套用後仍未恢復正常，耗時"),
        ("since", "Since the last accepted record", "與上次驗收通過相比"),
        (
            "since-none",
            "No earlier record of this variant on this bench was accepted.",
            "此測試平台上尚無更早的驗收通過紀錄。",
        ),
        ("difference", "Difference of two records", "兩份紀錄的差異"),
        ("diff:same", "Same", "相同"),
        ("diff:changed", "Changed", "有變動"),
        ("diff:regressed", "Regressed", "退步"),
        ("diff:nothing", "Nothing changed.", "沒有變動。"),
        ("diff:machine", "Machine", "機器"),
        ("diff:image", "Image and model", "映像檔與模型"),
        ("diff:flags", "Flags", "參數"),
        ("diff:settings", "Settings as the engine resolved them", "引擎實際採用的設定"),
        ("diff:tests", "Tests", "測試"),
        ("diff:measurements", "Measurements", "量測值"),
        ("diff:harness", "Harness", "驗收工具"),
        ("diff:what", "What", "項目"),
        ("diff:before", "Before", "之前"),
        ("diff:after", "After", "之後"),
        ("diff:worse", "worse", "變差"),
        ("diff:absent", "not there", "不存在"),
        ("blocking", "In the way", "阻礙啟動的項目"),
        ("start-up", "Start-up", "啟動過程"),
        ("phase", "Phase", "階段"),
        ("begins", "Begins", "開始"),
        ("lasts", "Lasts", "歷時"),
        ("deadline", "Deadline", "期限"),
        ("timeline", "Timeline", "時間軸"),
        ("start-of", "from the container’s start to a served /health; allowed:", "自容器啟動至 /health 回應；容許："),
        ("start-failed", "from the container’s start to its failure; allowed:", "自容器啟動至故障；容許："),
        ("not-started", "Nothing was started.", "未啟動任何容器。"),
        ("no-phases", "The engine announced no phase.", "引擎沒有回報任何階段。"),
        ("memory", "Memory of the host", "主機記憶體"),
        ("memory-least", "Least available", "可用最低值"),
        ("memory-host", "Memory", "記憶體"),
        ("memory-when", "At", "發生時間"),
        ("memory-floor", "Floor", "下限"),
        ("memory-total", "Total", "總量"),
        ("no-memory", "No memory curve was recorded.", "沒有記憶體曲線。"),
        ("measurements", "Measurements", "量測值"),
        ("measurement", "Measurement", "量測項目"),
        ("value", "Value", "數值"),
        ("limit", "Limit", "限值"),
        ("against-limit", "Against the limit", "與限值比較"),
        ("no-limit", "recorded, not judged", "僅記錄，不判定"),
        ("within", "within", "合格"),
        ("over", "outside", "超出"),
        ("none", "none", "無"),
        ("tests", "Specification", "測試規格"),
        ("tests-of", "of", "／"),
        ("tests-run", "tests were run", "項測試已執行"),
        ("no-tests", "No test was run.", "沒有執行任何測試。"),
        ("all", "All", "全部"),
        ("passed", "passed", "通過"),
        ("failed", "failed", "失敗"),
        ("error", "error", "錯誤"),
        ("skipped", "skipped", "略過"),
        ("outcome", "Outcome", "結果"),
        ("search-tests", "Search the tests", "搜尋測試"),
        ("shown", "shown", "項顯示中"),
        ("reproduce", "Run it alone", "單獨執行"),
        ("tests-passed", "Tests passed", "通過的測試"),
        ("findings", "What it exposes", "對外暴露的項目"),
        ("finding", "Finding", "項目"),
        ("seen", "Seen in", "出現於"),
        ("allowed", "allowed", "允許"),
        ("forbidden", "forbidden", "禁止"),
        ("dialect", "Judged as", "判定依據"),
        ("replay", "The same deployment again", "重現相同的部署"),
        ("copy", "Copy", "複製"),
        ("copied", "Copied", "已複製"),
        ("identity", "What ran where", "執行環境"),
        ("unit", "Unit", "主機"),
        ("image", "Image", "映像檔"),
        ("engine", "Engine", "引擎"),
        ("model", "Model", "模型"),
        ("harness", "Harness", "驗收程式"),
        ("unknown", "unknown", "不明"),
        ("product", "Product", "產品"),
        ("serial", "Serial, SHA-256", "序號 SHA-256"),
        ("bios", "Firmware", "韌體"),
        ("os", "Operating system", "作業系統"),
        ("dgx-os", "DGX OS", "DGX OS"),
        ("kernel", "Kernel", "核心"),
        ("gpu", "GPU", "GPU"),
        ("driver", "Driver", "驅動程式"),
        ("cpus", "CPUs", "CPU 數"),
        ("boot-id", "Boot", "開機識別碼"),
        ("reference", "Reference", "名稱"),
        ("digest", "Registry digest", "登錄摘要"),
        ("image-id", "Image ID", "映像檔 ID"),
        ("local-image", "none: made on this machine", "無：在本機建置"),
        ("created", "Created", "建立時間"),
        ("architecture", "Architecture", "架構"),
        ("labels", "Labels", "標籤"),
        ("vllm", "vLLM", "vLLM"),
        ("torch", "PyTorch", "PyTorch"),
        ("cuda", "CUDA", "CUDA"),
        ("revision", "Revision", "版本"),
        ("weights", "Weights", "權重"),
        ("weights-digest", "Weights, SHA-256", "權重 SHA-256"),
        ("files-count", "files", "個檔案"),
        ("version", "Version", "版本"),
        ("commit", "Commit", "提交"),
        ("with-changes", "with changes", "含未提交的變更"),
        ("record-id", "Record", "紀錄編號"),
        ("schema", "Schema", "格式版本"),
        ("exit", "Exit", "結束狀態"),
        ("exit-code", "code", "代碼"),
        ("oom-killed", "killed for memory", "因記憶體不足被終止"),
        ("bench", "Bench", "測試平台"),
        ("started", "Started", "開始時間"),
        ("started-utc", "Started (UTC)", "開始時間 (UTC)"),
        ("ended", "Ended", "結束時間"),
        ("container", "Container", "容器"),
        ("flags", "Flags", "參數"),
        ("flag", "Flag", "參數"),
        ("declared", "Declared", "宣告"),
        ("effective", "In effect", "實際生效"),
        ("as-resolved", "As the engine resolved it", "引擎解析結果"),
        ("differs", "differs", "不一致"),
        ("resolved-all", "Everything the engine resolved", "引擎解析的所有設定"),
        ("engine-facts", "What the engine said about itself", "引擎自述"),
        ("preflight", "Preflight", "啟動前檢查"),
        ("check", "Check", "檢查項目"),
        ("found", "Found", "實際"),
        ("wanted", "Wanted", "要求"),
        ("ok", "ok", "符合"),
        ("no-preflight", "Preflight did not come to its end.", "啟動前檢查未完成。"),
        ("not-shown", "Not shown here", "此處未涵蓋"),
        ("known", "Known about this variant", "此變體的已知事項"),
        ("log", "Log", "記錄檔"),
        (
            "no-log",
            "There is no log: nothing was started, or the file is gone.",
            "沒有記錄檔：未啟動，或檔案已不存在。",
        ),
        ("empty-log", "The log is empty.", "記錄檔是空的。"),
        ("search-log", "Search the log", "搜尋記錄檔"),
        ("lines", "lines", "行"),
        ("left-out", "lines are left out here; the whole log is in", "行未顯示於此；完整內容在"),
        ("line-cut", "characters more", "個字元未顯示"),
        ("files", "Files", "檔案"),
        ("file", "File", "檔案"),
        ("size", "Size", "大小"),
        ("bytes", "bytes", "位元組"),
        ("no-files", "No file belongs to this record.", "此紀錄沒有附檔。"),
        ("trends", "Trends", "趨勢"),
        (
            "trends-note",
            "Newest to the right; a dashed line marks a new image or driver.",
            "越右側越新；虛線表示更換了映像檔或驅動程式。",
        ),
        ("changes", "Changes", "變更"),
        ("runs", "runs", "次執行"),
        ("latest", "latest", "最新"),
        ("variant", "Variant", "變體"),
        ("verdict", "Verdict", "結論"),
        ("reason", "Reason", "理由"),
        ("filter", "Filter", "篩選"),
        ("directory", "Directory", "目錄"),
        ("unreadable-note", "These are left as they are.", "這些檔案保持原狀。"),
        ("records-found", "records", "筆紀錄"),
        ("more", "Show more", "顯示更多"),
        ("no-records", "There are no records yet.", "目前沒有任何紀錄。"),
        (
            "stale",
            "There has been no record for more than a week. The newest was started:",
            "已超過一週沒有新的紀錄。最新一筆開始於：",
        ),
        ("quiet", "Weeks without a record", "超過一週沒有紀錄的期間"),
        ("quiet-days", "days without a record", "天沒有任何紀錄"),
        ("nights", "Nights", "夜間驗收"),
        ("nights-missed", "missed between", "次夜間驗收未執行，介於"),
        ("nights-older", "Older nights", "更早的夜間驗收"),
        ("night-got", "got as far as", "進行到"),
        ("night:preflight", "preflight", "啟動前檢查"),
        ("night:prepare", "preparing", "準備"),
        ("night:qualify", "qualifying", "驗收"),
        ("night:compare", "comparing", "比較"),
        ("night:publish", "publishing", "發布"),
        ("night:notify", "notifying", "通知"),
        ("night:prune", "pruning", "清理"),
        ("took", "Took", "歷時"),
        ("compared", "Since the last accepted", "與上次通過相比"),
        ("diff:first", "First", "首次"),
        ("webhook-failed", "the webhook did not take the message", "webhook 通知未送達"),
        ("start-s", "Start", "啟動"),
        ("measured:memory_least", "least host memory available", "主機可用記憶體最低值"),
        ("phase:container", "container", "容器啟動"),
        ("phase:starting", "starting", "程式啟動"),
        ("phase:model", "model", "解析模型"),
        ("phase:engine", "engine", "引擎初始化"),
        ("phase:weights", "weights", "載入權重"),
        ("phase:weights loaded", "weights loaded", "權重已載入"),
        ("phase:compile", "compile", "編譯"),
        ("phase:compiled", "compiled", "編譯完成"),
        ("phase:kv cache", "KV cache", "KV 快取"),
        ("phase:graphs", "graphs", "擷取 CUDA graph"),
        ("phase:graphs captured", "graphs captured", "CUDA graph 完成"),
        ("phase:engine ready", "engine ready", "引擎就緒"),
        ("phase:http", "HTTP", "HTTP 服務"),
        ("phase:listening", "listening", "開始接受連線"),
        ("measured:start", "start to /health", "啟動至 /health"),
        ("measured:first_answer", "first answer", "首次回答"),
        ("measured:second_answer", "second answer", "第二次回答"),
        ("measured:kernel_oom_kills", "processes killed by the kernel", "核心終止的程序"),
        ("measured:soak_requests", "requests of the soak", "持續負載的請求數"),
        ("measured:soak_memory_kept", "memory kept by the soak", "持續負載後未歸還的記憶體"),
        ("measured:port_free_after_stop", "port free after the stop", "停止後連接埠釋放"),
        ("measured:memory_back_after_stop", "memory back after the stop", "停止後記憶體歸還"),
        ("speed", "Speed", "速度"),
        ("speed:conditions", "Wrong with the box while it was measured", "量測期間機器的異常"),
        ("speed:course", "The baseline’s deployments, then this one", "基準的各次部署，最後為本次"),
        ("speed:passed", "passed", "通過"),
        ("speed:warned", "slower", "變慢"),
        ("speed:failed", "too slow or impossible", "過慢或不可能"),
        ("speed:unconfirmed", "to be confirmed", "待確認"),
        ("speed:inconclusive", "inconclusive", "無法判定"),
        ("speed:unjudged", "nothing to judge by", "尚無判定依據"),
        ("comparison", "Comparison of two images", "兩個映像檔的比較"),
        ("comparison:old", "Before", "之前"),
        ("comparison:new", "After", "之後"),
        ("comparison:boots", "Deployments", "部署次數"),
        ("comparison:ratio", "Ratio and its interval", "比值與區間"),
        ("comparison:each", "Each deployment (upper: before, lower: after)", "各次部署（上：之前，下：之後）"),
        ("comparison:left-out", "Deployments that don’t count", "不計入的部署"),
        ("comparison:passed", "No slower", "沒有變慢"),
        ("comparison:warned", "Slower", "變慢"),
        ("comparison:failed", "Too slow", "過慢"),
        ("comparison:inconclusive", "Not known", "無法判定"),
        ("release", "Release", "發行"),
        ("release:reasons", "Reasons", "理由"),
        ("release:warnings", "Warnings", "警告"),
        ("release:no-record", "no record", "沒有紀錄"),
        ("measured:perf.clients_apart", "time per token, two clients apart", "兩個用戶端的每 token 時間差距"),
        ("measured:perf.before.cpu_busy", "CPU in use before the load", "負載前的 CPU 使用率"),
        ("measured:perf.after.cpu_busy", "CPU in use after the load", "負載後的 CPU 使用率"),
        ("measured:perf.before.memory", "host memory before the load", "負載前的主機可用記憶體"),
        ("measured:perf.after.memory", "host memory after the load", "負載後的主機可用記憶體"),
        ("measured:perf.before.clocks_sm", "GPU clock before the load", "負載前的 GPU 時脈"),
        ("measured:perf.after.clocks_sm", "GPU clock after the load", "負載後的 GPU 時脈"),
        ("measured:perf.before.power_draw", "GPU power before the load", "負載前的 GPU 功率"),
        ("measured:perf.after.power_draw", "GPU power after the load", "負載後的 GPU 功率"),
        ("measured:perf.before.temperature_gpu", "GPU temperature before the load", "負載前的 GPU 溫度"),
        ("measured:perf.after.temperature_gpu", "GPU temperature after the load", "負載後的 GPU 溫度"),
        ("check:hardware", "hardware", "硬體"),
        ("check:docker", "Docker", "Docker"),
        ("check:huggingface", "weights directory", "權重目錄"),
        ("check:hf-token", "HF_TOKEN", "HF_TOKEN"),
        ("check:image", "image", "映像檔"),
        ("check:image-architecture", "image architecture", "映像檔架構"),
        ("check:encodings", "encodings", "詞彙檔"),
        ("check:container-name", "container name", "容器名稱"),
        ("check:port", "port", "連接埠"),
        ("check:disk", "disk", "磁碟空間"),
        ("check:memory", "memory", "記憶體"),
    )
)
"""Key → label. Names of phases, checks and measurements that are not here are shown as they are."""

SENTENCES: dict[str, str] = {
    "this deployment on this hardware": "這部硬體上的這個部署",
    "the procedure, not the hardware: real Docker, real vLLM, exact flags, but miniature checkpoints on a CPU": (
        "流程，而非硬體：真正的 Docker、真正的 vLLM、完全相同的參數，但以 CPU 執行縮小版模型"
    ),
    "a miniature checkpoint stands in for the real weights, so quality, speed and memory are not shown": (
        "以縮小版模型代替真正的權重，因此不涵蓋品質、速度與記憶體用量"
    ),
    "the engine is vLLM's CPU build: GPU kernels, CUDA graphs and unified memory are not exercised": (
        "引擎為 vLLM 的 CPU 版本：不涵蓋 GPU 核心函式、CUDA graph 與統一記憶體"
    ),
    "on a CPU without AMX the experts are computed from their MXFP4 blocks by a plugin of this project": (
        "在沒有 AMX 的 CPU 上，專家層由本專案的外掛直接以 MXFP4 區塊計算"
    ),
    "the miniature is text only: image input is not exercised": "縮小版模型僅支援文字：不涵蓋影像輸入",
    "this miniature finds a needle among two dozen tokens only: long context is not exercised": (
        "這個縮小版模型只能在二十多個 token 中找到藏起來的句子：不涵蓋長上下文"
    ),
    "a needle is asked for in 600 tokens: nearer to the limit the miniature does not find it reliably": (
        "只在 600 個 token 中尋找藏起來的句子：更接近上限時，縮小版模型無法可靠地找到"
    ),
    "MXFP4 weights are real, multiplied by a CPU kernel of this project: no GPU kernel is exercised": (
        "MXFP4 權重為真，但由本專案的 CPU 核心函式相乘：不涵蓋 GPU 核心函式"
    ),
    "NVIDIA lists gpt-oss from image 25.10; on 25.09 public reports disagree, so the hardware decides": (
        "NVIDIA 自映像檔 25.10 起列出 gpt-oss；25.09 的公開回報不一致，因此以硬體實測為準"
    ),
    "upstream vLLM 0.10.1.1, the version in image 25.09, refuses MXFP4 for dense layers "
    "(NotImplementedError: Mxfp4 linear layer is not implemented) and 0.11.1 to 0.27 silently serve BF16; "
    "NVIDIA's patches are not public, so the hardware has the last word": (
        "映像檔 25.09 所含的 vLLM 0.10.1.1 上游版本拒絕稠密層的 MXFP4（NotImplementedError: Mxfp4 linear layer is "
        "not implemented），0.11.1 至 0.27 則默默以 BF16 提供服務；NVIDIA 的修補未公開，因此以硬體實測為準"
    ),
}
"""Sentences of the data, English → Traditional Chinese; tests/test_pages.py holds it complete."""


_SPEED = re.compile(r"perf\.c(?P<streams>\d+)\.(?P<figure>\w+)")
FIGURES = {
    "output_throughput": ("output throughput", "輸出吞吐量"),
    "request_throughput": ("request throughput", "請求吞吐量"),
    "median_ttft": ("TTFT, median", "TTFT 中位數"),
    "p99_ttft": ("TTFT, 99th percentile", "TTFT 第 99 百分位"),
    "median_tpot": ("TPOT, median", "TPOT 中位數"),
    "p99_tpot": ("TPOT, 99th percentile", "TPOT 第 99 百分位"),
    "median_itl": ("ITL, median", "ITL 中位數"),
    "median_e2el": ("E2EL, median", "E2EL 中位數"),
    "failed": ("failed requests", "失敗的請求"),
    "duration": ("duration of the load", "負載時間"),
    "preempted": ("preempted requests", "被搶占的請求"),
}
"""Figure of a load → how it is called; the field's abbreviations stay."""


def label(key: str) -> Text:
    """The label of `key`; the name itself, without its kind, when there is none."""
    name = key.partition(":")[2] or key
    if told := _SPEED.fullmatch(name):
        figure, streams = FIGURES.get(told["figure"]), told["streams"]
        if figure:
            return Text(en=f"{figure[0]}, {streams} at once", zh_tw=f"{figure[1]}（同時 {streams} 條）")
    return LABELS.get(key) or Text(en=name.replace("_", " "), zh_tw=name.replace("_", " "))


def sentence(english: str) -> Text:
    """A sentence of the data in both languages, or in English twice."""
    return Text(en=english, zh_tw=SENTENCES.get(english, english))


def about(record: Record) -> Text:
    """What the verdict speaks about."""
    proves = sentence(record.bench.proves)
    return Text(en=f"This verdict speaks about {proves.en}.", zh_tw=f"本結論所涵蓋的是{proves.zh_tw}。")


def reason(record: Record) -> Text:
    """Why this verdict, in one line: the record's English, and what its data says in Chinese."""
    failed = [test for test in record.tests if test.outcome in ("failed", "error")]
    passed = sum(test.outcome == "passed" for test in record.tests)
    left = record.tests_available - passed
    english = chinese = record.reason
    if record.reason == UNFINISHED:
        chinese = "執行未能完成"
    elif record.verdict is Verdict.BLOCKED:
        names = [label(f"check:{check.name}") for check in blocking(record)]
        english = f"preflight failed: {', '.join(name.en for name in names)}"
        chinese = f"啟動前檢查未通過：{'、'.join(name.zh_tw for name in names)}"
    elif record.verdict is Verdict.REJECTED and record.diagnosis and record.reason.startswith(record.diagnosis.rule):
        chinese = f"{record.diagnosis.rule}：{record.diagnosis.cause.zh_tw}"
    elif record.verdict is Verdict.REJECTED and failed:
        chinese = f"{len(record.tests)} 項測試中有 {len(failed)} 項失敗，第一項為 {failed[0].nodeid}"
    elif told := [one.reason.zh_tw for one in record.judgements if one.reason.en in record.reason]:
        chinese = "；".join(told)
    elif record.verdict is Verdict.ACCEPTED:
        chinese = f"{passed} 項測試通過" + (f"（另有 {left} 項未執行）" if left > 0 else "")
    return Text(en=english, zh_tw=chinese)
