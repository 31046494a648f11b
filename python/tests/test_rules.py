"""Rules: what they set, what they extend, and where each value comes from."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import pytest

import remargin
from conftest import ROOT, answer, command

BUILT_IN = "okx-pm2-2025-01"


def test_settings_keep_the_origin_of_the_other_values(tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(f'extends = "{BUILT_IN}"\nname = "desk"\nrate = 0.01  # [M] asked\n')
    desk = remargin.Rules(file, set={"risk_unit": "merged"})
    changed = desk.set({"mr4": {"floor": {"major": 0.012}}, "discount.XYZ": [[1000, 0.5], [float("inf"), 0]]})
    origins = changed.origins
    assert origins["rate"] == f"file {file}"
    assert origins["risk_unit"] == origins["mr4.floor.major"] == origins["discount.XYZ"] == "--set"
    assert origins["mr4.floor.other"] == f"built-in {BUILT_IN}"
    assert changed.name == desk.name == "desk"
    assert desk.values["mr4.floor.major"] != changed.values["mr4.floor.major"] == "0.012"
    # The same as all at once, and as the command has it.
    at_once = remargin.Rules(
        file, set={"risk_unit": "merged", "mr4.floor.major": 0.012, "discount.XYZ": [[1000, 0.5], ["inf", 0]]}
    )
    assert changed == at_once and changed.show("json") == at_once.show("json")
    assert desk.set({}) == desk

    again = pickle.loads(pickle.dumps(changed))
    assert again == changed and again.show() == changed.show()
    with pytest.raises(remargin.InvalidInput) as caught:
        desk.set({"mr4.floor.major": -1})
    assert caught.value.column == "mr4.floor.major" and "mr4.floor.major=-1" in caught.value.problem
    with pytest.raises(remargin.InvalidInput, match="the nearest is `mr4.floor.major`"):
        desk.set({"mr4.floor.mayor": 1})


def test_a_set_extends_a_built_in_one(tmp_path: Path) -> None:
    ours = remargin.Rules.extends(BUILT_IN, {"mr4.floor": {"major": 0.012}}, name="desk")
    file = tmp_path / "desk.toml"
    file.write_text(f'extends = "{BUILT_IN}"\nname = "desk"\n[mr4.floor]\nmajor = 0.012\n')
    assert ours == remargin.Rules(file) and ours.name == "desk"
    assert remargin.Rules.extends(BUILT_IN, {}).name == f"{BUILT_IN}+overlay"
    assert ours != remargin.Rules() and ours.values["mr4.floor.other"] == remargin.Rules().values["mr4.floor.other"]
    with pytest.raises(remargin.InvalidInput, match="unknown set to extend"):
        remargin.Rules.extends("nothing", {})
    with pytest.raises(remargin.InvalidInput, match="a name of its own"):
        remargin.Rules.extends(BUILT_IN, {}, name=BUILT_IN)


def test_rules_are_shown_as_by_the_command() -> None:
    rules = remargin.Rules(set={"risk_unit": "merged"})
    show = ["rules", "show", "--set", "risk_unit=merged"]
    assert rules.show("json") == answer(*show, "--format", "json")
    text = subprocess.run([command(), *show], capture_output=True, text=True, check=True).stdout
    assert rules.show() == text
    with pytest.raises(ValueError, match="`format` cannot be `xml`"):
        rules.show("xml")  # type: ignore[call-overload]


def test_the_rules_of_a_snapshot(tmp_path: Path) -> None:
    assert remargin.Rules.of_snapshot(ROOT / "data" / "sample") == remargin.Rules()
    remargin.import_okx(ROOT / "data" / "okx-sample", tmp_path / "snapshot")
    named = remargin.Rules.of_snapshot(tmp_path / "snapshot")
    assert named == remargin.Rules(tmp_path / "snapshot" / "rules.toml") != remargin.Rules()
