//! A plot of the benchmark: throughput and memory against the size of the book, as SVG.

use super::text::{counted, short};
use super::{BenchReport, Row};
use crate::{Error, Result};
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::Circle;
use plotters::prelude::SVGBackend;
use plotters::series::LineSeries;
use plotters::style::{BLACK, Color, RGBColor, WHITE};
use std::path::Path;

/// Colours that people with any colour vision can distinguish.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as plotters::prelude::DrawingBackend>::ErrorType>>;

/// Writes the plot to `file`.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written, [`Error::Runtime`] if it cannot be drawn.
pub fn write(report: &BenchReport, file: &Path) -> Result<()> {
    std::fs::write(file, svg(report)?).map_err(|err| Error::io("write", file, err))
}

/// The plot.
///
/// # Errors
/// [`Error::Runtime`] if it cannot be drawn.
pub fn svg(report: &BenchReport) -> Result<String> {
    let mut picture = String::new();
    let failed = |err| Error::Runtime(format!("cannot draw the plot: {err}"));
    {
        let root = SVGBackend::with_string(&mut picture, (960, 420)).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let panels = root.split_evenly((1, 2));
        panel(&panels[0], report, "positions per second", |row| row.positions_per_second).map_err(failed)?;
        panel(&panels[1], report, "peak memory, MiB", |row| row.measurement.peak_bytes as f64 / 1_048_576.0)
            .map_err(failed)?;
        root.present().map_err(failed)?;
    }
    Ok(picture)
}

fn panel<'a>(area: &Area<'a>, report: &BenchReport, title: &str, value: impl Fn(&Row) -> f64) -> Drawn<'a> {
    let sizes = || report.rows.iter().map(|row| row.positions as f64);
    let (least, most) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
    let top = report.rows.iter().map(&value).fold(0.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .caption(title, (FONT, 18))
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(least.log10() - 0.1..most.log10() + 0.1, 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("positions in the book")
        .x_labels(6)
        .x_label_formatter(&|log| short(10_f64.powf(*log)))
        .y_label_formatter(&|y| short(*y))
        .label_style((FONT, 12))
        .draw()?;
    for (scaling, colour) in report.scaling.iter().zip(COLOURS.iter().cycle()) {
        let threads = scaling.threads;
        let line = || {
            report
                .rows
                .iter()
                .filter(|row| row.threads == threads)
                .map(|row| ((row.positions as f64).log10(), value(row)))
        };
        chart
            .draw_series(LineSeries::new(line(), colour.stroke_width(2)))?
            .label(counted(threads, "thread"))
            .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        chart.draw_series(line().map(|point| Circle::new(point, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(plotters::chart::SeriesLabelPosition::LowerRight)
        .label_font((FONT, 12))
        .border_style(BLACK.mix(0.3))
        .background_style(WHITE)
        .draw()
}
