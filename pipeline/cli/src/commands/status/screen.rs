//! What `status --watch` shows, and how: pure, so that tests see the screen as text.
//!
//! Rates come from two answers and the time between them. A partition whose position went back
//! (a verdict, another topic) has no rate until the next answer, never a wrong one.

use super::gather::{Gathered, Known};
use crate::output::{grouped, length};
use meterline_core::time::{EventTime, LogTime};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Sparkline, Table};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Answers that the sparkline remembers: as many as a wide screen has columns.
const HISTORY: usize = 300;

/// Lines for warnings, below the table.
const WARNINGS: usize = 3;

/// One partition on the screen.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Shown {
    partition: u32,
    state: String,
    /// Records a second.
    rate: Option<u64>,
    lag: Option<u64>,
    log_time_age: Option<u64>,
    freshness: Option<u64>,
    checkpoint_age: Option<u64>,
    archive_lag: Option<u64>,
    rekey_lag: Option<u64>,
    reason: String,
}

/// Everything on the screen.
pub(super) struct Screen {
    topic: String,
    rows: Vec<Shown>,
    warnings: Vec<String>,
    /// Records a second of all partitions, oldest first.
    rates: VecDeque<u64>,
    positions: BTreeMap<u32, u64>,
    shown_at: Option<Instant>,
    time: Option<EventTime>,
    scrolled: usize,
}

impl Screen {
    pub(super) fn new(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            rows: Vec::new(),
            warnings: Vec::new(),
            rates: VecDeque::new(),
            positions: BTreeMap::new(),
            shown_at: None,
            time: None,
            scrolled: 0,
        }
    }

    /// Takes an answer in.
    pub(super) fn show(&mut self, gathered: Gathered, at: Instant, time: EventTime) {
        let since = self
            .shown_at
            .map(|before| at.saturating_duration_since(before));
        let millis = since.map_or(0, |since| since.as_millis());
        let mut total = None;
        self.rows.clear();
        for (partition, known) in &gathered.partitions {
            let position = position(known);
            let before = self.positions.get(partition).copied();
            let rate = rate(before, position, millis);
            if let Some(rate) = rate {
                total = Some(total.unwrap_or(0) + rate);
            }
            self.rows.push(shown(*partition, known, rate, time));
        }
        let positions = gathered.partitions.iter();
        let positions = positions.filter_map(|(p, known)| Some((*p, position(known)?)));
        self.positions = positions.collect();
        if let Some(total) = total {
            self.rates.push_back(total);
            let spare = self.rates.len().saturating_sub(HISTORY);
            self.rates.drain(..spare);
        }
        self.warnings = gathered.warnings;
        (self.shown_at, self.time) = (Some(at), Some(time));
        self.scroll(0);
    }

    /// Keeps what is on the screen, and says why it is old.
    pub(super) fn fail(&mut self, why: String) {
        self.warnings = vec![why];
    }

    /// Moves the table.
    pub(super) fn scroll(&mut self, rows: isize) {
        let last = self.rows.len().saturating_sub(1);
        self.scrolled = self.scrolled.saturating_add_signed(rows).min(last);
    }

    fn totals(&self) -> String {
        let running = self
            .rows
            .iter()
            .filter(|row| row.state == "running")
            .count();
        let lag: u64 = self.rows.iter().filter_map(|row| row.lag).sum();
        let rate = self.rates.back().copied();
        let freshness = self.rows.iter().filter_map(|row| row.freshness).max();
        let stages = [
            self.stage_lag("archive", |row| row.archive_lag),
            self.stage_lag("rekey", |row| row.rekey_lag),
        ];
        format!(
            "{} partitions, {running} running   {} records/s   lag {}   freshness {}{}",
            self.rows.len(),
            number(rate),
            grouped(lag),
            age(freshness),
            stages.concat()
        )
    }

    /// How far behind a stage is, where it is in use.
    fn stage_lag(&self, stage: &str, of: impl Fn(&Shown) -> Option<u64>) -> String {
        let lags: Vec<u64> = self.rows.iter().filter_map(of).collect();
        if lags.is_empty() {
            return String::new();
        }
        format!("   {stage} lag {}", grouped(lags.iter().sum()))
    }
}

/// The next record to fold as a worker says, or else what is published.
fn position(known: &Known) -> Option<u64> {
    let worker = known.worker.as_ref().map(|worker| worker.position);
    worker.or_else(|| known.published())
}

fn rate(before: Option<u64>, now: Option<u64>, millis: u128) -> Option<u64> {
    let records = now?.checked_sub(before?)?;
    let rate = (u128::from(records) * 1_000).checked_div(millis)?;
    u64::try_from(rate).ok()
}

