"""The page of a store's rows: well formed, self-contained, the same for the same rows, and right in its numbers."""

from __future__ import annotations

import base64
import hashlib
import math
import random
import re
from importlib.resources import files

import pytest
from report_rows import EVIL, Tables, Tags, bounds_row, failed_row, mixed_store, train_row, variance_row
from scipy.stats import gmean

from barren.sweeps.descriptions import name_of
from barren.sweeps.report import html, page
from barren.sweeps.report.layout import Limits
from barren.sweeps.report.overview import rows_digest

PRIMES = (101, 211, 401, 809, 1601)
STORES = {
    "empty": [],
    "failures only": [failed_row(11, EVIL), failed_row(13, "ValueError: no")],
    "one cell": [variance_row(101, 0, 1e-3)],
    "mixed": mixed_store(),
    "no numbers": [
        variance_row(11, 0, math.nan),
        variance_row(13, 0, math.inf),
        variance_row(17, 0, 0.0, bound=0.0),
        variance_row(19, 0, -1.0),
        variance_row(23, 0, 1e-320, bound=math.nan, layer_variances=[math.nan, 0.0]),
        variance_row(29, 0, 1e308, sharp_bound=None, bound=None, easiest=None, easiest_shares=None),
    ],
    "nothing but nulls": [variance_row(11, 0, 1.0) | dict.fromkeys(("value", "normalised", "bound", "layer_names"))],
    "of another version": [variance_row(7, 0, 1.0) | {"class": "parity", "p": None, "parity": "no such text"}],
}


@pytest.mark.parametrize("rows", STORES.values(), ids=STORES)
def test_a_page_stands_alone_and_is_well_formed(rows):
    made = html(rows, title=EVIL, grids=[{"p": [11], "target": EVIL}], commands=[{"grid": EVIL, "command": EVIL}])
    tags = Tags(made).found
    names = [name for name, _ in tags]
    assert (names.count("script"), names.count("style"), names.count("img"), names.count("iframe")) == (1, 1, 0, 0)
    for name, attributes in tags:
        assert not any(attribute.startswith("on") or attribute == "src" for attribute in attributes)
        link = attributes.get("href")
        assert link is None or link.startswith("#") or (name, link) == ("link", "data:,")
    assert "url(" not in made
    assert "@import" not in made
    idents = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(idents) == len(set(idents))
    assert {a["href"][1:] for _, a in tags if a.get("href", "").startswith("#")} == set(idents)


def test_the_policy_lets_our_script_run_and_no_other():
    made = html(STORES["mixed"])
    [script] = re.findall(r"<script>(.*?)</script>", made, flags=re.DOTALL)
    trusted = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{trusted}'; img-src data:" in made


def test_every_text_of_a_row_is_escaped():
    """Whatever column it stands in: no text of a store becomes markup."""
    row = variance_row(11, 0, 1.0, axes={"target": EVIL, "model": EVIL, "inputs": EVIL, "loss": EVIL})
    texts = {
        name: EVIL for name, value in row.items() if isinstance(value, str) and name not in ("status", "kind", "class")
    }
    rows = [row | texts, row | texts | {"p": 13, "cell_sha256": "b", "layer_names": [EVIL, "<b>"], "model": "<i>"}]
    train = train_row(11, 1, 0, 0.5, EVIL) | {"end": EVIL}
    rung = bounds_row(11) | {"bound_names": [EVIL, "<b>", "sharp"]}
    made = html([*rows, train, train | {"p": 13}, rung, rung | {"p": 13}, failed_row(5, EVIL, model=EVIL)])
    assert "<img" not in made
    assert "<b><" not in made
    assert made.count("<script") == 1
    assert made.count("&lt;img src=") > 20
    Tags(made)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_rows_give_the_same_page_in_any_order(seed):
    rows = mixed_store()
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert html(shuffled) == html(rows)
    assert rows_digest(shuffled) == rows_digest(rows)


