"""OpenAI's own Python client against a deployment. The only importer of openai, and of the httpx2 it speaks through."""

from __future__ import annotations

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

from harness.api import TIMEOUT_S, Api
from harness.types import Noun
from harness.verification import Question


class Seen(Noun):
    """What the client made of the deployment's answers."""

    models: tuple[str, ...]
    chat: str
    streamed: str
    completion: str
    refusal: str
    """The class of the error for a model that is not served."""


def ask(api: Api, served: str, question: Question, beginning: str, max_tokens: int) -> Seen:
    """List, chat, stream, complete, and ask for a model that is not there. Raises openai.OpenAIError."""
    with httpx2.Client(trust_env=False, timeout=TIMEOUT_S) as http:
        client = openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", http_client=http, max_retries=0)
        return _asked(client, served, question, beginning, max_tokens)


def _asked(client: openai.OpenAI, served: str, question: Question, beginning: str, max_tokens: int) -> Seen:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question.ask}]
    chat = client.chat.completions.create(model=served, messages=messages, temperature=0, max_tokens=max_tokens)
    stream = client.chat.completions.create(
        model=served, messages=messages, temperature=0, max_tokens=max_tokens, stream=True
    )
    parts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    completion = client.completions.create(model=served, prompt=beginning, temperature=0, max_tokens=8)
    try:
        client.chat.completions.create(model="no-such-model", messages=messages)
        refusal = "none"
    except openai.APIStatusError as error:
        refusal = type(error).__name__
    return Seen(
        models=tuple(model.id for model in client.models.list()),
        chat=chat.choices[0].message.content or "",
        streamed="".join(parts),
        completion=completion.choices[0].text,
        refusal=refusal,
    )
