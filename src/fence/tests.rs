//! The fence beside its definition, and its stories.

use super::*;
use proptest::prelude::*;

fn token(sequence: u64, holder: u128, write: u64, content: &[u8]) -> FencingToken {
    FencingToken { sequence, holder, write, digest: digest(content) }
}

fn after(state: &FenceState, token: &FencingToken) -> FenceState {
    match admit(state, token) {
        Ok(Admitted::Write(new)) => new,
        other => panic!("{token:?} at {state:?}: {other:?}"),
    }
}

#[test]
fn a_zombie_is_refused_once_its_successor_has_set_its_barrier() {
    let (mut zombie, successor) = (FencedWriter::new(3).unwrap(), FencedWriter::new(4).unwrap());
    let state = after(&FenceState::NEW, &zombie.token(b"before").unwrap());
    let late = zombie.token(b"late").unwrap();
    assert!(matches!(admit(&state, &late), Ok(Admitted::Write(_))), "without the barrier it would get in");
    let state = after(&state, &successor.barrier());
    assert_eq!(admit(&state, &late), Err(Rejected::Stale { sequence: 3, highest: 4 }));
}

#[test]
fn two_holders_of_one_sequence_are_told_apart_by_the_nonce() {
    let (one, mut clone) = (FencedWriter::new(3).unwrap(), FencedWriter::new(3).unwrap());
    let state = after(&FenceState::NEW, &one.barrier());
    assert_eq!(admit(&state, &clone.barrier()), Err(Rejected::OtherHolder { sequence: 3 }));
    assert_eq!(admit(&state, &clone.token(b"x").unwrap()), Err(Rejected::OtherHolder { sequence: 3 }));
}

#[test]
fn a_clone_made_while_holding_is_told_from_a_retry_by_what_it_writes() {
    let state = after(&FenceState::NEW, &token(3, 9, 5, b"mine"));
    assert_eq!(admit(&state, &token(3, 9, 5, b"mine")), Ok(Admitted::Retry));
    assert_eq!(admit(&state, &token(3, 9, 5, b"the clone's")), Err(Rejected::Conflicting { write: 5 }));
    assert_eq!(admit(&state, &token(3, 9, 4, b"mine")), Err(Rejected::Replayed { write: 4, last: 5 }));
}

#[test]
fn a_restored_resource_refuses_every_sequence_given_out_before() {
    let restored = FenceState::above(7);
    assert_eq!(admit(&restored, &token(6, 1, 1, b"")), Err(Rejected::Stale { sequence: 6, highest: 7 }));
    assert_eq!(admit(&restored, &token(7, 1, 1, b"")), Err(Rejected::OtherHolder { sequence: 7 }));
    assert!(admit(&restored, &token(8, 1, 1, b"")).is_ok());
}

#[test]
fn the_ends_of_the_numbers_are_errors_and_lock_nobody_out() {
    for sequence in [0, u64::MAX] {
        assert_eq!(admit(&FenceState::NEW, &token(sequence, 1, 1, b"")), Err(Rejected::OutOfRange { sequence }));
        assert_eq!(FencedWriter::new(sequence).map(|_| ()), Err(FencingError::OutOfRange { sequence }));
    }
    let last = after(&FenceState::NEW, &token(u64::MAX - 1, 1, u64::MAX, b""));
    assert_eq!(admit(&last, &token(u64::MAX - 1, 1, u64::MAX, b"")), Ok(Admitted::Retry));
    let mut writer = FencedWriter { writes: u64::MAX - 1, ..FencedWriter::new(1).unwrap() };
    assert_eq!(writer.token(b"").map(|token| token.write), Ok(u64::MAX));
    assert_eq!(writer.token(b""), Err(FencingError::Exhausted));
}

#[test]
fn a_guard_that_is_dropped_leaves_the_number_free_and_the_sequence_raised() {
    let fence = Fence::new(0);
    let mut writer = FencedWriter::new(2).unwrap();
    let write = writer.token(b"1").unwrap();
    drop(fence.lock(&write).unwrap());
    assert_eq!(fence.lock(&token(1, 1, 1, b"")).map(|_| ()), Err(Rejected::Stale { sequence: 1, highest: 2 }));
    let mut guard = fence.lock(&write).unwrap();
    assert!(!guard.is_retry());
    *guard = 1;
    guard.commit();
    assert!(fence.lock(&write).unwrap().is_retry());
    assert_eq!(*fence.read(), 1);
    assert_eq!(fence.state().write, 1);
}

#[test]
fn the_digest_is_the_published_one() {
    // SipHash-2-4-128 of nothing under a key of zeros.
    assert_eq!(digest(&[]), SipHasher24::new_with_keys(0, 0).finish128().as_u128());
    assert_ne!(digest(b"a"), digest(b"b"));
}

/// All tokens that have been admitted, and what may be admitted after them.
fn may_be_written(admitted: &[FencingToken], new: &FencingToken) -> bool {
    let succeeded = admitted.iter().any(|old| old.sequence > new.sequence);
    let twice = admitted.iter().any(|old| old.sequence == new.sequence && old.holder != new.holder);
    let late = admitted.iter().any(|old| old.sequence == new.sequence && old.write >= new.write);
    !succeeded && !twice && !late
}

proptest! {
    #[test]
    fn what_is_written_is_what_the_definition_allows(
        tokens in proptest::collection::vec((1_u64..4, 1_u128..3, 0_u64..4, 0_u8..2), 0..20)
    ) {
        let (mut state, mut admitted) = (FenceState::NEW, Vec::new());
        for (sequence, holder, write, content) in tokens {
            let token = token(sequence, holder, write, &[content]);
            match admit(&state, &token) {
                Ok(Admitted::Write(new)) => {
                    prop_assert!(may_be_written(&admitted, &token));
                    admitted.push(token);
                    state = new;
                }
                Ok(Admitted::Retry) => prop_assert_eq!(admitted.last(), Some(&token)),
                Err(_) => prop_assert!(!may_be_written(&admitted, &token)),
            }
        }
    }
}
