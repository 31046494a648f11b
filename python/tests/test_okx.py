"""A capture fetches every answer once, within the limits of the exchange, and shows no key to anybody."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import cli
from okx_server import Exchange, User, users
from remargin.errors import FileError, InvalidInput, UsageError
from remargin.okx import client as client_module
from remargin.okx.capture import Captured, capture
from remargin.okx.client import Client
from remargin.okx.endpoints import POSITION_TIERS, public
from remargin.okx.errors import CaptureError, Unreachable
from remargin.okx.keys import Account, Credentials, accounts
from remargin.okx.limits import Limiter
from remargin.okx.store import Store

#: Answers of a capture without accounts: 3 of contracts, 1 of discounts, 1 of borrow tiers (3 are refused), 3 of marks,
#: 2 of indices, and 2 of the one family of options.
PUBLIC = 12
#: Answers of an account with fewer than 100 orders.
PRIVATE = 6
REFUSED_CURRENCIES = ["BTC", "USD"]


def environ(*found: dict[str, str]) -> dict[str, str]:
    """The environment of a command, without keys and proxies of this machine."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower() and "OKX" not in name}
    for names in found:
        clean.update(names)
    return clean


def arguments(exchange: Exchange, out: Path, *more: str | Path) -> list[str]:
    module = [sys.executable, "-m", "remargin.okx", "capture"]
    return [*module, "--out", str(out), "--base-url", exchange.url, *map(str, more)]


def run(exchange: Exchange, out: Path, *more: str | Path, env: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        arguments(exchange, out, *more), capture_output=True, text=True, env=env, cwd=out.parent, timeout=300
    )
    assert done.returncode == code, done.stderr
    assert not done.stdout
    return done.stderr


def desk(found: list[User], folder: Path) -> tuple[Path, dict[str, str]]:
    """A file of accounts, and the environment with their keys."""
    file = folder / "accounts.json"
    file.write_text(json.dumps({f"desk-{number}": f"DESK_{number}" for number in range(len(found))}))
    return file, environ(*(user.environ(f"DESK_{number}") for number, user in enumerate(found)))


