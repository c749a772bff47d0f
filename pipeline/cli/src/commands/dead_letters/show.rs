//! `dead-letters show`: everything that is known of one letter.
//!
//! The original may hold anything: text is printed with every character escaped that could move a
//! terminal's cursor or turn its text around, other bytes in hexadecimal.

use super::super::Session;
use super::replay::replayer;
use crate::args::Output;
use crate::args::dead_letters::LetterArgs;
use crate::failure::Failure;
use crate::output::{grouped, print, short_time};
use anyhow::{Context, anyhow};
use meterline_clickhouse::{DeadLetterFilter, LetterOrder, LetterPage, Purge};
use meterline_core::position::LogPartition;
use meterline_replay::LetterId;
use meterline_schemas::rows::{DeadLetterRow, ReplayRow};
use serde_json::{Value, json};
use std::fmt::Write;

/// Bytes of one line in hexadecimal.
const HEX_LINE: usize = 32;

/// Runs the command.
pub(super) fn run(args: &LetterArgs, session: &Session<'_>) -> Result<(), Failure> {
    if args.output == Output::Csv {
        return Err(Failure::usage("a dead letter is shown as table or json"));
    }
    let filter = DeadLetterFilter {
        topic_id: Some(args.letter.log_partition.topic_id),
        partition: Some(args.letter.log_partition.partition),
        offset: Some(args.letter.offset),
        ..DeadLetterFilter::default()
    };
    let page = LetterPage::first(LetterOrder::NewestFirst, 1);
    let clickhouse = session.clickhouse()?;
    let found = session
        .runtime
        .block_on(clickhouse.dead_letters(&filter, &page))?;
    let letter = found.first();
    let letter = letter.ok_or_else(|| anyhow!("there is no dead letter {}", args.letter))?;
    let mut replayer = replayer(session)?;
    replayer.catch_up()?;
    let replay = replayer.replay_of(args.letter)?;
    let LetterId {
        log_partition,
        offset,
    } = args.letter;
    let purge = clickhouse.purge_of(log_partition, offset);
    let purge = session.runtime.block_on(purge)?;
    Ok(print(&match args.output {
        Output::Json => {
            let value = as_json(args.letter, letter, replay.as_ref(), purge.as_ref());
            serde_json::to_string_pretty(&value).context("failed to write JSON")? + "\n"
        }
        _ => as_text(args.letter, letter, replay.as_ref(), purge.as_ref()),
    })?)
}

fn as_text(
    id: LetterId,
    letter: &DeadLetterRow,
    replay: Option<&ReplayRow>,
    purge: Option<&Purge>,
) -> String {
    let cut = match purge {
        Some(_) => "purged",
        None if letter.truncated == 1 => "cut at its bounds",
        None => "whole",
    };
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        writeln!(out, "{name:<10}{text}").expect("a text takes everything");
    };
    line("letter", id.to_string());
    line("topic", safe(&letter.topic));
    line("reason", letter.reason.clone());
    line("detail", safe(&letter.detail));
    line("tenant", or_dash(safe(&letter.tenant)));
    line("log time", short_time(letter.log_time));
    line("epoch", letter.epoch.to_string());
    line("length", format!("{} bytes", grouped(letter.length)));
    line("hash", format!("{:032x}", letter.hash));
    line("replayed", replay.map_or("no".to_owned(), replayed));
    if let Some(purge) = purge {
        line("purged", purged(purge));
    }
    line("key", or_dash(one_line(&letter.key)));
    for (name, value) in &letter.headers {
        line("header", format!("{}: {}", safe(name), one_line(value)));
    }
    line("original", cut.to_owned());
    out.push_str(&block(&letter.original));
    out
}

fn purged(purge: &Purge) -> String {
    let (at, by) = (short_time(purge.purged_at), safe(&purge.purged_by));
    format!("{at} by {by}{}", why(&purge.purge_note))
}

/// A note behind a text, where there is one.
fn why(note: &str) -> String {
    if note.is_empty() {
        String::new()
    } else {
        format!(": {}", safe(note))
    }
}

fn replayed(replay: &ReplayRow) -> String {
    let note = why(&replay.note);
    format!(
        "{} by {} to {} (from the {}){note}",
        short_time(replay.replayed_at),
        safe(&replay.actor),
        target(replay),
        replay.copy
    )
}

fn target(replay: &ReplayRow) -> LetterId {
    LetterId {
        log_partition: LogPartition {
            topic_id: replay.to_topic_id,
            partition: replay.to_partition,
        },
        offset: replay.to_offset,
    }
}

fn as_json(
    id: LetterId,
    letter: &DeadLetterRow,
    replay: Option<&ReplayRow>,
    purge: Option<&Purge>,
) -> Value {
    let headers: Vec<Value> = letter
        .headers
        .iter()
        .map(|(name, value)| json!({"name": name, "value": bytes_json(value)}))
        .collect();
    json!({
        "letter": id.to_string(),
        "topic": letter.topic,
        "reason": letter.reason,
        "detail": letter.detail,
        "tenant": letter.tenant,
        "log_time": short_time(letter.log_time),
        "epoch": letter.epoch,
        "length": letter.length,
        "hash": format!("{:032x}", letter.hash),
        "truncated": letter.truncated == 1,
        "key": bytes_json(&letter.key),
        "headers": headers,
        "original": bytes_json(&letter.original),
        "replayed": replay.map(|replay| json!({
            "at": short_time(replay.replayed_at),
            "to": target(replay).to_string(),
            "to_topic": replay.to_topic,
            "copy": replay.copy,
            "actor": replay.actor,
            "note": replay.note,
        })),
        "purged": purge.map(|purge| json!({
            "at": short_time(purge.purged_at),
            "actor": purge.purged_by,
            "note": purge.purge_note,
        })),
    })
}

/// Text as `{"text": …}`, other bytes as `{"hex": …}`.
fn bytes_json(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "hex": hex(bytes) }),
    }
}

fn one_line(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("0x{}", hex(bytes)), safe)
}

/// The bytes on lines of their own.
fn block(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.lines().map(|l| safe(l) + "\n").collect(),
        _ => bytes.chunks(HEX_LINE).map(|c| hex(c) + "\n").collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn or_dash(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

/// Escapes controls, and what turns the direction of text around.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_move_a_cursor_or_turn_text_is_escaped() {
        for (bytes, line, lines) in [
            (&b"{\"a\": 1}"[..], "{\"a\": 1}", "{\"a\": 1}\n"),
            (b"a\x1b[2J\nb", "a\\u{1b}[2J\\nb", "a\\u{1b}[2J\nb\n"),
            ("x\u{202e}y".as_bytes(), "x\\u{202e}y", "x\\u{202e}y\n"),
            (b"\xff\x01", "0xff01", "ff01\n"),
            (b"\0\0a", "\\u{0}\\u{0}a", "000061\n"),
            (b"", "", ""),
        ] {
            assert_eq!(one_line(bytes), line);
            assert_eq!(block(bytes), lines);
        }
        assert_eq!(block(&[0xff; 33]).lines().count(), 2);
    }
}
