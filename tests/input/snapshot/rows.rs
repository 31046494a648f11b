//! Sound rows, broken rows and the accounts that they leave out.

use crate::common::folder::{Folder, reconcile, table};
use remargin::margin::rules::SpotOffset;
use remargin::market::{InstrumentKind, PriceGap};
use remargin::snapshot::Table;

#[test]
fn a_sound_snapshot() {
    let snapshot = Folder::new().load().unwrap();
    reconcile(&snapshot);
    assert_eq!((snapshot.rejects.len(), snapshot.unmargined.len()), (0, 0));
    assert_eq!(snapshot.as_of_ns, 1_768_464_000_000_000_000);

    let market = &snapshot.market;
    let currencies: Vec<_> = market.currencies.iter().map(|ccy| (ccy.name.as_str(), ccy.fx)).collect();
    let expected = [
        ("BTC", Some(90_005.0)),
        ("ETH", None),
        ("USD", Some(1.0)),
        ("USDC", Some(1.0)),
        ("USDT", Some(0.9998)),
        ("XRP", Some(2.0 * 0.9998)),
    ];
    assert_eq!(currencies, expected);
    let underlyings: Vec<_> = market.underlyings.iter().map(|u| (u.name.as_str(), u.index_px)).collect();
    let expected = [
        ("BTC-USD", Some(90_005.0)),
        ("BTC-USDT", Some(90_001.0)),
        ("ETH-USDC", Some(3_000.0)),
        ("USDC-USD", Some(1.0)),
        ("USDT-USD", Some(0.9998)),
        ("XRP-USDT", Some(2.0)),
    ];
    assert_eq!(underlyings, expected);
    let btc = &market.underlyings[1];
    assert_eq!(
        (&*market.currencies[btc.base as usize].name, &*market.currencies[btc.quote as usize].name),
        ("BTC", "USDT")
    );
    let expiry = Some(1_774_598_400_000_000_000);
    let call = InstrumentKind::Option { call: true, strike: 90_000.0 };
    let instruments: Vec<_> = market
        .instruments
        .iter()
        .map(|i| (&*i.inst_id, i.kind, i.underlying, i.settle, i.multiplier, i.expiry_ns, i.mark_vol, i.fwd_px, i.gap))
        .collect();
    assert_eq!(instruments[0], ("BTC-USD-SWAP", InstrumentKind::Inverse, 0, 0, 100.0, None, 0.0, 0.0, None));
    assert_eq!(instruments[1], ("BTC-USD-260327-90000-C", call, 0, 0, 0.01, expiry, 0.55, 90_500.0, None));
    assert_eq!(instruments[2], ("BTC-USD_UM-260327", InstrumentKind::Linear, 0, 2, 0.01, expiry, 0.0, 0.0, None));
    assert_eq!(instruments[3], ("BTC-USDT-SWAP", InstrumentKind::Linear, 1, 4, 0.01, None, 0.0, 0.0, None));
    assert_eq!((instruments[4].0, instruments[4].8, instruments.len()), ("ETH-USDC-SWAP", Some(PriceGap::Mark), 5));
    assert!(market.instruments[4].mark_px.is_nan());
    assert_eq!(market.instruments[1].mark_px, 0.0525);
    assert_eq!(snapshot.unused_price_gaps, 1);

    let book = &snapshot.book;
    assert_eq!(book.accounts().iter().collect::<Vec<_>>(), ["a1", "a2", "a3", "a4"]);
    assert_eq!(book.spot_offset(), [SpotOffset::Usdt, SpotOffset::Coin, SpotOffset::Usdt, SpotOffset::None]);
    assert_eq!((book.position_start(), book.instrument()), (&[0, 3, 5, 5, 5][..], &[0, 3, 3, 1, 3][..]));
    assert_eq!(book.qty(), [-5.0, -2.0, 10.0, -1.0, 3.0]);
    assert_eq!(book.avg_px(), [86_000.0, 85_000.1, 85_000.1, 0.06, 91_000.0]);
    assert_eq!((book.balance_start(), book.ccy()), (&[0, 2, 3, 4, 4][..], &[0, 4, 4, 5][..]));
    assert_eq!(book.cash(), [-0.25, 1_000.0, 500.0, 7.0]);
    assert_eq!(book.interest(), [0.0, 0.5, 0.0, 0.0]);
    assert_eq!(book.spot_in_use_cap(), [2.0, f64::INFINITY, f64::INFINITY, 0.0]);

    let paths: Vec<_> = snapshot.inputs.iter().map(|input| (input.path.to_str().unwrap(), input.rows)).collect();
    let expected = [
        ("snapshot.toml", None),
        ("instruments.csv", Some(6)),
        ("marks.csv", Some(5)),
        ("indices.csv", Some(6)),
        ("positions.csv", Some(5)),
        ("balances.csv", Some(4)),
        ("accounts.csv", Some(3)),
    ];
    assert_eq!(paths, expected);
    let marks = &snapshot.inputs[2];
    assert_eq!(
        (marks.bytes, &*marks.blake3),
        (table("marks").len() as u64, blake3::hash(table("marks").as_bytes()).to_hex().as_str())
    );
}

