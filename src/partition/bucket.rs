//! Assigns accounts to buckets.

use twox_hash::XxHash64;

/// Version of the layout. It changes if an id may get another bucket.
pub const LAYOUT_VERSION: u32 = 1;

/// Name of the hash, as in Spark.
pub const HASH: &str = "xxhash64";

/// The seed of Spark's `xxhash64`.
pub const SEED: u64 = 42;

/// The bucket of an account, equal to `pmod(xxhash64(account_id), buckets)` in Spark SQL. So other engines can
/// partition the same way.
///
/// ```
/// use remargin::partition::bucket_of;
/// assert_eq!(bucket_of("100001", 64), bucket_of("100001", 64));
/// assert!(bucket_of("anybody", 7) < 7);
/// ```
///
/// # Panics
/// If `buckets` is zero.
#[must_use]
pub fn bucket_of(account_id: &str, buckets: u32) -> u32 {
    let hash = XxHash64::oneshot(SEED, account_id.as_bytes()).cast_signed();
    hash.rem_euclid(i64::from(buckets)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Must never change: an account in another bucket would be counted twice together with an older partition. The
    /// values are from Spark SQL 4: `SELECT pmod(xxhash64(id), 1000)`.
    #[test]
    fn buckets_are_fixed() {
        for (id, bucket) in SPARK {
            assert_eq!(bucket_of(id, 1000), bucket, "{id}");
        }
        assert!((0..1000).all(|id| bucket_of(&id.to_string(), 1) == 0));
    }

    const SPARK: [(&str, u32); 8] = [
        ("", 652),
        ("a", 716),
        ("100001", 835),
        ("acct-00000042", 859),
        ("0123456789abcdef", 263),
        ("0123456789abcdef0123456789abcdef", 117),
        ("0123456789abcdef0123456789abcdef-0123456789abcdef0123456789abcdef/7", 383),
        ("Zürich", 886),
    ];

    #[test]
    fn buckets_are_even() {
        let mut counts = [0u32; 16];
        for id in 0..16_000 {
            counts[bucket_of(&format!("acct-{id:08}"), 16) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
