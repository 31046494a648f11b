//! Every example of README.md, of `examples/README.md` and of each `--help` runs as it is written, in order, from a
//! fresh clone; the tutorials run from start to end.
//!
//! Left out are the examples that say how many minutes they take. `jq` is not part of the program: where it is not
//! installed, the example runs without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An example line: the command, and the exit code that its comment says.
#[derive(Debug, Clone, PartialEq)]
struct Example {
    line: String,
    code: i32,
}

/// A line as it stands in a help or on a page: behind the command may be a comment, three blanks away or behind `#`.
/// `None` if it takes minutes.
fn example(line: &str) -> Option<Example> {
    let comment = line.find("   ").or_else(|| line.find("  #")).or_else(|| line.find("  with "));
    let (command, comment) = line.split_at(comment.unwrap_or(line.len()));
    if comment.contains("minute") {
        return None;
    }
    let code = comment.split_once("exit code ").and_then(|(_, code)| code.get(..1)?.parse().ok());
    // `exit code 0 if it is valid` is what the example shows too.
    Some(Example { line: command.trim().to_owned(), code: code.unwrap_or(0) })
}

/// The examples of a help text: its lines that begin with `remargin`, or that go on behind a pipe.
fn of_help(help: &str) -> Vec<Example> {
    let Some((_, examples)) = help.split_once("\nExample") else { return Vec::new() };
    let mut lines: Vec<String> = Vec::new();
    for line in examples.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with("  ")) {
        match lines.last_mut() {
            Some(last) if last.ends_with('|') => *last = format!("{last} {}", line.trim()),
            _ if line.starts_with("  remargin ") || line.starts_with("  echo ") => lines.push(line.trim().to_owned()),
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    lines.iter().filter_map(|line| example(line)).collect()
}

/// The commands in the `sh` blocks of a page, but for those that build or install.
fn of_page(page: &str) -> Vec<Example> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter(|line| line.starts_with("remargin ")).filter_map(example).collect()
}

