//! `config show` and `config check`. Settings that cannot be used never get this far.

use crate::args::ConfigCommand;
use crate::config::{Loaded, show};
use crate::failure::Failure;
use crate::output::print;

/// Runs the command.
pub(crate) fn run(command: &ConfigCommand, loaded: &Loaded) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show => print(&show::render(&loaded.leaves))?,
        ConfigCommand::Check => print("the settings are ok\n")?,
    }
    Ok(())
}
