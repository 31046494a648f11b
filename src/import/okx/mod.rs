//! Converts saved OKX v5 REST responses to a snapshot: `remargin import okx`.
//!
//! ```text
//! FOLDER/**/*.json --> files, envelope: answers, endpoint by the fields of their rows, account by folder or uid
//!                        |
//!                      polls: of several answers of an account the latest one
//!                        |
//!      market (contracts, prices, tiers)    accounts (balances, positions, orders)    answers (position builder)
//!                        |                         |                                     |
//!                        +--> vol: marks, volatilities implied or interpolated           |
//!                        +--> missing: data needed for the margin, and their endpoint    |
//!                        v                                                               v
//!      tables, snapshot.toml, rules.toml (discount and borrow tiers), import.json: a folder, complete or absent
//! ```
//!
//! Every row is counted: as used, or as set aside with a [`SetAsideReason`]. Figures stay decimal strings; the loader
//! converts them once. The importer does not check a field that it does not need. A position without a quantity, for
//! example, becomes a broken row of the snapshot, and the loader rejects it with its account.
//!
//! **Prices** come from `public/mark-price`, `market/index-tickers` and `public/opt-summary`. If a price is missing
//! there, the latest one from the positions (`markPx`, `idxPx`) and balances (`coinUsdPrice`) is used. Extra columns of
//! `marks` and `indices` state the source of each price. **The valuation time** is the latest time of any price or
//! account response, unless it is given.
//!
//! Two files may contain the same row. If they differ, the row with the later time of its own is used, else the row of
//! the later file, as far as the names of the files say it. Otherwise it is an error. Of several answers of an account
//! the latest one holds whole, see `polls`.
//!
//! **An account without an answer** of `account/positions` or `account/balance`, or with another `acctLv` than 4, is in
//! the snapshot and marked in `accounts`: a run lists it as unmargined. An empty answer is an answer.

mod accounts;
mod answers;
pub(crate) mod candles;
mod endpoint;
mod envelope;
pub(crate) mod files;
mod market;
mod missing;
mod overlay;
mod polls;
mod reason;
mod report;
pub(crate) mod response;
pub(crate) mod row;
mod sequence;
mod tables;
mod tally;
mod unique;
mod vol;

pub use endpoint::Endpoint;
pub use missing::Missing;
pub use reason::SetAsideReason;
pub use report::Imported;
pub use tally::FileCount;
pub use vol::VolCounts;

use crate::error::Remedy;
use crate::memory::MemoryLimit;
use crate::progress::Progress;
use crate::publish::OutputFolder;
use crate::publish::owned::IMPORTED;
use crate::source::Format;
use crate::{Error, Invalid, Result, rules};
use accounts::Accounts;
use files::Found;
use market::PublicData;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tables::{IndexRow, TextTable};
use tally::Tally;

/// What to import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportRequest {
    /// Folder of the responses, or one file.
    pub folder: PathBuf,
    /// The snapshot folder, built under a temporary name and renamed.
    pub out: PathBuf,
    /// Format of the tables.
    pub format: Format,
    /// Valuation time in milliseconds since 1970; `None` for the latest time of the responses.
    pub as_of_ms: Option<i64>,
    /// Interpolate the volatility of options without a usable mark from the smile of their expiry.
    pub interpolate_vol: bool,
    /// Replace an existing snapshot.
    pub force: bool,
}

/// The overlay in the snapshot folder.
pub const RULES_FILE: &str = "rules.toml";

/// Imports a folder of responses.
///
/// # Errors
/// [`Error::Usage`] if the folder exists, or no response has a time; [`Error::Invalid`] if a file is broken, rows
/// contradict each other, or no row is used; [`Error::Io`] and [`Error::Runtime`] if writing fails;
/// [`Error::Memory`] if the answers do not fit the memory of the machine; [`Error::Interrupted`]. In all cases nothing
/// is
/// left behind.
pub fn import(request: &ImportRequest, progress: &dyn Progress) -> Result<Imported> {
    import_within(request, MemoryLimit::of_machine(), progress)
}

