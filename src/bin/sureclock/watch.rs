//! `sureclock watch`: a clock in the terminal, as it lives: its interval, its sources, and the
//! uncertainty over time.

use super::course::{Course, Offsets, sample};
use super::plot::Unit;
use super::{ms, signed_ms, state_name, verdict_name};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Row, Table};
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use sureclock::{Status, SureClock, Timestamp, Verdict};

/// What ends a watch by itself.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// After so long.
    pub(crate) length: Option<Duration>,
    /// After so long without a first bound.
    pub(crate) first_bound: Option<Duration>,
}

/// What ended a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its length is over, or somebody pressed q.
    Wanted,
    /// There was no bound in time.
    NoBound,
    /// A signal asked the process to end.
    Signal(u8),
}

/// When a watch ends: looked at after each look at the clock.
struct Watch {
    began: Instant,
    limits: Limits,
    had_a_bound: bool,
}

impl Watch {
    fn end(&mut self, status: &Status) -> Option<End> {
        self.had_a_bound |= status.interval.is_some();
        let past =
            |limit: Option<Duration>| limit.is_some_and(|limit| self.began.elapsed() >= limit);
        if !self.had_a_bound && past(self.limits.first_bound) {
            return Some(End::NoBound);
        }
        past(self.limits.length).then_some(End::Wanted)
    }
}

/// Watches until a limit ends it, or someone presses q. Gives what was seen, and what ended it.
///
/// # Errors
///
/// Where the terminal cannot be written to or read from.
pub(crate) fn watch(
    clock: &SureClock,
    every: Duration,
    limits: Limits,
) -> io::Result<(Course, End)> {
    let names = clock.status().sources.iter().map(|source| source.name.clone()).collect();
    let mut course = Course::new(names);
    let mut watch = Watch { began: Instant::now(), limits, had_a_bound: false };
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let mut shown = None;
        loop {
            let (status, os) = sample(clock);
            course.add(watch.began.elapsed(), &status, os);
            // A line a second, however often is looked.
            let second = watch.began.elapsed().as_secs();
            if shown.replace(second) != Some(second) {
                writeln!(io::stdout(), "{}", headline(&status))?;
            }
            if let Some(end) = watch.end(&status) {
                return Ok((course, end));
            }
            std::thread::sleep(every);
        }
    }
    // Before the terminal is raw: from then on a signal must find someone who puts it back.
    let signals = ending_signals()?;
    let mut terminal = ratatui::try_init()?;
    let result = loop {
        let (status, os) = sample(clock);
        course.add(watch.began.elapsed(), &status, os);
        if let Err(error) = terminal.draw(|frame| draw(frame, &status, os, &course)) {
            break Err(error);
        }
        match quits(every, &signals) {
            Ok(None) => {}
            Ok(Some(end)) => break Ok(end),
            Err(error) => break Err(error),
        }
        if let Some(end) = watch.end(&status) {
            break Ok(end);
        }
    };
    ratatui::restore();
    result.map(|end| (course, end))
}

/// The signals that ask a process to end, as they come.
#[cfg(unix)]
fn ending_signals() -> io::Result<Receiver<u8>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    let (came, receiver) = channel();
    std::thread::Builder::new().name("sureclock-signals".into()).spawn(move || {
        for signal in signals.forever() {
            if came.send(u8::try_from(signal).unwrap_or(u8::MAX)).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// On Windows the console is whole again when the process has ended.
#[cfg(not(unix))]
fn ending_signals() -> io::Result<Receiver<u8>> {
    Ok(channel().1)
}

/// Waits so long for keys and signals; says if one ends it.
fn quits(wait: Duration, signals: &Receiver<u8>) -> io::Result<Option<End>> {
    let until = Instant::now() + wait;
    loop {
        if let Ok(signal) = signals.try_recv() {
            return Ok(Some(End::Signal(signal)));
        }
        let left = until.saturating_duration_since(Instant::now());
        if event::poll(left.min(LONGEST_WAIT))? {
            if let Event::Key(key) = event::read()? {
                let interrupt =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if key.kind == KeyEventKind::Press
                    && (interrupt || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc))
                {
                    return Ok(Some(End::Wanted));
                }
            }
        } else if left.is_zero() {
            return Ok(None);
        }
    }
}

/// The state in a line.
fn headline(status: &Status) -> String {
    match status.interval {
        Some(interval) => format!("{interval}  {}", state_name(status.state)),
        None => format!("no bound: {}", state_name(status.state)),
    }
}

/// What is known of the rate, in a line.
fn rate_line(status: &Status) -> String {
    let counts = status.counts;
    let learned = match status.learned_rate {
        Some(rate) => {
            format!(
                "learned rate {:+} to {:+} ppb, for {} s",
                rate.least_ppb,
                rate.most_ppb,
                rate.until.as_secs()
            )
        }
        None => "no rate learned yet".into(),
    };
    format!(
        "rate bound {} ppb, {learned}; {} disruptions, {} rates given up",
        status.rate_bound_ppb, counts.disruptions, counts.rates_given_up
    )
}

fn draw(frame: &mut Frame<'_>, status: &Status, os: Timestamp, course: &Course) {
    let sources = u16::try_from(status.sources.len()).unwrap_or(u16::MAX);
    let rows = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(sources.saturating_add(3)),
        Constraint::Min(8),
        Constraint::Length(1),
    ]);
    let [head, table, chart, foot] = rows.areas(frame.area());
    let counter = format!("counter: {}", status.counter);
    let lines = vec![
        Line::from(headline(status)).bold(),
        Line::from(rate_line(status)),
        Line::from(counter),
    ];
    frame.render_widget(ratatui::widgets::Paragraph::new(lines), head);
    frame.render_widget(sources_table(status, os), table);
    uncertainty_chart(frame, chart, course);
    frame.render_widget(Line::from("q ends").dim(), foot);
}