/// A fresh clone: the folders that commands read, and a home with the folders that a desktop has.
fn clone(place: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let clone = place.join("clone");
    for folder in ["data", "examples"] {
        copy(&root.join(folder), &clone.join(folder));
    }
    for folder in [".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"] {
        fs::create_dir_all(place.join("home").join(folder)).unwrap();
    }
    // `--open` starts a browser, of which there is none here.
    let tools = place.join("tools");
    fs::create_dir_all(&tools).unwrap();
    for name in ["xdg-open", "open"] {
        let tool = tools.join(name);
        fs::write(&tool, "#!/bin/sh\nexit 0\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    clone
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn has_jq() -> bool {
    Command::new("jq").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs lines of a shell in `clone`; what was written to stdout, then to stderr.
fn bash(name: &str, clone: &Path, place: &Path, line: &str, code: i32) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_remargin")).parent().unwrap();
    let before = std::env::var_os("PATH").unwrap_or_default();
    let path = [place.join("tools"), program.to_path_buf()].into_iter().chain(std::env::split_paths(&before));
    let done = Command::new("bash")
        .args(["-c", &format!("set -eo pipefail; {line}")])
        .current_dir(clone)
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", place.join("home"))
        .env_remove("REMARGIN_LOG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{name}: {line}\n{text}");
    text
}

/// Runs the examples of one place in order, in a clone of their own. Returns how many ran.
fn run_all(name: &str, examples: &[Example]) -> usize {
    let place = tempfile::tempdir().unwrap();
    let clone = clone(place.path());
    for Example { line, code } in examples {
        let line = if has_jq() { line.as_str() } else { line.split(" | jq ").next().unwrap() };
        bash(name, &clone, place.path(), line, *code);
    }
    examples.len()
}

/// Every command with its help, `rules show` among them.
fn helps() -> Vec<(String, String)> {
    let mut open = vec![Vec::<String>::new()];
    let mut found = Vec::new();
    while let Some(command) = open.pop() {
        // Wide, so that no line is broken.
        let help = Command::new(env!("CARGO_BIN_EXE_remargin"))
            .args(command.iter().map(String::as_str).chain(["--help"]))
            .env("COLUMNS", "400")
            .output()
            .unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        if let Some((_, list)) = help.split_once("\nCommands:\n") {
            let names = list.split("\n\n").next().unwrap().lines().filter(|line| !line.starts_with("   "));
            let names = names.filter_map(|line| line.split_whitespace().next()).filter(|&name| name != "help");
            open.extend(names.map(|name| [&command[..], &[name.to_owned()]].concat()));
        }
        found.push((command.join(" "), help));
    }
    found.sort();
    found
}

#[test]
fn examples_of_pages_run_as_written() {
    for (page, least) in [
        ("README.md", 2),
        ("examples/README.md", 3),
        ("docs/how-to/watch.md", 2),
        ("docs/how-to/day-by-day.md", 4),
        ("docs/how-to/warehouse.md", 3),
    ] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let examples = of_page(&text);
        assert!(examples.len() >= least, "{page}: {examples:?}");
        run_all(page, &examples);
    }
}

/// The tutorials from start to end, in one folder each: every block of commands in order, and every line that a page
/// shows is among those that came. Blocks that build or install are left out: the program is there.
#[test]
fn tutorials_run_from_start_to_end_and_show_what_they_say() {
    for (page, least) in [("docs/tutorial/first-run.md", 6), ("docs/tutorial/own-book.md", 8)] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let place = tempfile::tempdir().unwrap();
        let clone = clone(place.path());
        let (mut ran, mut said) = (0, String::new());
        for (language, block) in blocks(&text) {
            match language {
                "sh" if !block.contains("cargo ") => {
                    said = bash(page, &clone, place.path(), block, 0);
                    ran += 1;
                }
                "text" => {
                    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
                    let missing = block.lines().filter(|line| !line.is_empty() && !lines.contains(line));
                    let missing: Vec<&str> = missing.collect();
                    assert!(missing.is_empty(), "{page}: no line {missing:#?} in:\n{said}");
                }
                _ => {}
            }
        }
        assert!(ran >= least, "{page}: {ran} blocks");
    }
}

/// The blocks of a page: language and text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.split_once('\n')).collect()
}

/// In three parts, so that they run side by side.
fn helps_run(part: usize) {
    let mut ran = 0;
    for (_, (name, help)) in helps().iter().enumerate().filter(|(number, _)| number % 3 == part) {
        ran += run_all(&format!("remargin {name} --help"), &of_help(help));
    }
    assert!(ran > 10, "{ran}");
}

#[test]
fn examples_of_helps_run_as_written_1() {
    helps_run(0);
}

#[test]
fn examples_of_helps_run_as_written_2() {
    helps_run(1);
}

#[test]
fn examples_of_helps_run_as_written_3() {
    helps_run(2);
}

/// The script that is written like a notebook.
#[test]
fn the_notebook_runs() {
    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no python3");
        return;
    }
    assert_eq!(run_all("notebook", &[Example { line: "python3 examples/notebook.py".to_owned(), code: 0 }]), 1);
}

