//! libFuzzer on the target `control_snapshot`; see `src/targets/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millstream_fuzz::fuzz("control_snapshot", input));
