"""The command against real stores on loopback: the same bytes as in folders, whole or not at all whatever happens.

Each check says what it saw. A promise that does not hold ends with exit code 1.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from stores_light import Light
from stores_servers import SECRET, AZURE_KEY, Azure, Proxy, S3, Web


class Broken(Exception):
    """A promise that did not hold."""


class Check:
    def __init__(self, args, place):
        self.binary, self.place, self.args = pathlib.Path(args.binary).resolve(), place, args
        self.temp = place / "temp"
        self.temp.mkdir()
        self.sample = pathlib.Path("data/sample").resolve()
        self.rng = random.Random(args.seed)

    def start(self, *args, env=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "REMARGIN"))}
        return subprocess.Popen([self.binary, *map(str, args)], cwd=self.place, stdin=subprocess.DEVNULL,
                                env={**kept, "TMPDIR": str(self.temp), **(env or {})}, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, errors="replace")

    def end(self, process, codes, what):
        output, text = process.communicate(timeout=600)
        for secret in (SECRET, AZURE_KEY):
            if secret in output or secret in text:
                raise Broken(f"{what}: a secret is shown")
        if process.returncode not in codes or "panicked" in text or "internal fault" in text:
            raise Broken(f"{what} ended with {process.returncode}: {text.strip()[-1500:]}\n{output[-500:]}")
        return process.returncode, text

    def run(self, *args, codes=(0,), env=None, what=None):
        return self.end(self.start(*args, env=env), codes, what or " ".join(map(str, args)))

    def local(self, *args, out):
        """The run in folders: name of a file to its bytes."""
        self.run("run", *args, "--out", out)
        return {file.name: file.read_bytes() for file in (self.place / out).iterdir() if file.name != "manifest.json"}

    def load(self, store, folder, prefix):
        for file in pathlib.Path(folder).iterdir():
            store.put(f"{prefix}/{file.name}", file.read_bytes())

    def state(self, store, prefix, versions):
        """Which of the versions is at the prefix: its place in the list, or None. Anything between is broken."""
        manifest = store.get(f"{prefix}/manifest.json")
        if manifest is None:
            return None
        manifest = json.loads(manifest)
        folder, names = manifest["files_in"], sorted(output["path"] for output in manifest["outputs"])
        found = {name: store.get(f"{prefix}/{folder}/{name}") for name in names}
        for number, version in enumerate(versions):
            if found == version:
                return number
        short = {name: None if body is None else len(body) for name, body in found.items()}
        raise Broken(f"`{prefix}` is no whole run: {short}")


def same_bytes(check, store, env):
    """A run at URLs is the run in folders; it verifies, replays, is refused and replaced."""
    url = f"{store.scheme}://book"
    version = check.local(check.sample, out=f"same-{store.scheme}")
    check.run("run", f"{url}/sample", "--out", f"{url}/same", env=env)
    if check.state(store, "same", [version]) != 0:
        raise Broken("the run at URLs has other bytes")
    check.run("run", f"{url}/sample", "--out", f"{url}/same", codes=(2,), env=env)
    check.run("run", check.sample, "--out", f"{url}/same", "--force", env=env)
    if check.state(store, "same", [version]) != 0 or len(store.keys("same/")) != len(version) + 1:
        raise Broken(f"the run was not replaced: {store.keys('same/')}")
    check.run("verify", f"{url}/same", env=env)
    check.run("replay", f"{url}/same", env=env)
    check.run("explain", f"{url}/sample", "--account", "A00000130", env=env)
    check.run("check", f"{url}/sample", env=env)
    check.run("stress", f"{url}/sample", "--out", f"{url}/stress", "--scenario", "BTC=-10%", codes=(0, 2), env=env)
    text = json.loads(store.get("same/manifest.json"))
    print(f"{store.scheme}: same bytes in {len(version)} files; verify, replay, explain, check agree; "
          f"files in {text['files_in']}")


def kills(check, store, env):
    """A kill at any moment leaves a whole run or none, and with --force the old or the new one."""
    killed(check, store, env, (check.sample, "sample"), check.args.kills)


def large_kills(check, store, env):
    """The same where a table is so large that it is sent while it is written."""
    check.run("generate", "--out", f"grown-{store.scheme}", "--accounts", "100000", "--seed", "2")
    check.load(store, check.place / f"grown-{store.scheme}", "grown")
    killed(check, store, env, (check.place / f"grown-{store.scheme}", "grown"), check.args.kills // 4)


def killed(check, store, env, book, kills):
    local, book = book
    url = f"{store.scheme}://book"
    old = check.local(local, "--label", "old", out=f"old-{book}-{store.scheme}")
    new = check.local(local, "--label", "new", out=f"new-{book}-{store.scheme}")
    begun = time.monotonic()
    check.run("run", f"{url}/{book}", "--out", f"{url}/timed-{book}", "--label", "new", env=env)
    whole = time.monotonic() - begun
    counts = {}
    for number in range(kills):
        replaces, prefix = number % 2 == 1, f"kills-{book}/{number}"
        if replaces:
            prefix = f"kills-{book}/replaced"
            check.run("run", local, "--out", f"{url}/{prefix}", "--label", "old", "--force", env=env)
        process = check.start("run", f"{url}/{book}", "--out", f"{url}/{prefix}", "--label", "new",
                              *["--force"] * replaces, env=env)
        try:
            process.wait(timeout=check.rng.uniform(0, 1.1 * whole))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        found = check.state(store, prefix, [old, new])
        if process.returncode == 0 and found != 1:
            raise Broken(f"a run that ended well is not there: {prefix}")
        if replaces and found is None:
            raise Broken(f"the old run is gone: {prefix}")
        name = ("replaced: " if replaces else "new: ") + {None: "no run", 0: "the old run", 1: "the new run"}[found]
        counts[name] = counts.get(name, 0) + 1
        if not replaces and found is None and number % 20 == 0:
            # What was left is in nobody's way, and is named.
            left = len(store.keys(f"{prefix}/")) > 0
            _, text = check.run("run", local, "--out", f"{url}/{prefix}", "--label", "new", env=env)
            if check.state(store, prefix, [new]) != 0 or (left and "killed" not in text):
                raise Broken(f"what was left is not named: {text}")
    check.run("run", local, "--out", f"{url}/after-{book}", env=env)
    print(f"{store.scheme}: {kills} kills of `{book}` within 1.1 times {whole:.2f} s, 0 partial results: {counts}")
    left = sorted(path.name for path in check.temp.iterdir())
    if any(name.startswith("remargin-upload") for name in left):
        raise Broken(f"temporary folders stay: {left}")


def racers(check, store, env):
    """Of eight runs to one name one wins; the others change nothing."""
    url = f"{store.scheme}://book"
    version = check.local(check.sample, out=f"race-{store.scheme}")
    ends = {}
    for number in range(check.args.races):
        out = f"{url}/race/{number}"
        runs = [check.start("run", f"{url}/sample", "--out", out, env=env) for _ in range(8)]
        codes = sorted(check.end(run, (0, 1, 2), "a racer")[0] for run in runs)
        if codes.count(0) != 1:
            raise Broken(f"{codes.count(0)} of 8 racers won")
        if check.state(store, f"race/{number}", [version]) != 0:
            raise Broken("the winner is not there")
        keys = store.keys(f"race/{number}/")
        if len(keys) != len(version) + 1:
            raise Broken(f"losers left objects: {keys}")
        ends[str(codes)] = ends.get(str(codes), 0) + 1
    print(f"{store.scheme}: {check.args.races} races of 8, exit codes {ends}")


def troubles(check, store, _):
    """Dropped connections and throttling: the same bytes, or an error and no run."""
    url = f"{store.scheme}://book"
    version = check.local(check.sample, out=f"trouble-{store.scheme}")
    for drops, slows in ((0.3, 0.0), (0.0, 0.3), (0.25, 0.25), (0.9, 0.0), (0.0, 1.0)):
        proxy = Proxy(store.port, check.args.seed, drops, slows)
        env, codes = store.environment(proxy.port), []
        rounds = 1 if slows == 1.0 else check.args.troubles
        begun = time.monotonic()
        for number in range(rounds):
            prefix = f"trouble-{drops}-{slows}/{number}"
            code, text = check.run("run", f"{url}/sample", "--out", f"{url}/{prefix}", codes=(0, 1, 3), env=env)
            found = check.state(store, prefix, [version])
            if (found == 0) != (code == 0) and not (code == 1 and "not known" in text):
                raise Broken(f"exit code {code}, but run {found}: {text}")
            codes.append(code)
        took = (time.monotonic() - begun) / rounds
        proxy.stop()
        print(f"{store.scheme}: {drops:.0%} of connections dropped, {slows:.0%} answered 503: exit codes "
              f"{ {code: codes.count(code) for code in set(codes)} }, {took:.1f} s a run, {proxy.counts}")


def web(check, *_):
    """A snapshot on a web server that lists nothing."""
    server = Web(check.sample.parent)
    url = f"http://127.0.0.1:{server.port}/{check.sample.name}"
    version = check.local(check.sample, out="web-local")
    check.run("run", url, "--out", "web")
    found = {file.name: file.read_bytes() for file in (check.place / "web").iterdir() if file.name != "manifest.json"}
    if found != version:
        raise Broken("the run of a snapshot on a web server has other bytes")
    check.run("verify", "web")
    check.run("run", check.sample, "--out", url, codes=(2,))
    check.run("run", f"http://user:{SECRET}@127.0.0.1:{server.port}/x", "--out", "x", codes=(2,))
    server.server.shutdown()
    print("http: same bytes; to write there, and a user in the URL, are refused")


def changes(check, store, env):
    """A table that is replaced while a run reads: the result of one version of it, or an error."""
    url, ends, table = f"{store.scheme}://book", {}, "positions.parquet"
    for name, seed in (("old", 1), ("new", 2)):
        check.run("generate", "--out", f"change-{name}", "--accounts", "2000", "--seed", seed)
        # It would tell, so it is left out.
        (check.place / f"change-{name}" / "checksums").unlink()
    shutil.copytree(check.place / "change-old", check.place / "change-mixed")
    replaced = (check.place / "change-new" / table).read_bytes()
    (check.place / "change-mixed" / table).write_bytes(replaced)
    versions = [check.local(f"change-{name}", "--max-rejects", "100%", out=f"change-out-{name}")
                for name in ("old", "mixed")]
    for number in range(3 * check.args.troubles):
        prefix = f"change/{number}"
        check.load(store, check.place / "change-old", f"{prefix}-in")
        process = check.start("run", f"{url}/{prefix}-in", "--max-rejects", "100%", "--out", f"{url}/{prefix}-out", env=env)
        time.sleep(check.rng.uniform(0, 0.5))
        store.put(f"{prefix}-in/{table}", replaced)
        code, text = check.end(process, (0, 3), "a run while its input changes")
        found = check.state(store, f"{prefix}-out", versions)
        if (code == 0) != (found is not None):
            raise Broken(f"exit code {code}, but run {found}: {text}")
        end = f"exit code {code}" + {None: "", 0: ", the old table", 1: ", the new table"}[found]
        ends[end] = ends.get(end, 0) + 1
    print(f"{store.scheme}: a table replaced while a run reads, no mix: {ends}")


def timed(check, store, env):
    """How much longer a run over loopback takes than one on local files, and who takes the time: the server has the
    processor of the run. So a store that costs little is asked too."""
    check.run("generate", "--out", "large", "--accounts", str(check.args.positions // 10), "--seed", "1")
    size = sum(file.stat().st_size for file in (check.place / "large").iterdir())
    print(f"{check.args.positions} positions, {size / 1e6:.0f} MB in; medians of {check.args.times} in turn")
    light = Light()
    servers = [(type(store).__name__, store, env), ("a store that forgets", light, light.environment()),
               ("the same, parts not signed", light, light.environment(unsigned=True))]
    for name, server, env in servers:
        url = f"{server.scheme}://book"
        check.load(server, check.place / "large", "large")
        seen = {"local": [], "remote": []}
        for number in range(check.args.times):
            for kind, source, out in (("local", "large", "large-out"),
                                      ("remote", f"{url}/large", f"{url}/{len(name)}-{number}")):
                begun, own, theirs = time.monotonic(), os.times(), server.cpu_seconds()
                check.run("run", source, "--out", out, env=env)
                wall, then = time.monotonic() - begun, os.times()
                own = then.children_user + then.children_system - own.children_user - own.children_system
                seen[kind].append((wall, own, server.cpu_seconds() - theirs))
                if kind == "local":
                    shutil.rmtree(check.place / out)
        local, remote = ([statistics.median(of) for of in zip(*seen[kind])] for kind in ("local", "remote"))
        ratio = statistics.median(far[0] / near[0] for near, far in zip(seen["local"], seen["remote"]))
        print(f"{name}: local {local[0]:.2f} s ({local[1]:.2f} CPU-s), remote {remote[0]:.2f} s ({remote[1]:.2f} CPU-s, "
              f"and {remote[2]:.2f} of the server): {ratio:.2f} times")
    light.stop()


CHECKS = {check.__name__: check for check in (same_bytes, web, racers, kills, large_kills, troubles, changes, timed)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--tools", required=True, type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--races", type=int, default=10)
    parser.add_argument("--troubles", type=int, default=10)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--positions", type=int, default=2_000_000)
    parser.add_argument("--only", nargs="*", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--stores", nargs="*", choices=["s3", "az"], default=["s3", "az"])
    args = parser.parse_args()
    args.tools = args.tools.resolve()
    place = pathlib.Path(tempfile.mkdtemp(prefix="remargin-stores-"))
    stores = []
    try:
        check = Check(args, place)
        for name, kind in (("s3", S3), ("az", Azure)):
            if name in args.stores:
                stores.append(kind(args.tools, place / f"server-{name}"))
        for store in stores:
            check.load(store, check.sample, "sample")
        for name in args.only:
            # What is asked of a web server, and what takes long, is asked once.
            for store in stores if name in ("same_bytes", "racers", "kills", "large_kills") else stores[:1]:
                begun = time.monotonic()
                CHECKS[name](check, store, store.environment())
                print(f"   ({name}: {time.monotonic() - begun:.0f} s)", flush=True)
    except Broken as broken:
        raise SystemExit(f"broken: {broken}") from None
    finally:
        for store in stores:
            store.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
