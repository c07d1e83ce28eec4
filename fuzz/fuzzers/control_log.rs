//! libFuzzer on the target `control_log`; see `src/targets/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millstream_fuzz::fuzz("control_log", input));
