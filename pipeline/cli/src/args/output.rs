//! Form and place of long results, for every command that has some.

use super::Output;
use crate::failure::Failure;
use clap::Args;
use std::path::{Path, PathBuf};

/// Form and place of a long result.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// Form of the output; `parquet` needs --output-file.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
    /// Write to this file instead of standard output. It is there only once it is whole, and then
    /// replaces what was there.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

impl ResultArgs {
    /// Where the result goes; `None`: standard output.
    ///
    /// # Errors
    /// When the form needs a file and there is none.
    pub(crate) fn file(&self) -> Result<Option<&Path>, Failure> {
        if self.output == Output::Parquet && self.output_file.is_none() {
            return Err(Failure::usage("--output parquet needs --output-file FILE"));
        }
        Ok(self.output_file.as_deref())
    }
}
