//! Published examples that the model meets in part only: what reproduces, what does not, and by how much.
//!
//! A residual that changes is a change of the model. It is stated here with its size, and not hidden in a tolerance.

use super::golden::{Tables, close, golden, number, within};
use std::fmt::Write as _;

/// Graph of the position builder, 2025-07: -10 BTC-USDT-SWAP and +10 LTC-USDT-SWAP after falls of 94 % and 93 %.
///
/// Reproduces: the fee of a debt, `L (1 + mmr) fee`. The two points and the form of the answer give the fee as a share
/// of the debt. Does not: the margin of the units, since the account is in multi-currency mode.
#[test]
fn position_builder_graph_2025_07() {
    let case = golden("position-builder-graph-2025-07.json");
    let points = case["points"].as_array().unwrap();
    let [(first, mmr_first), (second, mmr_second)] =
        [0, 1].map(|place: usize| (number(&points[place], "shockFactor"), number(&points[place], "mmr")));
    // The equity is that of 100 USDT and two positions, a straight line in the move; the margin of the positions is
    // proportional to prices, 1 + move. With a debt of L = u - v move, MMR = a (1 + move) + 0.02 L, and the answer's
    // ratio is -L / (MMR + fee). Both points give the two unknowns of the fee as a share of the debt.
    let ratios = [0, 1].map(|place: usize| number(&points[place], "mmrRatio"));
    let fee_share = 0.00102;
    // L from ratio: L = -ratio (MMR + fee_share L)  =>  L = -ratio MMR / (1 + ratio fee_share)
    let debt = |ratio: f64, mmr: f64| -ratio * mmr / (1.0 + ratio * fee_share);
    let debts = [debt(ratios[0], mmr_first), debt(ratios[1], mmr_second)];
    let positions = [mmr_first - 0.02 * debts[0], mmr_second - 0.02 * debts[1]];
    // The margin of the positions goes with the prices, 6 to 7.
    let expected = (1.0 + first) / (1.0 + second);
    let residual = positions[0] / positions[1] / expected - 1.0;
    assert!(residual.abs() < 1e-4, "margin of the positions is not proportional to prices: {residual}");

    let mut tables = Tables::new("2025-07-29T00:00:00Z");
    tables.index("USDT-USD", "1");
    // A snapshot without a position is refused; an empty one adds nothing.
    tables.index("BTC-USDT", "100000");
    tables.swap("BTC-USDT-SWAP", "USDT", "linear", "0.01", "100000");
    tables.position("BTC-USDT-SWAP", "0", "100000");
    tables.balance("USDT", "-1000");
    let (account, _) = tables.margin(&[]);
    close(account.borrow_mmr, 20.0, "borrowing MMR");
    within(account.liquidation_fee / 1000.0, 0.001_020_016_7, 1.7e-8, "fee as a share of the debt");
}

/// IMR of the delta-neutral simulation of 2025-02-06. Reproduces: IMR = 1.3 MMR, to the published dollar. Does not: the
/// MMR itself, whose book is not known.
#[test]
fn delta_neutral_2025_02() {
    let case = golden("delta-neutral-2025-02.json");
    let (imr, mmr) = (number(&case["pm"], "imr"), number(&case["pm"], "mmr"));
    let mut tables = Tables::new("2025-02-06T00:00:00Z");
    tables.index("BTC-USDT", "100000");
    tables.index("USDT-USD", "1");
    tables.swap("BTC-USDT-SWAP", "USDT", "linear", "0.01", "100000");
    tables.position("BTC-USDT-SWAP", "10", "100000");
    tables.balance("USDT", "1000000");
    let (account, _) = tables.margin(&[]);
    within(mmr * (account.imr / account.mmr), imr, 0.5, "IMR");
}

/// Second reading of the spot hedge of 2024-05-31: MR4 = 0.6 % x (perpetual at its mark + spot at the index).
///
/// Reproduces: the published 8,053.32 to the cent with the set of 2024-06, and MR7, 3,020.17. Does not: the same under
/// our first reading, 1.2 % of the perpetual alone, 0.47 USD above.
#[test]
fn spot_hedge_2024_second_reading() {
    let mut tables = Tables::new("2024-06-05T00:00:00Z");
    tables.index("BTC-USDT", "67107.1111");
    tables.index("USDT-USD", "1");
    tables.swap("BTC-USDT-SWAP", "USDT", "linear", "0.01", "67114.8889");
    tables.position("BTC-USDT-SWAP", "-1000", "67114.8889");
    tables.balance("BTC", "10");
    let (account, units) = tables.margin_under("okx-pm2-2024-06", &[]);
    let unit = &units[0].1;
    within(unit.mr4, 8053.32, 0.005, "MR4");
    within(unit.mmr, 8053.32, 0.005, "MMR");
    within(unit.mr7, 3020.17, 0.005, "MR7");
    assert_eq!((unit.mr1, unit.mr6, unit.spot_in_use), (0.0, 0.0, 10.0));
    assert!(account.mmr_no_hedge > 8.0 * account.mmr);
    let (_, first) = tables.margin_under("okx-pm2-2024-06", &["mr4.spot_bucket=false", "mr4.floor.major=0.012"]);
    within(first[0].1.mr4 - 8053.32, 0.47, 0.005, "residual of the first reading");
}