/// The commands of `examples/ops`, as cron, systemd, Airflow and Dagster would start them.
#[test]
fn examples_of_operations_run_as_written() {
    let place = tempfile::tempdir().unwrap();
    let clone = clone(place.path());
    let ops = clone.join("examples/ops");
    let read = |name: &str| fs::read_to_string(ops.join(name)).unwrap();
    let run = |name: &str, line: &str| {
        let line =
            line.replace("/srv/remargin", clone.to_str().unwrap()).replace("/usr/local/bin/remargin", "remargin");
        bash(name, &clone, place.path(), &line, 0);
        for file in ["out/manifest.json", "ops/night.prom", "ops/night.jsonl"] {
            fs::remove_file(clone.join(file)).unwrap_or_else(|err| panic!("{name}, {file}: {err}"));
        }
        fs::remove_dir_all(clone.join("out")).unwrap();
    };
    let cron = read("remargin.cron");
    let line = cron.lines().find(|line| !line.starts_with('#')).unwrap();
    let parts: Vec<&str> = line.splitn(2, "  ").collect();
    assert_eq!(parts[0].split(' ').count(), 5, "{line}");
    assert!(!line.contains('%'), "cron takes it for the end of the line");
    run("cron", parts[1]);
    let service = read("remargin-night.service");
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    run("systemd", line);

    // The units, with the program where it is.
    if Command::new("systemd-analyze").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let moved = service.replace("/usr/local/bin/remargin", env!("CARGO_BIN_EXE_remargin"));
        fs::write(ops.join("remargin-night.service"), moved).unwrap();
        let line = "systemd-analyze verify examples/ops/remargin-night.service examples/ops/remargin-night.timer";
        let said = bash("systemd-analyze", &clone, place.path(), line, 0);
        assert!(!said.contains("remargin-night"), "{said}");
    } else {
        eprintln!("skipped: there is no systemd-analyze");
    }

    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no python3");
        return;
    }
    bash("python", &clone, place.path(), "python3 -m py_compile examples/ops/*.py", 0);
    // What the two files take of Airflow and Dagster, as far as they need it to start their command.
    let stubs = place.path().join("stubs");
    for (file, text) in [
        ("airflow/sdk.py", AIRFLOW),
        ("airflow/providers/standard/operators/bash.py", "from airflow.sdk import BashOperator\n"),
        ("dagster.py", DAGSTER),
    ] {
        fs::create_dir_all(stubs.join(file).parent().unwrap()).unwrap();
        fs::write(stubs.join(file), text).unwrap();
    }
    let python = |script: &str| format!("PYTHONPATH={}:examples/ops python3 -c '{script}'", stubs.display());
    run("Airflow", &python("import airflow_dag, airflow.sdk; airflow.sdk.run_all()"));
    run("Dagster", &python("import dagster_asset; assert dagster_asset.margins().metadata[\"accounts\"] == 300"));
}

const AIRFLOW: &str = "\
import subprocess

TASKS = []

class DAG:
    def __init__(self, dag_id, schedule, start_date, catchup, max_active_runs): pass
    def __enter__(self): return self
    def __exit__(self, *of): pass

def BashOperator(task_id, bash_command, cwd, append_env): TASKS.append(bash_command)

def run_all():
    assert TASKS
    for task in TASKS: subprocess.run([\"bash\", \"-c\", task], check=True)
";

const DAGSTER: &str = "\
class MaterializeResult:
    def __init__(self, metadata): self.metadata = metadata

class Failure(Exception): pass

def asset(made): return made
def define_asset_job(name, selection): return name
def ScheduleDefinition(job, cron_schedule): return job
def Definitions(assets, jobs, schedules): return assets
";

#[test]
fn examples_are_read_as_they_stand() {
    let help = "About.\n\nUsage: x\n\nExamples:\n  remargin run a --out 'b c'   # exit code 5\n  \
                remargin bench      about a minute\n  echo '{}' |\n    remargin simulate a --ops -\n  \
                remargin rules list\n\nremargin is no example.\n";
    let lines: Vec<(String, i32)> = of_help(help).into_iter().map(|example| (example.line, example.code)).collect();
    let expected =
        [("remargin run a --out 'b c'", 5), ("echo '{}' | remargin simulate a --ops -", 0), ("remargin rules list", 0)];
    assert_eq!(lines, expected.map(|(line, code)| (line.to_owned(), code)));
    assert_eq!(of_page("```sh\ncargo build\nremargin a  # b\n```\nremargin c\n").len(), 1);
}
