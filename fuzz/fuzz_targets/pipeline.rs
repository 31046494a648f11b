//! See `remargin_fuzz::pipeline`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remargin_fuzz::pipeline(data));
