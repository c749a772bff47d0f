//! Where a result goes: standard output, or a file that is whole or not there.

use super::file::WholeFile;
use anyhow::Result;
use meterline_clickhouse::Export;
use std::io::{BufWriter, ErrorKind, StdoutLock, Write};
use std::path::Path;

/// Where a result goes.
#[derive(Debug)]
pub(crate) enum Place {
    /// Standard output.
    Standard(BufWriter<StdoutLock<'static>>),
    /// A file.
    File(WholeFile),
}

impl Place {
    /// The file, or standard output where there is none.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn of(file: Option<&Path>) -> Result<Self> {
        match file {
            Some(path) => Ok(Self::File(WholeFile::create(path)?)),
            None => Ok(Self::Standard(BufWriter::new(std::io::stdout().lock()))),
        }
    }

    /// Writes a result with `write` and puts it in its place. A reader of standard output that
    /// went away (`| head`) is no failure.
    ///
    /// # Errors
    /// Those of `write`, and when the result cannot be put in its place.
    pub(crate) fn fill(mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let written = write(&mut self);
        match (self, written) {
            (Self::File(file), Ok(())) => file.finish(),
            (Self::File(file), Err(error)) => Err(error.context(file.failed())),
            (Self::Standard(_), Err(error)) if is_reader_gone(&error) => Ok(()),
            (Self::Standard(_), Err(error)) => Err(error),
            (Self::Standard(mut out), Ok(())) => match out.flush() {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(()),
            },
        }
    }

    /// Writes an answer of ClickHouse as it comes.
    ///
    /// # Errors
    /// When the answer ends too early, or cannot be written.
    pub(crate) async fn take_all(&mut self, mut export: Export<'_>) -> Result<()> {
        while let Some(piece) = export.next().await? {
            self.write_all(&piece)?;
        }
        Ok(())
    }
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    let is_pipe = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| match cause.downcast_ref::<csv::Error>() {
            Some(error) => matches!(error.kind(), csv::ErrorKind::Io(error) if is_pipe(error)),
            None => cause.downcast_ref().is_some_and(is_pipe),
        })
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Standard(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Standard(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}
