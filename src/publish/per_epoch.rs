//! One value for each epoch, so that a call of an epoch that is over cannot touch a newer epoch's.
//!
//! A lookup is lock-free after the first one of its epoch. The values of old epochs stay: they are
//! a few words each, and an epoch begins when a person decides so.

use std::sync::OnceLock;

/// The values, made when they are first asked for.
#[derive(Debug)]
pub(crate) struct PerEpoch<T> {
    /// Shelf k holds the values of the 2^k epochs from 2^k - 1 on, so that none ever moves.
    shelves: [OnceLock<Box<[T]>>; SHELVES],
}

impl<T: Default> PerEpoch<T> {
    pub(crate) fn new() -> PerEpoch<T> {
        let values = PerEpoch { shelves: std::array::from_fn(|_| OnceLock::new()) };
        // That of the first epoch, the only one of nearly every clock: nothing is allocated later
        // on.
        let _ = values.of(0);
        values
    }

    /// The value of this epoch.
    #[inline]
    pub(crate) fn of(&self, epoch: u32) -> &T {
        let (shelf, at) = place(epoch);
        let values =
            self.shelves[shelf].get_or_init(|| (0..1_u64 << shelf).map(|_| T::default()).collect());
        &values[at]
    }
}

/// The shelf of this epoch's value, and its place there.
fn place(epoch: u32) -> (usize, usize) {
    let number = u64::from(epoch) + 1;
    let shelf = number.ilog2();
    let at = number - (1 << shelf);
    // Both are below 2^32; a system with narrower addresses has no room for so many epochs.
    (usize::try_from(shelf).unwrap_or(0), usize::try_from(at).unwrap_or(usize::MAX))
}

/// The last one holds the value of epoch 2^32 - 1 alone.
const SHELVES: usize = 33;

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_epoch_has_a_value_of_its_own() {
        let values = PerEpoch::<AtomicU32>::new();
        for epoch in 0..100 {
            values.of(epoch).store(epoch, Ordering::Relaxed);
        }
        for epoch in 0..100 {
            assert_eq!(values.of(epoch).load(Ordering::Relaxed), epoch);
        }
    }

    #[test]
    fn every_place_is_on_its_shelf_and_no_two_epochs_share_one() {
        let epochs = (0..1000).chain([u32::MAX / 2, u32::MAX / 2 + 1, u32::MAX - 1, u32::MAX]);
        let mut seen = BTreeSet::new();
        for epoch in epochs {
            let (shelf, at) = place(epoch);
            assert!(shelf < SHELVES && at < 1 << shelf, "{epoch}: {shelf}, {at}");
            assert!(seen.insert((shelf, at)), "{epoch} shares its place");
        }
    }
}
