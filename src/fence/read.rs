//! Reading tokens, states and verdicts under the feature `serde`: what no holder and no fence can
//! have made is an error.

use super::{FenceState, FencingToken, Rejected};
use crate::resource::ResourceName;
use serde::Deserialize;

/// What was read is not what a holder or a fence writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Impossible {
    #[error("no holder makes such a fencing token")]
    Token,
    #[error("no fence comes into such a state")]
    State,
    #[error("no fence gives such a verdict")]
    Verdict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenFields {
    resource: ResourceName,
    sequence: u64,
    #[serde(with = "crate::time::wire")]
    holder: u128,
    write: u64,
    #[serde(with = "crate::time::wire")]
    previous: u128,
    #[serde(with = "crate::time::wire")]
    id: u128,
}

impl TryFrom<TokenFields> for FencingToken {
    type Error = Impossible;

    fn try_from(fields: TokenFields) -> Result<FencingToken, Impossible> {
        let TokenFields { resource, sequence, holder, write, previous, id } = fields;
        // The barrier and the first write have none before them; the barrier alone has no id.
        let is_a_chain = (previous == 0) == (write <= 1) && (id == 0) == (write == 0);
        if sequence == 0 || sequence == u64::MAX || holder == 0 || !is_a_chain {
            return Err(Impossible::Token);
        }
        Ok(FencingToken { resource, sequence, holder, write, previous, id })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateFields {
    resource: ResourceName,
    sequence: u64,
    #[serde(with = "crate::time::wire")]
    holder: u128,
    write: u64,
    #[serde(with = "crate::time::wire")]
    last: u128,
}

impl TryFrom<StateFields> for FenceState {
    type Error = Impossible;

    fn try_from(fields: StateFields) -> Result<FenceState, Impossible> {
        let StateFields { resource, sequence, holder, write, last } = fields;
        let is_nobody = holder == 0;
        if is_nobody && (write, last) != (0, 0)
            || !is_nobody && (sequence == 0 || sequence == u64::MAX)
        {
            return Err(Impossible::State);
        }
        Ok(FenceState { resource, sequence, holder, write, last })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum RejectedForm {
    Stale { sequence: u64, highest: u64 },
    OtherHolder { sequence: u64 },
    Replayed { write: u64, last: u64 },
    Conflicting { write: u64 },
    Gap { write: u64, expected: u64 },
    NoBarrier { sequence: u64 },
    OutOfRange { sequence: u64 },
    OtherResource { fence: ResourceName },
    TooFarAhead { sequence: u64, highest: u64 },
}

impl TryFrom<RejectedForm> for Rejected {
    type Error = Impossible;

    fn try_from(form: RejectedForm) -> Result<Rejected, Impossible> {
        let in_range = |sequence: u64| sequence != 0 && sequence != u64::MAX;
        let (is_possible, rejected) = match form {
            RejectedForm::Stale { sequence, highest } => {
                (in_range(sequence) && sequence < highest, Rejected::Stale { sequence, highest })
            }
            RejectedForm::OtherHolder { sequence } => {
                (in_range(sequence), Rejected::OtherHolder { sequence })
            }
            RejectedForm::Replayed { write, last } => {
                (write < last, Rejected::Replayed { write, last })
            }
            RejectedForm::Conflicting { write } => (true, Rejected::Conflicting { write }),
            RejectedForm::Gap { write, expected } => {
                (0 < expected && expected < write, Rejected::Gap { write, expected })
            }
            RejectedForm::NoBarrier { sequence } => {
                (in_range(sequence), Rejected::NoBarrier { sequence })
            }
            RejectedForm::OutOfRange { sequence } => {
                (!in_range(sequence), Rejected::OutOfRange { sequence })
            }
            RejectedForm::OtherResource { fence } => (true, Rejected::OtherResource { fence }),
            RejectedForm::TooFarAhead { sequence, highest } => {
                let is_too_far =
                    sequence.checked_sub(highest).is_some_and(|by| by > FenceState::MOST_AHEAD);
                (in_range(sequence) && is_too_far, Rejected::TooFarAhead { sequence, highest })
            }
        };
        is_possible.then_some(rejected).ok_or(Impossible::Verdict)
    }
}
