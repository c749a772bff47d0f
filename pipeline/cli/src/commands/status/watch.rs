//! `status --watch`: the loop between sources, screen and keys.
//!
//! Sources are asked on a thread of their own, so that a broker that does not answer never makes
//! the screen deaf. The terminal is given back however the loop ends.

use super::gather::{Gathered, Sources};
use super::screen::{Screen, draw};
use crate::commands::{Session, clock};
use crate::failure::{Failure, chain};
use anyhow::{Context as _, Result};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use std::io::IsTerminal as _;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

/// Pause between two rounds of questions: workers report once a second.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long one wait for a key is; bounds how late an answer is shown.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// Runs until `q`, Esc, Ctrl-C or SIGTERM.
pub(super) fn run(session: &Session<'_>) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        let how = "status --watch needs a terminal; `meterline status` prints once";
        return Err(Failure::usage(how));
    }
    let sources = Sources::connect(session.settings, session.runtime.handle())?;
    let mut screen = Screen::new(sources.topic());
    let answers = ask(sources).context("failed to start a thread")?;
    let stop = session.stop()?;
    let mut terminal = ratatui::try_init().context("failed to set up the terminal")?;
    let ended = watch(&mut terminal, &mut screen, &answers, || stop.is_requested());
    ratatui::restore();
    Ok(ended?)
}

/// Asks all sources again and again, until nobody listens any more.
fn ask(sources: Sources) -> std::io::Result<Receiver<Result<Gathered>>> {
    let (answer, answers): (SyncSender<Result<Gathered>>, _) = sync_channel(1);
    let body = move || {
        while answer.send(sources.ask()).is_ok() {
            std::thread::sleep(ASK_EVERY);
        }
    };
    std::thread::Builder::new()
        .name("status".to_owned())
        .spawn(body)?;
    Ok(answers)
}

fn watch(
    terminal: &mut DefaultTerminal,
    screen: &mut Screen,
    answers: &Receiver<Result<Gathered>>,
    is_stopped: impl Fn() -> bool,
) -> Result<()> {
    let failed = "failed to use the terminal";
    while !is_stopped() {
        match answers.try_recv() {
            Ok(Ok(gathered)) => screen.show(gathered, Instant::now(), clock()),
            Ok(Err(error)) => screen.fail(chain(error.as_ref())),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => anyhow::bail!("the asking thread ended"),
        }
        // Also draws what a resize changed.
        terminal.draw(|frame| draw(frame, screen)).context(failed)?;
        if event::poll(KEY_WAIT).context(failed)?
            && let Event::Key(key) = event::read().context(failed)?
        {
            match action(key) {
                Action::Quit => return Ok(()),
                Action::Scroll(rows) => screen.scroll(rows),
                Action::Nothing => {}
            }
        }
    }
    Ok(())
}

/// What a key means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Quit,
    Scroll(isize),
    Nothing,
}

fn action(key: KeyEvent) -> Action {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Action::Quit,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Action::Quit,
        KeyCode::Down | KeyCode::Char('j') => Action::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Action::Scroll(-1),
        KeyCode::PageDown => Action::Scroll(10),
        KeyCode::PageUp => Action::Scroll(-10),
        _ => Action::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_screen_says() {
        let none = KeyModifiers::NONE;
        for (code, modifiers, expected) in [
            (KeyCode::Char('q'), none, Action::Quit),
            (KeyCode::Esc, none, Action::Quit),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Action::Quit),
            (KeyCode::Char('c'), none, Action::Nothing),
            (KeyCode::Down, none, Action::Scroll(1)),
            (KeyCode::PageUp, none, Action::Scroll(-10)),
        ] {
            let key = KeyEvent::new(code, modifiers);
            assert_eq!(action(key), expected, "{key:?}");
        }
    }
}
