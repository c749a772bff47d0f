//! Arguments of `checkpoint`.

use super::Output;
use clap::{Args, Subcommand};

/// Commands on the checkpoint store.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// List the checkpoints of every partition, with what is wrong with them.
    List(ListArgs),
    /// Set aside checkpoints that cannot be used, or rebuild one from ClickHouse.
    Repair(RepairArgs),
}

/// Arguments of `checkpoint list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// One partition only.
    #[arg(long)]
    pub partition: Option<u32>,
    /// Read every file and compare it with its checksum.
    #[arg(long)]
    pub read: bool,
    /// Form of the output.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Arguments of `checkpoint repair`.
#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// One partition only.
    #[arg(long)]
    pub partition: Option<u32>,
    /// Do it; without this nothing is changed.
    #[arg(long)]
    pub yes: bool,
    /// Read every file and compare it with its checksum.
    #[arg(long)]
    pub read: bool,
    /// Make a checkpoint from the rows in ClickHouse, for a partition that has none.
    #[arg(long, requires = "partition")]
    pub rebuild: bool,
    /// Rebuild it although the ids of earlier events are lost: a repeat of one counts again.
    #[arg(long, requires = "rebuild")]
    pub without_ids: bool,
}
