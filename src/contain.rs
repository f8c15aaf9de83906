//! A user's code, run by a thread of the library: whatever it does, the thread goes on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a user's code. `None` if it panicked.
pub(crate) fn contain<R>(run: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => Some(result),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// Drops what a panic carried. It is the user's, too, and its drop may panic in turn.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // A leak, for somebody who goes to such lengths; the next one could do it again.
        std::mem::forget(another);
    }
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use std::panic::panic_any;

    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic_any(Bomb(self.0 - 1));
            }
        }
    }

    #[test]
    fn a_payload_whose_drop_panics_is_contained_however_often_it_does() {
        assert_eq!(contain(|| 7), Some(7));
        for deep in 0..4 {
            assert_eq!(contain(|| panic_any(Bomb(deep))), None::<()>);
        }
    }

    #[test]
    fn a_catch_alone_does_not_contain_it() {
        let escaped = catch_unwind(|| {
            let _ = catch_unwind(|| panic_any(Bomb(1)));
        });
        std::mem::forget(escaped.expect_err("the drop of the payload panics in its turn"));
    }
}
