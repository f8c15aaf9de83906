//! The fence beside its definition, and its stories.

use super::*;
use proptest::prelude::*;

fn name() -> ResourceName {
    "accounts".parse().unwrap()
}

fn token(sequence: u64, holder: u128, write: u64, previous: u128, id: u128) -> FencingToken {
    FencingToken { resource: name(), sequence, holder, write, previous, id }
}

fn after(state: &FenceState, token: &FencingToken) -> FenceState {
    match admit(state, token) {
        Ok(Admitted::Write(new)) => new,
        other => panic!("{token:?} at {state:?}: {other:?}"),
    }
}

fn writer(sequence: u64) -> FencedWriter {
    FencingHolder::new(sequence).unwrap().writer(name())
}

#[test]
fn a_zombie_is_refused_once_its_successor_has_set_its_barrier() {
    let (mut zombie, mut successor) = (writer(3), writer(4));
    let state = after(
        &after(&FenceState::new(name()), &zombie.barrier()),
        &zombie.token(b"before").unwrap(),
    );
    let late = zombie.token(b"late").unwrap();
    assert!(
        matches!(admit(&state, &late), Ok(Admitted::Write(_))),
        "without the barrier it would get in"
    );
    assert_eq!(
        admit(&state, &successor.token(b"x").unwrap()),
        Err(Rejected::NoBarrier { sequence: 4 })
    );
    let state = after(&state, &successor.barrier());
    assert_eq!(admit(&state, &late), Err(Rejected::Stale { sequence: 3, highest: 4 }));
}

#[test]
fn two_holders_of_one_sequence_are_distinguished_by_the_nonce() {
    let (one, mut clone) = (writer(3), writer(3));
    let state = after(&FenceState::new(name()), &one.barrier());
    assert_eq!(admit(&state, &clone.barrier()), Err(Rejected::OtherHolder { sequence: 3 }));
    assert_eq!(
        admit(&state, &clone.token(b"x").unwrap()),
        Err(Rejected::OtherHolder { sequence: 3 })
    );
}

#[test]
fn a_clone_made_while_holding_is_refused_whatever_it_has_done_meanwhile() {
    let state = after(&FenceState::new(name()), &token(3, 9, 0, 0, 0));
    // The one writes its first and second here, the clone too.
    let state = after(&state, &token(3, 9, 1, 0, 100));
    assert_eq!(admit(&state, &token(3, 9, 1, 0, 100)), Ok(Admitted::Retry));
    assert_eq!(admit(&state, &token(3, 9, 1, 0, 200)), Err(Rejected::Conflicting { write: 1 }));
    assert_eq!(
        admit(&state, &token(3, 9, 2, 200, 201)),
        Err(Rejected::Conflicting { write: 2 }),
        "the clone's second"
    );
    assert_eq!(
        admit(&state, &token(3, 9, 3, 201, 202)),
        Err(Rejected::Gap { write: 3, expected: 2 })
    );
    let state = after(&state, &token(3, 9, 2, 100, 101));
    assert_eq!(
        admit(&state, &token(3, 9, 1, 0, 200)),
        Err(Rejected::Replayed { write: 1, last: 2 })
    );
    assert_eq!(admit(&state, &token(3, 9, 0, 0, 0)), Err(Rejected::Replayed { write: 0, last: 2 }));
}

#[test]
fn a_write_that_overtakes_another_waits_for_it() {
    let mut writer = writer(1);
    let state = after(&FenceState::new(name()), &writer.barrier());
    let (first, second) = (writer.token(b"1").unwrap(), writer.token(b"2").unwrap());
    assert_eq!(admit(&state, &second), Err(Rejected::Gap { write: 2, expected: 1 }));
    let state = after(&state, &first);
    assert_eq!(after(&state, &second).write, 2);
}

