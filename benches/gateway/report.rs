//! The results as a Markdown table and as JSON.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    machine::Machine,
    measure::{Row, Stats},
};

const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

#[derive(Serialize)]
pub struct Report {
    pub machine: Machine,
    pub mode: String,
    pub rows: Vec<Row>,
}

impl Report {
    pub fn markdown(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{}, {}; {} cores, {} MiB, Linux {}; {}.\n\n",
            machine.date,
            machine.version.as_deref().unwrap_or("no version"),
            machine.cores,
            machine.memory_mib,
            machine.kernel,
            self.mode
        );
        text += "| # | case | gateway | limit | ratio | must | reach for | verdict | gateway's CPU |\n|---|---|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            text += &line(row);
        }
        text
    }

    /// Replaces what stands between the markers of a page; shows the picture where it was drawn beside the page.
    pub fn write_between_markers(&self, file: &Path, picture: Option<&Path>) -> Result<()> {
        let page = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let (before, rest) = page.split_once(BEGIN).with_context(|| format!("no line {BEGIN}"))?;
        let (_, after) = rest.split_once(END).with_context(|| format!("no line {END}"))?;
        let beside = picture.filter(|picture| picture.parent() == file.parent()).and_then(Path::file_name);
        let shown = beside.map(|name| format!("\n![Gateway relative to its bars]({})\n", name.to_string_lossy()));
        let results = self.markdown() + &shown.unwrap_or_default();
        Ok(fs::write(file, format!("{before}{BEGIN}\n{results}{END}{after}"))?)
    }

    pub fn json(&self) -> Result<String> {
        let mut report = serde_json::to_value(self)?;
        for (row, value) in self.rows.iter().zip(report["rows"].as_array_mut().into_iter().flatten()) {
            let met = row.subject.bar.map(|bar| bar.is_met(row.judged.median));
            let reached = row.subject.bar.map(|bar| bar.is_reached(row.judged.median));
            let verdict: [(&str, Value); 2] = [("met", json!(met)), ("reached", json!(reached))];
            value.as_object_mut().context("a row is an object")?.extend(verdict.map(|(key, of)| (key.to_owned(), of)));
        }
        Ok(serde_json::to_string_pretty(&report)? + "\n")
    }
}

/// Reached, met or missed; nothing where there is no bar.
pub fn verdict(row: &Row) -> &'static str {
    match row.subject.bar {
        None => "",
        Some(bar) if bar.is_reached(row.judged.median) => "reached",
        Some(bar) if bar.is_met(row.judged.median) => "met",
        Some(_) => "missed",
    }
}

fn line(row: &Row) -> String {
    let subject = &row.subject;
    let unit = subject.unit;
    let gateway = format!("{} {unit}", spread(&row.gateway));
    let (limit, ratio) = match &row.limit {
        Some(limit) => (format!("{} {unit}", spread(limit)), spread(&row.judged)),
        None => (String::new(), String::new()),
    };
    // Without a limit the bar is for the figure itself.
    let bar_unit = if row.limit.is_some() { String::new() } else { format!(" {unit}") };
    let (must, reach) = match subject.bar {
        Some(bar) => (format!("{}{bar_unit}", bar.must), format!("{}{bar_unit}", bar.reach)),
        None => (String::new(), String::new()),
    };
    let piece = if unit == "MB/s" { "us/MB" } else { "us each" };
    let processor = row.processor.map(|stats| format!("{} {piece}", figure(stats.median))).unwrap_or_default();
    let case = subject.case.to_string();
    let cells = [&case, &subject.name, &gateway, &limit, &ratio, &must, &reach, verdict(row), &processor];
    format!("| {} |\n", cells.join(" | "))
}

fn spread(stats: &Stats) -> String {
    let Stats { median, min, max } = stats;
    format!("{} ({}-{})", figure(*median), figure(*min), figure(*max))
}

/// Three digits that count.
fn figure(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}
