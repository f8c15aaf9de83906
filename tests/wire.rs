//! Bytes from others: what is damaged, doubled, nested or claims to be huge is an error, and costs
//! no more memory than it has bytes for.
#![cfg(feature = "serde")]
#![allow(unsafe_code, reason = "an allocator that watches is an unsafe trait")]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;
use sureclock::causality::{BrokenBound, Envelope};
use sureclock::fence::{FenceState, FencingHolder, FencingToken, Rejected};
use sureclock::register::{Register, Seen, State};
use sureclock::request::{NotDone, Reply, RequestId};
use sureclock::{
    HybridClock, HybridTimestamp, Lease, LeaseForm, LeaseGrant, LeaseGrantor, LeaseRelease,
    LeaseRequest, ResourceName, SureClock, TimeInterval, Timestamp,
};

/// The largest single allocation of this thread.
struct Largest;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system's allocator's; only a number is kept beside it, in a cell that
// needs no allocation.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Largest = Largest;

/// The name of a kind, an honest message of it as a tree, and whether JSON and CBOR are read as
/// one.
type Kind = (&'static str, Value, fn(&[u8]) -> bool, fn(&[u8]) -> bool);

/// One honest message of each kind.
fn honest() -> Vec<Kind> {
    fn json<T: DeserializeOwned>(bytes: &[u8]) -> bool {
        serde_json::from_slice::<T>(bytes).is_ok()
    }
    fn cbor<T: DeserializeOwned>(bytes: &[u8]) -> bool {
        ciborium::from_reader::<T, _>(bytes).is_ok()
    }
    macro_rules! of {
        ($type:ty, $value:expr) => {
            (
                stringify!($type),
                serde_json::to_value($value).unwrap(),
                json::<$type> as fn(&[u8]) -> bool,
                cbor::<$type> as fn(&[u8]) -> bool,
            )
        };
    }
    let now: TimeInterval = "2026-11-23T11:03:00.005Z ± 5 ms".parse().unwrap();
    let earlier: TimeInterval = "2026-11-23T11:02:59Z ± 1 ms".parse().unwrap();
    let (clock, _time) = SureClock::manual(now);
    let (name, term): (ResourceName, _) = ("accounts".parse().unwrap(), Duration::from_secs(1));
    let mut lease = Lease::new(name).unwrap();
    let request = lease.request(&clock, term).unwrap();
    let grant =
        LeaseGrantor::first_ever(name, LeaseForm::Both, term).grant(&clock, &request).unwrap();
    let mut writer = FencingHolder::new(7).unwrap().writer(name);
    let mut register = Register::new();
    register.write(1_u32, &now, &Seen::nothing()).unwrap();
    let stale = Rejected::Stale { sequence: 1, highest: 2 };
    vec![
        of!(TimeInterval, now),
        of!(BrokenBound, BrokenBound::between(&now, &earlier).unwrap().unwrap()),
        of!(LeaseRequest, request),
        of!(LeaseGrant, grant),
        of!(LeaseRelease, lease.release().unwrap()),
        of!(FencingToken, writer.token(b"x").unwrap()),
        of!(FenceState, FenceState::above(name, 7)),
        of!(Rejected, stale),
        of!(State<u32>, register.state()),
        of!(Seen, register.read().seen()),
        of!(RequestId, RequestId::new(&now, term).unwrap()),
        of!(Reply<u32>, Reply::<u32>::NotDone(NotDone::TooLate)),
        of!(Envelope<String>, clock.seal("x".to_owned()).unwrap()),
    ]
}

/// Every object of the tree, changed one at a time; the whole each time.
fn with_each_object_changed(
    tree: &Value,
    change: fn(&mut serde_json::Map<String, Value>),
) -> Vec<Value> {
    fn paths(at: &Value, path: &str, found: &mut Vec<String>) {
        match at {
            Value::Object(fields) => {
                found.push(path.to_owned());
                fields
                    .iter()
                    .for_each(|(name, value)| paths(value, &format!("{path}/{name}"), found));
            }
            Value::Array(all) => all
                .iter()
                .enumerate()
                .for_each(|(i, value)| paths(value, &format!("{path}/{i}"), found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    paths(tree, "", &mut found);
    let changed = |path: &String| {
        let mut tree = tree.clone();
        change(tree.pointer_mut(path).unwrap().as_object_mut().unwrap());
        tree
    };
    found.iter().map(changed).collect()
}

#[test]
fn a_field_that_nobody_knows_or_that_is_missing_is_an_error() {
    for (name, tree, json, _) in honest() {
        assert!(json(tree.to_string().as_bytes()), "the twin: {name} {tree}");
        for changed in
            with_each_object_changed(&tree, |fields| drop(fields.insert("more".into(), json!(1))))
        {
            // A length of std has its own reader, which takes no unknown field either.
            assert!(!json(changed.to_string().as_bytes()), "{name}: {changed}");
        }
        for changed in with_each_object_changed(&tree, |fields| drop(fields.pop_last())) {
            assert!(!json(changed.to_string().as_bytes()), "{name}: {changed}");
        }
    }
}

/// Takes the last field away.
trait PopLast {
    fn pop_last(&mut self) -> Option<Value>;
}

impl PopLast for serde_json::Map<String, Value> {
    fn pop_last(&mut self) -> Option<Value> {
        let last = self.keys().next_back()?.clone();
        self.remove(&last)
    }
}

#[test]
fn a_field_that_comes_twice_is_an_error() {
    for (name, tree, json, _) in honest() {
        let Some(fields) = tree.as_object() else { continue };
        for (field, value) in fields {
            let text = tree.to_string();
            let twice = format!("{},{}:{}}}", &text[..text.len() - 1], json!(field), value);
            assert!(!json(twice.as_bytes()), "{name}: {twice}");
        }
    }
}

#[test]
fn every_truncation_and_every_length_that_is_only_claimed_is_an_error_and_takes_no_memory() {
    // Of CBOR: text, bytes, list and map of 2^62 entries, and of no stated length without an end.
    let huge: [&[u8]; 8] = [
        &[0x7b, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0xbb, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0x7f],
        &[0x5f],
        &[0x9f],
        &[0xbf],
    ];
    for (name, tree, json, cbor) in honest() {
        let text = tree.to_string();
        for end in 0..text.len() {
            assert!(!json(&text.as_bytes()[..end]), "{name}: {}", &text[..end]);
        }
        let largest = |read: &dyn Fn() -> bool| {
            LARGEST.with(|largest| largest.set(0));
            (read(), LARGEST.with(Cell::get))
        };
        for head in huge {
            let (was_read, bytes) = largest(&|| cbor(head));
            assert!(!was_read && bytes < 1 << 17, "{name}: {bytes} bytes for {head:?}");
            // In place of the value of each field.
            for field in tree.as_object().into_iter().flat_map(serde_json::Map::keys) {
                let mut message = vec![0xa1, 0x78, u8::try_from(field.len()).unwrap()];
                message.extend(field.as_bytes());
                message.extend(head);
                let (was_read, bytes) = largest(&|| cbor(&message));
                assert!(!was_read && bytes < 1 << 21, "{name}.{field}: {bytes} bytes for {head:?}");
            }
        }
        let deep =
            ["[".repeat(100_000), "{\"versions\":".repeat(100_000), format!("{}\u{9f}", "x")];
        for text in &deep {
            assert!(!json(text.as_bytes()), "{name}");
        }
        for byte in [0x81, 0xa1, 0xc1, 0x9f] {
            assert!(!cbor(&vec![byte; 100_000]), "{name}: nested {byte:x}");
        }
    }
}

#[test]
fn bytes_of_another_length_are_an_error() {
    fn cbor<T: DeserializeOwned>(bytes: &[u8]) -> bool {
        let mut message = vec![0x40 | u8::try_from(bytes.len()).unwrap()];
        message.extend(bytes);
        ciborium::from_reader::<T, _>(&message[..]).is_ok()
    }
    for length in 0..20 {
        let bytes = vec![7; length];
        assert_eq!(cbor::<Timestamp>(&bytes), length == 8, "a timestamp of {length} bytes");
        assert_eq!(cbor::<HybridTimestamp>(&bytes), length == 8, "a stamp of {length} bytes");
        assert_eq!(cbor::<sureclock::HolderId>(&bytes), length == 16, "a name of {length} bytes");
        assert!(!cbor::<ResourceName>(&bytes), "the name of a resource is a text");
    }
    let (clock, _time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    assert!(HybridClock::new(clock).stamp().is_ok());
}

#[test]
fn found_a_token_or_a_fence_that_nobody_can_have_made_is_not_read() {
    let kinds = honest();
    let of = |name: &str| kinds.iter().find(|kind| kind.0 == name).unwrap();
    let zeros = "0".repeat(32);
    let token = |changes: &[(&str, Value)]| read(of("FencingToken"), changes);
    assert!(token(&[]), "the twin");
    let barrier = [("write", json!(0)), ("id", json!(zeros))];
    assert!(token(&barrier), "a barrier");
    for changes in [
        vec![("sequence", json!(0))],
        vec![("sequence", json!(u64::MAX))],
        vec![("holder", json!(zeros))],
        vec![("write", json!(0))],
        vec![("id", json!(zeros))],
        vec![("write", json!(2))],
        vec![("previous", json!("1".repeat(32)))],
        vec![("resource", json!(""))],
        vec![("resource", json!("a\nb"))],
        vec![("resource", json!("x".repeat(64)))],
        vec![("write", json!(-1))],
    ] {
        assert!(!token(&changes), "{changes:?}");
    }
    let state = |changes: &[(&str, Value)]| read(of("FenceState"), changes);
    assert!(state(&[]) && state(&[("holder", json!("1".repeat(32)))]), "the twins");
    assert!(
        !state(&[("write", json!(1))]) && !state(&[("last", json!("1".repeat(32)))]),
        "nobody has not written"
    );
    assert!(
        !state(&[("holder", json!("1".repeat(32))), ("sequence", json!(0))]),
        "no sequence is 0"
    );
    let verdict = |verdict: Value| serde_json::from_value::<Rejected>(verdict).is_ok();
    assert!(verdict(json!({"Stale": {"sequence": 1, "highest": 2}})));
    for impossible in [
        json!({"Stale": {"sequence": 2, "highest": 2}}),
        json!({"Replayed": {"write": 2, "last": 2}}),
        json!({"Gap": {"write": 2, "expected": 2}}),
        json!({"OutOfRange": {"sequence": 1}}),
        json!({"TooFarAhead": {"sequence": 1_u64 << 40, "highest": 0}}),
        json!({"NoBarrier": {"sequence": 0}}),
    ] {
        assert!(!verdict(impossible.clone()), "{impossible}");
    }
}

fn read(kind: &Kind, changes: &[(&str, Value)]) -> bool {
    let mut tree = kind.1.clone();
    for (field, value) in changes {
        tree[field] = value.clone();
    }
    kind.2(tree.to_string().as_bytes())
}
