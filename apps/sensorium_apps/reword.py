"""Optional: a small language model says an answer in other words, and a guard keeps it to the facts.

The model is SmolLM2-135M-Instruct (https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct, Apache-2.0),
run by llama.cpp. It is too small to be trusted: on two answers of three it adds, loses or turns round a fact.
Whatever is not ``faithful`` is thrown away, and the original is said.
"""

import re
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sensorium.answers.concepts import label_of
from sensorium.answers.nouns import singular
from sensorium.errors import SensoriumError

TIME_LIMIT_S = 4.0  # beyond it a listener has given up; then the original is said
_INSTRUCTION = (
    "Rewrite the sentence in other words. Keep every fact, number, colour and name. "
    "Write one sentence and nothing else."
)
_SHOTS = (
    ("I see a dog and three chairs.", "There is a dog and there are three chairs."),
    (
        "I can't hear right now, the microphone is muted.",
        "The microphone is muted, so I can't hear right now.",
    ),
)
_CONTEXT_TOKENS = 512  # instruction, two examples and an answer take about 150
_MOST_TOKENS = 48  # about 35 words, the longest answer
_SEED = 1
# Words that carry no fact: they may come and go.
_FREE_WORDS = """
a an the and or of to in on at is are am was were be been being it its this that these those there here i you
your my me we our us so also as with for from has have had do does did can could will would but some any yes
"""
_FREE = frozenset(_FREE_WORDS.split())
_REPORTS = re.compile(r"\b(?:i see|i can see|there(?: i|')s|there are|right now|currently|at the moment)\b")
_DENIALS = re.compile(r"\b(?:no|not|never|nothing|nobody|none|neither|without)\b|can(?:no|')t\b|n't\b")
_DOUBTS = re.compile(r"\b(?:perhaps|maybe|probably|may|might|i think|looks? like|not sure|seems?(?: to be)?)\b")


class RewordError(SensoriumError):
    """The language model cannot be run."""


def faithful(original: str, reworded: str) -> bool:
    """Whether a rewording keeps all words that carry facts, in order, with denials and doubts; adds none.

    Word by word, not by meaning: it refuses much that a person would accept, and that is the intent.
    """
    return bool(reworded.strip()) and _facts(original) == _facts(reworded)


class Reworder:
    """Says answers in other words. Making one takes seconds; ``close`` waits for the last draft to end."""

    def __init__(self, model_path: Path, threads: int = 2, time_limit_s: float = TIME_LIMIT_S) -> None:
        if not model_path.is_file():
            raise RewordError(f"no language model at {model_path}; fetch it with: sensorium pull")
        self._server = _open(model_path, threads)
        self._time_limit_s = time_limit_s
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reword")
        self._late: Future[str] | None = None

    def reword(self, text: str) -> str:
        """The text in other words, or itself where that fails, takes too long or changes a fact."""
        if self._late is not None and not self._late.done():
            return text
        self._late = self._pool.submit(self.draft, text)
        try:
            reworded = self._late.result(self._time_limit_s)
        except TimeoutError:
            return text
        return reworded if faithful(text, reworded) else text

    def draft(self, text: str) -> str:
        """What the model makes of the text, unchecked; "" where it fails. The same text, the same draft."""
        request = {"messages": _messages(text), "temperature": 0.0, "seed": _SEED, "max_tokens": _MOST_TOKENS}
        reply: Any = self._server.handle_chat_completions(request)
        choices = reply.get("choices") if isinstance(reply, dict) else None
        return str(choices[0]["message"]["content"]).strip().strip('"') if choices else ""

    def close(self) -> None:
        """Release the model; twice is fine."""
        self._pool.shutdown()
        self._server = None


def _facts(text: str) -> list[str]:
    """The words that carry facts, in order: things in one form, denials as ``not``, doubts as ``maybe``."""
    text = text.lower().replace("’", "'")
    for pattern, token in ((_REPORTS, " "), (_DOUBTS, " maybe "), (_DENIALS, " not ")):
        text = pattern.sub(token, text)
    words = re.findall(r"[a-z]+(?:-[a-z]+)*|[0-9]+", text)
    return [singular(label_of(word) or word) for word in words if word not in _FREE]


def _messages(text: str) -> list[dict[str, str]]:
    turns = [turn for shot in _SHOTS for turn in zip(("user", "assistant"), shot, strict=True)]
    return [{"role": role, "content": said} for role, said in [("system", _INSTRUCTION), *turns, ("user", text)]]


def _open(model_path: Path, threads: int) -> Any:
    try:
        import xllamacpp
    except ImportError as err:
        raise RewordError(
            "rewording needs a language model's engine; install it with: pip install 'sensorium[reword]'"
        ) from err
    params = xllamacpp.CommonParams()
    params.model.path = str(model_path)
    params.n_ctx = _CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.verbosity = -1  # llama.cpp's log stays off
    return xllamacpp.Server(params)