def answers(folder: Path) -> list[Path]:
    """The files that the importer sees."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def assert_no_secret(folder: Path, found: list[User], *texts: str) -> None:
    values = [value.encode() for user in found for value in (user.key, user.secret, user.passphrase)]
    contents = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    contents.update({f"text {number}": text.encode() for number, text in enumerate(texts)})
    assert len(contents) > len(texts)
    for name, content in contents.items():
        assert not any(value in content for value in values), name


def of(user: User, name: str = "main") -> Account:
    return Account(name, Credentials(user.key, user.secret, user.passphrase))


@contextmanager
def quick(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limiter]:
    """An exchange with short windows, and a limiter that knows them."""
    exchange.window_s = 0.05
    monkeypatch.setattr(client_module, "FIRST_WAIT_S", 0.005)
    for name in [name for name in os.environ if "proxy" in name.lower()]:
        monkeypatch.delenv(name)
    with exchange.running():
        yield Limiter(exchange.window_s)


def test_what_is_captured_is_imported(tmp_path: Path) -> None:
    (user,) = found = users(1)
    with Exchange(found).running() as exchange:
        told = run(exchange, tmp_path / "saved", env=environ(user.environ("OKX")))
        assert f"{PUBLIC + PRIVATE} answers fetched, 0 there already, 0 requests repeated" in told
        for ccy in REFUSED_CURRENCIES:
            assert f"no answer: GET public/position-tiers?instType=MARGIN&tdMode=cross&ccy={ccy}: code 51000" in told
        again = run(exchange, tmp_path / "saved", env=environ(user.environ("OKX")))
        assert f"0 answers fetched, {PUBLIC + PRIVATE} there already" in again
    assert not exchange.over_limit and not exchange.bad_signatures
    assert len(answers(tmp_path / "saved")) == PUBLIC + PRIVATE

    cli("import", "okx", tmp_path / "saved", "--out", tmp_path / "snapshot")
    report = json.loads((tmp_path / "snapshot" / "import.json").read_text())
    assert report["ignored_files"] == [] and report["missing"] == []
    assert len(report["files"]) == PUBLIC + PRIVATE
    assert (tmp_path / "snapshot" / "rules.toml").read_text().count("USDT") == 1
    balances = (tmp_path / "snapshot" / "balances.csv").read_text()
    assert balances.count(user.uid) == 3
    cli("run", tmp_path / "snapshot", "--out", tmp_path / "margins", "--quiet")
    assert_no_secret(tmp_path, found, told, again)


def test_a_thousand_answers_over_connections_that_drop(tmp_path: Path) -> None:
    found = users(170)
    file, env = desk(found, tmp_path)
    with Exchange(found, drop=0.05).running() as exchange:
        process = subprocess.Popen(
            arguments(exchange, tmp_path / "saved", "--accounts", file),
            env=env,
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        commands = []
        while not exchange.answered and process.poll() is None:
            time.sleep(0.01)
        if sys.platform == "linux":
            commands = [path.read_bytes().decode() for path in Path(f"/proc/{process.pid}/task").glob("*/cmdline")]
            commands.append(subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True).stdout)
            assert any("remargin.okx" in text for text in commands)
        _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    expected = PUBLIC + PRIVATE * len(found)
    assert expected > 1000 and len(answers(tmp_path / "saved")) == expected
    assert set(exchange.answered.values()) == {1} and len(exchange.answered) == expected
    assert exchange.dropped > 25 and f"{exchange.dropped} requests repeated" in told
    assert not exchange.over_limit and not exchange.bad_signatures
    assert_no_secret(tmp_path, found, told, *commands)

    cli("import", "okx", tmp_path / "saved", "--out", tmp_path / "snapshot")
    listed = (tmp_path / "snapshot" / "accounts.csv").read_text()
    assert all(user.uid in listed for user in found)


def test_a_killed_capture_goes_on(tmp_path: Path) -> None:
    found = users(8)
    file, env = desk(found, tmp_path)
    with Exchange(found, delay_s=0.02).running() as exchange:
        for count in (5, 20, 40):
            process = subprocess.Popen(
                arguments(exchange, tmp_path / "saved", "--accounts", file, "--quiet"), env=env, cwd=tmp_path
            )
            while len(exchange.answered) < count and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
            for path in answers(tmp_path / "saved"):
                assert json.loads(path.read_bytes())["code"] == "0", path
        # What is cut short is fetched again, and nothing else is.
        first = tmp_path / "saved" / "public_instruments_SWAP.json"
        first.write_bytes(first.read_bytes()[:100])
        before = exchange.answered.total()
        told = run(exchange, tmp_path / "saved", "--accounts", file, env=env)
    expected = PUBLIC + PRIVATE * len(found)
    assert len(answers(tmp_path / "saved")) == expected == len(exchange.answered)
    # Each kill loses one answer at most: the one that was on its way.
    assert exchange.answered.total() <= expected + 3 + 1
    assert f"{exchange.answered.total() - before} answers fetched" in told
    cli("import", "okx", tmp_path / "saved", "--out", tmp_path / "snapshot")


def test_limits_hold_however_many_probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user,) = found = users(1)
    probes = tmp_path / "probes"
    probes.mkdir()
    (probes / "README.md").write_text("What each request tells.")
    for number in range(1, 301):
        (probes / f"{number}.json").write_text(f'{{"inclRealPosAndEq": false, "lever": "{number}"}}')
    exchange = Exchange(found, drop=0.05)
    with quick(exchange, monkeypatch) as limiter:

        def posted() -> Captured:
            return capture(tmp_path / "saved", [of(user)], probes, base_url=exchange.url, limiter=limiter)

        assert posted().missing == []
        sent = [body for _, request, body in exchange.seen if request == "account/position-builder"]
        order = [json.loads(body)["lever"] for body in sent if b"lever" in body]
        assert list(dict.fromkeys(order)) == [str(number) for number in range(1, 301)]
        assert not exchange.over_limit and set(exchange.answered.values()) == {1}
        saved = answers(probes / "answers")
        assert len(saved) == 300 and json.loads(saved[0].read_bytes())["data"][0]["riskUnitData"]

        # Another body is another request, and its answer is not the one that is there.
        exchange.seen.clear()
        (probes / "7.json").write_text('{"inclRealPosAndEq": false, "lever": "7000"}')
        (probes / "9.json").write_bytes(b'{"lever": ')
        with pytest.raises(InvalidInput, match=r"9\.json: not the body"):
            posted()
        (probes / "9.json").write_text('{"inclRealPosAndEq": false, "lever": "9"}')
        again = posted()
        assert again.kept == PUBLIC + PRIVATE + 299 and again.fetched == 1
        exchange.faults["account/position-builder"] = [(200, "51000")]
        (probes / "8.json").write_text("{}")
        assert [text.split(":")[0] for text in posted().missing] == ["probe 8.json"]
        assert posted().missing == []


def test_the_limiter_counts_from_the_end_of_a_request() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    limiter = Limiter(2.0, lambda: now[0], sleep)
    for took in (0.5, 0.25, 0.0, 0.0):
        limiter.wait("a", 2)
        now[0] += took
        limiter.done("a")
        limiter.wait("b", 1000)
        limiter.done("b")
    # The first request ended at 0.5 and the second at 0.75: the third may begin at 2.5, the fourth at 2.75.
    assert slept == [1.75, 0.25]


def test_what_passes_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user,) = found = users(1)
    passing = [(429, "50011"), (200, "50013"), (503, "50001"), (500, "50026"), (502, ""), (200, "50061")]
    exchange = Exchange(found, faults={"account/balance": list(passing)})
    waits: list[str] = []
    with quick(exchange, monkeypatch) as limiter:
        done = capture(tmp_path / "saved", [of(user)], base_url=exchange.url, limiter=limiter, log=waits.append)
        assert done.repeated == len(passing) and not done.missing
        assert sum("GET account/balance: " in text and "again in" in text for text in waits) == len(passing)
        exchange.faults["account/balance"] = passing * 2
        with pytest.raises(Unreachable, match="account/balance: no answer after 8 attempts: code 50013"):
            capture(tmp_path / "other", [of(user)], base_url=exchange.url, limiter=limiter)
    saved = tmp_path / "other" / "main"
    assert [path.name for path in answers(saved)] == ["account_config.json", "account_positions.json"]


@pytest.mark.parametrize("count", [0, 99, 100, 101, 250])
def test_all_pages_of_orders(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user,) = found = users(1, orders=count)
    exchange = Exchange(found)
    with quick(exchange, monkeypatch) as limiter:
        # Pages of an earlier attempt, when there were more orders.
        exchange.users[0] = users(1, orders=350)[0]
        capture(tmp_path / "saved", [of(user)], base_url=exchange.url, limiter=limiter)
        exchange.users[0] = user
        (tmp_path / "saved" / "main" / "trade_orders-pending_1.json").write_text("{")
        capture(tmp_path / "saved", [of(user)], base_url=exchange.url, limiter=limiter)
    pages = list((tmp_path / "saved" / "main").glob("trade_orders-pending_*.json"))
    assert len(pages) == max(1, -(-count // 100))
    cli("import", "okx", tmp_path / "saved", "--out", tmp_path / "snapshot")
    orders = tmp_path / "snapshot" / "orders.csv"
    assert (len(orders.read_text().splitlines()) - 1 if orders.exists() else 0) == count


def test_a_refused_key_leaves_the_others(tmp_path: Path) -> None:
    good, bad = users(2)
    wrong = User(bad.uid, bad.key, "0" * 32, bad.passphrase)
    file, env = desk([wrong, good], tmp_path)
    with Exchange([good, bad]).running() as exchange:
        told = run(exchange, tmp_path / "saved", "--accounts", file, env=env, code=1)
        assert "error: missing: account desk-0 is not whole: GET account/config: code 50113" in told
        assert exchange.bad_signatures == ["50113"]
        assert len(answers(tmp_path / "saved" / "desk-1")) == PRIVATE
        assert not (tmp_path / "saved" / "desk-0").exists()
        # With the right key the same command goes on.
        file, env = desk([bad, good], tmp_path)
        assert f"{PRIVATE} answers fetched" in run(exchange, tmp_path / "saved", "--accounts", file, env=env)
        file, env = desk([bad, good, good], tmp_path)
        told = run(exchange, tmp_path / "saved", "--accounts", file, env=env, code=2)
        assert "`desk-2` and `desk-1` are keys of one account" in told
    assert_no_secret(tmp_path, [good, bad, wrong], told)


def test_no_error_and_no_log_shows_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (user,) = found = users(1)
    account, texts = of(user), []
    caplog.set_level(logging.DEBUG)
    exchange = Exchange(found, drop=0.3, faults={"account/config": [(400, "51000")]})
    with quick(exchange, monkeypatch) as limiter:
        # The exchange repeats the passphrase in its message.
        done = capture(tmp_path / "saved", [account], base_url=exchange.url, limiter=limiter, log=texts.append)
    assert "told ***" in done.missing[0] and done.repeated
    with pytest.raises(CaptureError) as caught:
        capture(tmp_path / "other", [account], base_url=exchange.url, limiter=limiter)
    error: BaseException | None = caught.value
    while error is not None:
        assert not hasattr(error, "request")
        texts.append(repr(error))
        error = error.__context__
    with pytest.raises(TypeError):
        pickle.dumps(account)
    assert caplog.text
    assert_no_secret(tmp_path, found, caplog.text, repr(account), *texts, *done.missing)


def test_an_answer_with_a_key_in_it_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user,) = found = users(1)
    # The label of a key is in the answer of account/config.
    echo = User(found[0].uid, user.key, user.secret, "spotOffsetType")
    exchange = Exchange([echo])
    with quick(exchange, monkeypatch) as limiter, pytest.raises(CaptureError, match="repeats the key"):
        capture(tmp_path / "saved", [of(echo)], base_url=exchange.url, limiter=limiter)
    assert not (tmp_path / "saved" / "main").exists()


def test_files_of_accounts(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    known = users(1)[0].environ("DESK")
    file.write_text('{"desk": "DESK", "b.2": {"key": "DESK_API_KEY", "secret": "S", "passphrase": "DESK_PASSPHRASE"}}')
    assert [account.name for account in accounts(file, {**known, "S": "secret"})] == ["desk", "b.2"]
    assert accounts(None, known) == []
    assert accounts(None, users(1)[0].environ("OKX"))[0].name == "main"

    # A key that was written into the file by mistake is in no error.
    key = "E2582BD0CFF14C41EDBF1AB98506286D"
    for text, says in [
        (f'{{"desk": "{key}"}}', r"account `desk`: .* its key \(PREFIX_API_KEY\) is not set"),
        (f'{{"desk": {{"key": "{key}", "secret": "{key}", "passphrase": "X"}}}}', r"its key \(`key`\) is not set"),
        (f'{{"desk": {{"key": "{key}"}}}}', "account `desk`: expected the prefix"),
        (f'{{"desk": ["{key}"]}}', "account `desk`: expected the prefix"),
        (f'{{"account_{key}": "DESK"}}', "name of its folder"),
        (f'{{"../{key}": "DESK"}}', "name of its folder"),
        (f'{{"desk": "{key}", "desk": "DESK"}}', "a name is there twice"),
        (f'["{key}"]', "not a JSON object of accounts"),
        (f'{{"desk": "{key}"', "not a JSON object of accounts"),
        ("{}", "not a JSON object of accounts"),
    ]:
        file.write_text(text)
        with pytest.raises((InvalidInput, UsageError), match=says) as caught:
            accounts(file, known)
        assert key not in str(caught.value), text
    with pytest.raises(UsageError, match=r"its secret \(PREFIX_SECRET_KEY\) is not set"):
        accounts(None, {"OKX_API_KEY": "k", "OKX_PASSPHRASE": "p"})
    for value in ("two words", "line\nend", "pässword", ""):
        with pytest.raises(UsageError) as usage:
            Credentials("k", "s", value)
        assert not value or value not in str(usage.value)


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    for url in ("http://www.okx.com", "https://u:p@www.okx.com", "https://www.okx.com/x", "ftp://x", "www.okx.com"):
        with pytest.raises(UsageError, match="base URL"):
            Client(url)
    with Exchange([]).running() as exchange:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "a.txt").write_text("")
        assert "has other files in it" in run(exchange, tmp_path / "mine", env=environ(), code=2)
        (tmp_path / "probes").mkdir()
        (tmp_path / "probes" / "1.json").write_text("{}")
        told = run(exchange, tmp_path / "saved", "--probes", tmp_path / "probes", env=environ(), code=2)
        assert "probes need the key of an account" in told

        run(exchange, tmp_path / "saved", env=environ())
        note = tmp_path / "saved" / ".capture" / "public_mark-price_SWAP.json"
        content = json.loads(note.read_text())
        note.write_text(json.dumps({**content, "time_ms": content["time_ms"] - 90 * 60_000}))
        assert "is 90 minutes old" in run(exchange, tmp_path / "saved", env=environ(), code=2)
        assert "0 answers fetched" in run(exchange, tmp_path / "saved", "--max-age", "95", env=environ())
        # Demo trading has other answers.
        told = run(exchange, tmp_path / "saved", "--max-age", "95", "--simulated", env=environ())
        assert f"{PUBLIC} answers fetched" in told


def test_a_full_disk_leaves_no_half_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, write = Store(tmp_path), Path.write_bytes

    def fill(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    with store.open(60):
        store.put("a.json", "GET a", b'{"code": "0", "data": []}')
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", fill)
            for name in ("a.json", "b.json"):
                with pytest.raises(FileError, match="No space left"):
                    store.put(name, f"GET {name}", b'{"code": "0", "data": [1]}')
        assert [path.name for path in answers(tmp_path)] == ["a.json"]
        assert store.get("a.json", "GET a") == b'{"code": "0", "data": []}'
        # The note is there, and the answer is not: another answer does not count for it.
        (tmp_path / ".capture" / "a.json").write_text('{"request": "GET a", "sha256": "0", "time_ms": 0}')
        assert store.get("a.json", "GET a") is None
        with pytest.raises(UsageError, match="another capture"), Store(tmp_path).open(60):
            pass


def test_names_of_the_exchange_stay_in_the_folder() -> None:
    request = public(POSITION_TIERS, {"ccy": "../../x y"}, "../../x y")
    assert request.file == "public_position-tiers_..%2F..%2Fx%20y.json"
    assert request.path == "/api/v5/public/position-tiers?ccy=..%2F..%2Fx+y"


def test_without_httpx_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['httpx'] = None; from remargin.okx.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", blocked, "capture", "--out", "saved"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ())
    assert done.returncode == 1 and done.stderr == "error: remargin.okx needs httpx: pip install 'remargin[okx]'\n"
    assert not (tmp_path / "saved").exists()