fn sources_table(status: &Status, os: Timestamp) -> Table<'static> {
    let rows = status.sources.iter().map(|source| {
        let offset = source.interval.map(|interval| {
            let offsets = Offsets::of(&interval, os);
            signed_ms(((offsets.earliest + offsets.latest) / 2.0 * 1e9) as i128)
        });
        let none = || "-".to_owned();
        let color = match source.verdict {
            Verdict::Agrees => Color::Reset,
            Verdict::Falseticker | Verdict::Contradictory => Color::Red,
            _ => Color::Yellow,
        };
        let cells = [
            source.name.clone(),
            verdict_name(source.verdict).to_owned(),
            offset.unwrap_or_else(none),
            source
                .interval
                .map_or_else(none, |interval| format!("± {}", ms(interval.uncertainty()))),
            source.delay.map_or_else(none, ms),
            source.root_distance.map_or_else(none, ms),
            source.last_heard.map_or_else(none, |age| format!("{} s", age.as_secs())),
            source.problem.map_or_else(String::new, |problem| problem.to_string()),
        ];
        Row::new(cells).style(Style::new().fg(color))
    });
    let name =
        status.sources.iter().map(|source| source.name.len()).max().unwrap_or(6).clamp(6, 40);
    let widths = [
        Constraint::Length(u16::try_from(name).unwrap_or(40)),
        Constraint::Length(13),
        Constraint::Length(14),
        Constraint::Length(14),
        Constraint::Length(12),
        Constraint::Length(12),
        Constraint::Length(6),
        Constraint::Min(10),
    ];
    let header =
        ["source", "verdict", "offset to OS", "error", "delay", "root dist", "heard", "problem"];
    Table::new(rows.collect::<Vec<_>>(), widths)
        .header(Row::new(header).bold())
        .block(Block::bordered())
}

fn uncertainty_chart(frame: &mut Frame<'_>, area: ratatui::layout::Rect, course: &Course) {
    let (to, most) = (course.length(), course.uncertainties().last().copied().unwrap_or(0.0));
    // The last five minutes.
    let from = (to - SHOWN_S).max(0.0);
    let unit = Unit::for_length(most);
    let points: Vec<(f64, f64)> = course
        .samples
        .iter()
        .filter(|sample| sample.at >= from)
        .filter_map(|sample| Some((sample.at, unit.of(sample.agreed?.uncertainty()))))
        .collect();
    let highest = points.iter().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    let dataset =
        Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).cyan().data(&points);
    let labels =
        |low: f64, high: f64| [low, (low + high) / 2.0, high].map(|value| format!("{value:.3}"));
    let seconds = [from, to].map(|value| format!("{value:.0} s"));
    let chart = Chart::new(vec![dataset])
        .block(Block::bordered().title(format!(" uncertainty, {} ", unit.name)))
        .x_axis(Axis::default().bounds([from, to.max(from + 1.0)]).labels(seconds))
        .y_axis(Axis::default().bounds([0.0, highest.max(1e-6)]).labels(labels(0.0, highest)));
    frame.render_widget(chart, area);
}

const SHOWN_S: f64 = 300.0;
/// How late a signal is seen at most.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::super::course::tests::sawtooth;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn shown(width: u16, height: u16) -> String {
        let interval = "2026-11-26T03:04:05Z ± 1.5 ms".parse().unwrap();
        let (clock, _time) = SureClock::manual(interval);
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let (status, os) = sample(&clock);
        terminal.draw(|frame| draw(frame, &status, os, &sawtooth())).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_terminal_shows_interval_state_rate_and_the_sawtooth() {
        let text = shown(120, 30);
        for part in [
            "2026-11-26T03:04:05",
            "synchronized",
            "rate bound",
            "source",
            "uncertainty, ms",
            "q ends",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(text.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "a line in\n{text}");
    }

    #[test]
    fn a_tiny_terminal_is_no_reason_to_panic() {
        for size in [(1, 1), (10, 3), (200, 4)] {
            shown(size.0, size.1);
        }
    }
}
