#!/usr/bin/env python3
"""An OCI image layout of one layer, without a registry and without a container engine.

    scripts/oci_image.py --layer layer.tar --version 0.1.0 --created 1764374400 --out oci

The layout is a folder; as a tar file it is what `podman load`, `docker load` (25 and later) and `skopeo copy
oci-archive:` take. The same layer, version and time give the same bytes.
"""

import argparse
import datetime
import gzip
import hashlib
import json
import pathlib

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


class Layout:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)

    def add(self, media_type: str, data: bytes) -> dict[str, object]:
        """Stores a blob, and says what refers to it."""
        name = digest(data)
        (self.blobs / name.removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": media_type, "digest": name, "size": len(data)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layer", type=pathlib.Path, required=True, help="tar file with the files of the image")
    parser.add_argument("--version", required=True, help="version of remargin, which is also the tag")
    parser.add_argument("--created", type=int, required=True, help="time of the image, seconds since 1970")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the layout; must not exist")
    args = parser.parse_args()

    created = datetime.datetime.fromtimestamp(args.created, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    layer = args.layer.read_bytes()
    layout = Layout(args.out)
    stored = layout.add(LAYER, gzip.compress(layer, compresslevel=9, mtime=0))
    labels = {
        "org.opencontainers.image.title": "remargin",
        "org.opencontainers.image.version": args.version,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
    }
    config = layout.add(CONFIG, encode({
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {
            "Entrypoint": ["/usr/bin/remargin"],
            "Env": ["PATH=/usr/bin"],
            "WorkingDir": "/data",
            "User": "65532:65532",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        "history": [{"created": created, "created_by": "scripts/release.sh"}],
    }))
    manifest = layout.add(MANIFEST, encode({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [stored],
    }))
    manifest["annotations"] = {"org.opencontainers.image.ref.name": args.version}
    (args.out / "index.json").write_bytes(encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}))
    (args.out / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))


if __name__ == "__main__":
    main()