def test_the_digest_is_of_what_is_the_same_on_every_run():
    rows = mixed_store()
    again = [row | {"seconds": 9.0, "peak_memory": 1, "threads": 7} for row in rows]
    assert rows_digest(again) == rows_digest(rows)
    rows[0]["value"] = math.nextafter(rows[0]["value"], 1.0)
    assert rows_digest(again) != rows_digest(rows)


def test_means_of_the_page_are_those_of_the_rows():
    rows = [row for row in mixed_store() if row["kind"] == "variance"]
    found = Tables(html(rows))["Geometric means"]
    assert len(found) == 5 * 4
    for entry in found:
        mine = [
            row
            for row in rows
            if row["status"] == "done"
            and (row["p"], row["target"], row["model"]) == (int(entry["p"][0]), entry["target"][0], entry["model"][0])
        ]
        assert entry["cells"][0] == "3"
        assert float(entry["Var"][1]) == pytest.approx(gmean([row["value"] for row in mine]), rel=1e-12)
        assert float(entry["Var/B²"][1]) == pytest.approx(gmean([row["normalised"] for row in mine]), rel=1e-12)
        assert float(entry["λ"][1]) == 1.0 / int(entry["p"][0])
        ratio = gmean([row["value"] / row["bound"] for row in mine])
        assert float(entry["Var/(λ·B²)"][1]) == pytest.approx(ratio, rel=1e-12)
        assert entry["Var/(λ·B²)"][0] == f"{100 * ratio:#.3g} %"


def test_slopes_of_the_page():
    rows = [variance_row(p, seed, p**-1.5 * 2.0**seed) for p in PRIMES for seed in range(3)]
    found = {entry["quantity y"][0]: entry for entry in Tables(html(rows))["Slopes"]}
    assert {name: entry["slope b"][0] for name, entry in found.items()} == {
        "Var": "-1.500",
        "Var/B²": "-1.500",
        "Var/g": "-1.500",
        "Var/(λ·B²)": "-0.500",
        "λ": "-1.000",
    }
    assert found["Var"]["95 % over seeds"][0] == "-1.500 to -1.500"
    assert found["λ"]["95 % over seeds"][0] == "–"
    assert found["Var"]["p × seeds"][0] == "5 × 3"
    assert found["Var"]["bend"][0] == "none seen"


def test_shares_of_layers_and_the_easiest():
    tables = Tables(html([variance_row(p, 0, 1.0 / p) for p in PRIMES]))
    assert [(e["layer"][0], e["mean share"][0], e["at largest p"][0]) for e in tables["Shares"]] == [
        ("first", "25.0 %", "25.0 %"),
        ("last", "75.0 %", "75.0 %"),
    ]
    first = tables["The easiest"][0]
    assert first["easiest members, share of the variance"][0] == "1 (20.0 %), 100 (10.0 %)"
    assert first["share of the first ten"][0] == "30.0 %"


def test_runs_of_the_page():
    found = Tables(html(mixed_store()))["Means over the runs"]
    assert [(e["p"][0], e["runs"][0], e["learned"][0]) for e in found] == [
        ("13", "6", "6"),
        ("31", "6", "6"),
        ("61", "7", "0"),
    ]
    assert [(e["generalises"][0], e["memorises"][0], e["fails"][0], e["diverged"][0]) for e in found] == [
        ("6", "0", "0", "0"),
        ("0", "6", "0", "0"),
        ("0", "0", "6", "1"),
    ]
    assert float(found[1]["test accuracy"][1]) == pytest.approx(0.69)
    assert found[0]["steps to threshold"][0] == "120"
    low, high = (float(end) for end in found[0]["95 %"][0].split(" to "))
    assert 0.9 < low < 0.99 <= high <= 1.0  # clipped: no accuracy is above 1
    assert "1 run of 19 diverged and is in no mean." in html(mixed_store())


def test_failures_are_counted_by_their_error():
    made = html(mixed_store())
    found = Tables(made)["Failed cells"]
    assert [(e["cells"][0], e["error, of the first of them"][0]) for e in found] == [
        ("5", "ValueError: p must be less; got 101"),
        ("1", EVIL),
    ]
    assert "of which 6 failed" in made


