//! Charts with axes.

use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::{COLOURS, FONT, blank, colour, fail, paint};
use crate::error::Result;

/// Points drawn for a series at most; more are averaged in groups.
const MOST_POINTS: usize = 600;
/// Size of a panel in pixels.
const PANEL: (u32, u32) = (560, 300);

/// A named line.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Shown in the legend.
    pub name: String,
    /// `(x, y)`, by rising x.
    pub points: Vec<(f64, f64)>,
}

/// A chart of lines that share their axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above the chart.
    pub title: String,
    /// Below the horizontal axis.
    pub x: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// Charts in rows of `columns`.
///
/// # Errors
/// [`crate::Error::Plot`].
pub fn panels(charts: &[Panel], columns: usize) -> Result<RgbImage> {
    let columns = columns.clamp(1, charts.len().max(1));
    let rows = charts.len().div_ceil(columns).max(1);
    let mut picture = blank(PANEL.0 * columns as u32, PANEL.1 * rows as u32);
    paint(&mut picture, |area| {
        for (chart, cell) in charts.iter().zip(area.split_evenly((rows, columns))) {
            panel(&cell, chart)?;
        }
        Ok(())
    })?;
    Ok(picture)
}

fn panel(area: &DrawingArea<BitMapBackend<'_>, Shift>, chart: &Panel) -> Result<()> {
    let all = || chart.series.iter().flat_map(|s| &s.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    let (x, y) = (range(all().map(|p| p.0)), range(all().map(|p| p.1)));
    let mut context = ChartBuilder::on(area)
        .caption(&chart.title, (FONT, 18))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(62)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)
        .map_err(fail)?;
    context
        .configure_mesh()
        .x_desc(&chart.x)
        .x_label_formatter(&|v| short(*v))
        .y_label_formatter(&|v| short(*v))
        .label_style((FONT, 13))
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_labels(6)
        .y_labels(6)
        .draw()
        .map_err(fail)?;
    for (series, c) in chart.series.iter().zip(COLOURS.iter().cycle()) {
        let stroke = colour(*c).stroke_width(2);
        let drawn = context.draw_series(LineSeries::new(thinned(&series.points), stroke)).map_err(fail)?;
        drawn
            .label(&series.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour(*c).stroke_width(3)));
    }
    if chart.series.len() > 1 {
        context
            .configure_series_labels()
            .label_font((FONT, 13))
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(190, 190, 190))
            .position(SeriesLabelPosition::UpperRight)
            .draw()
            .map_err(fail)?;
    }
    Ok(())
}

