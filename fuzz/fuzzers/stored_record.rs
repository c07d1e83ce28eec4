//! libFuzzer on the target `stored_record`; see `src/targets/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millstream_fuzz::fuzz("stored_record", input));