def test_estimates_and_missing_bounds_are_said():
    rows = [variance_row(101, 0, 1.0, standard_error=0.05), variance_row(103, 0, 1.0, sharp_bound=None, bound=None)]
    made = html(rows)
    assert "1 variance of 2 estimated, the largest relative standard error 5.00 %" in made
    assert "λ is not to be had for 1 cell of 2." in made
    assert "All variances are exact." not in made
    assert "All variances are exact." in html(rows[1:])


def test_long_texts_are_folded_and_short_ones_are_not():
    long = "package.module_with_a_long_name:make_a_network_that_has_one_too"
    rows = [variance_row(p, 0, 1.0 / p, axes={"model": model}) for p in (11, 13) for model in (long, "linear")]
    tags = Tags(html(rows)).found
    assert [a.get("class") for name, a in tags if name == "th" and a.get("class") == "wide"]
    folded = html(rows).count(f'<td class="wide">{long}</td>')
    assert folded == html(rows).count(f">{long}</td>") > 2
    assert 'class="wide">linear' not in html([variance_row(p, 0, 1.0, axes={"model": "linear"}) for p in (11, 13)])


def test_a_table_says_what_it_leaves_out():
    rows = [variance_row(p, seed, 1.0) for p in range(11, 111) for seed in range(2)]
    made = html(rows, limits=Limits(rows=30, points=10, panels=1))
    tables = Tables(made)
    assert len(tables["Finished cells"]) == 30
    assert "The first 30 of 200 rows." in made
    assert "Of more than 10 places of a line, so many are drawn" in made


def test_series_that_are_too_many_for_a_picture_are_parted():
    axes = [{"target": f"bit:{k}", "model": f"mlp:{w}"} for k in range(6) for w in (1, 2, 3)]
    rows = [variance_row(p, 0, 1.0 / p, axes=some) for p in PRIMES[:2] for some in axes]
    made = html(rows)
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", made)
    assert [title for title in titles if title.startswith("Var/B²")] == [
        f"Var/B² and its bound λ: mlp:{w}" for w in (1, 2, 3)
    ]
    assert "6 of 18 series are drawn" in html(rows, limits=Limits(panels=1))


def test_lines_that_cover_each_other_are_named():
    rows = [variance_row(p, 0, 1.0 / p, axes={"target": t}) for p in PRIMES for t in ("bit:0", "threshold")]
    assert "bit:0 (covered by " in html(rows)
    assert "covered" not in html([variance_row(p, 0, 1.0 / p) for p in PRIMES])


def test_intervals_at_one_place_stand_side_by_side():
    two = [{"target": t} for t in ("bit:0", "threshold")]
    rows = [variance_row(p, s, (1.0 + 0.1 * s) / p, axes=some) for p in PRIMES for s in range(3) for some in two]
    made = html(rows)
    assert "covered" not in made
    picture = made.split("<figcaption>Var/B²")[1].split("</figure>")[0]
    assert [float(x) for x in re.findall(r'transform="translate\((\S+) 0\)"', picture)] == [-1.5, 1.5]
    assert "slightly side by side" in made
    alone = html([row for row in rows if row["target"] == "bit:0"])
    assert "translate(-" not in alone.replace("translate(15 ", "")
    assert "side by side" not in alone
    near = [variance_row(102, s, 0.01 + 0.001 * s, axes=two[0]) for s in range(3)]
    moved = [abs(float(x)) for x in re.findall(r'transform="translate\((\S+) 0\)"', html([*rows, *near]))]
    assert 0.0 < max(moved) < 0.5


def test_a_key_that_stands_for_lines_of_several_colours_is_grey():
    rows = [variance_row(p, 0, 1.0 / p, axes={"target": t}) for p in PRIMES for t in ("bit:0", "threshold")]
    assert re.findall(r'class="key (\w+)" aria-label="λ·B² of each', html(rows)) == ["grey"]
    assert re.findall(r'class="key (\w+)" aria-label="λ·B²"', html(rows[::2])) == ["s0"]


