//! A book as a whole, once it is read: is there anything in it, and do the ids of its accounts match?

use super::{OF_ACCOUNTS, Origin, Stream};
use crate::Result;
use crate::formats::scan::{Opened, scan};
use crate::progress::Silent;
use crate::snapshot::census::{self, Census, Named, Shared};
use crate::snapshot::schema::Table;
use crate::snapshot::{LoadOptions, Snapshot, Warning};
use crate::{Error, Invalid};

impl Stream {
    /// What is odd about a book that was read to its end.
    ///
    /// # Errors
    /// [`Invalid`] if it is empty, or if the ids of its tables do not match.
    pub(super) fn judge(&self, snapshot: &Snapshot, census: Census, options: &LoadOptions) -> Result<Vec<Warning>> {
        if let Origin::Folder(_) = self.origin
            && !options.expectations.allow_empty
        {
            self.refuse_empty(snapshot)?;
        }
        let shared = census.shared();
        let named = if shared.keys.is_empty() { Named::new() } else { self.named(&shared, options)? };
        shared.verdict(&named, options.expectations.allow_similar_ids)
    }

    fn refuse_empty(&self, snapshot: &Snapshot) -> Result<()> {
        let is_empty = |count: &&crate::snapshot::TableCount| count.table == Table::Positions && count.rows_in == 0;
        let Some(empty) = snapshot.tables.iter().find(is_empty) else { return Ok(()) };
        let mut invalid = Invalid::new("the table has no rows")
            .expected("at least one position")
            .hint("every account would be margined as flat; `--allow-empty` takes the snapshot as it is");
        let file = self.origin.source(empty.table).and_then(|source| source.files.first());
        if let Some(file) = file {
            invalid = invalid.file(file.path());
        }
        Err(invalid.into())
    }

    /// The ids behind the first few keys that several accounts share, and their tables: one look through the columns.
    fn named(&self, shared: &Shared, options: &LoadOptions) -> Result<Named> {
        const ID: &str = "account_id";
        let wanted = &shared.keys[..shared.keys.len().min(Shared::SHOWN)];
        let mut named = Named::new();
        for table in OF_ACCOUNTS {
            let columns = table.columns();
            let place = columns.iter().position(|column| column.name == ID).unwrap_or_default();
            let opened = match self.origin.source(table) {
                Some(source) => Some(Opened::new(source, &columns[place..=place])?),
                None => self.origin.open(table, &[])?,
            };
            let Some(opened) = opened else { continue };
            scan(
                opened,
                &Silent,
                |local: &mut Named, batch| {
                    options.progress.check()?;
                    let ids = batch.text(ID)?;
                    let mut last = None;
                    for id in (0..batch.rows).filter_map(|row| ids.get(row)) {
                        if last == Some(id) {
                            continue;
                        }
                        last = Some(id);
                        let key = census::key(id);
                        if wanted.contains(&key) {
                            local.entry(key).or_default().entry(id.to_owned()).or_default().insert(table.name());
                        }
                    }
                    Ok::<_, Error>(())
                },
                |local| {
                    for (key, ids) in local {
                        let known = named.entry(key).or_default();
                        for (id, tables) in ids {
                            known.entry(id).or_default().extend(tables);
                        }
                    }
                    Ok(())
                },
            )?;
        }
        Ok(named)
    }
}
