//! See `remargin_fuzz::csv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remargin_fuzz::csv(data));
