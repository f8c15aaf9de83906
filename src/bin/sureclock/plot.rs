//! A course as a picture: the interval over time beside the OS clock, each source's, and how often
//! the uncertainty was how large.

use super::course::{Course, Offsets};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::fs::OpenOptions;
use std::path::Path;

/// Writes the picture.
///
/// # Errors
///
/// Where the file cannot be written, or there is nothing to draw.
pub(crate) fn write(course: &Course, file: &Path) -> Result<(), String> {
    let svg = draw(course).map_err(|error| error.to_string())?;
    std::fs::write(file, svg).map_err(|error| format!("cannot write {file:?}: {error}"))
}

/// Whether the file can be written at the end. Makes it if there is none, for a run that is killed:
/// an empty one.
///
/// # Errors
///
/// Where it cannot.
pub(crate) fn check(file: &Path) -> Result<(), String> {
    #[cfg(unix)]
    if std::fs::metadata(file)
        .is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type()))
    {
        // To open it would wait for a reader.
        return Err(format!("cannot write {file:?}: it is a pipe"));
    }
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened.map(|_| ()).map_err(|error| format!("cannot write {file:?}: {error}"))
}

/// The picture as SVG.
pub(crate) fn draw(course: &Course) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let uncertainties = course.uncertainties();
        let (Some(least), Some(most)) =
            (uncertainties.first().copied(), uncertainties.last().copied())
        else {
            return Err("there was no interval to draw".into());
        };
        let unit = Unit::for_length(most);
        let (upper, lower) = root.split_vertically(SIZE.1 * 7 / 10);
        over_time(course, &unit, &upper)?;
        histogram(&uncertainties, (least, most), &unit, &lower)?;
        root.present()?;
    }
    Ok(svg)
}

fn over_time<B: DrawingBackend>(
    course: &Course,
    unit: &Unit,
    area: &DrawingArea<B, Shift>,
) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    // All of the agreement and of the OS clock, and room around; a source that is further off is
    // cut off there.
    let agreed = || course.samples.iter().filter_map(|sample| sample.agreed);
    let (low, high) =
        agreed().fold((0.0f64, 0.0f64), |(low, high), o| (low.min(o.earliest), high.max(o.latest)));
    let room = (high - low) * 0.25;
    let (low, high) = (unit.of(low - room), unit.of(high + room));
    let caption = "How far the OS clock is behind true time, at least and at most";
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..course.length().max(0.001), low..high)?;
    chart.configure_mesh().x_desc("seconds").y_desc(unit.name).light_line_style(WHITE).draw()?;
    for (number, name) in course.names.iter().enumerate() {
        let color = Palette99::pick(number).mix(0.7);
        let mut first = true;
        for end in [|o: Offsets| o.earliest, |o: Offsets| o.latest] {
            for piece in pieces(course, |sample| sample.sources.get(number).copied().flatten()) {
                let line = piece.iter().map(|(at, o)| (*at, unit.of(end(*o)).clamp(low, high)));
                let series = chart.draw_series(LineSeries::new(line, color))?;
                if std::mem::take(&mut first) {
                    series
                        .label(name)
                        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
                }
            }
        }
    }
    let mut first = true;
    for piece in pieces(course, |sample| sample.agreed) {
        let there = piece.iter().map(|(at, o)| (*at, unit.of(o.latest)));
        let back = piece.iter().rev().map(|(at, o)| (*at, unit.of(o.earliest)));
        let band = Polygon::new(there.chain(back).collect::<Vec<_>>(), BLUE.mix(0.3));
        let series = chart.draw_series(std::iter::once(band))?;
        if std::mem::take(&mut first) {
            let key =
                |(x, y)| Rectangle::new([(x, y - 5), (x + 18, y + 5)], BLUE.mix(0.3).filled());
            series.label("agreed: true time is inside").legend(key);
        }
    }
    let zero = LineSeries::new([(0.0, 0.0), (course.length(), 0.0)], BLACK.stroke_width(2));
    chart
        .draw_series(zero)?
        .label("the OS clock")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK));
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

fn histogram<B: DrawingBackend>(
    uncertainties: &[f64],
    (least, most): (f64, f64),
    unit: &Unit,
    area: &DrawingArea<B, Shift>,
) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    let width = ((most - least) / BINS as f64).max(most * 1e-3);
    let mut bins = [0u32; BINS];
    for uncertainty in uncertainties {
        let bin = ((uncertainty - least) / width) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    let share = |count: u32| 100.0 * f64::from(count) / uncertainties.len() as f64;
    let highest = bins.iter().copied().max().map_or(1.0, share);
    let median = uncertainties[uncertainties.len() / 2];
    let caption = format!("Uncertainty: median {:.3} {}", unit.of(median), unit.name);
    let (from, to) = (unit.of(least), unit.of(least + width * BINS as f64));
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 15))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(from..to, 0.0..highest * 1.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_desc(unit.name)
        .y_desc("% of looks")
        .light_line_style(WHITE)
        .draw()?;
    chart.draw_series(bins.iter().enumerate().map(|(number, count)| {
        let left = least + width * number as f64;
        Rectangle::new(
            [(unit.of(left), 0.0), (unit.of(left + width), share(*count))],
            BLUE.mix(0.5).filled(),
        )
    }))?;
    Ok(())
}

/// The stretches without a gap.
fn pieces(
    course: &Course,
    of: impl Fn(&super::course::Sample) -> Option<Offsets>,
) -> Vec<Vec<(f64, Offsets)>> {
    let mut pieces = vec![Vec::new()];
    for sample in &course.samples {
        match of(sample) {
            Some(offsets) => pieces.last_mut().expect("one at least").push((sample.at, offsets)),
            None => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// A unit that gives numbers a person can read.
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    per_second: f64,
}

impl Unit {
    /// The one for lengths around this many seconds.
    pub(crate) fn for_length(seconds: f64) -> Unit {
        let (name, per_second) = match seconds {
            s if s < 1e-3 => ("µs", 1e6),
            s if s < 1.0 => ("ms", 1e3),
            _ => ("s", 1.0),
        };
        Unit { name, per_second }
    }

    pub(crate) fn of(&self, seconds: f64) -> f64 {
        seconds * self.per_second
    }
}

const SIZE: (u32, u32) = (960, 640);
const BINS: usize = 40;

#[cfg(test)]
mod tests {
    use super::super::course::tests::sawtooth;
    use super::*;

    #[test]
    fn the_picture_shows_band_sources_and_median() {
        let svg = draw(&sawtooth()).unwrap();
        for part in [
            "<svg",
            "agreed: true time is inside",
            "the OS clock",
            "liar",
            "median 1.0",
            "% of looks",
        ] {
            assert!(svg.contains(part), "{part} is missing");
        }
        assert!(svg.contains("<polygon") && svg.contains("<polyline"));
    }

    #[test]
    fn nothing_to_draw_and_no_place_to_write_are_errors() {
        assert!(draw(&Course::new(vec!["a".into()])).is_err());
        let error = write(&sawtooth(), Path::new("/no such folder/a.svg")).unwrap_err();
        assert!(error.contains("/no such folder/a.svg"), "{error}");
    }
}
