"""Ours and theirs in one run: lowered, timed in turn on one thread, scored on the side that nobody was trained on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium.inputs import to_batch
from sensorium.samples import Array
from sensorium_compile.bench import Bench
from sensorium_compile.compiler import REPAIRS
from sensorium_compile.data.examples import NONE, Examples
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.candidates import FLOAT, Candidate, fastest_mix, repaired
from sensorium_compile.peers.export import BACKEND
from sensorium_compile.peers.forms import Offer, offer_of, peer_offers
from sensorium_compile.peers.table import Row
from sensorium_compile.recipe import Progress
from sensorium_compile.verify.evaluate import predict, score
from sensorium_compile.verify.gate import figures
from sensorium_compile.verify.measure import FormLatency, measure
from sensorium_compile.verify.opened import OpenedModel

PEERS = ("onnxruntime", "olive", "nncf")


def compare(
    bench: Bench, folder: Path, rounds: int, progress: Progress, backends: tuple[str, ...] = ()
) -> tuple[list[Row], dict[str, dict[str, str]]]:
    """Every form measured; the versions of each peer's tools."""
    assert bench.material.data is not None
    lowered = bench.lowering.all(backends, progress)
    candidates = {c.name: c for c in lowered.candidates}
    plain = candidates[f"{BACKEND} {FLOAT}"]
    test = bench.material.data.test
    samples = one_sample(bench, test)
    progress("timing ours, for the mixes", 0, 1)
    early = measure({name: c.open() for name, c in candidates.items()}, samples, rounds=rounds)
    offers = [offer_of(candidate) for candidate in (*candidates.values(), *mixes(bench, candidates, early, progress))]
    versions = {}
    for peer in PEERS:
        made, versions[peer] = peer_offers(folder / peer, plain)
        offers += made
    offers += [Offer(f"sensorium {name}", "sensorium", "", "", {}, error=why) for name, why in lowered.refused.items()]
    opened, rows = _opened(offers)
    times = measure(
        {offer.name: form for offer, form in opened},
        samples,
        rounds=rounds,
        progress=lambda done, total: progress("timing all in turn", done, total),
    )
    for done, (offer, form) in enumerate(opened):
        progress(f"scoring {offer.name}", done, len(opened))
        rows.append(_row(bench, offer, form, test, times[offer.name]))
    return rows, versions


def one_sample(bench: Bench, test: Examples) -> dict[str, Array]:
    """A real sample (1, ...) of each sense, for all timings."""
    specs = bench.config.modalities
    rows = {name: int(index[index != NONE][0]) for name, index in test.index.items()}
    return {name: to_batch(test.pools[name].samples[row : row + 1], specs[name]) for name, row in rows.items()}


def mixes(
    bench: Bench, candidates: Mapping[str, Candidate], times: Mapping[str, FormLatency], progress: Progress
) -> list[Candidate]:
    """What the compiler makes of the whole forms: the fastest precision by graph, and blocks kept in float."""
    made: dict[str, Candidate] = {}
    for backend in dict.fromkeys(c.backend for c in candidates.values()):
        own = {name: c for name, c in candidates.items() if c.backend == backend}
        ms = {name: {g: told.median_ms for g, told in times[name].graphs.items()} for name in own}
        mix = fastest_mix(backend, own, ms)
        if mix.name not in candidates:
            made[mix.name] = mix
    allowed = 1 - bench.recipe.gate.min_agreement
    for candidate in (*candidates.values(), *made.values()):
        if candidate.backend != BACKEND or candidate.precision not in ("int8-static", "mixed"):
            continue
        progress(f"searching blocks of {candidate.name}", 0, 1)
        try:
            if bench.loss(candidate) > allowed:
                better = repaired(bench.lowering, candidate, bench.loss, allowed, REPAIRS)
                name = f"{better.precision} searched"
                made[f"{BACKEND} {name}"] = Candidate(better.backend, name, better.graphs, better.kept)
        except CompileError:
            continue  # no few blocks save it; the form itself is a row
    return list(made.values())


def _opened(offers: Sequence[Offer]) -> tuple[list[tuple[Offer, OpenedModel]], list[Row]]:
    """What can be run, and the rows of what cannot."""
    opened, rows = [], []
    for offer in offers:
        error = offer.error
        if not error:
            try:
                opened.append((offer, offer.open()))
                continue
            except SensoriumError as err:
                error = str(err)
        rows.append(Row(name=offer.name, owner=offer.owner, backend=offer.backend, call=offer.call, error=error))
    return opened, rows


def _row(bench: Bench, offer: Offer, form: OpenedModel, test: Examples, latency: FormLatency) -> Row:
    told = figures(score(predict(form, test, bench.config.modalities), test, bench.config))
    whole = max(latency.subsets.items(), key=lambda item: item[0].count("+"))[1]
    return Row(
        name=offer.name,
        owner=offer.owner,
        backend=offer.backend,
        call=offer.call,
        note=offer.note,
        subsets={subset: one.accuracy for subset, one in told.items()},
        n={subset: one.n for subset, one in told.items()},
        ms=whole.median_ms,
        spread_ms=whole.spread_ms,
        size_bytes=offer.size_bytes,
    )
