//! Fuzzes the law `wire` of the library beside.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Whether the law had anything to say does not matter to the fuzzer.
    let _reached = sureclock_fuzz::wire(data);
});
