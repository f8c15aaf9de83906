//! The criterion of the run: what a process holds must not grow. Pure: samples in, a verdict out.

/// What is measured of a process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Resident memory, in KiB.
    pub(crate) rss_kib: u64,
    /// Open file descriptors, sockets among them.
    pub(crate) fds: u64,
    pub(crate) sockets: u64,
    pub(crate) threads: u64,
}

impl Held {
    /// What a running process holds now.
    ///
    /// # Errors
    /// If it has ended, or the system has no `/proc`.
    pub(crate) fn by(pid: u32) -> std::io::Result<Held> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |name: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let missing = || {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "no VmRSS or Threads: it has ended",
            )
        };
        let (mut fds, mut sockets) = (0, 0);
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
            fds += 1;
            // One that was closed meanwhile is no socket.
            let target = std::fs::read_link(entry?.path()).unwrap_or_default();
            sockets += u64::from(target.to_string_lossy().starts_with("socket:"));
        }
        let (rss_kib, threads) =
            (number("VmRSS:").ok_or_else(missing)?, number("Threads:").ok_or_else(missing)?);
        Ok(Held { rss_kib, fds, sockets, threads })
    }
}

/// A thing that may grow: its name, and how much of it is held.
type Judged = (&'static str, fn(&Held) -> u64);

/// What grew: the most of the last quarter is beyond the most of the first by more than [`SLACK`].
/// Empty is well.
pub(crate) fn growth(samples: &[Held]) -> Vec<String> {
    let quarter = samples.len() / 4;
    if quarter == 0 {
        return vec![format!("{} samples are too few to judge", samples.len())];
    }
    let (first, last) = (&samples[..quarter], &samples[samples.len() - quarter..]);
    let judged: [Judged; 4] = [
        ("KiB of memory", |h| h.rss_kib),
        ("descriptors", |h| h.fds),
        ("sockets", |h| h.sockets),
        ("threads", |h| h.threads),
    ];
    let mut grew = Vec::new();
    for (name, of) in judged {
        let most = |part: &[Held]| part.iter().map(of).max().unwrap_or(0);
        let (before, after) = (most(first), most(last));
        if after > before + of(&SLACK) {
            grew.push(format!(
                "{name}: at most {before} in the first quarter, {after} in the last"
            ));
        }
    }
    grew
}

/// Larger: a slow leak passes (2 MiB an hour are 14 bytes for each of 40 exchanges a second);
/// smaller: the allocator's own moods fail a sound run. Sockets come and go with each exchange, one
/// at a time for each source.
const SLACK: Held = Held { rss_kib: 2048, fds: 6, sockets: 6, threads: 1 };

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Held = Held { rss_kib: 6000, fds: 12, sockets: 4, threads: 8 };

    fn run(of: impl Fn(u64) -> Held) -> Vec<String> {
        growth(&(0..400).map(of).collect::<Vec<_>>())
    }

    #[test]
    fn what_only_breathes_does_not_grow() {
        assert!(
            run(|i| Held {
                rss_kib: 6000 + i % 7 * 100,
                fds: 12 + i % 5,
                sockets: 4 + i % 5,
                ..USUAL
            })
            .is_empty()
        );
    }

    #[test]
    fn each_leak_alone_is_seen() {
        assert_eq!(run(|i| Held { rss_kib: 6000 + 10 * i, ..USUAL }).len(), 1);
        assert_eq!(run(|i| Held { fds: 12 + i / 30, ..USUAL }).len(), 1);
        assert_eq!(run(|i| Held { sockets: 4 + i / 30, ..USUAL }).len(), 1);
        assert_eq!(run(|i| Held { threads: 8 + i / 100, ..USUAL }).len(), 1);
    }

    #[test]
    fn too_few_samples_are_no_pass() {
        assert_eq!(growth(&[USUAL; 3]).len(), 1);
    }

    #[test]
    fn a_process_is_measured_and_one_that_ended_is_an_error() {
        let held = Held::by(std::process::id()).unwrap();
        assert!(held.rss_kib > 100 && held.fds >= 3 && held.threads >= 1, "{held:?}");
        assert!(Held::by(u32::MAX).is_err());
    }
}