/// As [`import`], with answers that fit a memory limit. Results do not depend on it.
///
/// # Errors
/// Those of [`import`], and [`Error::Memory`] if the answers do not fit.
pub fn import_within(request: &ImportRequest, limit: MemoryLimit, progress: &dyn Progress) -> Result<Imported> {
    let folder = OutputFolder::of_snapshot(&request.out, request.force, &[&request.folder])?;
    progress.stage("read", "files", 0);
    let mut found = files::read(&request.folder, &files::budget(limit))?;
    for response in &mut found.responses {
        // A single file that does not state its account.
        response.account.get_or_insert_with(|| response::stem(&response.path));
    }
    progress.check()?;
    progress.stage("import", "files", found.responses.len() as u64);
    let (mut imported, tables, overlay) = build(request, &found, progress)?;

    let dir = folder.path();
    for table in &tables {
        table.write(dir, request.format)?;
    }
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(|err| Error::io("write", &path, err))
    };
    if let Some(overlay) = overlay {
        write(RULES_FILE, &overlay)?;
        // Check the overlay now, so that the first user of the rules does not find the error.
        rules::load(Some(&dir.join(RULES_FILE)), &[])?;
        imported.rules = true;
    }
    write("import.json", &format!("{:#}\n", imported.to_json()))?;
    let named = if imported.rules { format!("rules = \"{RULES_FILE}\"\n") } else { String::new() };
    let manifest =
        format!("{IMPORTED}; import.json counts their rows.\nas_of = {}\nversion = 1\n{named}", imported.as_of);
    write("snapshot.toml", &manifest)?;
    progress.check()?;
    folder.publish()?;
    Ok(imported)
}

/// Builds everything, writes nothing.
fn build(
    request: &ImportRequest,
    found: &Found,
    progress: &dyn Progress,
) -> Result<(Imported, Vec<TextTable>, Option<String>)> {
    let mut tally = Tally::new(&found.responses);
    let mut public = PublicData::default();
    let mut accounts = Accounts::default();
    for (file, response) in found.responses.iter().enumerate() {
        progress.check()?;
        match response.endpoint {
            Endpoint::Instruments
            | Endpoint::MarkPrice
            | Endpoint::IndexTickers
            | Endpoint::OptSummary
            | Endpoint::DiscountRate
            | Endpoint::PositionTiers => public.take(file, response, &mut tally)?,
            Endpoint::Balance | Endpoint::Positions | Endpoint::Config | Endpoint::Orders => {
                accounts.take(file, response, &mut public, &mut tally)?;
            }
            // Read after everything else: other responses may make them unnecessary.
            Endpoint::PositionBuilder | Endpoint::PositionRisk => {}
            _ => {
                for _ in &response.rows {
                    let place = tally.row(file);
                    tally.aside(place, SetAsideReason::Refused);
                }
            }
        }
        progress.advance(1);
    }
    for wanted in [Endpoint::PositionBuilder, Endpoint::PositionRisk] {
        for (file, response) in found.responses.iter().enumerate().filter(|(_, other)| other.endpoint == wanted) {
            accounts.take_answer(file, response, &mut public, &mut tally)?;
        }
    }
    accounts.close(&mut tally);
    refuse_nothing(request, &tally, &accounts, &public)?;
    let as_of_ms = request
        .as_of_ms
        .or(Some(public.latest_ms).filter(|ms| *ms > 0))
        .ok_or_else(|| Error::refused("no response has a time, so the valuation time is unknown", Remedy::AsOf))?;
    let as_of = jiff::Timestamp::from_millisecond(as_of_ms)
        .map_err(|err| Error::Usage(format!("the valuation time {as_of_ms} ms is out of range: {err}")))?;
    let (marks, volatility) = vol::marks(&public, as_of_ms, request.interpolate_vol);
    let indices = indices(&public);
    let tables = tables::tables(&public, &marks, &indices, &accounts);
    let mut price_sources = BTreeMap::new();
    let sources = marks.values().filter_map(|row| row.mark_source);
    for source in sources.chain(indices.values().map(|row| row.source)) {
        *price_sources.entry(source).or_default() += 1;
    }
    let overlay = overlay::overlay(&public, accounts.merged)?;
    let missing = missing::missing(&public, &marks, &indices, &accounts, as_of_ms);
    let tables_rows: Vec<_> = tables.iter().map(|table| (table.name, table.rows())).collect();
    let is_flat = tables_rows.contains(&("positions", 0)) && !accounts.by_id.is_empty();
    let flat = is_flat.then(|| "no account has a position: commands that read this need `--allow-empty`".to_owned());
    let said = found.said.notes.iter().cloned().chain(tally.notes());
    let notes = said.chain(accounts.notes.iter().cloned()).chain(flat).collect();
    let imported = Imported {
        as_of: as_of.to_string(),
        tables: tables_rows,
        unmarginable: unmarginable(&accounts, &missing),
        missing,
        unpriced: missing::unpriced(&public, &marks),
        files: tally.files,
        ignored: found.ignored.clone(),
        volatility,
        price_sources,
        notes,
        warnings: found.said.warnings.iter().cloned().chain(apart(&accounts, &public)).collect(),
        rules: false,
    };
    Ok((imported, tables, overlay))
}

