#!/usr/bin/env python3
"""What the command is made of, from what cargo-cyclonedx says of the workspace.

    scripts/sbom.py workspace.json --target x86_64-unknown-linux-gnu --root . --out remargin.cdx.json

cargo-cyclonedx asks cargo for the features that any member of the workspace could turn on, and lists crates that the
command does not have. Those that `cargo tree` does not name are taken out here, and the folder of the checkout too: two
builds of one commit have the same bytes.
"""

import argparse
import json
import pathlib
import subprocess


def crates_of(target: str) -> set[tuple[str, str]]:
    """Name and version of each crate of the command and of what builds it."""
    edges = ["--edges", "normal,build", "--prefix", "none", "--format", "{p}"]
    command = ["cargo", "tree", "--quiet", "--locked", "--package", "remargin", "--target", target, *edges]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {(name, version.removeprefix("v")) for name, version, *_ in (line.split() for line in lines if line)}


def cut(bom: dict, crates: set[tuple[str, str]]) -> dict:
    """Only what is among the crates."""
    kept = [part for part in bom["components"] if (part["name"], part["version"]) in crates]
    root = bom["metadata"]["component"]
    missing = crates - {(part["name"], part["version"]) for part in [*kept, root]}
    if missing:
        raise SystemExit(f"not in the list of cargo-cyclonedx: {sorted(missing)}")
    known = {part["bom-ref"] for part in [*kept, root]}
    edges = [
        {**edge, "dependsOn": [ref for ref in edge.get("dependsOn", []) if ref in known]}
        for edge in bom["dependencies"]
        if edge["ref"] in known
    ]
    return {**bom, "components": kept, "dependencies": edges}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=pathlib.Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("--root", required=True, type=pathlib.Path, help="the checkout, whose path is left out")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    args = parser.parse_args()
    text = args.workspace.read_text().replace(f"path+{args.root.resolve().as_uri()}#", "")
    bom = cut(json.loads(text), crates_of(args.target))
    if str(args.root.resolve()) in (text := json.dumps(bom, indent=2) + "\n"):
        raise SystemExit(f"{args.root.resolve()} is in the list")
    args.out.write_text(text)


if __name__ == "__main__":
    main()
