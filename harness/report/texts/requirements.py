"""What each test of suites/ demands, in Traditional Chinese: its English is its docstring, and stands in the record.

A row counts only for the very sentence that it translates, whatever record that stands in. When a docstring changes,
tests/test_texts.py asks for another look at its Chinese, and tells the new mark.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Row(NamedTuple):
    """What a test demands in Chinese, and which English that says."""

    mark: str
    """The first six digits of the English sentence's SHA-256."""
    chinese: str


REQUIREMENTS: dict[str, Row] = {
    # test_health, test_start
    "test_health_is_200_and_empty": Row(
        "4a8256",
        "`GET /health` 回應 200 且內容為空，連續十次皆然，且通常立即回應：負載平衡器會不斷詢問，也不會等待。",
    ),
    "test_models_lists_exactly_the_served_name": Row(
        "57f29e",
        "`GET /v1/models` 只列出對外提供的模型名稱，root 與 max_model_len 與宣告一致。",
    ),
    "test_version_is_served": Row("46205c", "`GET /version` 回報 vLLM 版本，並寫入紀錄。"),
    "test_starts_within_its_budget": Row("a01e6f", "容器啟動後，`/health` 在此測試平台上該變體的啟動期限內回應 200。"),
    "test_first_inference_answers_although_it_still_compiles": Row(
        "a3c7ca",
        "第一次對話就答對已知的問題；其時間與第二次分開記錄。",
    ),
    "test_second_inference_gives_the_same_answer": Row(
        "48db4c",
        "以 temperature 0 再問一次相同的問題仍答對，此時已不再編譯。",
    ),
    "verify::health": Row("c62c27", "`/health` 回應 200"),
    "verify::models": Row("ca2e92", "`/v1/models` 只列出對外提供的模型名稱"),
    "verify::chat": Row("d34836", "對話答對已知的問題"),
    # test_flags, test_truth
    "test_inspect_shows_the_declared_flags_and_no_others": Row(
        "4918f6",
        "`docker inspect`：GPU 要求、--ipc=host、兩項 ulimit、掛載與其模式、環境變數、連接埠、名稱、映像檔、指令、"
        "重新啟動原則：一項不缺，也沒有任何未宣告的項目。",
    ),
    "test_the_weights_are_quantised_as_the_variant_says": Row(
        "9cb185",
        "變體要求 MXFP4 才使用 MXFP4，未要求則否：以權重所占的記憶體、記錄檔所列的核心函式以及引擎檢視的模組為準。"
        "引擎覆述參數並不能證明什麼。",
    ),
    "test_the_engine_computes_in_bfloat16": Row(
        "eac227",
        "引擎記錄檔中的 dtype 為 bfloat16：float16 會使 Gemma 3 輸出亂碼，且 MXFP4 不接受。",
    ),
    "test_the_engine_runs_as_declared": Row(
        "0faeba",
        "伺服器在記錄檔中列出的參數，以及引擎據以決定的設定，皆為所宣告者：模型及其架構、名稱、長度、量化；"
        "沒有其他會改變所提供的內容、速度或對象的參數。其餘參數列為紀錄中的發現。",
    ),
    "test_the_expert_kernel_is_known": Row(
        "58b603",
        "在會列出的版本中，記錄檔載明 MXFP4 專家層所用的後端，並寫入紀錄。",
    ),
    "test_the_context_is_as_long_as_declared": Row(
        "2e4f49",
        "引擎記錄檔與 `/v1/models` 中的 `max_model_len` 與宣告一致。",
    ),
    "test_the_declared_context_can_be_used": Row(
        "30d8cf",
        "長度為 `max_model_len` 十分之九的提示會被完整讀取：得到回答，且每個 token 都計入。",
    ),
    "test_revision_and_weights_are_the_ones_on_disk": Row(
        "37f417",
        "引擎載入的快照就是快取中 `refs/main` 所指的版本，其權重檔完整；變體若有宣告，版本與摘要亦須相符。",
    ),
    "test_the_served_version_is_the_one_in_the_log": Row("f7e92b", "`/version` 回報的版本與引擎記錄檔一致。"),
    # test_exposure
    "test_nothing_forbidden_is_served": Row(
        "13b955",
        "不提供開發用端點、效能分析器與執行期載入的 adapter，回應中沒有任何機密，"
        "也不讓瀏覽器帶著他人的憑證進來。記錄：無金鑰即可使用的項目、"
        "說明頁面，以及瀏覽器可來自哪些來源。",
    ),
    "test_nothing_forbidden_shows_in_inspect": Row(
        "0fea66",
        "命令列與標籤中沒有機密，不信任遠端程式碼，"
        "也沒有會開放或隱藏什麼的環境變數，映像檔自身亦然。記錄：所綁定的位址，"
        "以及環境變數中的機密（`docker inspect` 會讓 "
        "docker 群組的所有人看到）。",
    ),
    "test_no_secret_is_in_the_log": Row(
        "2155c2", "容器自身的記錄檔在本程式移除機密之前，就不含任何機密，也沒有人們所問的內容。"
    ),
    # test_meaning
    "test_known_answers_are_right_again_and_again": Row(
        "beaf6e",
        "每個已知的問題連續三次都答對，且每次回答都是正常的語言：沒有 `!!!!!`、沒有無止境的重複、沒有混雜的文字系統、"
        "沒有 null、沒有控制 token，也沒有能應付所有問題的回答。每個回答都有自己的 id。",
    ),
    "test_a_long_answer_stays_sensible": Row("eaba47", "數到一百：數到底，每個數字恰好一次且順序正確。"),
    "test_a_needle_is_found_in_a_long_prompt": Row(
        "83ed3f",
        "在長度為 `max_model_len` 十分之九（或測試平台所宣告長度）的提示中，找出藏在其中的一個句子。",
    ),
    "test_reasoning_is_in_the_fields_of_this_version": Row(
        "602065",
        "推理過程為文字，與回答分開且不是回答的一部分，依此版本置於 `reasoning_content` 或 `reasoning`，串流與否皆然。",
    ),
    "test_more_effort_is_more_reasoning": Row(
        "e9b55d",
        "`reasoning_effort` 確實傳到模型：`high` 的思考與 `low` 不同且不更短，兩者都有回答。",
    ),
    "test_responses_answers_like_chat": Row(
        "35c5f0",
        "`/v1/responses` 以對外提供的模型名稱答對已知的問題、狀態為完成，並列出 token 用量"
        "（gpt-oss 並非每個版本都會計入）。",
    ),
    "test_responses_are_streamed_whole": Row(
        "b782fc",
        "`/v1/responses` 的串流自 `response.created` 起至 `response.completed` 止，編號連續不缺，"
        "各片段合成的文字與非串流時相同。"
        "（每個版本都能這樣串流 gpt-oss；其他模型僅較新的版本可以。）",
    ),
    "test_a_tool_is_called_and_its_result_used": Row(
        "68313e",
        "在所有版本中透過 `/v1/responses`：問題會呼叫工具，引數符合其 schema，且最終回答包含工具的結果。",
    ),
    "test_a_chat_with_tools_is_never_a_500": Row(
        "1a986c",
        "提供工具的對話會得到回答；伺服器啟動時未指定工具解析器者，則以文件所載的 400 拒絕。"
        "回答中若呼叫工具，必為所提供的工具，且參數為 JSON。下一次對話仍會得到回答。",
    ),
    "test_structured_output_validates": Row(
        "0b2b37",
        "以 `response_format` 指定 JSON schema，得到完全符合該 schema 的物件，其中的答案正確。",
    ),
    "test_the_chat_template_is_the_models_own": Row(
        "35cb61",
        "對話轉為 Gemma 的格式：只有一個文字起始標記，使用者的輪次已結束，模型的輪次已開始。對話用量所計的 token "
        "數與此相同。",
    ),
    "test_an_image_by_data_url_is_seen": Row(
        "a18bc5",
        "模型具備視覺能力時，能說出以 data URL 提供之圖片的顏色；不具備時（如縮小版模型），依文件所載方式拒絕圖片，"
        "且測試平台載明不涵蓋此項。",
    ),
    # test_contract
    "test_metrics_have_the_names_of_this_version": Row(
        "a6f4bc", "`GET /metrics` 提供此 vLLM 版本文件所載的指標，且只屬於對外提供的模型。"
    ),
    "test_metrics_count_what_was_served": Row(
        "9618af",
        "多一次對話，請求數就多一次，token 數與其 usage 所列相同：不會更少；沒有別人提問時，也不會更多，"
        "所花時間也與引擎所說的相近。",
    ),
    "test_tokens_turn_back_into_the_same_text": Row(
        "7d0471",
        "`/tokenize` 與 `/detokenize` 在各種文字系統中互為反函式；數量等於 token 數，長度為所宣告者。",
    ),
    "test_usage_counts_the_tokens_of_the_prompt": Row(
        "270a63",
        "補全的 `prompt_tokens` 等於 `/tokenize` 的計數，`completion_tokens` 不超過所要求的數量。",
    ),
    "test_a_chat_stream_is_whole_and_in_order": Row(
        "1a47aa",
        "依序為角色、文字、唯一的 finish_reason、用量、`[DONE]`；200 之中沒有隱藏的錯誤，"
        "答案、所花時間與 token 數皆與非串流相同或相近。",
    ),
    "test_a_completion_stream_is_whole_and_in_order": Row("0122fa", "`/v1/completions` 亦同：串流完整且順序正確。"),
    "test_temperature_0_gives_the_same_twice": Row("f550a1", "相同提示以貪婪解碼兩次，文字與 token 數都相同。"),
    "test_a_seed_gives_the_same_twice": Row(
        "2011cb",
        "temperature 1 時，相同的 seed 產生相同的文字，不同的 seed 產生不同的文字。",
    ),
    "test_n_gives_as_many_choices": Row("dcccda", "`n: 3` 產生三個各有索引、各有內容的結果，以及一份用量。"),
    "test_choices_are_streamed_apart": Row(
        "d1e70e", "串流中的 `n: 3` 產生三個完整的串流，各依序在自己的索引下，每個都答對；一份用量計入全部的 token。"
    ),
    "test_logprobs_are_streamed_with_their_tokens": Row(
        "cee277",
        "補全：token 與非串流時相同，數值大致相同。對話：它們合成串流出的文字，沒有大於零者，每個都是最佳。",
    ),
    "test_logprobs_belong_to_the_tokens": Row(
        "52a3ff",
        "補全與對話皆然：數量等於 token 數、沒有大於零者、所選 token 為最佳且在最佳之列，合併起來就是全文，直到結尾。",
    ),
    "test_max_tokens_ends_the_answer": Row(
        "f9fa06",
        "`max_tokens: 3` 在三個 token 後結束，finish_reason 為 `length`，串流與否皆然，兩者計數相同。",
    ),
    "test_a_stop_text_ends_the_answer": Row(
        "1dcec6",
        "補全在停止字串之前結束，對話最遲在其處結束，兩者都說明是哪一個字串。（Harmony 的文字由 token 組成："
        "停止字串本身會保留。）",
    ),
    "test_a_stop_text_ends_a_stream": Row(
        "c0a996",
        "串流亦然，其文字可能分段而來、切開停止字串：在確知之前，停止字串的任何部分與其後的文字都不會送出。",
    ),
    "test_a_system_message_is_obeyed": Row("03702c", "要求使用大寫字母的系統訊息會改變回答。"),
    "test_earlier_turns_are_remembered": Row("46db14", "第一輪說過的內容，第二輪仍記得。"),
    "test_every_script_comes_whole_through_a_stream": Row("fd7da3", "多位元組字元不會在兩個事件的交界被切斷。"),
    "test_a_nul_in_a_prompt_harms_nothing": Row(
        "ed56f8",
        "NUL 字元會得到回答，或依文件所載方式拒絕；下一個請求仍會得到回答。",
    ),
    "test_the_openai_client_agrees": Row(
        "dd67e6",
        "OpenAI 官方 Python 用戶端列出模型、對話、串流與補全的結果都相同；未知的模型會得到其 NotFoundError。",
    ),
    # test_limits
    "test_a_wrong_value_is_refused_as_documented": Row(
        "446cfe",
        "回應 400，附 error.message、.type、.param 與 .code；之後伺服器照常回答。",
    ),
    "test_a_completions_wrong_value_is_refused_as_documented": Row(
        "1c882c", "`/v1/completions` 亦然，其提示也可以是 token。"
    ),
    "test_malformed_json_is_refused_as_documented": Row(
        "ab76b2",
        "不是 JSON 或不是 JSON 物件者，以文件所載格式回應 400，絕不回應 200。",
    ),
    "test_another_content_type_is_refused": Row("6811eb", "未自稱為 JSON 的內容回應 400。"),
    "test_a_prompt_beyond_the_context_is_refused": Row(
        "5145e4",
        "超過 `max_model_len` 的提示，無論對話、串流或補全，都回應載明長度的 400：絕不默默截斷，也絕不回應 500。",
    ),
    "test_an_answer_beyond_the_context_is_refused_or_cut": Row(
        "edd38e",
        "超出上下文的 `max_tokens`，以文件所載格式回應 400，或縮短後給出正確的回答：絕不回應 500。",
    ),
    "test_a_huge_n_is_refused": Row(
        "3ca6c0",
        "在設有上限的版本中，一百萬個結果會得到 400；未設上限的版本則不嘗試，並記入紀錄。",
    ),
    "test_a_token_below_0_is_refused": Row(
        "65fecf",
        "提示的 token 中有小於 0 者，會檢查的版本回應 400；不檢查的版本會因此結束引擎，故不嘗試，並在紀錄中說明。",
    ),
    "test_what_is_not_there_is_404_and_405": Row(
        "a16990", "不存在的路徑回應 404，錯誤的方法回應 405，內容皆為 JSON 物件而非網頁。"
    ),
    "test_no_request_made_up_from_the_schema_breaks_the_server": Row(
        "cb2c21",
        "在 `--fuzz 秒數` 內，由伺服器的 `/openapi.json` 產生正確與錯誤的請求：絕不中斷連線，"
        "在用戶端會使用之處絕不回應 5xx，之後伺服器照常回答。失敗時附上可重現的 curl 指令；"
        "此版本的所有部署都會犯的錯誤，或旁支端點的問題，則記為紀錄中的項目。",
    ),
    # test_concurrency, test_one_model
    "test_parallel_streams_all_end_and_do_not_mix": Row(
        "cfa8c5",
        "同時十二條串流、十二個不同的問題：每條都完整、順序正確、回答各自的問題，"
        "並有自己的 id；內容逐段送達，而非一次送完。",
    ),
    "test_a_client_that_leaves_frees_its_slot": Row(
        "8dd19c",
        "收到前幾個事件後就離開的串流，在答案本應繼續產生時，即從執行中的請求與 KV 快取中消失。",
    ),
    "test_a_load_leaves_answers_right_and_nothing_behind": Row(
        "ec968b",
        "四個用戶端在 `--soak 分鐘` 內不停提問：負載下的每個回答都正確，之後的試探問題亦然且及時；"
        "接著沒有任何請求在執行或等候，KV 快取與主機記憶體都已歸還。",
    ),
    "test_no_other_container_of_ours_exists": Row(
        "98692c",
        "兩個容器名稱之中，只有此部署自己的存在：切換時已先移除兩者。",
    ),
    "test_a_model_that_is_not_served_is_404": Row(
        "0de0d3",
        "要求任何其他模型（包括先前提供的模型），都回應載明其名稱的 404 NotFoundError。",
    ),
    "test_a_second_launch_under_the_name_is_a_name_conflict": Row(
        "b99269",
        "以已占用的名稱再次啟動，結果為載明占用者的 `container-name-conflict`，而第一個部署繼續回答。",
    ),
    "test_the_remedy_of_a_name_conflict_frees_the_name": Row(
        "6e7600",
        "照所述的處理方式逐字輸入，即移除占用者，名稱可再次使用。",
    ),
    # test_lifecycle
    "test_sigterm_ends_it_in_order_and_a_start_recovers": Row(
        "6c1a22",
        "在串流進行中執行 `docker stop`：伺服器自行以 0 或 143 結束，而非被 SIGKILL 終止，最遲在用戶端放棄之時；"
        "`docker start` 後在啟動期限內答對問題。用戶端的串流若沒有結尾，記為紀錄中的項目。",
    ),
    "test_a_docker_restart_recovers": Row("4d76ee", "`docker restart` 後在啟動期限內再次答對問題。"),
    "test_a_dead_engine_is_noticed_and_named": Row(
        "10d469",
        "終止引擎程序後，`/health` 以此版本的狀態碼表明或拒絕連線，容器在一分鐘內以 0 結束（這並不代表成功；"
        "若該版本不會結束，紀錄中會說明），診斷為 `engine-dead`。",
    ),
    # test_perf
    "test_every_request_of_the_load_completes": Row(
        "a051af",
        "在變體的每種負載下，`vllm bench serve` 完成每個請求，並取得所要求的全部 token；其結束代碼並不能說明什麼。",
    ),
    "test_the_engine_counted_the_same_tokens": Row(
        "c2c1e5",
        "`/metrics` 的增量等於工具計得的 token 數，至多再加上其暖機用量。",
    ),
    "test_a_second_client_measures_the_same": Row(
        "cae5cf",
        "以與該工具毫無共用之處的用戶端，量測單一串流的每 token 時間，結果與工具一致；"
        "若其中一方遇上忙碌的時刻，最多各量測三次。",
    ),
    "test_the_speed_is_what_this_box_gave_before": Row(
        "e69f19",
        "沒有任何數值超出限值：硬體上為 roofline，以及最近十次同類良好部署的基準。歷史資料不足、"
        "量測條件不佳與首次變慢會載明，但不算失敗。",
    ),
    # test_failures
    "test_the_failure_is_diagnosed": Row("ab4981", "啟動失敗，且診斷指出所植入的原因，並附證據與兩種語言的處理方式。"),
    "test_the_verdict_comes_with_the_failure_not_with_the_budget": Row(
        "3693fb",
        "遭拒絕、容器結束或出現致命訊息時立即停止等候：絕不耗盡啟動期限。",
    ),
    "test_a_failed_start_leaves_nothing": Row("54694d", "之後沒有留下本程式的任何容器。"),
    "test_the_stated_remedy_makes_it_healthy": Row("fc85a8", "完全照所述的處理方式處理後，部署恢復正常。"),
}
"""Name of the test (or whole id of what `up` verifies) → what it demands."""


def chinese(nodeid: str, english: str) -> str:
    """What a test demands in Chinese; in English when the row is missing or says something else."""
    name = nodeid.partition("[")[0].rpartition("::")[2]
    row = REQUIREMENTS.get(nodeid) or REQUIREMENTS.get(name)
    return row.chinese if row and row.mark == mark_of(english) else english


def mark_of(english: str) -> str:
    """What a row is recognised by."""
    return hashlib.sha256(english.encode()).hexdigest()[:6]
