//! The results as a picture: one bar for each row, as long as the figure is good relative to what it must be.
//!
//! 1 is "must", whichever way is better; a tick marks "reach for". Rows without a bar of their own are left out.

use std::fmt::Write;

use crate::{
    measure::Row,
    report::{Report, verdict},
};

const ROW: usize = 26;
const TOP: usize = 56;
const LEFT: usize = 420;
const WIDTH: usize = 980;
/// Of the bars, in pixels.
const LENGTH: f64 = 440.0;
/// The score at the right end; better ones end there.
const MOST: f64 = 2.2;

/// An SVG that needs no font and no script, and can be read on light and dark pages.
pub fn draw(report: &Report) -> String {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.subject.bar.is_some()).collect();
    let height = TOP + ROW * rows.len() + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let title = format!("Gateway relative to its bars ({})", report.mode);
    text(&mut svg, 16, 24, "start", &title);
    for (index, row) in rows.iter().enumerate() {
        bar(&mut svg, TOP + ROW * index, row);
    }
    let (must, bottom) = (place(1.0), TOP + ROW * rows.len());
    line(&mut svg, must, TOP - 8, bottom, "#202020");
    text(&mut svg, must as usize, bottom + 18, "middle", "must");
    text(&mut svg, WIDTH - 16, bottom + 18, "end", "ticks: reach for; longer is better");
    svg + "</svg>\n"
}

fn bar(svg: &mut String, top: usize, row: &Row) {
    let Some(bar) = row.subject.bar else { return };
    let colour = match verdict(row) {
        "reached" => "#2e7d32",
        "met" => "#7cb342",
        _ => "#c62828",
    };
    let name = format!("{}. {}", row.subject.case, row.subject.name);
    text(svg, LEFT - 10, top + 16, "end", &name);
    let length = place(bar.score(row.judged.median)) - LEFT as f64;
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\"/>",
        top + 4,
        ROW - 8
    );
    line(svg, place(bar.score(bar.reach)), top + 2, top + ROW - 2, "#1565c0");
    let unit = if row.limit.is_some() { "" } else { row.subject.unit };
    text(svg, WIDTH - 16, top + 16, "end", &format!("{:.2} {unit}", row.judged.median));
}

fn place(score: f64) -> f64 {
    LEFT as f64 + LENGTH * score.clamp(0.0, MOST) / MOST
}

fn line(svg: &mut String, x: f64, from: usize, to: usize, colour: &str) {
    let _ = writeln!(svg, "<path d=\"M{x:.1} {from}V{to}\" stroke=\"{colour}\" stroke-width=\"2\"/>");
}

fn text(svg: &mut String, x: usize, y: usize, anchor: &str, what: &str) {
    let escaped = what.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"#202020\">{escaped}</text>");
}
