//! The run as a picture: uncertainty, memory, and descriptors and threads over time.

use super::Sample;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Line = (&'static str, RGBColor, fn(&Sample) -> f64);

/// Writes the picture of `samples` to `file`.
///
/// # Errors
/// If there are no samples, or the file cannot be written.
pub(crate) fn write(samples: &[Sample], file: &Path) -> Result<(), Box<dyn Error>> {
    let length = samples.last().ok_or("there is nothing to draw")?.at_s.max(1.0);
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let [first, second, third] = root.split_evenly((3, 1)).try_into().map_err(|_| "three parts")?;
    uncertainty(samples, length, &first)?;
    let memory: [Line; 1] = [("resident memory", BLUE, |s| s.held.rss_kib as f64 / 1024.0)];
    held("MiB", &memory, samples, length, &second)?;
    let counts: [Line; 3] = [
        ("descriptors", BLUE, |s| s.held.fds as f64),
        ("sockets among them", RGBColor(0x20, 0x90, 0x60), |s| s.held.sockets as f64),
        ("threads", RGBColor(0xd0, 0x40, 0x20), |s| s.held.threads as f64),
    ];
    held("count", &counts, samples, length, &third)?;
    root.present()?;
    Ok(())
}

/// On a logarithmic scale, with the moments at which some source was seen to be wrong.
fn uncertainty(samples: &[Sample], length: f64, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
    let intervals: u64 = samples.last().map_or(0, |s| s.told.intervals);
    let outside: u64 = samples.last().map_or(0, |s| s.told.outside);
    let caption = format!("{intervals} intervals, {outside} of them without true time");
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..length, (10.0..10_000_000.0).log_scale())?;
    let label = |us: &f64| match *us {
        us if us >= 1e6 => format!("{} s", us / 1e6),
        us if us >= 1e3 => format!("{} ms", us / 1e3),
        us => format!("{us} us"),
    };
    chart
        .configure_mesh()
        .y_desc("uncertainty")
        .y_label_formatter(&label)
        .light_line_style(WHITE)
        .draw()?;
    let wrong = samples.iter().filter(|s| s.told.apart > 0);
    let marks = wrong.map(|s| PathElement::new([(s.at_s, 10.0), (s.at_s, 20.0)], RED));
    let key = |(x, y)| PathElement::new([(x, y), (x + 18, y)], RED);
    chart.draw_series(marks)?.label("a source is seen to be wrong").legend(key);
    let with_interval = samples.iter().filter(|s| s.told.uncertainty_ns > 0);
    let line =
        with_interval.map(|s| (s.at_s, (s.told.uncertainty_ns as f64 / 1e3).clamp(10.0, 1e7)));
    let key = |(x, y)| PathElement::new([(x, y), (x + 18, y)], BLUE);
    chart.draw_series(LineSeries::new(line, BLUE))?.label("uncertainty").legend(key);
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

fn held(
    unit: &str,
    lines: &[Line],
    samples: &[Sample],
    length: f64,
    area: &Area<'_>,
) -> Result<(), Box<dyn Error>> {
    let all = lines.iter().flat_map(|(_, _, of)| samples.iter().map(of));
    let most = all.fold(1.0_f64, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..length, 0.0..most * 1.4)?;
    chart.configure_mesh().x_desc("seconds").y_desc(unit).light_line_style(WHITE).draw()?;
    for (name, color, of) in lines {
        let key = |(x, y)| PathElement::new([(x, y), (x + 18, y)], *color);
        let line = samples.iter().map(|sample| (sample.at_s, of(sample)));
        chart.draw_series(LineSeries::new(line, color))?.label(*name).legend(key);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

const SIZE: (u32, u32) = (960, 780);