def test_a_page_of_many_cells_stays_small():
    """Ten thousand cells of 24 settings, nothing twice."""
    axes = [{"target": f"bit:{k}", "model": f"mlp:{w}:relu"} for k in range(6) for w in (1, 2, 3, 4)]
    rows = [variance_row(p, 0, (1.0 + 0.3 * math.sin(p)) / p, axes=some) for p in range(1001, 1418) for some in axes]
    assert len(rows) == 10_008
    made = html(rows)
    assert 500_000 < len(made.encode()) <= page.LARGEST
    assert "The first 500 of 10008 rows." in made


def test_a_page_that_would_be_too_large_shows_less(monkeypatch):
    rows = [variance_row(p, seed, 1.0 / p) for p in range(101, 301) for seed in range(3)]
    monkeypatch.setattr(page, "LARGEST", 120_000)
    made = html(rows)
    assert len(made.encode()) <= 120_000
    [shown] = re.findall(r"The first (\d+) of 600 rows", made)[-1:]
    assert int(shown) < 500


STYLE = files("barren.sweeps.report").joinpath("page.css").read_text()


def luminance(colour: str) -> float:
    """Relative luminance of a colour, as WCAG 2 defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_stand_out_in_both_themes(theme):
    block = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)[theme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
    assert len(colours) == 15

    def contrast(one: str, other: str) -> float:
        bright, dim = sorted((luminance(colours[one]), luminance(colours[other])), reverse=True)
        return (bright + 0.05) / (dim + 0.05)

    for ground in ("ground", "raised"):
        assert all(contrast(name, ground) >= 4.5 for name in ("text", "quiet", "accent", "bad"))
    # 3 is asked of what is drawn; counts stand on the bars in the colour of the ground, so it is 4.5.
    assert all(contrast(f"s{k}", "ground") >= 4.5 for k in range(8))


def test_large_moduli_keep_all_their_digits():
    p = 2**61 - 1
    tables = Tables(html([variance_row(p, 0, 0.5), variance_row(p - 30, 0, 0.5), train_row(p, 1, 0, 0.5, "fails")]))
    assert [entry["p"][0] for entry in tables["Geometric means"]] == [str(p - 30), str(p)]
    assert [entry["p"][0] for entry in tables["Means over the runs"]] == [str(p)]


def test_the_provenance_says_what_was_run():
    grid = {"p": [11]}
    commands = [{"grid": name_of(grid), "command": f"barren sweep run a.toml --shard {i}/2"} for i in (2, 1)]
    made = html([variance_row(11, 0, 1.0)], grids=[grid], commands=commands)
    found = Tables(made)["What was run"]
    assert [entry["command"][0][-3:] for entry in found] == ["1/2", "2/2"]
    assert f"grid {found[0]['grid'][0]}</summary>" in made
    assert html([variance_row(11, 0, 1.0)], grids=[grid], commands=commands[::-1]) == made
    assert "What was run" not in html([variance_row(11, 0, 1.0)], grids=[grid])


def test_the_provenance_parts_cells_by_what_computed_them():
    rows = [variance_row(p, 0, 1.0, commit="0123456789abcdef" * 2 + "+") for p in (11, 13)]
    rows.append(variance_row(17, 0, 1.0, commit=None, cpu="another", threads=2, peak_memory=3_000_000_000))
    found = Tables(html(rows))["What computed"]
    assert [(e["cells"][0], e["commit"][0], e["cpu"][0]) for e in found] == [
        ("2", "0123456789ab+", "a processor"),
        ("1", "–", "another"),
    ]
    assert [(e["threads"][0], e["seconds"][0], e["peak memory"][0]) for e in found] == [
        ("1", "0.5000", "200 MB"),
        ("2", "0.2500", "3.00 GB"),
    ]
