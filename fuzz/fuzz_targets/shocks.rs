//! See `remargin_fuzz::shocks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remargin_fuzz::shocks(data));
