//! Pages in a file, written as a hypervisor writes them.

use super::*;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// A page of its own, removed in the end.
struct Device {
    path: PathBuf,
    file: File,
}

impl Device {
    fn new(name: &str) -> Device {
        let path =
            std::env::temp_dir().join(format!("sureclock-vmclock-{}-{name}", std::process::id()));
        let file = File::create(&path).unwrap();
        file.set_len(4096).unwrap();
        let device = Device { path, file };
        device.put(MAGIC_AT, &MAGIC.to_le_bytes());
        device.put(SIZE_AT, &4096u32.to_le_bytes());
        device.put(VERSION_AT, &VERSION.to_le_bytes());
        device.put(MARKER_AT, &77u64.to_le_bytes());
        device.put(FLAGS_AT, &GENERATION_PRESENT.to_le_bytes());
        device
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        self.file.write_all_at(bytes, at as u64).unwrap();
    }

    fn open(&self) -> Result<VmClock, VmClockError> {
        VmClock::open(&VmClockChoice::Device(self.path.clone())).map_err(|(path, error)| {
            assert_eq!(path, self.path);
            error
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn another_marker_is_unnoted_until_it_is_noted_and_nothing_else_is() {
    let device = Device::new("marker");
    let clock = device.open().unwrap();
    let marker = clock.marker().unwrap();
    assert!(!clock.unnoted());
    // The time of the device is updated: no disruption.
    for sequence in [1u32, 2] {
        device.put(SEQUENCE_AT, &sequence.to_le_bytes());
        device.put(0x28, &u64::from(sequence).to_le_bytes());
    }
    assert!(!clock.unnoted());
    let before = marker.marked().unwrap();
    device.put(MARKER_AT, &78u64.to_le_bytes());
    assert!(clock.unnoted() && clock.unnoted(), "as long as nobody notes it");
    marker.note(before);
    assert!(clock.unnoted(), "what is noted is what was seen, not what is there now");
    marker.note(marker.marked().unwrap());
    assert!(!clock.unnoted());
}

#[test]
fn in_the_middle_of_an_update_there_is_no_answer() {
    let device = Device::new("update");
    let clock = device.open().unwrap();
    device.put(SEQUENCE_AT, &1u32.to_le_bytes());
    assert!(clock.unnoted(), "the marker may be about to change");
    assert_eq!(clock.marker().unwrap().marked(), None);
    device.put(SEQUENCE_AT, &2u32.to_le_bytes());
    assert!(!clock.unnoted());
    // One that ends while a reader looks, as of a hypervisor that was held up, is no disruption.
    // (Once in a hundred: this thread may be held up for longer than a reader waits.)
    let waited_for = (1..=100u32).any(|update| {
        device.put(SEQUENCE_AT, &(2 * update + 1).to_le_bytes());
        let looks = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                looks.wait();
                clock.unnoted()
            });
            looks.wait();
            std::thread::sleep(Duration::from_millis(1));
            device.put(SEQUENCE_AT, &(2 * update + 2).to_le_bytes());
            !reader.join().unwrap()
        })
    });
    assert!(waited_for);
    let first = Device::new("update-from-the-start");
    first.put(SEQUENCE_AT, &1u32.to_le_bytes());
    assert_eq!(
        first.open().unwrap_err(),
        VmClockError::System(std::io::ErrorKind::WouldBlock.into())
    );
}

#[test]
fn a_copy_changes_what_is_marked_and_not_what_readers_check() {
    let device = Device::new("copy");
    let clock = device.open().unwrap();
    let marker = clock.marker().unwrap();
    let before = marker.marked().unwrap();
    device.put(GENERATION_AT, &1u64.to_le_bytes());
    assert!(!clock.unnoted());
    assert_ne!(marker.marked().unwrap(), before);
    // Where the field is not there, it is something else.
    device.put(FLAGS_AT, &0u64.to_le_bytes());
    let clock = device.open().unwrap();
    let before = clock.marker().unwrap().marked();
    device.put(GENERATION_AT, &2u64.to_le_bytes());
    assert_eq!(clock.marker().unwrap().marked(), before);
}