/// A change of one table: the reject of the row, and the accounts that remain.
#[test]
fn every_reason_of_a_row() {
    // file, text there, its replacement; table, row, account, code, column=value of the only broken row
    let cases = [
        ("positions", "a2,BTC-USDT-SWAP,3", ",BTC-USDT-SWAP,3", "positions 4 - missing_account_id account_id="),
        ("positions", "a2,BTC-USDT-SWAP,3", "a2,,3", "positions 4 a2 missing_inst_id inst_id="),
        ("positions", "a2,BTC-USDT-SWAP,3", "a2,DOGE,3", "positions 4 a2 unknown_instrument inst_id=DOGE"),
        (
            "positions",
            "a2,BTC-USDT-SWAP",
            "a2,BTC-USD-260115",
            "positions 4 a2 expired_instrument inst_id=BTC-USD-260115",
        ),
        ("positions", "SWAP,3,", "SWAP,,", "positions 4 a2 missing_quantity qty="),
        ("positions", "SWAP,3,", "SWAP,inf,", "positions 4 a2 invalid_quantity qty=inf"),
        ("positions", "SWAP,3,", "SWAP,1e400,", "positions 4 a2 out_of_range qty=1e400"),
        ("positions", "3,91000", "3,", "positions 4 a2 missing_avg_px avg_px="),
        ("positions", "3,91000", "3,nan", "positions 4 a2 invalid_avg_px avg_px=nan"),
        ("positions", "3,91000", "3,0.00", "positions 4 a2 non_positive_avg_px avg_px=0.00"),
        ("positions", "3,91000", "3,-1", "positions 4 a2 non_positive_avg_px avg_px=-1"),
        ("positions", "3,91000", "3,1e-19", "positions 4 a2 out_of_range avg_px=1e-19"),
        ("positions", "a2,BTC-USDT-SWAP", "a2,ETH-USDC-SWAP", "positions 4 a2 missing_mark mark_px=ETH-USDC-SWAP"),
        ("marks", "0.0525,", "-0.0525,", "positions 3 a2 missing_mark mark_px=BTC-USD-260327-90000-C: -0.0525"),
        ("marks", "90010", "0", "positions 2 a1 missing_mark mark_px=BTC-USD-SWAP: 0"),
        ("marks", "0.55,", "NaN,", "positions 3 a2 missing_vol mark_vol=BTC-USD-260327-90000-C: NaN"),
        ("marks", ",0.55,", ",0,", "positions 3 a2 missing_vol mark_vol=BTC-USD-260327-90000-C: 0"),
        ("marks", "0.55,90500", "0.55,", "positions 3 a2 missing_forward fwd_px=BTC-USD-260327-90000-C"),
        (
            "marks",
            "90010",
            "9001000",
            "positions 2 a1 implausible_mark mark_px=BTC-USD-SWAP: 9001000 beside the index BTC-USD at 90005",
        ),
        ("marks", "0.55,", "55,", "positions 3 a2 implausible_vol mark_vol=BTC-USD-260327-90000-C: 55"),
        ("indices", "XRP-USDT,2", "XRP-USDT,0", "balances 4 a3 missing_fx ccy=XRP"),
        ("indices", "XRP-USDT,2\n", "", "balances 4 a3 missing_fx ccy=XRP"),
        ("balances", "a2,USDT", ",USDT", "balances 3 - missing_account_id account_id="),
        ("balances", "a3,XRP", "a3,", "balances 4 a3 missing_ccy ccy="),
        ("balances", "XRP,7", "XRP,", "balances 4 a3 missing_cash cash="),
        ("balances", "XRP,7", "XRP,7x", "balances 4 a3 invalid_cash cash=7x"),
        ("balances", "XRP,7", "XRP,1e19", "balances 4 a3 out_of_range cash=1e19"),
        ("balances", "XRP,7,", "XRP,7,-1", "balances 4 a3 invalid_interest interest=-1"),
        ("balances", "XRP,7,,0", "XRP,7,,-0.1", "balances 4 a3 invalid_spot_in_use_cap spot_in_use_cap=-0.1"),
        ("balances", "XRP,7,,0", "XRP,7,,inf", "balances 4 a3 invalid_spot_in_use_cap spot_in_use_cap=inf"),
        ("accounts", "a4,none", "a4,nobody", "accounts 2 a4 invalid_spot_offset spot_offset=nobody"),
        ("accounts", "a1,", ",usdc", "accounts 3 - missing_account_id account_id="),
        ("marks", "GONE-USDT-SWAP", "", "marks 5 - missing_inst_id inst_id="),
        ("indices", "ETH-USDC,", "ETH,", "indices 5 - invalid_index_id index_id=ETH"),
        ("indices", "ETH-USDC,", "ETH-USDC-X,", "indices 5 - invalid_index_id index_id=ETH-USDC-X"),
        ("instruments", "ETH-USDC-SWAP,", ",", "instruments 6 - missing_inst_id inst_id="),
        ("instruments", "P,SWAP,ETH", "P,SPOT,ETH", "instruments 6 - invalid_instrument inst_type=SPOT"),
        ("instruments", "ETH-USDC,", "ETHUSDC,", "instruments 6 - invalid_instrument uly=ETHUSDC"),
        ("instruments", "USDC,USDC", "USDC,", "instruments 6 - invalid_instrument settle_ccy="),
        ("instruments", "USDC,USDC", "USDC,BTC", "instruments 6 - invalid_instrument settle_ccy=BTC"),
        ("instruments", "USDC,USDC", "USDC,ETH", "instruments 6 - invalid_instrument settle_ccy=ETH"),
        ("instruments", "USDC,USDC,", "USDC,USDC,inverse", "instruments 6 - invalid_instrument settle_ccy=USDC"),
        ("instruments", "USDC,USDC,", "USDC,USDC,both", "instruments 6 - invalid_instrument ct_type=both"),
        ("instruments", ",0.1,", ",0,", "instruments 6 - invalid_instrument ct_val=0"),
        ("instruments", ",0.1,1", ",0.1,", "instruments 6 - invalid_instrument ct_mult="),
        ("instruments", ",0.1,1", ",1e-10,1e-10", "instruments 6 - invalid_instrument ct_mult=1e-10 x 1e-10"),
        (
            "instruments",
            "0.1,1,",
            "0.1,1,2026-03-27T08:00:00Z",
            "instruments 6 - invalid_instrument expiry=2026-03-27T08:00:00Z",
        ),
        ("instruments", "0.01,1,2026-03-27T08:00:00Z", "0.01,1,", "instruments 3 - invalid_instrument expiry="),
        (
            "instruments",
            "0.01,1,2026-03-27T08:00:00Z",
            "0.01,1,2026-03-27",
            "instruments 3 - invalid_instrument expiry=2026-03-27",
        ),
    ];
    for (file, from, to, expected) in cases {
        let folder = Folder::new();
        folder.replace(&format!("{file}.csv"), from, to);
        let snapshot = folder.load().unwrap();
        reconcile(&snapshot);
        let broken: Vec<_> =
            snapshot.rejects.iter().filter(|reject| reject.reason.code() != "account_unmargined").collect();
        let [reject] = broken.as_slice() else { panic!("{file} {to}: {broken:?}") };
        let (account, code) = (reject.account_id.as_deref(), reject.reason.code());
        let (table, column, value) = (reject.table.name(), reject.column, &reject.value);
        let found = format!("{table} {} {} {code} {column}={value}", reject.row, account.unwrap_or("-"));
        assert_eq!(found, expected, "{file} {to}");
        let left: Vec<_> = ["a1", "a2", "a3", "a4"].into_iter().filter(|id| Some(*id) != account).collect();
        assert_eq!(snapshot.book.accounts().iter().collect::<Vec<_>>(), left, "{file} {to}");
        let out = snapshot.unmargined.iter().map(|out| (&*out.account_id, out.reason.code(), out.broken_rows));
        assert_eq!(out.collect::<Vec<_>>(), account.map(|account| (account, code, 1)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn broken_instruments_and_prices_reach_their_holders() {
    // file, text there, its replacement; code, column and value of the rejects; how many there are.
    for (file, from, to, expected, rows) in [
        ("instruments", "linear,0.01", "linear,0", ("invalid_instrument", "inst_id", "BTC-USDT-SWAP"), 3),
        ("instruments", "90000,C", "90000,X", ("invalid_instrument", "inst_id", "BTC-USD-260327-90000-C"), 1),
        ("instruments", "90000,C", "0,C", ("invalid_instrument", "inst_id", "BTC-USD-260327-90000-C"), 1),
        ("indices", "BTC-USDT,90001", "BTC-USDT,-1", ("missing_index", "px", "BTC-USDT-SWAP: BTC-USDT -1"), 3),
        ("indices", "BTC-USDT,90001", "BTC-USDT,1e-30", ("missing_index", "px", "BTC-USDT-SWAP: BTC-USDT 1e-30"), 3),
        ("indices", "BTC-USDT,90001\n", "", ("missing_index", "px", "BTC-USDT-SWAP: BTC-USDT"), 3),
        ("indices", "USDT-USD,0.9998\n", "", ("missing_fx", "px", "BTC-USDT-SWAP: USDT"), 3),
    ] {
        let folder = Folder::new();
        folder.replace(&format!("{file}.csv"), from, to);
        let snapshot = folder.load().unwrap();
        reconcile(&snapshot);
        let held = snapshot.rejects.iter().filter(|reject| {
            (reject.reason.code(), reject.column, &*reject.value) == expected && reject.table == Table::Positions
        });
        assert_eq!(held.count(), rows, "{file} {to}: {:#?}", snapshot.rejects);
        assert!(!snapshot.book.accounts().iter().any(|id| id == "a2"));
    }
}

#[test]
fn duplicates_reject_all_their_rows_in_any_order() {
    let rows = ["a3,XRP,8,,", "a3,XRP,x,,", "a3,USDT,1,,"];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let folder = Folder::new();
        let text: String = order.map(|row| format!("{}\n", rows[row])).concat();
        folder.write("balances.csv", format!("{}{text}", table("balances")));
        folder.write("accounts.csv", "account_id,spot_offset\na4,none\na2,coin\na4,coin\na2,bad\n");
        let snapshot = folder.load().unwrap();
        reconcile(&snapshot);
        let mut codes: Vec<_> = snapshot
            .rejects
            .iter()
            .filter(|reject| reject.table != Table::Positions)
            .map(|reject| {
                let (account, code) = (reject.account_id.as_deref().unwrap(), reject.reason.code());
                let to_blame = reject.value.split_once(" row ").map(|(table, _)| table);
                let value = if code == "account_unmargined" { to_blame.unwrap() } else { reject.value.as_str() };
                format!("{account} {code} {value}")
            })
            .collect();
        codes.sort();
        let expected = [
            "a2 account_unmargined accounts",
            "a2 duplicate_account a2",
            "a2 invalid_spot_offset bad",
            "a3 account_unmargined balances",
            "a3 duplicate_balance XRP",
            "a3 duplicate_balance XRP",
            "a3 invalid_cash x",
            "a4 duplicate_account a4",
            "a4 duplicate_account a4",
        ];
        assert_eq!(codes, expected);
        assert_eq!(snapshot.book.accounts().iter().collect::<Vec<_>>(), ["a1"]);
        let out: Vec<_> =
            snapshot.unmargined.iter().map(|out| (&*out.account_id, out.reason.code(), out.broken_rows)).collect();
        assert_eq!(out, [("a2", "invalid_spot_offset", 2), ("a3", "invalid_cash", 3), ("a4", "duplicate_account", 2)]);
    }
}

#[test]
fn zero_balances_need_no_fx_and_broken_indices_are_not_replaced() {
    let folder = Folder::new();
    folder.replace("balances.csv", "a3,XRP,7,,0", "a3,DOGE,-0.0,0,");
    let snapshot = folder.load().unwrap();
    assert_eq!(snapshot.rejects.len(), 0);
    let doge = snapshot.market.currencies.iter().find(|ccy| ccy.name == "DOGE").unwrap();
    assert_eq!(doge.fx, None);
    assert!(snapshot.book.cash().iter().all(|cash| cash.to_bits() != (-0.0f64).to_bits()));

    let folder = Folder::new();
    folder.replace("indices.csv", "XRP-USDT,2\n", "XRP-USDT,2\nXRP-USD,nan\n");
    let snapshot = folder.load().unwrap();
    let codes: Vec<_> = snapshot.rejects.iter().map(|reject| reject.reason.code()).collect();
    assert_eq!((codes, snapshot.unused_price_gaps), (vec!["missing_fx"], 1));
}

#[test]
fn prices_nobody_needs_are_counted() {
    let folder = Folder::new();
    folder.replace("indices.csv", "ETH-USDC,3000", "ETH-USDC,");
    folder.replace("marks.csv", "90500,,", "nan,,");
    let snapshot = folder.load().unwrap();
    assert_eq!((snapshot.rejects.len(), snapshot.unused_price_gaps), (0, 3));
}
