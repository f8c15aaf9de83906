//! A VM clock device as a file: a page of the layout in Linux, `include/uapi/linux/vmclock-abi.h`,
//! written as a hypervisor writes it.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const SEQUENCE_AT: u64 = 0x0c;
pub(crate) const MARKER_AT: u64 = 0x10;
pub(crate) const COUNTER_VALUE_AT: u64 = 0x28;
pub(crate) const GENERATION_AT: u64 = 0x68;

/// A page of its own, removed in the end; whoever has mapped it keeps it.
pub(crate) struct Device {
    path: PathBuf,
    file: File,
    sequence: u32,
}

impl Device {
    pub(crate) fn new() -> Device {
        static DEVICES: AtomicU32 = AtomicU32::new(0);
        let number = DEVICES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir()
            .join(format!("sureclock-vm-clock-{}-{number}", std::process::id()));
        let file = File::create(&path).expect("a file");
        let mut device = Device { path, file, sequence: 0 };
        let mut page = [0; 4096];
        page[..4].copy_from_slice(b"VCLK");
        page[4..8].copy_from_slice(&4096u32.to_le_bytes());
        page[8] = 1;
        // The generation is there.
        page[0x19] = 1;
        device.put(0, &page);
        device
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes bytes as they are.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) {
        self.file.seek(SeekFrom::Start(at)).expect("within the file");
        self.file.write_all(bytes).expect("written");
    }

    /// Writes a field as the standard says: between an odd sequence number and an even one.
    pub(crate) fn update(&mut self, at: u64, value: u64) {
        self.put_sequence();
        self.put(at, &value.to_le_bytes());
        self.put_sequence();
    }

    fn put_sequence(&mut self) {
        self.sequence += 1;
        self.put(SEQUENCE_AT, &self.sequence.to_le_bytes());
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
