//! libFuzzer on the target `policies`; see `src/targets/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millstream_fuzz::fuzz("policies", input));
