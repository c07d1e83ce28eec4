//! libFuzzer on the target `checkpoint`; see `src/targets/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millstream_fuzz::fuzz("checkpoint", input));