#[test]
fn a_page_that_is_no_vm_clock_is_an_error_that_says_why() {
    let (device, short) = (Device::new("bad"), Device::new("short"));
    let fails = |at, bytes: &[u8], whole: &[u8]| {
        device.put(at, bytes);
        let error = device.open().unwrap_err();
        device.put(at, whole);
        assert!(device.open().is_ok());
        error
    };
    assert_eq!(fails(MAGIC_AT, b"KLCV", &MAGIC.to_le_bytes()), VmClockError::NoVmClock);
    assert_eq!(fails(VERSION_AT, &[2, 0], &[1, 0]), VmClockError::OtherVersion { found: 2 });
    assert_eq!(
        fails(SIZE_AT, &[31, 0, 0, 0], &[0, 16, 0, 0]),
        VmClockError::TooShort { bytes: 31 }
    );
    assert!(fails(SIZE_AT, &[8, 0, 0, 0], &[32, 0, 0, 0]).to_string().contains("8 bytes"));
    short.file.set_len(4095).unwrap();
    assert_eq!(short.open().unwrap_err(), VmClockError::TooShort { bytes: 4095 });
    std::fs::remove_file(&short.path).unwrap();
    let missing = short.open().unwrap_err();
    assert!(
        matches!(missing, VmClockError::System(error) if error.kind() == std::io::ErrorKind::NotFound)
    );
    let folder = VmClock::open(&VmClockChoice::Device(std::env::temp_dir()));
    assert!(matches!(folder, Err((_, VmClockError::NoVmClock))), "{folder:?}");
    assert!(
        matches!(Mapping::open(&device.path, false), Err(VmClockError::NoVmClock)),
        "found of itself it must be a device"
    );
}

#[test]
fn none_is_read_where_none_is_or_none_is_wanted_and_the_status_says_so() {
    let off = VmClock::open(&VmClockChoice::Off).unwrap();
    assert!(off.marker().is_none() && !off.unnoted());
    assert!(off.status().to_string().starts_with("none (not to be read)"), "{}", off.status());
    // Whatever this machine has.
    let auto = VmClock::open(&VmClockChoice::Auto).unwrap();
    assert!(!auto.unnoted());
    assert!(auto.status().to_string().contains("/dev/vmclock0"), "{}", auto.status());
}

#[test]
fn what_the_hypervisor_expects_is_in_the_status() {
    let device = Device::new("expected");
    let clock = device.open().unwrap();
    let says = |flags: u64| {
        device.put(FLAGS_AT, &flags.to_le_bytes());
        match clock.status() {
            VmClockStatus::Read { device: path, expected } => {
                assert_eq!(path, device.path);
                expected
            }
            other => panic!("{other}"),
        }
    };
    assert_eq!(says(0), ExpectedDisruption::NoneKnown);
    assert_eq!(says(DISRUPTION_SOON), ExpectedDisruption::Soon);
    assert_eq!(says(DISRUPTION_SOON | DISRUPTION_IMMINENT), ExpectedDisruption::Imminent);
    assert!(clock.status().to_string().ends_with("within an hour"));
}

#[test]
fn readers_beside_a_hypervisor_answer_by_nothing_of_before_a_disruption() {
    // The number of disruptions stands for the counter: it changes when a disruption has been
    // announced. Published is what a clock knows.
    let device = Device::new("readers");
    let clock = device.open().unwrap();
    let (counter, published) = (AtomicU64::new(0), AtomicU64::new(0));
    let (answered, refused, done) =
        (AtomicU64::new(0), AtomicU64::new(0), std::sync::atomic::AtomicBool::new(false));
    let reader = || {
        while !done.load(Ordering::Acquire) {
            let stamp = published.load(Ordering::Acquire);
            let disruptions = counter.load(Ordering::Acquire);
            if clock.unnoted() {
                refused.fetch_add(1, Ordering::Relaxed);
            } else if published.load(Ordering::Acquire) == stamp {
                assert_eq!(
                    disruptions, stamp,
                    "a reading of after a disruption, by what was published before it"
                );
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(reader);
        }
        let pause = || std::thread::sleep(Duration::from_micros(50));
        let enough = || answered.load(Ordering::Relaxed) > 0 && refused.load(Ordering::Relaxed) > 0;
        let rounds =
            (1..).take_while(|round| *round <= LEAST_ROUNDS || !enough() && *round <= MOST_ROUNDS);
        for round in rounds {
            pause();
            let sequence = 2 * u32::try_from(round).unwrap();
            device.put(SEQUENCE_AT, &(sequence - 1).to_le_bytes());
            device.put(MARKER_AT, &(77 + round).to_le_bytes());
            device.put(SEQUENCE_AT, &sequence.to_le_bytes());
            counter.store(round, Ordering::Release);
            pause();
            let marker = clock.marker().unwrap();
            let marked = marker.marked().unwrap();
            published.store(round, Ordering::Release);
            marker.note(marked);
        }
        done.store(true, Ordering::Release);
        assert!(enough(), "{answered:?} and {refused:?}");
    });
}

const LEAST_ROUNDS: u64 = 2_000;
/// By then readers that are hardly run have had their turn.
const MOST_ROUNDS: u64 = 200_000;
