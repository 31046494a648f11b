//! Hand-made books and margins for the tests of reports: figures that are different in every cell.

use crate::book::{Book, BookBuilder};
use crate::engine::Chunk;
use crate::margin::rules::*;
use crate::margin::tiers::{BorrowTiers, Tiers};
use crate::margin::{AccountMargin, Status, UnitMargin, VolState};
use crate::market::Market;
use crate::rules::{LoadedRules, RuleValue};
use crate::snapshot::{InputFile, Reason, Reject, Snapshot, Table, TableCount, Unmargined};
use std::ops::Range;

pub(crate) fn unit_names() -> Vec<String> {
    ["BTC-USD", "BTC-USDT", "ETH-USDT"].map(String::from).to_vec()
}

/// Accounts `a0000000`, `a0000001` and so on, without positions: the margins below do not need them.
pub(crate) fn book(accounts: usize) -> Book {
    let ids: Vec<String> = (0..accounts).map(|account| format!("a{account:07}")).collect();
    let mut builder = BookBuilder::default();
    for id in &ids {
        builder.finish_account(id, SpotOffset::Usdt);
    }
    builder.build().unwrap()
}

/// An account's margin: statuses take turns, `adj_eq` is a number that adds up inexactly.
pub(crate) fn account(n: usize) -> AccountMargin {
    let x = n as f64;
    let status = Status::ALL[n % 5];
    AccountMargin {
        adj_eq: x + 0.1,
        total_eq: x + 0.2,
        upl: -x,
        mmr: x + 0.4,
        imr: x + 0.5,
        deriv_mmr: x + 0.6,
        borrow_mmr: x + 0.7,
        borrow_imr: x + 0.8,
        liquidation_fee: x + 0.9,
        margin_ratio: (status != Status::NoRisk).then_some(1.0 / (x + 1.0)),
        status,
        im_deficit: n % 10 == 4,
        ineligible: n.is_multiple_of(3),
        mmr_no_hedge: x + 1.1,
        imr_no_hedge: x + 1.2,
        order_imr: x + 1.3,
    }
}

/// Account `n` has `n % 3` units; MR1, MR2, MR6 and MR7 take turns to bind.
pub(crate) fn units(n: usize) -> impl Iterator<Item = UnitMargin> {
    (0..n % 3).map(move |k| {
        let x = n as f64 + k as f64 / 8.0;
        let binds = |turn: usize| if (n + k) % 4 == turn { 1e6 + x } else { x };
        let (mr1, mr2, mr6, mr7) = (binds(0), binds(1), binds(2), binds(3));
        let rest = x + 1.0;
        UnitMargin {
            unit: (k + n % 2) as u32,
            mr1,
            mr1_price: -0.12,
            mr1_vol: VolState::ALL[n % 3],
            mr2,
            mr3: x + 0.25,
            mr4: x + 0.5,
            mr5: x + 0.75,
            mr6,
            mr6_price: 0.24,
            mr7: if (n + k) % 4 == 3 { 1e7 } else { mr7 },
            mr9: rest,
            mmr: if (n + k) % 4 == 3 { 1e7 } else { 1e6 + 4.0 * x },
            imr: x + 2.0,
            cash_delta: -x - 3.0,
            gamma: x + 4.0,
            vega: x + 5.0,
            theta: x + 6.0,
            spot_in_use: x + 7.0,
            upl: x + 8.0,
            mmr_no_hedge: x + 9.0,
            order_imr: x + 9.0,
        }
    })
}

pub(crate) fn chunk(range: Range<usize>) -> Chunk {
    let mut chunk = Chunk { first_account: range.start, ..Chunk::default() };
    for n in range {
        chunk.accounts.push(account(n));
        chunk.units.extend(units(n));
        chunk.unit_end.push(chunk.units.len());
    }
    chunk
}

fn broken(row: u64, account: Option<&str>, reason: Reason, table: Table, value: &str) -> Reject {
    let account_id = account.map(String::from);
    Reject { table, row, account_id, reason, column: "inst_id", value: value.to_owned() }
}

