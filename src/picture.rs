//! Two pictures of an incident: the phases of its failing request as a waterfall, and its course as a timeline.
//!
//! Pure: an incident in, SVG and its words for those who cannot see it out. Layout is computed here, shapes and colours stand
//! in `templates/pictures`. [`Picture::png`] rasterises with fonts that are part of the program, so the same incident is the
//! same bytes on every machine. Each picture is a light card with dark text and a border: it reads the same on a dark page
//! and on a light one. What is drawn has passed the redaction gate already: give a redacted incident.

use serde::Serialize;

use crate::incident::Incident;
use crate::outcome::Report;
use crate::template::{TemplateError, Templates};

mod raster;
mod timeline;
mod waterfall;

pub use raster::NotDrawn;

/// Characters of the words that stand for a picture: Discord's limit of an attachment's description.
const ALT: usize = 1024;
/// Columns of the card.
const WIDTH: f64 = 800.0;
/// Where bars begin, right of their labels.
const LEFT: f64 = 210.0;
/// Where the longest bar ends; its time stands right of it.
const RIGHT: f64 = 700.0;
/// Height of a bar, and of a row with the room below it.
const BAR: f64 = 14.0;
const ROW: f64 = 24.0;
/// Characters of a bar's label: what fits left of the bars.
const LABEL: usize = 26;
/// Characters of the card's two lines at the top.
const LINE: usize = 84;

/// A picture, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its name as a file, without an ending.
    pub name: &'static str,
    /// The picture.
    pub svg: String,
    /// What it shows, in words; at most 1024 characters.
    pub alt: String,
}

impl Picture {
    /// The picture as PNG, twice as many pixels as the SVG has units, for sharp text on dense screens.
    ///
    /// # Errors
    /// [`NotDrawn`] when the SVG cannot be read, which only an operator's own template can bring about.
    pub fn png(&self) -> Result<Vec<u8>, NotDrawn> {
        raster::png(&self.svg)
    }
}

/// The phases of the incident's failing request; `None` when no check measured any.
///
/// # Errors
/// [`TemplateError`] when the template cannot be filled.
pub fn waterfall(templates: &Templates, incident: &Incident) -> Result<Option<Picture>, TemplateError> {
    let Some(report) = waterfall::shown(incident) else { return Ok(None) };
    of_report(templates, report).map(Some)
}

/// The phases of one check.
///
/// # Errors
/// [`TemplateError`] when the template cannot be filled.
pub fn of_report(templates: &Templates, report: &Report) -> Result<Picture, TemplateError> {
    let values = waterfall::values(report);
    draw(templates, "waterfall", "pictures/waterfall", &values, values.alt.clone())
}

/// The course of the incident so far: its beginning, its checks, its questions, its end; `None` before its first alert.
///
/// # Errors
/// [`TemplateError`] when the template cannot be filled.
pub fn timeline(templates: &Templates, incident: &Incident) -> Result<Option<Picture>, TemplateError> {
    let Some(values) = timeline::values(incident) else { return Ok(None) };
    draw(templates, "timeline", "pictures/timeline", &values, values.alt.clone()).map(Some)
}

fn draw(
    templates: &Templates,
    name: &'static str,
    template: &str,
    values: &impl Serialize,
    alt: String,
) -> Result<Picture, TemplateError> {
    Ok(Picture { name, svg: templates.render(template, values)?, alt })
}

/// One bar, as the templates draw it.
#[derive(Debug, PartialEq, Serialize)]
struct Bar {
    label: String,
    x: f64,
    y: f64,
    width: f64,
    colour: &'static str,
    text_y: f64,
    time_x: f64,
    anchor: &'static str,
    time: String,
}

/// A place on the time axis.
#[derive(Debug, PartialEq, Serialize)]
struct Tick {
    x: f64,
    text: String,
}

/// The time axis: from nothing to this many milliseconds.
#[derive(Debug, Clone, Copy)]
struct Axis {
    longest_ms: f64,
}

impl Axis {
    fn x(self, at_ms: f64) -> f64 {
        rounded(LEFT + (at_ms / self.longest_ms).clamp(0.0, 1.0) * (RIGHT - LEFT))
    }

    /// Three to six marks at round times.
    fn ticks(self) -> Vec<Tick> {
        let step = round_step(self.longest_ms / 4.0);
        (0..=8)
            .map(|place| f64::from(place) * step)
            .take_while(|at| *at <= self.longest_ms * 1.0001)
            .map(|at| Tick { x: self.x(at), text: crate::template::millis(Some(at)) })
            .collect()
    }

    /// A bar of the row with this top; never thinner than what an eye finds.
    fn bar(self, label: &str, top: f64, (from_ms, to_ms): (f64, f64), colour: &'static str) -> Bar {
        let (x, end) = (self.x(from_ms), self.x(to_ms));
        let width = rounded((end - x).max(3.0));
        Bar {
            label: shortened(label, LABEL),
            x,
            y: top,
            width,
            colour,
            text_y: top + BAR - 3.0,
            time_x: rounded(x + width + 6.0),
            anchor: "start",
            time: crate::template::millis(Some(to_ms - from_ms)),
        }
    }
}

/// The smallest of 1, 2, 2.5 and 5 times a power of ten that is no less, beyond a second of the clock's own steps.
fn round_step(least_ms: f64) -> f64 {
    let clock = [15e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1800e3, 3600e3, 7200e3, 14_400e3, 43_200e3, 86_400e3];
    if least_ms > 10e3 {
        return clock
            .into_iter()
            .find(|step| *step >= least_ms)
            .unwrap_or_else(|| (least_ms / 86_400e3).ceil() * 86_400e3);
    }
    let power = 10_f64.powf(least_ms.max(1e-3).log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|it| it * power)
        .find(|step| *step >= least_ms * 0.999)
        .unwrap_or(power)
}

/// To a hundredth: the SVG stays short, and the same on every machine.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The text on one line, or its start and an ellipsis.
fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
