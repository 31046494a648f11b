//! See `remargin_fuzz::answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remargin_fuzz::answers(data));