/// The accounts that cannot be margined, each with the first reason.
fn unmarginable(accounts: &Accounts, missing: &[Missing]) -> BTreeMap<String, String> {
    let mut reasons: BTreeMap<String, String> = BTreeMap::new();
    for (id, account) in &accounts.by_id {
        reasons.extend(account.unmarginable().map(|why| (id.clone(), why)));
    }
    for gap in missing.iter().filter(|gap| gap.needed) {
        for id in &gap.accounts {
            let what = if gap.what == "expired" { "it holds a contract that is over:" } else { "it lacks the" };
            let what = if gap.what == "expired" { what.to_owned() } else { format!("{what} {} of", gap.what) };
            reasons.entry(id.clone()).or_insert_with(|| format!("{what} `{}`", gap.id));
        }
    }
    reasons
}

/// How far the time of an account may lie from that of the prices without a warning.
const MOST_APART_MS: i64 = 60 * 60 * 1000;

/// Warnings of accounts whose answers are of another time than the market answers: holdings of one time at prices of
/// another are the margin of no time.
fn apart(accounts: &Accounts, public: &PublicData) -> Vec<String> {
    let told = |(id, account): (&String, &accounts::Account)| {
        let priced_ms = Some(public.priced_ms).filter(|ms| *ms > 0)?;
        let lag_ms = |later: i64, earlier: i64| later.checked_sub(earlier).filter(|ms| *ms > MOST_APART_MS);
        let older = lag_ms(priced_ms, account.known_ms).filter(|_| account.known_ms > 0).map(|ms| (ms, "older"));
        let (ms, how) = older.or_else(|| lag_ms(account.changed_ms, priced_ms).map(|ms| (ms, "newer")))?;
        Some(format!(
            "account `{id}`: its answers are {} {how} than the latest price of the market answers: holdings and prices \
             are of two times",
            duration(ms)
        ))
    };
    accounts.by_id.iter().filter_map(told).collect()
}

/// Whole hours, from two days on whole days.
fn duration(ms: i64) -> String {
    let hours = ms / (60 * 60 * 1000);
    if hours < 48 { format!("{hours} h") } else { format!("{} days", hours / 24) }
}

/// Indices by id: of `market/index-tickers`, else the latest from the account responses.
fn indices(public: &PublicData) -> BTreeMap<String, IndexRow> {
    let known = vol::known_time;
    let seen = public
        .seen_indices
        .iter()
        .map(|(id, seen)| (id.clone(), IndexRow { px: seen.px.clone(), source: seen.source, ts_ms: known(seen.time) }));
    let quoted = public.indices.iter_timed().map(|(id, (time_ms, px))| {
        (id.clone(), IndexRow { px: px.0.clone(), source: "market/index-tickers", ts_ms: known(time_ms) })
    });
    seen.chain(quoted).collect()
}

/// If no row of the folder is used, this is an error, and the hint lists the reasons.
fn refuse_nothing(request: &ImportRequest, tally: &Tally, accounts: &Accounts, public: &PublicData) -> Result<()> {
    let used: u64 = tally.files.iter().map(|file| file.used).sum();
    // The sizes of orders on spot pairs alone are no snapshot.
    if used > public.spot_pairs.iter().count() as u64 || !accounts.by_id.is_empty() {
        return Ok(());
    }
    let mut why: Vec<String> = Vec::new();
    for file in &tally.files {
        let of_pairs = (file.used > 0).then_some(SetAsideReason::SpotPair);
        let reasons: Vec<&str> = file.aside.keys().copied().chain(of_pairs).map(SetAsideReason::meaning).collect();
        let told = file.endpoint.refusal().map_or_else(|| reasons.join("; "), str::to_owned);
        let problems = file.malformed.first().map_or_else(String::new, |(row, text)| format!(" (row {row}: {text})"));
        why.push(format!("{}, {}: {told}{problems}", file.path.display(), file.endpoint.name()));
    }
    let mut invalid = Invalid::new("no response here contains data for a margin")
        .file(&request.folder)
        .expected("`*.json` files with responses of the OKX v5 API, each in its envelope");
    if !why.is_empty() {
        invalid = invalid.hint(why.join("\n            "));
    }
    Err(invalid.into())
}
