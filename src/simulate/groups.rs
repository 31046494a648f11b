//! Bounds on operations: how large a group may be, and how far back a repeated `op_id` is noticed in a stream.

use super::operation::{MOST_GROUP_OPERATIONS, Operation, OperationAccount};
use crate::{Invalid, Result};
use std::collections::{HashMap, HashSet, VecDeque};

/// Operations of a stream of JSON lines whose `op_id` is remembered.
pub const REMEMBERED_OPERATIONS: usize = 1 << 16;

/// Refuses a table that holds a group of more than [`MOST_GROUP_OPERATIONS`].
pub(super) fn check_sizes(operations: &[Operation]) -> Result<()> {
    let mut sizes: HashMap<(&OperationAccount, &str), usize> = HashMap::new();
    for operation in operations {
        if let Some(group) = operation.group.as_deref() {
            *sizes.entry((&operation.account, group)).or_default() += 1;
        }
    }
    let too_large = sizes.into_iter().filter(|(_, size)| *size > MOST_GROUP_OPERATIONS);
    // The first by name, so that the message is the same every time.
    let Some(((_, group), size)) = too_large.min_by_key(|((_, group), size)| (*group, *size)) else { return Ok(()) };
    Err(Invalid::new(format!("a group of {size} operations"))
        .column("group")
        .value(crate::cells::text::cut(group))
        .expected(format!("at most {MOST_GROUP_OPERATIONS} operations in a group"))
        .hint("divide the group, or check its net effect: one operation for each contract and currency")
        .into())
}

/// The operations that a stream asked for last, by account and `op_id`, as hashes.
#[derive(Default)]
pub(super) struct Remembered {
    known: HashSet<[u8; 16]>,
    order: VecDeque<[u8; 16]>,
}

impl Remembered {
    /// True if the operation was asked for before, among the last [`REMEMBERED_OPERATIONS`]. Remembers it.
    pub fn is_repeated(&mut self, account_id: &str, op_id: &str) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(account_id.len() as u64).to_le_bytes()).update(account_id.as_bytes()).update(op_id.as_bytes());
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        if !self.known.insert(key) {
            return true;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED_OPERATIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::operation::{Refusal, RequestText};

    fn operation(account: u32, group: &str) -> Operation {
        Operation {
            op_id: "1".into(),
            account: OperationAccount::Account(account),
            group: Some(group.into()),
            action: Err((Refusal::InvalidKind, Box::new(RequestText::default()))),
        }
    }

    #[test]
    fn a_group_has_a_bound() {
        let mut operations = vec![operation(0, "g"); MOST_GROUP_OPERATIONS];
        operations.push(operation(0, "h"));
        operations.push(operation(1, "g"));
        assert!(check_sizes(&operations).is_ok());
        operations.push(operation(0, "g"));
        let error = check_sizes(&operations).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("10001 operations"), "{error}");
    }

    #[test]
    fn the_last_operations_are_remembered() {
        let mut remembered = Remembered::default();
        assert!(!remembered.is_repeated("a", "bc"));
        assert!(!remembered.is_repeated("ab", "c"));
        assert!(remembered.is_repeated("a", "bc"));
        for number in 0..REMEMBERED_OPERATIONS {
            assert!(!remembered.is_repeated("a", &number.to_string()));
        }
        assert!(!remembered.is_repeated("a", "bc"), "it is too long ago");
        assert_eq!(remembered.known.len(), REMEMBERED_OPERATIONS);
    }
}
