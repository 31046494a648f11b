//! See `remargin_fuzz::parquet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| remargin_fuzz::parquet(data));
