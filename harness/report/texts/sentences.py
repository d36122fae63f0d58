"""Sentences that the harness writes into records in English → Traditional Chinese.

A record holds one language; a page that is a function of the record says it in the other one by this table. `{name}`
stands for any text, which is looked up too, or for a number (`NUMBERS`); a phrase between `[[` and `]]` may be missing.
The first row that fits a whole sentence counts. tests/test_texts.py holds the table complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from harness.report.texts.labels import LABELS
from harness.rules import RULES
from harness.types import Text

SENTENCES: dict[str, str] = {
    # what a bench proves, what it can't show, what is known of a variant
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
    # nights, and verdicts of a record
    "{count} of {all} {verdict}, first {variant}: {reason}": (
        "{all} 筆中有 {count} 筆「{verdict}」，第一筆為 {variant}：{reason}"
    ),
    "the run did not reach its end": "執行未能完成",
    "the host restarted during this run: the host was lost, which judges no model (boot {old}, then {new})": (
        "執行期間主機重新開機：失去主機，不代表模型不合格（原開機識別碼 {old}，之後為 {new}）"
    ),
    "healthy, where {rule} was expected": "部署正常，但預期應出現 {rule}",
    "no test was run against the deployment": "沒有對此部署執行任何測試",
    "{count} tests passed[[ ({more} more were not run)]]": "{count} 項測試通過[[（另有 {more} 項未執行）]]",
    "{failed} of {all} tests failed, first {nodeid}": "{all} 項測試中有 {failed} 項失敗，第一項為 {nodeid}",
    "{what}: an orphan of the deployment has it, or another process took it": (
        "{what}：可能由部署遺留的程序占用，或被其他程序取走"
    ),
    "{name}: not within {limit}": "{name}：未在 {limit} 內達成",
    "{why}; the kernel killed {count} processes for memory meanwhile": (
        "{why}；期間核心因記憶體不足終止了 {count} 個程序"
    ),
    "{why} (expected: {rule})": "{why}（預期為 {rule}）",
    "{name}: {value}, limit {limit}": "{name}：{value}，限值 {limit}",
    "under way; if nothing runs on this machine any more, the night was cut off": (
        "進行中；若此機器上已沒有任何執行，表示當晚的驗收已被中斷"
    ),
    "half-finished: it was cut off (power, kill -9, a crash) before its end": (
        "只完成一半：在結束前被中斷（斷電、kill -9 或當機）"
    ),
    "overlapping: another night runs here: {who}": "重疊：此處已有另一晚的驗收在執行：{who}",
    "this machine is busy: {who} → wait for it to end (--wait does), or stop it": (
        "此機器正在使用中：{who} → 等它結束（--wait 會等候），或將它停止"
    ),
    "interrupted after {count} records": "在 {count} 筆紀錄之後中斷",
    "{count} of {all} accepted[[; worse than the last accepted record: {worse}]]": (
        "{all} 筆中有 {count} 筆驗收通過[[；比上次驗收通過的紀錄差：{worse}]]"
    ),
    "no record was written; pytest ended with exit code {code} → its output says why": (
        "沒有寫出任何紀錄；pytest 以結束代碼 {code} 結束 → 其輸出說明了原因"
    ),
    "every record is accepted, yet pytest ended with exit code {code} → its output says why": (
        "所有紀錄皆驗收通過，但 pytest 以結束代碼 {code} 結束 → 其輸出說明了原因"
    ),
    "the night of {when} UTC is half-finished: it got as far as {phase}": (
        "{when} UTC 的夜間驗收只完成一半：進行到 {phase}"
    ),
    "{count} {nights} missed since {when} UTC": "自 {when} UTC 起有 {count} 次夜間驗收未執行",
    "no record for {days} days: the last one is of {when} UTC": "已有 {days} 天沒有紀錄：最後一筆為 {when} UTC",
    "{variants}: a speed outside the noise, deployed again to confirm": (
        "{variants}：速度超出雜訊範圍，已重新部署以確認"
    ),
    "{variant}: {check} could not be fetched: {why}": "{variant}：無法取得 {check}：{why}",
    "the step summary {place} can't be written ({error}) → the page is {file}": (
        "無法寫入步驟摘要 {place}（{error}）→ 頁面為 {file}"
    ),
    "{file} can't be deleted ({error})": "無法刪除 {file}（{error}）",
    # preflight: found, wanted, remedy
    "{gpu} on x86_64": "{gpu}（x86_64 架構）",
    "{gpu} on aarch64": "{gpu}（aarch64 架構）",
    "no NVIDIA GPU": "沒有 NVIDIA GPU",
    "any Linux machine (CPU bench)": "任何 Linux 機器（CPU 測試平台）",
    "run this on the GB10, or take --bench cpu": "請在 GB10 上執行，或使用 --bench cpu",
    "an engine that is asked for the image by its own name": "以映像檔原本的名稱向引擎索取",
    "an engine that answers": "會回應的引擎",
    "see above": "見上文",
    "no directory {path}": "沒有目錄 {path}",
    "{path} is not a directory": "{path} 不是目錄",
    "{path} is not readable and writable by this user": "此使用者無法讀寫 {path}",
    "a directory": "目錄",
    "a readable and writable directory for the weights": "存放權重、可讀寫的目錄",
    "{command}, or name another with --vllm-home": "{command}，或以 --vllm-home 指定其他目錄",
    "set": "已設定",
    "empty": "空的",
    "not set": "未設定",
    "HF_TOKEN in the environment": "環境變數 HF_TOKEN",
    "HF_TOKEN (this bench supplies a placeholder)": "HF_TOKEN（此測試平台提供替代值）",
    "export HF_TOKEN=… (a read token of a Hugging Face account that may read the model)": (
        "export HF_TOKEN=…（可讀取該模型之 Hugging Face 帳號的讀取 token）"
    ),
    "no local image {image}": "本機沒有映像檔 {image}",
    "the vocabulary files with their published sha256": "sha256 與公布值相符的詞彙檔",
    "a start with a network downloads them; without one, copy them into {path} by hand": (
        "有網路時啟動會自動下載；沒有網路時，請手動複製到 {path}"
    ),
    "{names}.tiktoken in {path}": "{path} 中的 {names}.tiktoken",
    "the published sha256 of each": "各檔與公布的 sha256 相符",
    "container {name} ({state}, {hours} h {minutes} min old, since {when} UTC)": (
        "容器 {name}（{state}，已 {hours} 小時 {minutes} 分，自 {when} UTC）"
    ),
    "port {port} free": "連接埠 {port} 可用",
    "vllm-{name} free": "vllm-{name} 可用",
    "free": "可用",
    "{command}, or run again with --replace": "{command}，或加上 --replace 再執行一次",
    "taken by a process outside Docker": "被 Docker 以外的程序占用",
    "{command} names it: stop it, or take another with --port": (
        "{command} 會指出是誰：將它停止，或以 --port 使用其他連接埠"
    ),
    "weights in place, {free} GiB free": "權重已就緒，尚有 {free} GiB 可用",
    "room for the weights": "足以存放權重的空間",
    "{free} GiB free under {path}": "{path} 尚有 {free} GiB 可用",
    "{size} GiB for the weights of {model}": "{model} 的權重需要 {size} GiB",
    "free {size} GiB, or name a larger disk with --vllm-home": "清出 {size} GiB，或以 --vllm-home 指定較大的磁碟",
    "unknown": "不明",
    "unknown total": "總量不明",
    "check that /proc/meminfo can be read": "請確認 /proc/meminfo 可讀取",
    "{size} GiB available ({why})": "{size} GiB 可用（{why}）",
    "{size} GiB available": "{size} GiB 可用",
    "{size} GiB for a miniature": "縮小版模型需 {size} GiB",
    "{share} × {total} GiB in total": "{share} × 總量 {total} GiB",
    "stop what uses memory (free -h; nvidia-smi), drop the page cache (sync; echo 3 | sudo tee "
    "/proc/sys/vm/drop_caches), or lower --gpu-memory-utilization": (
        "停止占用記憶體的程式（free -h；nvidia-smi）、清除頁面快取（sync; echo 3 | sudo tee "
        "/proc/sys/vm/drop_caches），或調低 --gpu-memory-utilization"
    ),
    "{found}; fetching it failed: {why}": "{found}；取得失敗：{why}",
    "no such container that runs": "沒有執行中的此容器",
    "{container}, which serves {variant}": "提供 {variant} 的 {container}",
    "start it, or select another variant than {variant} with -m": "請啟動它，或以 -m 選擇 {variant} 以外的變體",
    "the whole log": "完整的記錄檔",
    "free space on that disk": "請清出該磁碟的空間",
    # findings
    "everybody who reaches the port may use the model": "凡能連到此連接埠者皆可使用模型",
    "open although a key is asked for: {paths}": "雖要求金鑰，仍可直接使用：{paths}",
    "any web page may use it through a browser": "任何網頁都能透過瀏覽器使用",
    "allows {origin}": "允許 {origin}",
    "the API describes itself": "API 提供自身的說明",
    "a served vision model fetches any http(s) image_url from the server's side": (
        "視覺模型會由伺服器端抓取任何 http(s) 的 image_url"
    ),
    "no --allowed-media-domains": "未設定 --allowed-media-domains",
    "limited": "已限制",
    "{paths} can be called by anyone": "任何人都能呼叫 {paths}",
    "reachable from the network, not only from this machine": "可由網路連線，不限於本機",
    "a secret in the command or a label": "指令或標籤中含有機密",
    "{names}, as `-e NAME` does": "{names}，`-e NAME` 即會如此",
    "a secret in {names}": "{names} 中含有機密",
    "development endpoints": "開發用端點",
    "a web page may use it as its reader": "網頁能以讀者的身分使用它",
    "a header": "標頭",
    "schema": "API 綱要",
    "adapters can be loaded by anyone": "任何人都能載入 adapter",
    "code can be sent by pickle": "能以 pickle 送入程式碼",
    "the profiler can be called by anyone": "任何人都能呼叫效能分析器",
    "the server outlives its engine": "伺服器在引擎結束後仍存活",
    "more context than the model has": "上下文超過模型所有",
    "what people ask": "人們所問的內容",
    "a secret in clear text": "以明文出現的機密",
    "log line {number}": "記錄檔第 {number} 行",
    "a stream without an end at shutdown": "關閉時有串流沒有結尾",
    "no limit on `n`": "`n` 沒有上限",
    "a wrong request is not refused": "未拒絕錯誤的請求",
    "a server goes on without its engine": "引擎終止後伺服器仍繼續執行",
    "no look at tokens": "不檢查 token 的值",
    "tokens that nobody counts": "無人計算的 token",
    "this vLLM version": "此 vLLM 版本",
    "an internal error of this vLLM version": "此 vLLM 版本的內部錯誤",
    # differences
    "{count} tests": "{count} 項測試",
    "{note}, over its limit": "{note}，超出限值",
    "{change}, noise of {count} accepted records {noise} around {centre}": (
        "{change}，{count} 筆驗收通過紀錄的雜訊為 {centre} {noise}"
    ),
    "{change}, too few accepted records to know the noise, {noise} assumed": (
        "{change}，驗收通過的紀錄太少，無從得知雜訊，假設為 {noise}"
    ),
    # speed, as harness.judgement says it
    "{title}: {value} is {change} against {baseline}, the median of {count} deployments; noise is {band}, the limit "
    "{limit}: not yet a verdict → redeploy {left} more times: the median of three is judged": (
        "{title}：{value}，與 {count} 次部署的中位數 {baseline} 相差 {change}；雜訊為 {band}，限值 {limit}："
        "尚不足以判定 → "
        "請再重新部署 {left} 次，以三次的中位數判定"
    ),
    "{title}: {value} is {change} against {baseline}, the median of {count} deployments; noise is {band}, the limit "
    "{limit}": "{title}：{value}，與 {count} 次部署的中位數 {baseline} 相差 {change}；雜訊為 {band}，限值 {limit}",
    "{title}: measured under bad conditions, so it is not judged: {why}": "{title}：量測條件不佳，不予判定：{why}",
    # the fleet: what came of a job, and why a box gets none; checks of a box may follow each other
    "{box} was lost: its worker has died, or gave no sign of life for too long[[; it is tried {once}]]": (
        "{box} 失聯：其工作程序已結束，或太久沒有回應[[；將{once}]]"
    ),
    "{box} is lost: no worker of it is at the scheduler any more[[; it is tried {once}]]": (
        "{box} 失聯：排程器上已沒有它的工作程序[[；將{once}]]"
    ),
    "{box} came back without the job: it was restarted meanwhile[[; it is tried {once}]]": (
        "{box} 恢復連線，但已沒有該工作：期間曾重新啟動[[；將{once}]]"
    ),
    "once more on another box": "在另一部機器上再試一次",
    "{why}; {box} goes on alone and keeps the record → fleet collect": (
        "{why}；{box} 會自行完成並保留紀錄 → fleet collect"
    ),
    "no scheduler answers at {address} within {limit} s ({error}) → {command}": (
        "{address} 的排程器在 {limit} 秒內沒有回應（{error}）→ {command}"
    ),
    "no worker of {unit} is at the scheduler → python -m harness fleet status, and look at {box}": (
        "排程器上沒有 {unit} 的工作程序 → python -m harness fleet status，並檢查 {box}"
    ),
    "no box can be used: {why}": "沒有可用的機器：{why}",
    "box busy: {why}": "機器忙碌中：{why}",
    "busy by {what} → stop it there, it is none of ours": "由 {what} 佔用 → 在該機器上停止它，它不屬於本工具",
    "fleet job {job} runs there → --wait waits for it": "該處正在執行機群工作 {job} → --wait 會等候",
    "{other}: this machine is busy: {who} → wait for it to end (--wait does), or stop it": (
        "{other}：此機器正在使用中：{who} → 等它結束（--wait 會等候），或將它停止"
    ),
    "it was ended: {why}": "已被終止：{why}",
    "the worker on this box was stopped": "此機器上的工作程序已停止",
    "a worker that ended left this job behind": "先前的工作程序結束時留下了這項工作",
    "another box of the unit let go of its lease, or was lost": "同一單元的另一部機器放開了租約，或已失聯",
    "it had been counted as lost, and judged so": "先前已視為失聯並據此判定",
    "the command ended with exit code {code} and left no record; it wrote: {text}": (
        "指令以結束代碼 {code} 結束，且沒有留下紀錄；其輸出為：{text}"
    ),
    "collected later: {why}": "事後取回：{why}",
    "came home late, after it had been lost: {why}": "失聯之後才取回：{why}",
    "{count} workers call themselves {unit}: {addresses} → stop one": (
        "有 {count} 個工作程序都自稱 {unit}：{addresses} → 停止其中一個"
    ),
    "a worker at {host} calls itself {unit}, which is {box} at {address} → see who that is": (
        "{host} 的工作程序自稱 {unit}，但 {unit} 應為位於 {address} 的 {box} → 請查明它是誰"
    ),
    "the worker at {host} calls itself {unit}, and its certificate is {other}'s → see who that is": (
        "{host} 的工作程序自稱 {unit}，但其憑證屬於 {other} → 請查明它是誰"
    ),
    "{unit} at {address}: {error} → python -m harness fleet up brings it new certificates": (
        "{address} 的 {unit}：{error} → python -m harness fleet up 會帶去新的憑證"
    ),
    "{unit} runs harness {version}, this is {own} → fleet up": "{unit} 執行的版本為 {version}，此處為 {own} → fleet up",
    "{address} did not answer[[ within {limit} s]][[ ({how})]] → python -m harness fleet status, and look at {box}": (
        "{address} 沒有回應[[（{limit} 秒內）]][[（{how}）]] → python -m harness fleet status，並檢查 {box}"
    ),
    "unit: it calls itself {unit}, serial {serial}, wanted {wanted} → see which machine answers there, and mend the "
    "inventory or its unit file[[; {rest}]]": (
        "單元：自稱 {unit}，序號 {serial}，應為 {wanted} → 請查明由哪部機器回應，並修正清單或其 unit 檔[[；{rest}]]"
    ),
    "harness: {version} at commit {commit}, wanted {own} at commit {ours} → check the same commit out on the box, then "
    "python -m harness fleet up[[; {rest}]]": (
        "版本：{version}（commit {commit}），應為 {own}（commit {ours}）→ 在該機器上取出相同的 commit，再執行 "
        "python -m harness fleet up[[；{rest}]]"
    ),
    "clock: {skew} s off, wanted at most {limit} s → timedatectl set-ntp true on the box[[; {rest}]]": (
        "時鐘：相差 {skew} 秒，最多允許 {limit} 秒 → 在該機器上執行 timedatectl set-ntp true[[；{rest}]]"
    ),
    "docker: {error}, wanted an engine that answers → start it there: sudo systemctl start docker[[; {rest}]]": (
        "Docker：{error}，應有能回應的引擎 → 在該機器上啟動：sudo systemctl start docker[[；{rest}]]"
    ),
    "image: no {images}, wanted {wanted} → python -m harness fleet prepare {options}[[; {rest}]]": (
        "映像檔：沒有 {images}，應有 {wanted} → python -m harness fleet prepare {options}[[；{rest}]]"
    ),
    "disk: {free} GiB free, wanted {wanted} GiB → free space there, or lower least_disk_gib in the inventory": (
        "磁碟：可用 {free} GiB，應有 {wanted} GiB → 釋出空間，或調低清單中的 least_disk_gib"
    ),
}
"""English → Traditional Chinese, without a full stop. Longer sentences stand before those that are part of them."""

NUMBERS = frozenset({"all", "code", "count", "days", "failed", "hours", "left", "minutes", "more"})
"""Names of gaps that hold digits only."""
WORDS = {"verdict": "", "check": "check:", "phase": "night:"}
"""Names of gaps that hold the name of a label → what kind of label."""
_GAP = re.compile(r"\[\[(?P<optional>.*?)\]\]|\{(?P<name>\w+)\}")
_BLOCKED = re.compile(r"(?:^|; )preflight ([\w-]+): ")


@lru_cache(maxsize=4096)
def told(english: str) -> Text:
    """An English sentence of a record in both languages, or in English twice. What blocked a start is only named."""
    if english.startswith("preflight ") and (names := _BLOCKED.findall(english)):
        checks = [LABELS.get(f"check:{name}") or Text(en=name, zh_tw=name) for name in names]
        return Text(
            en=f"preflight failed: {', '.join(one.en for one in checks)}",
            zh_tw=f"啟動前檢查未通過：{'、'.join(one.zh_tw for one in checks)}",
        )
    exact, patterns = _rows()
    if english in exact:
        return Text(en=english, zh_tw=exact[english])
    for begins, pattern, chinese in patterns:
        if english.startswith(begins) and (found := pattern.fullmatch(english)):
            return Text(en=english, zh_tw=_filled(chinese, found.groupdict()))
    return Text(en=english, zh_tw=english)


@cache
def _rows() -> tuple[dict[str, str], tuple[tuple[str, re.Pattern[str], str], ...]]:
    """The table and every known failure's cause: rows without gaps, the others as (beginning, pattern, Chinese)."""
    rows = SENTENCES | {f"{rule.id}: {rule.cause.en}": f"{rule.id}：{rule.cause.zh_tw}" for rule in RULES}
    gaps = {english: found for english in rows if (found := _GAP.search(english))}
    patterns = (
        (english[: gap.start()], re.compile(_pattern(english, set()), re.DOTALL), rows[english])
        for english, gap in gaps.items()
    )
    return {english: chinese for english, chinese in rows.items() if english not in gaps}, tuple(patterns)