fn shown(partition: u32, known: &Known, rate: Option<u64>, time: EventTime) -> Shown {
    let worker = known.worker.as_ref();
    let log_time = worker.map(|worker| LogTime(worker.log_time));
    let log_time = log_time.or(known.progress.as_ref().map(|p| p.log_time));
    let end = known.ends.map(|(_, end)| end);
    let lag = worker
        .zip(end)
        .map(|(w, end)| end.saturating_sub(w.position));
    let checkpoint = known.checkpoint.as_ref().map(|c| LogTime(c.written_at));
    Shown {
        partition,
        state: worker
            .map_or("unknown", |worker| worker.state.name())
            .to_owned(),
        rate,
        lag: lag.or_else(|| known.lag()),
        log_time_age: log_time.filter(|t| t.0 > 0).map(|t| seconds(t, time)),
        freshness: worker.map(|worker| worker.freshness_seconds),
        checkpoint_age: checkpoint.map(|written| seconds(written, time)),
        archive_lag: known.archive_lag(),
        rekey_lag: known.rekey_lag,
        reason: worker.and_then(|w| w.reason.clone()).unwrap_or_default(),
    }
}

/// Whole seconds from then to now.
fn seconds(then: LogTime, now: EventTime) -> u64 {
    let micros = now.0.saturating_sub(then.as_event_time().0);
    u64::try_from(micros / 1_000_000).unwrap_or(0)
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), grouped)
}

fn age(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), length)
}

/// Draws the screen into whatever size there is.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let warnings = screen.warnings.len().min(WARNINGS);
    let warnings = u16::try_from(warnings).expect("it is at most WARNINGS");
    let [head, totals, spark, table, below] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Min(2),
        Constraint::Length(warnings),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(heading(screen)), head);
    frame.render_widget(Paragraph::new(screen.totals()), totals);
    draw_rates(frame, screen, spark);
    draw_table(frame, screen, table);
    let lines = screen.warnings.iter().take(WARNINGS);
    let lines: Vec<Line<'_>> = lines.map(|text| Line::from(text.as_str())).collect();
    let warned = Style::new().fg(Color::Yellow);
    frame.render_widget(Paragraph::new(lines).style(warned), below);
}

fn heading(screen: &Screen) -> Line<'_> {
    let time = screen.time.map_or_else(
        || "asking …".to_owned(),
        |time| crate::output::short_time(EventTime(time.0 - time.0 % 1_000_000)),
    );
    let text = format!("{}   {time}   q quits, ↑ ↓ scroll", screen.topic);
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

/// The newest rates, as many as there is room for.
fn draw_rates(frame: &mut Frame<'_>, screen: &Screen, area: Rect) {
    let room = usize::from(area.width);
    let from = screen.rates.len().saturating_sub(room);
    let rates = screen.rates.range(from..).copied().collect::<Vec<_>>();
    let style = Style::new().fg(Color::Cyan);
    frame.render_widget(Sparkline::default().data(&rates).style(style), area);
}

fn draw_table(frame: &mut Frame<'_>, screen: &Screen, area: Rect) {
    let header = [
        "PART",
        "STATE",
        "RECORDS/S",
        "LAG",
        "LOG TIME",
        "FRESH",
        "CHECKPOINT",
        "REASON",
    ];
    let widths = [
        Constraint::Length(5),
        Constraint::Length(8),
        Constraint::Length(11),
        Constraint::Length(13),
        Constraint::Length(11),
        Constraint::Length(9),
        Constraint::Length(11),
        Constraint::Min(6),
    ];
    let rows = screen.rows.iter().skip(screen.scrolled).map(row);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let table = Table::new(rows, widths).header(Row::new(header).style(bold));
    frame.render_widget(table, area);
}

fn row(shown: &Shown) -> Row<'_> {
    let right = |text: String, width: usize| Cell::from(format!("{text:>width$}"));
    let color = match shown.state.as_str() {
        "running" => Color::Green,
        "halted" | "stalled" => Color::Red,
        "unknown" => Color::Reset,
        _ => Color::Yellow,
    };
    Row::new([
        right(shown.partition.to_string(), 4),
        Cell::from(shown.state.as_str()).style(Style::new().fg(color)),
        right(number(shown.rate), 9),
        right(number(shown.lag), 12),
        Cell::from(age(shown.log_time_age)),
        Cell::from(age(shown.freshness)),
        Cell::from(age(shown.checkpoint_age)),
        Cell::from(shown.reason.as_str()),
    ])
}

#[cfg(test)]
mod tests;