fn count(table: Table, rows_in: u64, rows_broken: u64, rows_left_out: u64) -> TableCount {
    let rows_rejected = rows_broken + rows_left_out;
    TableCount { table, rows_in, rows_used: rows_in - rows_rejected, rows_rejected, rows_broken, rows_left_out }
}

pub(crate) fn snapshot(accounts: usize) -> Snapshot {
    Snapshot {
        as_of_ns: 1_768_464_000_000_000_000,
        market: Market { as_of_ns: 0, currencies: Vec::new(), underlyings: Vec::new(), instruments: Vec::new() },
        spot_pairs: Vec::new(),
        book: book(accounts),
        rejects: vec![
            broken(4, Some("z"), Reason::AccountUnmargined, Table::Balances, "=HYPERLINK(1)"),
            broken(12, Some("z"), Reason::AccountUnmargined, Table::Positions, ""),
            broken(3, Some("z"), Reason::UnknownInstrument, Table::Positions, "X-Y, \"Z\""),
            broken(9, None, Reason::UnknownInstrument, Table::Marks, "é"),
        ],
        unmargined: vec![Unmargined {
            account_id: "z".into(),
            reason: Reason::UnknownInstrument,
            broken_rows: 1,
            table: Table::Positions,
            row: 7,
            column: "inst_id",
            value: "NO-SUCH".into(),
        }],
        tables: vec![
            count(Table::Marks, 50, 1, 0),
            count(Table::Positions, 100, 1, 1),
            count(Table::Balances, 10, 0, 1),
        ],
        inputs: vec![InputFile { path: "positions.parquet".into(), bytes: 7, rows: Some(100), blake3: "00".into() }],
        untradable: std::collections::BTreeMap::new(),
        unused_price_gaps: 3,
        unused: crate::snapshot::Unused::default(),
        warnings: Vec::new(),
        unheld_broken: 0,
    }
}

/// Rules of which reports read nothing but the name, the hash and the values.
pub(crate) fn rules() -> LoadedRules {
    let classes = || Classes { listed: Vec::new(), rest: Class::Other };
    let tiers = || Tiers::new(vec![(f64::INFINITY, 1.0)]).unwrap();
    let rules = Rules {
        name: "test-rules".into(),
        effective_from_ns: 0,
        risk_unit: RiskUnitMode::Separate,
        imr_multiplier: 1.3,
        min_net_equity_usd: 0.0,
        default_spot_offset: SpotOffset::Usdt,
        rate: 0.0,
        forward_floor: 0.01,
        coin_option_pnl: OptionPnl::Usd,
        other_bounds: OtherBounds::Units,
        status: StatusRules { liquidation: 1.0, near: 1.5, warning: 3.0 },
        mr1_classes: classes(),
        mr467_classes: classes(),
        mr1: Mr1Rules {
            price: PerClass::default(),
            vol_floor: 0.01,
            vol_days: Vec::new(),
            vol_points: Vec::new(),
            vol_relative: Vec::new(),
        },
        mr2_days: 1.0,
        mr3_offset_charge: 0.25,
        mr4: Mr4Rules {
            annualized: PerClass::default(),
            floor: PerClass::default(),
            perpetual_like: Vec::new(),
            spot_bucket: false,
        },
        mr5_rate_shift: 0.05,
        mr6: Mr6Rules { price: PerClass::default(), charge: 0.5 },
        mr7: Mr7Rules {
            delta_one: PerClass::default(),
            option: PerClass::default(),
            option_premium_cap: 0.125,
            tiers: PerClass::default(),
        },
        mr8: Mr8Rules { fee_rate: 0.001, tiers: ByCurrency { listed: Vec::new(), rest: BorrowTiers::default() } },
        mr9: Mr9Rules { pairs: Vec::new(), prices: Vec::new(), tiers: vec![tiers()] },
        orders_deduct_loss: false,
        liquidation_fee_derivatives: 0.0,
        discount: ByCurrency { listed: Vec::new(), rest: tiers() },
    };
    let values = vec![RuleValue { key: "rate".into(), value: "0.0".into(), source: "built-in".into(), mark: None }];
    LoadedRules { rules, values, hash: "abc".into(), file: None }
}