#[test]
fn a_restored_resource_refuses_every_sequence_given_out_before() {
    let restored = FenceState::above(name(), 7);
    assert_eq!(
        admit(&restored, &writer(6).barrier()),
        Err(Rejected::Stale { sequence: 6, highest: 7 })
    );
    assert_eq!(admit(&restored, &writer(7).barrier()), Err(Rejected::OtherHolder { sequence: 7 }));
    assert!(admit(&restored, &writer(8).barrier()).is_ok());
}

#[test]
fn the_ends_of_the_numbers_are_errors_and_lock_nobody_out() {
    for sequence in [0, u64::MAX] {
        assert_eq!(
            admit(&FenceState::new(name()), &token(sequence, 1, 0, 0, 0)),
            Err(Rejected::OutOfRange { sequence })
        );
        assert_eq!(
            FencingHolder::new(sequence).map(|_| ()),
            Err(FencingError::OutOfRange { sequence })
        );
    }
    let last = FenceState {
        resource: name(),
        sequence: u64::MAX - 1,
        holder: 1,
        write: u64::MAX,
        last: 5,
    };
    assert_eq!(admit(&last, &token(u64::MAX - 1, 1, u64::MAX, 4, 5)), Ok(Admitted::Retry));
    assert_eq!(
        admit(&last, &token(u64::MAX - 1, 1, 0, 0, 0)),
        Err(Rejected::Replayed { write: 0, last: u64::MAX })
    );
    let mut writer = FencedWriter { writes: u64::MAX - 1, ..writer(1) };
    assert_eq!(writer.token(b"").map(|token| token.write), Ok(u64::MAX));
    assert_eq!(writer.token(b""), Err(FencingError::Exhausted));
}

#[test]
fn one_content_twice_is_two_writes() {
    let (mut writer, mut clone) =
        (writer(1), FencedWriter { resource: name(), sequence: 1, holder: 1, writes: 0, last: 0 });
    assert_ne!(writer.token(b"+1").unwrap().id, writer.token(b"+1").unwrap().id);
    let mut copy = FencedWriter { ..clone };
    assert_ne!(
        clone.token(b"+1").unwrap().id,
        copy.token(b"+1").unwrap().id,
        "two requests, not one sent again"
    );
}

fn guard<'a, R: Clone>(fence: &'a Fence<R>, token: &FencingToken) -> FenceGuard<'a, R> {
    match fence.lock(token) {
        Ok(Locked::Write(guard)) => guard,
        _ => panic!("{token:?} is no new write"),
    }
}

#[test]
fn found_a_write_that_is_not_committed_leaves_no_trace_whatever_ended_it() {
    let fence = Fence::new(name(), 100);
    let mut writer = writer(2);
    assert!(matches!(fence.lock(&writer.barrier()), Ok(Locked::BarrierSet)));
    let (write, state) = (writer.token(b"+10").unwrap(), fence.state());
    *guard(&fence, &write) += 10;
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        *guard(&fence, &write) += 1000;
        panic!("in the middle of a write");
    }));
    assert!(panics.is_err());
    assert_eq!((fence.read(), fence.state()), (100, state));
    let mut last = guard(&fence, &write);
    *last += 10;
    last.commit();
    assert_eq!((fence.read(), fence.state().write), (110, 1));
}

#[test]
fn found_a_retry_and_a_barrier_give_nothing_to_write_through() {
    let fence = Fence::new(name(), 100);
    let mut writer = writer(2);
    assert!(matches!(fence.lock(&writer.barrier()), Ok(Locked::BarrierSet)));
    assert!(matches!(fence.lock(&writer.barrier()), Ok(Locked::Retry)));
    let write = writer.token(b"+10").unwrap();
    for again in 0..3 {
        match fence.lock(&write).unwrap() {
            Locked::Write(mut guard) => {
                assert_eq!(again, 0);
                *guard += 10;
                guard.commit();
            }
            Locked::Retry => assert!(again > 0),
            Locked::BarrierSet => panic!("it is a write"),
        }
    }
    assert_eq!(fence.read(), 110);
}

