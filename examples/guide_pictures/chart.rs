//! Two kinds of picture: a course over time, and rows of bars.

use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;

pub(crate) const BLUE: RGBColor = RGBColor(42, 111, 151);
pub(crate) const RED: RGBColor = RGBColor(200, 60, 50);
pub(crate) const GREEN: RGBColor = RGBColor(70, 140, 80);
pub(crate) const ORANGE: RGBColor = RGBColor(225, 150, 40);
pub(crate) const GREY: RGBColor = RGBColor(150, 150, 150);
pub(crate) const BLACK: RGBColor = RGBColor(0, 0, 0);
/// For a text without a bar.
pub(crate) const WHITE: RGBColor = RGBColor(255, 255, 255);

const SIZE: (u32, u32) = (760, 330);
const ROW: u32 = 34;
const NAMES: u32 = 190;

/// What is drawn into a course, with its name in the key; no name, no entry.
pub(crate) enum Mark {
    /// From, to, at each x.
    Band(&'static str, RGBColor, Vec<(f64, f64, f64)>),
    Line(&'static str, RGBColor, Vec<(f64, f64)>),
    Dots(&'static str, RGBColor, Vec<(f64, f64)>),
}

pub(crate) struct Course {
    pub(crate) x: (&'static str, Range<f64>),
    pub(crate) y: (&'static str, Range<f64>),
    pub(crate) marks: Vec<Mark>,
    /// Where the key is in nobody's way.
    pub(crate) key: SeriesLabelPosition,
}

impl Course {
    pub(crate) fn draw(&self) -> Result<String, Box<dyn Error>> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            root.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&root)
                .margin(10)
                .margin_right(24)
                .x_label_area_size(36)
                .y_label_area_size(58)
                .build_cartesian_2d(self.x.1.clone(), self.y.1.clone())?;
            chart
                .configure_mesh()
                .x_desc(self.x.0)
                .y_desc(self.y.0)
                .light_line_style(WHITE)
                .draw()?;
            let (low, high) = (self.y.1.start, self.y.1.end);
            for mark in &self.marks {
                match mark {
                    Mark::Band(name, color, points) => {
                        let there = points.iter().map(|&(x, _, to)| (x, to.clamp(low, high)));
                        let back =
                            points.iter().rev().map(|&(x, from, _)| (x, from.clamp(low, high)));
                        let fill = color.mix(0.3);
                        let band = Polygon::new(there.chain(back).collect::<Vec<_>>(), fill);
                        let series = chart.draw_series(std::iter::once(band))?;
                        if !name.is_empty() {
                            let key = move |(x, y)| {
                                Rectangle::new([(x, y - 5), (x + 18, y + 5)], fill.filled())
                            };
                            series.label(*name).legend(key);
                        }
                    }
                    Mark::Line(name, color, points) => {
                        let style = color.stroke_width(2);
                        let points = points.iter().map(|&(x, y)| (x, y.clamp(low, high)));
                        let series = chart.draw_series(LineSeries::new(points, style))?;
                        if !name.is_empty() {
                            let key = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style);
                            series.label(*name).legend(key);
                        }
                    }
                    Mark::Dots(name, color, points) => {
                        let style = color.filled();
                        let dots = points.iter().map(|&point| Circle::new(point, 2, style));
                        let series = chart.draw_series(dots)?;
                        if !name.is_empty() {
                            series
                                .label(*name)
                                .legend(move |(x, y)| Circle::new((x + 9, y), 3, style));
                        }
                    }
                }
            }
            let labels = &mut chart.configure_series_labels();
            labels.position(self.key.clone()).background_style(WHITE.mix(0.85));
            labels.border_style(BLACK.mix(0.3)).draw()?;
            root.present()?;
        }
        Ok(svg)
    }
}

/// From, to, in which color, with what in it.
pub(crate) type Bar = (f64, f64, RGBColor, &'static str);

pub(crate) struct Rows {
    pub(crate) x: (&'static str, Range<f64>),
    pub(crate) rows: Vec<(&'static str, Vec<Bar>)>,
    /// Points in the rows: the row, where, in which color.
    pub(crate) points: Vec<(usize, f64, RGBColor)>,
}

impl Rows {
    pub(crate) fn draw(&self) -> Result<String, Box<dyn Error>> {
        let count = self.rows.len();
        let size = (SIZE.0, ROW * u32::try_from(count)? + 66);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            root.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&root)
                .margin(10)
                .margin_right(24)
                .x_label_area_size(36)
                .y_label_area_size(NAMES)
                .build_cartesian_2d(self.x.1.clone(), 0.0..count as f64)?;
            let mesh = &mut chart.configure_mesh();
            mesh.x_desc(self.x.0).light_line_style(WHITE).disable_y_mesh().y_labels(0).draw()?;
            let top = |row: usize| (count - row) as f64;
            for (row, (name, bars)) in self.rows.iter().enumerate() {
                let (_, middle) =
                    chart.plotting_area().map_coordinate(&(self.x.1.start, top(row) - 0.5));
                root.draw_text(name, &("sans-serif", 13).into_text_style(&root), (10, middle - 6))?;
                for &(from, to, color, text) in bars {
                    let (from, to) = (from.max(self.x.1.start), to.min(self.x.1.end));
                    if from >= to {
                        continue;
                    }
                    let corners = [(from, top(row) - 0.15), (to, top(row) - 0.85)];
                    chart.draw_series(std::iter::once(Rectangle::new(
                        corners,
                        color.mix(0.55).filled(),
                    )))?;
                    if !text.is_empty() {
                        let place = chart.plotting_area().map_coordinate(&(from, top(row) - 0.5));
                        let style = ("sans-serif", 12).into_text_style(&root);
                        root.draw_text(text, &style, (place.0 + 4, place.1 - 5))?;
                    }
                }
            }
            let dots = self
                .points
                .iter()
                .map(|&(row, x, color)| Circle::new((x, top(row) - 0.5), 5, color.filled()));
            chart.draw_series(dots)?;
            root.present()?;
        }
        Ok(svg)
    }
}
