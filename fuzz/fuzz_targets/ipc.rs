//! See `remargin_fuzz::ipc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remargin_fuzz::ipc(data));
