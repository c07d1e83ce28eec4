//! libFuzzer on the target `code_store`; see `src/targets/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millstream_fuzz::fuzz("code_store", input));