/// The option answer of 2022-03-07 in both numeraires, with the forward and the volatility that its value implies. The
/// parameters of that day, 15 % for MR1 and 30 % for MR6, are assumed.
///
/// Reproduces: nothing exactly. MR1 is 18 % above the published one with P&L in USD, and 0.5 % below with P&L in coins;
/// MR6 is 55 % and 15 % above. MR2 is published as 7.3e-5 on a short call, whose time value only gains: ours is zero.
#[test]
fn option_2022_in_both_numeraires() {
    let case = golden("option-2022-03-numeraire.json");
    let (inverted, published, ours) = (&case["inverted"], &case["published_coin"], &case["ours"]);
    let index = number(inverted, "S");
    let mut tables = Tables::new("2022-03-07T07:51:37Z");
    tables.index("BTC-USD", &index.to_string());
    let id = "BTC-USD-220325-50000-C";
    writeln!(tables.instruments, "{id},OPTION,BTC-USD,BTC,,0.1,1,2022-03-25T08:00:00Z,50000,C").unwrap();
    writeln!(tables.marks, "{id},0.0142,{},{}", number(inverted, "vol"), number(inverted, "F")).unwrap();
    tables.position(id, "-1", "0.005");
    tables.balance("BTC", "1");
    let shift = number(ours, "vol_shift_w");
    let day = [
        "effective_from=2022-01-01".to_owned(),
        "mr1.price.major=[-0.15,-0.1,-0.05,0,0.05,0.1,0.15]".to_owned(),
        "mr6.price.major=0.3".to_owned(),
        format!("mr1.vol_points=[{shift},{shift},{shift}]"),
        "mr1.vol_relative=[0,0,0]".to_owned(),
    ];
    for (pnl, mr1_ratio, mr6_coin) in [
        ("usd", number(ours, "mr1_ratio"), number(ours, "mr6_usd_pnl_30pct")),
        ("coin", number(ours, "coin_ratio"), number(ours, "mr6_coin_pnl_30pct")),
    ] {
        let mut set: Vec<&str> = day.iter().map(String::as_str).collect();
        let numeraire = format!("coin_option_pnl={pnl}");
        set.push(&numeraire);
        let (_, units) = tables.margin(&set);
        let unit = &units[0].1;
        let ratio = unit.mr1 / index / number(published, "mr1");
        within(ratio, mr1_ratio, 2e-3, &format!("{pnl}: MR1 over the published"));
        within(unit.mr6 / index / mr6_coin, 1.0, 5e-3, &format!("{pnl}: MR6 in BTC"));
        assert_eq!(unit.mr2, 0.0, "{pnl}: published {}", number(published, "mr2"));
    }
}

/// MR9 by the price of the stablecoin, 2024-11. Reproduces: the worked example, 202,500 USD, with its three rates as a
/// table of one price; the rates at and above 0.995 and at 0.99. Does not: the example from the table by price, for its
/// price is not told. No price gives 0.75 % and 1.75 % at once: where the first tier bears 0.75 % the second bears
/// 1.744 %, and with our assumed third tier the example costs 201,694 USD, 0.4 % less.
#[test]
fn mr9_by_price_2024_11() {
    let case = golden("mr9-by-price-2024-11.json");
    let hedged = |usdt: f64, usd: f64, set: &[&str]| {
        let mut tables = Tables::new("2026-01-15T00:00:00Z");
        tables.index("BTC-USDT", &(100_000.0 / usdt).to_string());
        tables.index("BTC-USD", "100000");
        tables.index("USDT-USD", &usdt.to_string());
        tables.swap("BTC-USDT-SWAP", "USDT", "linear", "0.01", &(100_000.0 / usdt).to_string());
        tables.swap("BTC-USD-SWAP", "BTC", "inverse", "100", "100000");
        tables.position("BTC-USDT-SWAP", &(usd / 1000.0).to_string(), &(100_000.0 / usdt).to_string());
        tables.position("BTC-USD-SWAP", &(-usd / 100.0).to_string(), "100000");
        tables.balance("USDT", "1000000");
        tables.margin_under("okx-pm2-2025-12", set).1[0].1.mr9
    };
    let table = &case["table"];
    let rate = |tier: &str, price: &str| number(&table[tier], price);
    for (price, column) in [(1.0, ">=0.995"), (0.995, ">=0.995"), (0.99, "0.99"), (0.8, "<=0.8"), (0.75, "<=0.8")] {
        close(hedged(price, 1e6, &[]), 1e6 * rate("0-1M", column), column);
        let second = hedged(price, 5e6, &[]) - hedged(price, 1e6, &[]);
        within(second, 4e6 * rate("1M-5M", column), 0.01, column);
    }
    let example = ["mr9.prices=[]", "mr9.tiers=[[1e6,0.0075],[5e6,0.0175],[\"inf\",0.025]]"];
    close(hedged(1.0, 1e7, &example), 202_500.0, "worked example");
    let price = 0.99 - 0.19 * 0.0025 / 0.395;
    within(hedged(price, 1e6, &[]), 7_500.0, 0.01, "the first tier of the example");
    within(hedged(price, 1e7, &[]) - 202_500.0, -806.0, 5.0, "residual of the example by price");
}
