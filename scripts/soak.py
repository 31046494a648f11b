"""Random commands on random books under adversity, each compared with the same command run in peace.

A round makes a book, runs a command in peace, lets `verify` derive it again, and runs the command once more while
something goes wrong. Afterwards the output must be the same bytes, or the old output, or nothing. A round depends on
its seed alone, except for the moment at which a signal or a change arrives: `--seed N --rounds 1` repeats round N.
"""

import argparse
import collections
import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SIGNALS = {"TERM": 143, "HUP": 129, "INT": 130, "QUIT": 131, "KILL": -9}
# System calls that reading and writing files is made of.
CALLS = ["openat", "statx", "read", "pread64", "write", "fsync", "fdatasync", "rename", "renameat2", "mkdir", "getdents64",
         "unlink", "ftruncate", "lseek"]
ERRORS = ["EIO", "ENOSPC", "EACCES", "EINTR", "ENOMEM"]


class Broken(Exception):
    """A promise that did not hold."""


class Soak:
    def __init__(self, binary, place):
        self.binary = binary
        self.place = place
        self.counts = collections.Counter()
        self.has_strace = works(["strace", "-o", "/dev/null", "true"])
        self.has_mounts = works(["unshare", "-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])

    def command(self, *args, wrapper=(), **more):
        env = {name: value for name, value in os.environ.items() if name != "REMARGIN_LOG"}
        env["TMPDIR"] = str(self.place / "temp")
        return subprocess.Popen([*wrapper, self.binary, *args], cwd=self.place, env=env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **more)

    def ends(self, process, codes, what):
        """Waits for the process; it must end with one of the codes, and without a panic."""
        output, text = process.communicate(timeout=300)
        if process.returncode not in codes or "panicked" in text or "internal fault" in text:
            raise Broken(f"{what} ended with {process.returncode}: {text.strip()[-800:]}\n{output[-800:]}")
        return process.returncode

    def round(self, seed):
        rng = random.Random(seed)
        for entry in self.place.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (self.place / "temp").mkdir()
        (self.place / "work").mkdir()
        for name in ("book", "other"):
            self.generate(rng, name)
        args = self.choose(rng)
        in_peace = self.in_peace("book", args, "clean")
        old = rng.random() < 0.5
        if old:
            self.in_peace("book", ["run"], "work/out")
        kept = contents(self.place / "work/out") if old else None
        kinds = ["none", "signal", "limit", "change"] + ["disk"] * self.has_mounts + ["error"] * self.has_strace
        kind = rng.choice(kinds)
        flags = ["--threads", str(rng.randint(1, 5)), *(["--force"] if old or rng.random() < 0.5 else [])]
        if args[0] == "run" and rng.random() < 0.3:
            flags += ["--memory-limit", f"{rng.choice([64, 128, 512])}MiB"]
        line = [args[0], "book", "--out", "work/out", "--quiet", *args[1:], *flags]
        print(f"seed {seed}: {kind}: remargin {' '.join(line)}", flush=True)
        code = getattr(self, f"with_{kind}")(rng, line)
        self.judge(kind, code, args, in_peace, kept)
        self.counts[f"{kind}: exit {code}"] += 1

    def generate(self, rng, name):
        self.ends(self.command("generate", "--accounts", str(rng.randint(1, 300)), "--positions-per-account",
                               str(rng.choice([1, 3, 8])), "--seed", str(rng.randint(0, 10**6)), "--format",
                               rng.choice(["parquet", "csv", "arrow"]), "--out", name, "--quiet"), [0], "generate")
        if rng.random() < 0.7:
            (self.place / name / "checksums").unlink()

    def choose(self, rng):
        rules = rng.choice([[], [], ["--set", "risk_unit=merged"], ["--set", "mr4.floor.major=0.012"]])
        form = ["--format", rng.choice(["parquet", "csv", "arrow"])]
        return rng.choice([
            ["run", *form, *rules],
            ["run", *form, *rules, "--distance", "at-risk"],
            ["stress", *form, *rules, "--grid", "*=-40%..40%/20%", "--distance", "none"],
            ["stress", *form, *rules, "--scenario", "BTC=-30% vol +50%", "--detail", "all", "--distance", "none"],
            ["simulate", "--max-withdraw", "--account", "A00000001", *form, *rules],
        ])

    def in_peace(self, book, args, out):
        """The command without adversity; what `verify` covers is derived again."""
        self.ends(self.command(args[0], book, "--out", out, "--quiet", "--threads", "1", *args[1:]), [0], "in peace")
        if args[0] in ("run", "stress"):
            self.ends(self.command("verify", out, "--quiet"), [0], "verify")
        return contents(self.place / out)

    def with_none(self, _, line):
        return self.ends(self.command(*line), [0, 6], "the command")

    def with_signal(self, rng, line):
        name = rng.choice(list(SIGNALS))
        process = self.command(*line)
        time.sleep(rng.random() * 0.4)
        process.send_signal(getattr(signal, f"SIG{name}"))
        # Before the process listens, a signal ends it as the system does.
        return self.ends(process, [0, 6, SIGNALS[name], -getattr(signal, f"SIG{name}")], f"after SIG{name}")

    def with_limit(self, rng, line):
        blocks = rng.choice([0, 1, 2, 8, 32, 128])
        wrapper = ["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "bash"]
        return self.ends(self.command(*line, wrapper=wrapper), [0, 6, 153], f"with files of {blocks} blocks")

    def with_disk(self, rng, line):
        """On a file system that is full soon. Afterwards what is left there is copied out."""
        size = rng.choice([4, 16, 64, 256, 1024])
        script = ('mv work kept; mkdir work; mount -t tmpfs -o size=%dk tmpfs work; '
                  'cp -r kept/. work 2>/dev/null || { umount work; rm -rf work; mv kept work; exit 99; }; "$@"; code=$?; '
                  'rm -rf kept; cp -r work kept; umount work; rmdir work; mv kept work; exit $code' % size)
        wrapper = ["unshare", "-Urm", "bash", "-c", script, "bash"]
        return self.ends(self.command(*line, wrapper=wrapper), [0, 1, 6, 99], f"on a disk of {size} KiB")

    def with_error(self, rng, line):
        call, error, when = rng.choice(CALLS), rng.choice(ERRORS), rng.randint(1, 400 if rng.random() < 0.5 else 40)
        wrapper = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                   f"inject={call}:error={error}:when={when}"]
        codes = [0, 1, 2, 3, 6, 127]
        return self.ends(self.command(*line, wrapper=wrapper), codes, f"with {error} of {call} number {when}")

    def with_change(self, rng, line):
        tables = [path for path in (self.place / "book").iterdir() if path.suffix in (".csv", ".parquet", ".arrow")]
        path = rng.choice(sorted(tables))
        others = [self.place / "other" / f"{path.stem}{end}" for end in (".csv", ".parquet", ".arrow")]
        other = next(found for found in others if found.exists()).read_bytes()
        how = rng.choice(["rename", "overwrite", "truncate", "append", "remove"])
        process = self.command(*line)
        time.sleep(rng.random() * 0.2)
        if how == "rename":
            new = self.place / "new"
            new.write_bytes(other)
            os.replace(new, path)
        elif how == "remove":
            path.unlink()
        else:
            with open(path, "r+b") as file:
                if how == "overwrite":
                    file.write(other)
                elif how == "truncate":
                    file.truncate(rng.randint(0, path.stat().st_size))
                else:
                    file.seek(0, 2)
                    file.write(other[:100])
        # After a change before the first read, the book is another one, whose rows may be broken.
        return self.ends(process, [0, 2, 3, 4, 6], f"after {how} of {path.name}")

    def judge(self, kind, code, args, in_peace, kept):
        work = self.place / "work"
        found = contents(work / "out") if (work / "out").exists() else None
        done = code in (0, 4)
        if done and kind != "change" and found != in_peace:
            raise Broken(f"another output than in peace: {different(found, in_peace)}")
        if done and kind == "change" and found != in_peace and args[0] in ("run", "stress"):
            # The margins of one version: those of the book as it is now.
            shutil.rmtree(self.place / "work/out")
            self.ends(self.command(args[0], "book", "--out", "work/out", "--quiet", *args[1:]), [0, 3, 4], "again")
            again = contents(work / "out") if (work / "out").exists() else None
            if found != again:
                raise Broken(f"neither the book before the change nor after it: {different(found, again)}")
        if not done and found not in (kept, in_peace):
            raise Broken(f"half an output after exit {code}: {different(found, kept)}")
        if not done and found == in_peace != kept and kind not in ("signal", "error", "disk"):
            raise Broken(f"an output in spite of exit {code}")
        left = sorted(entry.name for entry in work.iterdir() if entry.name != "out")
        left += sorted(entry.name for entry in (self.place / "temp").iterdir())
        # A killed process, or one that may not remove files, cannot clear up; the next one does.
        is_excused = kind in ("error", "disk") or code < 0
        if left and not is_excused:
            raise Broken(f"left behind after exit {code}: {left}")
        if left:
            self.ends(self.command("run", "book", "--out", "work/out", "--quiet", "--force"), [0], "the next run")
            left = sorted(entry.name for entry in work.iterdir() if entry.name != "out")
            if left:
                raise Broken(f"the next run did not clear {left}")


def works(command):
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def contents(folder):
    """Name and hash of each file but the manifest, which has the command line and the times."""
    files = (path for path in folder.iterdir() if path.name != "manifest.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def different(found, expected):
    if found is None or expected is None:
        return f"{found and sorted(found)} instead of {expected and sorted(expected)}"
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, help="the program to try")
    parser.add_argument("--seconds", type=float, default=3600, help="stop after this time (default: an hour)")
    parser.add_argument("--rounds", type=int, help="stop after so many rounds")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="seed of the first round")
    asked = parser.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="remargin-soak-"))
    soak = Soak(os.path.abspath(asked.binary), place)
    for tool, there in (("strace", soak.has_strace), ("unshare with mounts", soak.has_mounts)):
        if not there:
            print(f"without {tool}: its rounds are left out")
    end, seed, failed = time.monotonic() + asked.seconds, asked.seed, 0
    while time.monotonic() < end and (asked.rounds is None or seed < asked.seed + asked.rounds):
        try:
            soak.round(seed)
        except (Broken, subprocess.TimeoutExpired) as problem:
            failed += 1
            kept = place.with_name(f"{place.name}-{seed}")
            shutil.copytree(place, kept, symlinks=True)
            print(f"seed {seed} FAILED: {problem}\n  its folder: {kept}", flush=True)
        seed += 1
    shutil.rmtree(place)
    for outcome, count in sorted(soak.counts.items()):
        print(f"{count:6} {outcome}")
    print(f"{seed - asked.seed} rounds from seed {asked.seed}, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
