//! `sureclock mark`: what a high-water mark's file says, and a new one in place of one that is
//! wrong.

use super::args::MarkCommand;
use super::{Failure, complain};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use sureclock::{HighWaterMark, MarkFileError, SureClock};

/// Shows or resets a mark.
///
/// # Errors
///
/// Where the output cannot be written. What is wrong with the mark is said, and is exit status 1.
pub(crate) fn mark(what: &MarkCommand) -> Result<ExitCode, Failure> {
    let (path, result) = match what {
        MarkCommand::Show { path } => (path, show(path)),
        MarkCommand::Reset { path, to, timescale } => {
            let reset = HighWaterMark::reset(path, *to, *timescale);
            (
                path,
                reset
                    .map_err(Problem::Mark)
                    .and_then(|reset| tell(path, &reset).map_err(Problem::Output)),
            )
        }
    };
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Problem::Output(error)) => Err(error.into()),
        Err(Problem::Mark(error)) => {
            complain(format_args!("{path:?}: {error}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

enum Problem {
    Mark(MarkFileError),
    Output(io::Error),
}

fn show(path: &Path) -> Result<(), Problem> {
    let mark = HighWaterMark::read(path).map_err(Problem::Mark)?;
    print_mark(&mark).map_err(Problem::Output)
}

fn print_mark(mark: &HighWaterMark) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "reserved up to  {}", mark.reserved)?;
    writeln!(out, "timescale       {}", mark.timescale)?;
    let os = SureClock::wall_time().assume_true();
    let (side, by) = match mark.reserved.checked_duration_since(os) {
        Some(ahead) => ("ahead of", ahead),
        None => ("behind", os.checked_duration_since(mark.reserved).unwrap_or_default()),
    };
    // Whole seconds: the OS clock is a guess, and this is for a person's judgement.
    writeln!(
        out,
        "                {} s {side} this machine's OS clock, which may be wrong",
        by.as_secs()
    )
}

fn tell(path: &Path, reset: &sureclock::MarkReset) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match reset.before {
        Some(before) => writeln!(out, "before  {}  {}", before.reserved, before.timescale)?,
        None => writeln!(out, "before  damaged")?,
    }
    writeln!(out, "now     {}  {}", reset.now.reserved, reset.now.timescale)?;
    writeln!(out, "kept    {:?}", reset.kept)?;
    writeln!(
        out,
        "Timestamps above the new one may be given out again by the next clock that uses {path:?}."
    )
}