/// Bars of how many of `values` fall where, with a line at the mean.
///
/// # Errors
/// [`crate::Error::Plot`].
pub fn histogram(values: &[f64], bins: usize, title: &str, x: &str) -> Result<RgbImage> {
    let mut picture = blank(PANEL.0, PANEL.1);
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let (low, high) = range(finite.iter().copied());
    let width = (high - low) / bins.max(1) as f64;
    let mut counts = vec![0u32; bins.max(1)];
    for v in &finite {
        let last = counts.len() - 1;
        counts[(((v - low) / width) as usize).min(last)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
    paint(&mut picture, |area| {
        let mut context = ChartBuilder::on(area)
            .caption(title, (FONT, 18))
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(50)
            .build_cartesian_2d(low..high, 0f64..f64::from(most) * 1.05)
            .map_err(fail)?;
        context
            .configure_mesh()
            .x_desc(x)
            .y_desc("pictures")
            .x_label_formatter(&|v| short(*v))
            .y_label_formatter(&|v| short(*v))
            .label_style((FONT, 13))
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .draw()
            .map_err(fail)?;
        let bars = counts.iter().enumerate().map(|(i, n)| {
            let left = low + i as f64 * width;
            let corners = [(left, 0.0), (left + width * 0.92, f64::from(*n))];
            Rectangle::new(corners, colour(COLOURS[0]).filled())
        });
        context.draw_series(bars).map_err(fail)?;
        let line = vec![(mean, 0.0), (mean, f64::from(most) * 1.05)];
        context.draw_series(LineSeries::new(line, colour(COLOURS[1]).stroke_width(2))).map_err(fail)?;
        Ok(())
    })?;
    Ok(picture)
}

/// A table of numbers in -1 to 1 (more is shown as 1) as coloured cells: `values[row][column]`.
///
/// # Errors
/// [`crate::Error::Plot`].
pub fn matrix(
    title: &str,
    (rows, columns): (&str, &str),
    names: &[String],
    values: &[Vec<f64>],
) -> Result<RgbImage> {
    const CELL: i32 = 52;
    const LEFT: i32 = 120;
    const TOP: i32 = 96;
    let (height, width) = (values.len() as i32, values.first().map_or(0, Vec::len) as i32);
    let mut picture = blank((LEFT + width * CELL + 16) as u32, (TOP + height * CELL + 16) as u32);
    paint(&mut picture, |area| {
        let text = |t: &str, at: (i32, i32), size: i32, c: RGBColor| {
            area.draw_text(t, &(FONT, size).into_font().color(&c), at).map_err(fail)
        };
        text(title, (12, 8), 18, BLACK)?;
        text(&format!("{rows} (rows), {columns} (columns)"), (12, 36), 13, RGBColor(90, 90, 90))?;
        for (i, name) in names.iter().enumerate() {
            let at = i as i32 * CELL;
            text(&cut(name, 14), (12, TOP + at + CELL / 2 - 8), 14, BLACK)?;
            text(&cut(name, 7), (LEFT + at + 3, TOP - 22), 13, BLACK)?;
        }
        for (y, row) in values.iter().enumerate() {
            for (x, value) in row.iter().enumerate() {
                let (left, top) = (LEFT + x as i32 * CELL, TOP + y as i32 * CELL);
                let corners = [(left + 1, top + 1), (left + CELL - 1, top + CELL - 1)];
                area.draw(&Rectangle::new(corners, diverging(*value).filled())).map_err(fail)?;
                let ink = if value.abs() > 0.6 { WHITE } else { BLACK };
                text(&format!("{value:.2}"), (left + 10, top + CELL / 2 - 8), 14, ink)?;
            }
        }
        Ok(())
    })?;
    Ok(picture)
}

/// White at 0, blue towards 1, red towards -1.
fn diverging(value: f64) -> RGBColor {
    if !value.is_finite() {
        return RGBColor(200, 200, 200);
    }
    let end = if value >= 0.0 { COLOURS[0] } else { [178, 24, 43] };
    let t = value.abs().min(1.0);
    colour(end.map(|c| (255.0 + (f64::from(c) - 255.0) * t).round() as u8))
}

fn cut(name: &str, most: usize) -> String {
    name.chars().take(most).collect()
}

/// Lowest and highest with some air; never empty.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let air = if high > low { (high - low) * 0.04 } else { high.abs().max(1e-3) * 0.1 };
    (low - air, high + air)
}

/// At most [`MOST_POINTS`] points: means of neighbours.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let finite: Vec<(f64, f64)> =
        points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let group = finite.len().div_ceil(MOST_POINTS).max(1);
    finite
        .chunks(group)
        .map(|c| {
            let n = c.len() as f64;
            (c.iter().map(|p| p.0).sum::<f64>() / n, c.iter().map(|p| p.1).sum::<f64>() / n)
        })
        .collect()
}

/// A number as axes show it: `12k`, `0.031`.
fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 1e6 {
        format!("{}M", trimmed(value / 1e6, 2))
    } else if size >= 1e3 {
        format!("{}k", trimmed(value / 1e3, 1))
    } else if size >= 10.0 || size == 0.0 {
        trimmed(value, 1)
    } else if size >= 1e-3 {
        trimmed(value, 4)
    } else {
        format!("{value:.1e}")
    }
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_series_are_averaged_and_gaps_left_out() {
        let mut points: Vec<(f64, f64)> = (0..1200).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        points.push((1200.0, f64::NAN));
        let thin = thinned(&points);
        assert_eq!(thin.len(), 600);
        assert!(thin.iter().all(|p| p.1 == 0.5));
        assert_eq!(range([3.0].into_iter()), (2.7, 3.3));
        assert_eq!(range(std::iter::empty()), (0.0, 1.0));
        assert_eq!([short(12_000.0), short(0.031), short(2_500_000.0)], ["12k", "0.031", "2.5M"]);
    }

    #[test]
    fn charts_draw_something_where_the_data_is() {
        let line = Series { name: "a".into(), points: vec![(0.0, 0.0), (1.0, 1.0)] };
        let chart = Panel { title: "t".into(), x: "x".into(), series: vec![line] };
        let picture = panels(&[chart.clone(), chart.clone(), chart], 2).unwrap();
        assert_eq!(picture.dimensions(), (1120, 600));
        assert!(picture.pixels().any(|p| p.0 == COLOURS[0]));
        let bars = histogram(&[1.0, 1.0, 2.0, 9.0], 8, "t", "x").unwrap();
        assert!(bars.pixels().any(|p| p.0 == COLOURS[0]) && bars.pixels().any(|p| p.0 == COLOURS[1]));
        let table = matrix("t", ("r", "c"), &["a".into(), "b".into()], &[vec![1.0, 0.0], vec![-1.0, 2.0]]);
        let table = table.unwrap();
        assert_eq!(table.get_pixel(125, 101).0, COLOURS[0]);
        assert_eq!(table.get_pixel(125 + 52, 101).0, [255; 3]);
        assert_eq!(table.get_pixel(125, 101 + 52).0, [178, 24, 43]);
    }
}
