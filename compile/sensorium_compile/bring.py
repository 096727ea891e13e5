"""From a model of one's own, any ``nn.Module`` that keeps the contract of ``model.contract``, to a running bundle."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sensorium.bundle import Origin
from sensorium.bundle.loaded import host_target
from sensorium.inputs import InputSpec
from sensorium.learned.config import ClassesHead, ModelConfig
from sensorium_compile.data.examples import Examples
from sensorium_compile.draft import PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Exportable, Feeds
from sensorium_compile.lower.candidates import FLOAT, Candidate, Lowering
from sensorium_compile.model.build import graphs_of
from sensorium_compile.model.contract import MultimodalModel, check_model
from sensorium_compile.pack import pack
from sensorium_compile.recipe import check_target
from sensorium_compile.stages import Stages
from sensorium_compile.verify import pareto
from sensorium_compile.verify.eager import open_eager
from sensorium_compile.verify.evaluate import predict, score
from sensorium_compile.verify.gate import Form, Rules, Scores, figures, judge
from sensorium_compile.verify.golden import check_parity, golden_samples
from sensorium_compile.verify.measure import FormLatency, measure
from sensorium_compile.verify.opened import OpenedModel

PART = "model"
MIN_COSINE = 0.99  # to PyTorch on golden samples
ROUNDS = 10  # of measuring


def compile_module(
    model: MultimodalModel,
    inputs: Mapping[str, InputSpec],
    labels: Sequence[str],
    out: Path,
    *,
    name: str,
    target: str | None = None,
    backends: tuple[str, ...] = ("onnxruntime",),
    examples: Examples | None = None,
    max_drop: float = 1.0,
    licence: str = "not given",
) -> pareto.Choice:
    """Lower ``model`` to every precision of ``backends``, and pack the fastest that keeps its answers into ``out``.

    ``inputs`` are what the encoders take, in their order; ``labels`` what the one head tells. With ``examples`` (not
    those that it was taught with) no subset of senses may lose more than ``max_drop`` points; without them a form is
    compared with PyTorch on made-up samples alone. Returns what was chosen. Raises CompileError where the model breaks
    the contract, cannot be lowered, or no form passes; it says why.
    """
    target = target or host_target()
    check_target(target)
    model = model.eval()
    samples = golden_samples(inputs)
    one = {sense: torch.from_numpy(own[:1]) for sense, own in samples.items()}
    head = _only_head(model)
    check_model(model, one, {head: len(labels)})
    config = ModelConfig(modalities=dict(inputs), heads={head: ClassesHead(labels=tuple(labels))})
    weights = _digest(model)
    graphs = {graph: Exportable(graph, *told) for graph, told in graphs_of(model, one).items()}
    with tempfile.TemporaryDirectory() as scratch:
        calibration = Calibration(_feeds(model, {sense: torch.from_numpy(own) for sense, own in samples.items()}))
        lowered = Lowering(graphs, weights, calibration, Stages(Path(scratch))).all(backends, lambda *_: None)
    choices = _judged(open_eager(model, inputs), lowered.candidates, config, examples, max_drop)
    chosen = pareto.pick(choices)
    candidate = next(c for c in lowered.candidates if c.name == chosen.name)
    origin = Origin(package=name, file=type(model).__name__, sha256=weights, licence=licence)
    config_told = config.model_dump(mode="json")
    pack(name, target, {PART: PartDraft(PART, candidate.graphs, config=config_told, origins=(origin,))}, out)
    return chosen


def _judged(
    eager: OpenedModel,
    candidates: Sequence[Candidate],
    config: ModelConfig,
    examples: Examples | None,
    max_drop: float,
) -> list[pareto.Choice]:
    """Every form measured in turn, compared with PyTorch, and gated where there are examples."""
    samples = golden_samples(config.modalities)
    opened = {candidate.name: candidate.open() for candidate in candidates}
    times = measure(opened, {sense: own[:1] for sense, own in samples.items()}, rounds=ROUNDS)
    wanted = _scores(eager, examples, config)
    choices = []
    for candidate in candidates:
        form = opened[candidate.name]
        parity = check_parity(eager, form, samples)
        reasons = [] if parity.cosine >= MIN_COSINE else [f"cosine to PyTorch {parity.cosine:.3f} ({parity.where})"]
        given = _scores(form, examples, config)
        if given is not None and wanted is not None:
            reasons += _gate(candidate, given, wanted, times, max_drop)
        choices.append(_choice(candidate, given, times[candidate.name], tuple(reasons)))
    return choices


def _only_head(model: MultimodalModel) -> str:
    heads = list(getattr(model, "heads", ()))
    if len(heads) != 1:
        raise CompileError(f"the model has heads {heads}; compile_module takes one that gives logits over the labels")
    return str(heads[0])


def _digest(model: MultimodalModel) -> str:
    total = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        total.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
    return total.hexdigest()


def _feeds(model: MultimodalModel, samples: Mapping[str, Tensor]) -> dict[str, list[Feeds]]:
    """What static int8 is calibrated with: each graph's inputs, the fusion's with every subset of senses in turn."""
    with torch.no_grad():
        tokens = model.tokens(samples)
    count, senses = len(next(iter(samples.values()))), len(model.modalities)
    feeds: dict[str, list[Feeds]] = {
        sense: [{"sample": own[i : i + 1].numpy()} for i in range(count)] for sense, own in samples.items()
    }
    feeds["fusion"] = []
    for i in range(count):
        mask = 1 + i % (2**senses - 1)
        presence = torch.tensor([[float(mask >> sense & 1) for sense in range(senses)]])
        own = {sense: made[i : i + 1].numpy() for sense, made in tokens.items()}
        feeds["fusion"].append({**own, "presence": presence.numpy()})
    return feeds


def _scores(form: OpenedModel, examples: Examples | None, config: ModelConfig) -> Scores | None:
    return score(predict(form, examples, config.modalities), examples, config) if examples is not None else None


def _gate(
    candidate: Candidate, given: Scores, wanted: Scores, times: Mapping[str, FormLatency], max_drop: float
) -> tuple[str, ...]:
    plain = times.get(f"{candidate.backend} {FLOAT}")
    float_ms = plain.ms if plain is not None and candidate.precision != FLOAT else None
    form = Form(candidate.name, given, times[candidate.name].ms, float_ms)
    return tuple(judge(form, Form("PyTorch", wanted), Rules(max_drop)).reasons)


def _choice(
    candidate: Candidate, given: Scores | None, latency: FormLatency, reasons: tuple[str, ...]
) -> pareto.Choice:
    told = figures(given) if given is not None else {}
    subset = min(told, key=lambda name: told[name].accuracy, default="not measured")
    return pareto.Choice(
        name=candidate.name,
        backend=candidate.backend,
        precision=candidate.precision,
        accuracy=told[subset].accuracy if told else 0.0,
        subset=subset,
        ms=latency.ms,
        size_bytes=candidate.size_bytes,
        passed=not reasons,
        reasons=reasons,
        key=candidate.key,
    )