def _pattern(template: str, named: set[str]) -> str:
    """The regular expression of a template; a name that comes again stands for the same text."""

    def parts() -> Iterator[str]:
        at = 0
        for gap in _GAP.finditer(template):
            yield re.escape(template[at : gap.start()])
            at = gap.end()
            if gap["optional"] is not None:
                yield f"(?:{_pattern(gap['optional'], named)})?"
            elif gap["name"] in named:
                yield f"(?P={gap['name']})"
            else:
                named.add(gap["name"])
                yield f"(?P<{gap['name']}>{r'[0-9]+' if gap['name'] in NUMBERS else '.+?'})"
        yield re.escape(template[at:])

    return "".join(parts())


def _filled(template: str, values: dict[str, str | None]) -> str:
    """A template with its values, each in Chinese where there is a row for it; without phrases that lack one."""

    def gap(found: re.Match[str]) -> str:
        if found["optional"] is not None:
            lacking = any(values.get(name) is None for name in re.findall(r"\{(\w+)\}", found["optional"]))
            return "" if lacking else _filled(found["optional"], values)
        name = found["name"]
        value = values.get(name) or ""
        label = LABELS.get(f"{WORDS[name]}{value}") if name in WORDS else None
        return label.zh_tw if label else told(value).zh_tw

    return _GAP.sub(gap, template)
