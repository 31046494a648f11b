"""Limits: what the command writes, and errors with their place."""

from pathlib import Path

import pytest

import remargin

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_run_with_limits(tmp_path: Path) -> None:
    summary = remargin.run(EXAMPLES / "today", tmp_path / "out", limits=EXAMPLES / "limits.toml")
    limits = summary["limits"]
    assert limits["breaches"] == {"info": 0, "soft": 1, "hard": 0}
    assert [limit["breaches"] for limit in limits["each"]] == [0, 0, 1, 0, 0]
    breaches = remargin.Outputs(tmp_path / "out")["breaches"].to_pyarrow().to_pylist()
    assert [(row["account_id"], row["figure"], row["operator"]) for row in breaches] == [("long", "margin_ratio", ">=")]
    assert breaches[0]["excess"] == breaches[0]["least"] - breaches[0]["value"]


def test_a_stress_with_limits(tmp_path: Path) -> None:
    outputs = remargin.stress(
        EXAMPLES / "today",
        tmp_path / "out",
        shocks=EXAMPLES / "scenarios.csv",
        limits=EXAMPLES / "stress-limits.toml",
    )
    breaches = outputs["breaches"].to_pyarrow().to_pylist()
    assert [row["account_id"] for row in breaches] == ["long", "new", "puts"]


def test_what_is_misspelt_is_said(tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    file.write_text('[[limit]]\nname = "a"\nrule = "account.margin_rati > 1"\nseverity = "hard"\n')
    with pytest.raises(remargin.InvalidInput) as raised:
        remargin.run(EXAMPLES / "today", tmp_path / "out", limits=file)
    assert (raised.value.column, raised.value.hint) == ("rule", "is it `margin_ratio`?")
    assert "limit 1 (a), line 1" in str(raised.value)