#[test]
fn found_nobody_is_no_holder() {
    for (state, sequence) in [
        (FenceState::above(name(), 7), 7),
        (FenceState::above(name(), 7), 8),
        (FenceState::new(name()), 1),
    ] {
        for write in [0, 1] {
            assert_eq!(
                admit(&state, &token(sequence, 0, write, 0, 0)),
                Err(Rejected::OtherHolder { sequence })
            );
        }
    }
}

#[test]
fn found_a_token_for_one_resource_is_not_admitted_at_another() {
    let other: ResourceName = "audit".parse().unwrap();
    let holder = FencingHolder::new(3).unwrap();
    let (mut ours, theirs) = (holder.writer(name()), holder.writer(other));
    let state = after(&FenceState::new(name()), &ours.barrier());
    assert_eq!(
        admit(&FenceState::new(other), &ours.barrier()),
        Err(Rejected::OtherResource { fence: other })
    );
    let audited = after(&FenceState::new(other), &theirs.barrier());
    let first = ours.token(b"first").unwrap();
    // The first write of a chain names none before it: nothing but the name tells the two apart.
    assert_eq!(admit(&audited, &first), Err(Rejected::OtherResource { fence: other }));
    assert!(matches!(admit(&state, &first), Ok(Admitted::Write(_))), "the twin");
    let fence = Fence::new(other, 0);
    assert!(fence.lock(&ours.barrier()).is_err() && fence.lock(&theirs.barrier()).is_ok());
}

#[test]
fn found_a_barrier_that_is_far_too_high_locks_nobody_out() {
    let barrier = |sequence| token(sequence, 9, 0, 0, 0);
    let state = after(&FenceState::new(name()), &barrier(7));
    for sequence in [u64::MAX - 1, u64::MAX / 2, 8 + (1 << 40), 7 + (1 << 41)] {
        let too_far = Rejected::TooFarAhead { sequence, highest: 7 };
        assert_eq!(admit(&state, &barrier(sequence)), Err(too_far));
        assert!(too_far.to_string().contains("2^40 above 7"), "{too_far}");
    }
    assert!(admit(&state, &writer(8).barrier()).is_ok(), "the next holder gets in");
    let highest = after(&state, &barrier(7 + (1 << 40)));
    // That far it goes, and then only what the owner sets helps.
    assert!(matches!(admit(&highest, &writer(8).barrier()), Err(Rejected::Stale { .. })));
    assert!(admit(&FenceState::above(name(), 7), &writer(8).barrier()).is_ok());
    // A store that begins high needs that once.
    assert!(admit(&FenceState::above(name(), u64::MAX - 3), &barrier(u64::MAX - 2)).is_ok());
}

/// What has been admitted, and whether a token is the next of it.
fn may_be_written(admitted: &[FencingToken], new: &FencingToken) -> bool {
    let of_it: Vec<_> = admitted.iter().filter(|old| old.sequence == new.sequence).collect();
    let succeeded = admitted.iter().any(|old| old.sequence > new.sequence);
    match of_it.last() {
        _ if succeeded => false,
        None => new.write == 0 && new.holder != 0,
        Some(last) => {
            last.holder == new.holder && new.write == last.write + 1 && new.previous == last.id
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_what_the_definition_allows(
        tokens in proptest::collection::vec((1_u64..4, 0_u128..3, 0_u64..4, 0_u128..2, 0_u128..2), 0..30)
    ) {
        let (mut state, mut admitted) = (FenceState::new(name()), Vec::new());
        for (sequence, holder, write, previous, id) in tokens {
            let token = token(sequence, holder, write, previous, id);
            match admit(&state, &token) {
                Ok(Admitted::Write(new)) => {
                    prop_assert!(may_be_written(&admitted, &token));
                    admitted.push(token);
                    state = new;
                }
                Ok(Admitted::Retry) => {
                    let last = admitted.last().map(|last| (last.sequence, last.holder, last.write, last.id));
                    prop_assert_eq!(last, Some((sequence, holder, write, id)));
                }
                Err(_) => prop_assert!(!may_be_written(&admitted, &token)),
            }
        }
    }
}
