//! libFuzzer on the target `wal_entries`; see `src/targets/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| millstream_fuzz::fuzz("wal_entries", input));
