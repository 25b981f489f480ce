"""Where the points come from: laws, streams, splits, and the hashes that tell data sets apart."""

from __future__ import annotations

import numpy as np
import pytest
from train_helpers import CLS, SHORT, P, Stopping

import barren
from barren import inputs, targets
from barren.training import FixedSample, GivenSets, Population, check_data
from barren.training.draws import sequence
from barren.training.hashes import set_digests


@pytest.mark.parametrize("law", [inputs.Uniform(zero=False), inputs.RandomBits(6), inputs.Sample([1, 2, 3, 5, 8, 13])])
def test_laws_of_x_are_drawn_by_their_weights(law: inputs.Law) -> None:
    stream = Population(20000).stream(CLS, law, 3, 10)
    points, weights = CLS.points_of(law)
    found = np.array([(stream.test == x).mean() for x in points])
    assert found.sum() == pytest.approx(1.0)
    assert (np.abs(found - weights) <= 5 * np.sqrt(weights * (1 - weights) / 20000) + 1e-12).all()


def test_streams_are_counters_of_the_step() -> None:
    for protocol in (Population(), FixedSample(100, 0.71)):
        whole = protocol.stream(CLS, inputs.Uniform(), 3, 30)
        pieces = protocol.stream(CLS, inputs.Uniform(), 3, 30)
        points, sizes = whole.points(0, 200), whole.batch_sizes(0, 200)
        cut = np.cumsum([0, *sizes])
        for first, last in ((130, 200), (0, 1), (63, 66), (5, 129)):
            assert np.array_equal(pieces.points(first, last), points[cut[first] : cut[last]])


def test_a_fixed_sample_is_distinct_and_split_without_overlap() -> None:
    for m in (2, 60, 200, P):
        stream = FixedSample(m).stream(CLS, inputs.Uniform(), 1, 1)
        both = np.concatenate([stream.train, stream.test])
        assert len(np.unique(both)) == len(both) == m
        epoch = stream.points(0, len(stream.train))
        assert np.array_equal(np.sort(epoch), np.sort(stream.train))


def test_hashes_tell_data_sets_apart() -> None:
    ensemble = barren.train(CLS, "mlp:8:relu", members=[1, 2], seeds=2, **SHORT)
    points = {row["train_points"] for row in ensemble.rows}
    labels = {row["train_labels"] for row in ensemble.rows}
    assert (len(points), len(labels)) == (2, 4)
    again = barren.train(CLS, "mlp:8:tanh", members=[1, 2], seeds=2, **{**SHORT, "records": [7, 20]})
    for name in ("train_points", "train_labels", "test_points", "test_labels"):
        assert [row[name] for row in again.rows] == [row[name] for row in ensemble.rows]


@pytest.mark.parametrize("data", ["population:200", "sample:60"])
@pytest.mark.parametrize("part", ["train_data", "test_data"])
def test_claims_that_share_a_hash_are_an_error(part: str, data: str) -> None:
    """The slip of the replication that withdrew its headline: two stages, one data set."""
    rows = barren.train(CLS, "mlp:8:relu", members=[1, 2], seeds=2, **{**SHORT, "data": data}).rows
    check_data([*rows, *rows])
    other = [{**row, part: row[part].replace("seed", "stage 2, seed")} for row in rows]
    with pytest.raises(ValueError, match="data must differ where they are said to"):
        check_data([*rows, *other])
    swapped = [{**row, "train_points": row["test_points"]} for row in rows]
    with pytest.raises(ValueError, match="data must differ where they are said to"):
        check_data([*rows, *swapped])


def test_what_is_said_of_two_ensembles_is_compared_and_no_more() -> None:
    """Another size of the test set leaves the training draws what they were; given sets may change their parts."""
    some, more = (barren.train(CLS, "mlp:8:relu", **{**SHORT, "data": f"population:{n}"}).rows for n in (150, 200))
    assert some[0]["train_points"] == more[0]["train_points"]
    assert some[0]["test_points"] != more[0]["test_points"]
    check_data([*some, *more])
    sets = [1, 2, 3], [4, 5]
    folds = [
        barren.train(CLS, "mlp:8:relu", seeds=2, data=GivenSets(*fold), steps=3, batch_size=2).rows
        for fold in (sets, sets[::-1])
    ]
    assert len({row["train_points"] for row in folds[0]}) == 1
    check_data([*folds[0], *folds[1]])
    law = barren.train(CLS, "mlp:8:relu", inputs=inputs.Uniform(zero=False), **SHORT).rows
    assert law[0]["test_data"] == "200 test draws of Uniform(zero=False), seed 0"


def test_the_hash_of_a_set_is_of_its_content() -> None:
    """Neither the order of the points nor their width nor the sign of zero is a content."""

    def hashes(train: object, test: object) -> dict[str, object]:
        (row,) = barren.train(CLS, "mlp:8:relu", data=GivenSets(train, test), steps=2, batch_size=2).rows
        return {key: value for key, value in row.items() if key.endswith(("_points", "_labels"))}

    one = hashes([1, 2, 3, 9], [7, 5])
    assert one == hashes(np.array([9, 1, 3, 2], dtype=np.int16), [5, 7])
    other = hashes([1, 2, 3, 8], [7, 5])
    assert (one["train_points"], one["test_points"]) != (other["train_points"], other["test_points"])
    assert one["test_points"] == other["test_points"]
    pairs = np.array([[0.0, 1.0], [2.0, -0.0]])
    assert set_digests(pairs, pairs[:, 0]) == set_digests(pairs[::-1] + 0.0, pairs[::-1, 0])


def test_shared_data_are_found_before_anything_is_trained() -> None:
    tiny = barren.ModularMultiplication(3, target=targets.Bit(0))
    progress = Stopping()
    with pytest.raises(ValueError, match="too few points"):
        barren.train(
            tiny, "mlp:4:relu", members=[1], seeds=12, data="sample:2:0.5", steps=2, batch_size=1, progress=progress
        )
    assert progress.count == 0


def test_runs_that_see_no_point_share_none() -> None:
    """Runs that end at record 0 have drawn nothing: there is no hash to compare."""
    ensemble = barren.train(CLS, "mlp:8:relu", members=[1, 2], seeds=3, stop_accuracy=0.0, **SHORT)
    assert [row["steps"] for row in ensemble.rows] == [0] * 6
    assert {(row["train_points"], row["train_labels"]) for row in ensemble.rows} == {(None, None)}
    assert len({row["test_points"] for row in ensemble.rows}) == 3
    check_data([*ensemble.rows, *ensemble.rows])


def test_large_seeds_share_no_stream_with_small_ones() -> None:
    """2^32 in a list of numbers is the words 0 and 1: seed 0 and a purpose."""
    large, small = (Population(50).stream(CLS, inputs.Uniform(), seed, 20) for seed in (2**32, 0))
    assert not np.array_equal(large.points(0, 64), small.points(64, 128))
    assert not np.array_equal(large.test, small.points(128, 131)[:50])
    seeds = [0, 1, 2, 5, 2**32 - 1, 2**32, 2**32 + 1, 2**33, 5 << 32, 2**63 - 1]
    purposes = [(purpose, *block) for purpose in range(1, 7) for block in ((), (1,), (2,), (7,))]
    words = {tuple(sequence(seed, *purpose).generate_state(4)) for seed in seeds for purpose in purposes}
    assert len(words) == len(seeds) * len(purposes)
    # What committed results are drawn with stays.
    assert np.array_equal(sequence(3, 1, 2).generate_state(4), np.random.SeedSequence([3, 1, 2]).generate_state(4))
