//! Draws how late each kind of wait ends against what it costs.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;

/// One kind of wait of one length.
pub(crate) struct Point {
    pub(crate) name: &'static str,
    pub(crate) length_us: u64,
    pub(crate) over_us: f64,
    pub(crate) cpu_us: f64,
}

/// The waits of `length_us`, over and cost both on logarithmic scales.
pub(crate) fn draw(path: &str, points: &[Point], length_us: u64) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, (760, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((0.1..10_000.0).log_scale(), (20.0..4_000.0).log_scale())?;
    let label =
        |us: &f64| if *us >= 1000.0 { format!("{} ms", us / 1000.0) } else { format!("{us} us") };
    chart
        .configure_mesh()
        .x_desc(format!("how late a wait of {length_us} us ends, median"))
        .y_desc("processor time a wait")
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .light_line_style(WHITE)
        .draw()?;
    for point in points.iter().filter(|point| point.length_us == length_us) {
        let ours = point.name.starts_with("commit wait");
        let color = if ours { RGBColor(0xd0, 0x40, 0x20) } else { RGBColor(0x40, 0x60, 0x90) };
        let at = (point.over_us.max(0.1), point.cpu_us);
        // To the left where there is no room to the right; two have more room there.
        let (side, gap) =
            if point.over_us > 60.0 && !matches!(point.name, "std sleep" | "async-io timer") {
                (HPos::Right, -8)
            } else {
                (HPos::Left, 8)
            };
        let style = ("sans-serif", 14).into_font().color(&color).pos(Pos::new(side, VPos::Center));
        chart.draw_series([EmptyElement::at(at)
            + Circle::new((0, 0), 5, color.filled())
            + Text::new(point.name, (gap, 0), style)])?;
    }
    root.present()?;
    Ok(())
}
