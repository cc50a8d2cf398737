//! Prints what has been measured.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use crate::measure::Run;

/// A command's runs, one per round, unless it has been given up.
pub struct Row<'a> {
    pub command: &'a str,
    pub runs: Vec<Run>,
    pub given_up: Option<String>,
}

impl<'a> Row<'a> {
    pub fn new(command: &'a str) -> Self {
        Self {
            command,
            runs: Vec::new(),
            given_up: None,
        }
    }
}

/// A setting below /proc/sys.
pub fn kernel_setting(name: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
    Some(text.trim_end().to_owned())
}

/// Prints what a reader needs to know of this machine.
pub fn print_machine(portstat: &Path) {
    let kernel = kernel_setting("kernel/osrelease").unwrap_or_default();
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(": ")?.1.to_owned())
        })
        .unwrap_or_else(|| "CPUs".to_owned());
    println!("machine: Linux {kernel}, {cpus} × {model}");

    let tools = [
        (portstat, "--version"),
        (Path::new("ss"), "--version"),
        (Path::new("netstat"), "--version"),
        (Path::new("lsof"), "-v"),
    ];
    let versions: Vec<String> = tools
        .iter()
        .filter_map(|(tool, option)| version(tool, option))
        .collect();
    println!("versions: {}", versions.join(", "));
}

/// The line in which a command tells its version, which also has the command
/// loaded into the page cache before it is measured.
fn version(command: &Path, option: &str) -> Option<String> {
    let output = Command::new(command).arg(option).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text
        .lines()
        .find(|line| line.contains(|c: char| c.is_ascii_digit()))?;
    let name = command.file_name()?.to_string_lossy();
    Some(match line.trim() {
        line if line.contains(&*name) => line.to_owned(),
        line => format!("{name} {line}"),
    })
}

pub fn print_heading() {
    println!(
        "{:14}  {:28}  {:>28}  {:>8}  {:>8}  {:>8}  {:>6}",
        "case", "command", "median ms (min–max)", "CPU ms", "peak MiB", "lines", "ratio"
    );
}

/// Prints the rows of commands that were run in turn.
pub fn print_rows(case: &str, rows: &[Row<'_>]) {
    // What ss has no answer to is compared with the kernel's part alone.
    let measure = ["ss ", "floor"]
        .iter()
        .find_map(|start| rows.iter().find(|row| row.command.starts_with(start)));
    for row in rows {
        print!("{case:14}  {:28}  ", row.command);
        match &row.given_up {
            Some(reason) => println!("{reason}"),
            None => print_figures(&row.runs, measure.map_or(&[], |measure| &measure.runs)),
        }
    }
}

fn print_figures(runs: &[Run], measure: &[Run]) {
    let wall = sorted(runs.iter().map(|run| milliseconds(run.wall)));
    let cpu = sorted(runs.iter().map(|run| milliseconds(run.cpu)));
    let ratios = sorted(
        runs.iter()
            .zip(measure)
            .map(|(run, other)| run.wall.div_duration_f64(other.wall)),
    );
    let peak_kib = runs.iter().map(|run| run.peak_kib).max().unwrap_or(0);
    let lines = runs.last().and_then(|run| run.lines);
    let (Some(median), Some(fastest), Some(slowest)) = (middle(&wall), wall.first(), wall.last())
    else {
        return println!("not run");
    };

    println!(
        "{:>28}  {:>8.1}  {:>8.1}  {:>8}  {:>6}",
        format!("{median:.1} ({fastest:.1}–{slowest:.1})"),
        middle(&cpu).unwrap_or(0.0),
        peak_kib as f64 / 1024.0,
        lines.map_or("-".to_owned(), |lines| lines.to_string()),
        middle(&ratios).map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
    );
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The median of sorted values.
fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = sorted.get(half)?;
    if sorted.len() % 2 == 1 {
        return Some(*upper);
    }
    Some((sorted[half - 1] + upper) / 2.0)
}
