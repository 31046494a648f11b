//! The model on its edges: thresholds met exactly, scenarios that tie, figures that are no numbers, rows without a
//! price. Random books hardly ever stand there.

use remargin::engine::price;
use remargin::margin::account::{Account, NotFinite};
use remargin::margin::account::{Order, Traded};
use remargin::margin::changed::{Changes, Known};
use remargin::margin::orders::Holdings;
use remargin::margin::priced::{OPTION_COLUMNS, PricedMarket, TERM};
use remargin::margin::requirement::{Workspace, evaluate};
use remargin::margin::rules::{RiskUnitMode, Rules, SettleGroup, SpotOffset, StatusRules};
use remargin::margin::spot_hedge::spot_in_use;
use remargin::margin::tiers::BorrowTiers;
use remargin::margin::{AccountMargin, Status, UnitMargin, VolState};
use remargin::market::{Currency, Instrument, InstrumentKind, Market, PriceGap, Underlying};

const DAY_NS: i64 = 86_400_000_000_000;
const BTC: u32 = 0;
const USDT: u32 = 2;
// Numbers of the instruments of `market`.
const INVERSE_SWAP: u32 = 0;
const CALL: u32 = 1;
const LINEAR_SWAP: u32 = 2;
const WITHOUT_MARK: u32 = 3;
// Its risk units.
const BTC_USD: u32 = 0;
const BTC_USDT: u32 = 1;

fn built_in() -> Rules {
    let mut rules = remargin::rules::load(None, &[]).unwrap().rules;
    rules.risk_unit = RiskUnitMode::Separate;
    rules
}

/// BTC at 100 in both quotes, USDT at 1.
fn market() -> Market {
    let currency = |name: &str, fx: f64| Currency { name: name.into(), fx: Some(fx) };
    let underlying =
        |name: &str, base: u32, quote: u32, px: f64| Underlying { name: name.into(), base, quote, index_px: Some(px) };
    let linear = Instrument {
        inst_id: "BTC-USDT-SWAP".into(),
        kind: InstrumentKind::Linear,
        underlying: 1,
        settle: USDT,
        multiplier: 1.0,
        expiry_ns: None,
        lot_sz: 1.0,
        mark_px: 100.0,
        mark_vol: 0.0,
        fwd_px: 0.0,
        gap: None,
    };
    let inverse = Instrument {
        inst_id: "BTC-USD-SWAP".into(),
        kind: InstrumentKind::Inverse,
        underlying: 0,
        settle: BTC,
        multiplier: 10.0,
        ..linear.clone()
    };
    let call = Instrument {
        inst_id: "BTC-USD-C".into(),
        kind: InstrumentKind::Option { call: true, strike: 100.0 },
        multiplier: 2.0,
        expiry_ns: Some(10 * DAY_NS),
        mark_px: 0.25,
        mark_vol: 0.5,
        fwd_px: 100.0,
        ..inverse.clone()
    };
    let without_mark = Instrument { mark_px: f64::NAN, gap: Some(PriceGap::Mark), ..linear.clone() };
    Market {
        as_of_ns: 0,
        currencies: vec![currency("BTC", 100.0), currency("USD", 1.0), currency("USDT", 1.0)],
        underlyings: vec![
            underlying("BTC-USD", BTC, 1, 100.0),
            underlying("BTC-USDT", BTC, USDT, 100.0),
            underlying("USDT-USD", USDT, 1, 1.0),
        ],
        instruments: vec![inverse, call, linear, without_mark],
    }
}

/// Rows of an account that hedges with spot in USDT.
#[derive(Default)]
struct Rows {
    instrument: Vec<u32>,
    qty: Vec<f64>,
    avg_px: Vec<f64>,
    ccy: Vec<u32>,
    cash: Vec<f64>,
    interest: Vec<f64>,
    cap: Vec<f64>,
    orders: Vec<Order>,
}

impl Rows {
    /// Positions `(instrument, contracts, entry)` and cash `(currency, amount)`.
    fn new(positions: &[(u32, f64, f64)], cash: &[(u32, f64)]) -> Self {
        Self {
            instrument: positions.iter().map(|row| row.0).collect(),
            qty: positions.iter().map(|row| row.1).collect(),
            avg_px: positions.iter().map(|row| row.2).collect(),
            ccy: cash.iter().map(|row| row.0).collect(),
            cash: cash.iter().map(|row| row.1).collect(),
            interest: vec![0.0; cash.len()],
            cap: vec![f64::INFINITY; cash.len()],
            orders: Vec::new(),
        }
    }

    fn account(&self) -> Account<'_> {
        Account {
            spot_offset: SpotOffset::Usdt,
            instrument: &self.instrument,
            qty: &self.qty,
            avg_px: &self.avg_px,
            ccy: &self.ccy,
            cash: &self.cash,
            interest: &self.interest,
            spot_in_use_cap: &self.cap,
            restricted: &[],
            fee_rate: None,
            orders: &self.orders,
        }
    }

    fn evaluate(&self, priced: &PricedMarket) -> Result<(AccountMargin, Vec<UnitMargin>), NotFinite> {
        let mut units = Vec::new();
        let margin = evaluate(priced, &self.account(), &mut Workspace::new(priced), &mut units)?;
        Ok((margin, units))
    }
}

fn order(traded: Traded, qty: f64, px: f64) -> Order {
    Order { traded, qty, px }
}

#[test]
fn a_status_holds_its_threshold() {
    let mut rules = built_in();
    rules.status = StatusRules { liquidation: 1.0, near: 1.5, warning: 3.0 };
    for (ratio, expected) in [
        (None, Status::NoRisk),
        (Some(-2.0), Status::Liquidation),
        (Some(1.0), Status::Liquidation),
        (Some(1.000_001), Status::NearLiquidation),
        (Some(1.5), Status::NearLiquidation),
        (Some(1.500_001), Status::Warning),
        (Some(3.0), Status::Warning),
        (Some(3.000_001), Status::Healthy),
    ] {
        assert_eq!(Status::of(ratio, &rules), expected, "{ratio:?}");
    }
}

#[test]
fn an_account_without_rows_needs_nothing() {
    let (margin, units) = Rows::default().evaluate(&price(&market(), &built_in())).unwrap();
    assert!(units.is_empty());
    assert_eq!((margin.adj_eq, margin.imr, margin.margin_ratio), (0.0, 0.0, None));
    assert_eq!((margin.status, margin.im_deficit), (Status::NoRisk, false), "equity that equals IMR is enough");
}

#[test]
fn an_account_at_the_least_equity_is_eligible() {
    let mut rules = built_in();
    rules.min_net_equity_usd = 10_000.0;
    let priced = price(&market(), &rules);
    for (cash, expected) in [(10_000.0, false), (9_999.99, true)] {
        let (margin, _) = Rows::new(&[], &[(USDT, cash)]).evaluate(&priced).unwrap();
        assert_eq!(margin.ineligible, expected, "{cash}");
    }
}

#[test]
fn a_ratio_exists_from_a_millionth_of_a_dollar_on() {
    let mut rules = built_in();
    rules.mr8.fee_rate = 0.0;
    rules.mr8.tiers.listed.clear();
    rules.mr8.tiers.rest = BorrowTiers::new(vec![(f64::INFINITY, 1.0, 1.0)]).unwrap();
    let priced = price(&market(), &rules);
    for (cash, expected) in [(-1e-6, Some(-1.0)), (-0.99e-6, None)] {
        let (margin, _) = Rows::new(&[], &[(USDT, cash)]).evaluate(&priced).unwrap();
        assert_eq!(margin.margin_ratio, expected, "{cash}");
    }
}

/// Long and short rows of one contract leave nothing to stress: the first scenario is named, and zero has no sign.
#[test]
fn nothing_to_stress_names_the_first_scenario() {
    let mut rules = built_in();
    rules.mr1.price.major = [0.01, -0.12, 0.12, 0.06, 0.03, -0.03, -0.06];
    let priced = price(&market(), &rules);
    for instrument in [INVERSE_SWAP, CALL, LINEAR_SWAP] {
        let rows = Rows::new(&[(instrument, -3.0, 100.0), (instrument, 3.0, 100.0)], &[]);
        let (_, units) = rows.evaluate(&priced).unwrap();
        let [unit] = units.as_slice() else { panic!("{units:?}") };
        let figures = &priced.units[unit.unit as usize].figures;
        let named = (unit.mr1_price, unit.mr1_vol, unit.mr6_price);
        assert_eq!(named, (figures.moves[0], VolState::Up, -figures.extreme), "instrument {instrument}");
        for zero in [unit.mr1, unit.mr2, unit.mr3, unit.mr4, unit.mr5, unit.mr6, unit.mr9] {
            assert!(zero == 0.0 && zero.is_sign_positive(), "instrument {instrument}: {zero}");
        }
        assert!(unit.mr7 > 0.0 && unit.mmr == unit.mr7, "the minimum charge does not net");
    }
}

#[test]
fn a_row_without_a_price_is_refused_everywhere() {
    let priced = price(&market(), &built_in());
    let known =
        Known::new(&priced, &Account { orders: &[], ..Rows::default().account() }, &mut Workspace::new(&priced));
    for instrument in [WITHOUT_MARK, 99] {
        let rows = Rows::new(&[(instrument, 1.0, 100.0)], &[]);
        assert_eq!(rows.evaluate(&priced), Err(NotFinite), "{instrument}");
        let found = Changes::new(&priced).evaluate(&priced, &rows.account(), known.as_ref().unwrap(), &[BTC_USDT]);
        assert_eq!(found, Err(NotFinite), "{instrument}");
        let pending = order(Traded::Contract(instrument), 1.0, 100.0);
        assert_eq!(Holdings::default().fill(&priced, &pending), Err(NotFinite), "{instrument}");
        let rows = Rows { orders: vec![pending], ..Rows::new(&[(LINEAR_SWAP, 1.0, 100.0)], &[]) };
        assert_eq!(rows.evaluate(&priced), Err(NotFinite), "{instrument}");
    }
}

#[test]
fn a_figure_that_is_no_number_is_an_error_and_a_large_one_is_not() {
    let priced = price(&market(), &built_in());
    for cash in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        assert_eq!(Rows::new(&[], &[(USDT, cash)]).evaluate(&priced), Err(NotFinite), "{cash}");
    }
    for (qty, finite) in [(1e200, true), (1e307, false)] {
        let found = Rows::new(&[(LINEAR_SWAP, qty, 100.0)], &[(USDT, qty)]).evaluate(&priced);
        assert_eq!(found.is_ok(), finite, "{qty}: {found:?}");
    }
    // A minute before expiry gamma alone overflows, which no figure of the account shows.
    let mut market = market();
    let call = &mut market.instruments[CALL as usize];
    (call.expiry_ns, call.mark_vol) = (Some(60_000_000_000), 1e-4);
    let priced = price(&market, &built_in());
    for (qty, finite) in [(1e299, true), (1e303, false)] {
        let found = Rows::new(&[(CALL, qty, 0.25)], &[]).evaluate(&priced);
        assert_eq!(found.is_ok(), finite, "{qty}: {found:?}");
    }
}

#[test]
fn an_empty_balance_needs_no_price() {
    let mut market = market();
    market.currencies[BTC as usize].fx = None;
    let priced = price(&market, &built_in());
    for (cash, finite) in [(0.0, true), (1.0, false), (-1.0, false)] {
        let found = Rows::new(&[], &[(BTC, cash), (USDT, 5.0)]).evaluate(&priced);
        assert_eq!(found.is_ok(), finite, "{cash}: {found:?}");
        assert!(found.is_err() || found.unwrap().0.total_eq == 5.0);
    }
}

/// Two rows whose sum is rounded, hedged in full: what rounding leaves of their slope is no risk.
#[test]
fn a_perfect_hedge_has_no_shock() {
    let priced = price(&market(), &built_in());
    for sign in [1.0, -1.0] {
        let rows =
            Rows::new(&[(LINEAR_SWAP, -0.6 * sign, 100.0), (LINEAR_SWAP, -0.3 * sign, 100.0)], &[(BTC, 0.9 * sign)]);
        let (_, units) = rows.evaluate(&priced).unwrap();
        assert_eq!((units[0].spot_in_use, units[0].mr1, units[0].mr6), ((0.6 + 0.3) * sign, 0.0, 0.0));
        assert!(units[0].mmr_no_hedge > units[0].mmr);
    }
}

#[test]
fn positions_that_offset_have_no_shock() {
    let priced = price(&market(), &built_in());
    let rows = Rows::new(&[-1.1, 0.3, 0.8].map(|qty| (LINEAR_SWAP, qty, 100.0)), &[]);
    let mut work = Workspace::new(&priced);
    let mut units = Vec::new();
    evaluate(&priced, &rows.account(), &mut work, &mut units).unwrap();
    assert!(work.unit_sums()[0].slope_usd != 0.0, "the sum is rounded");
    assert_eq!((units[0].mr1, units[0].mr6), (0.0, 0.0));
}

/// A borrowed coin would hedge the long book of a unit in this mode, but not of another.
#[test]
fn spot_of_another_mode_is_zero_without_a_sign() {
    let priced = price(&market(), &built_in());
    let (_, units) = Rows::new(&[(INVERSE_SWAP, 5.0, 100.0)], &[(BTC, -1.0)]).evaluate(&priced).unwrap();
    assert!(units[0].spot_in_use == 0.0 && units[0].spot_in_use.is_sign_positive());
    let (_, units) = Rows::new(&[(LINEAR_SWAP, 5.0, 100.0)], &[(BTC, -1.0)]).evaluate(&priced).unwrap();
    assert_eq!(units[0].spot_in_use, -1.0);
}

#[test]
fn a_limit_of_zero_leaves_no_negative_zero() {
    for (equity, delta) in [(-3.0, 4.0), (3.0, -4.0), (3.0, 4.0)] {
        let coins = spot_in_use(equity, delta, 0.0);
        assert!(coins == 0.0 && coins.is_sign_positive(), "{equity} {delta}: {coins}");
    }
}

/// Explanations show the sums of each expiry.
#[test]
fn sums_by_expiry_add_up_to_those_of_the_unit() {
    let priced = price(&market(), &built_in());
    let mut work = Workspace::new(&priced);
    let rows = Rows::new(&[(INVERSE_SWAP, 5.0, 100.0), (CALL, -1.0, 0.25)], &[]);
    evaluate(&priced, &rows.account(), &mut work, &mut Vec::new()).unwrap();
    let sums = &work.unit_sums()[0];
    let by_expiry: Vec<_> =
        work.expiry_sums(sums.unit).map(|sums| (sums.expiry, sums.delta_usd, sums.vol_usd)).collect();
    let call = -priced.contracts[CALL as usize].unwrap().cash_delta_usd;
    assert!(call < 0.0 && sums.options[TERM] < 0.0);
    assert_eq!(by_expiry, [(0, 50.0, 0.0), (1, call, sums.options[TERM])]);
}

/// Long is positive in each settle group.
#[test]
fn sums_by_settle_group_have_the_sign_of_the_position() {
    let priced = price(&market(), &built_in());
    let mut work = Workspace::new(&priced);
    let rows = Rows::new(&[(INVERSE_SWAP, -5.0, 100.0), (LINEAR_SWAP, 3.0, 100.0)], &[]);
    evaluate(&priced, &rows.account(), &mut work, &mut Vec::new()).unwrap();
    let by_group: Vec<_> = work.unit_sums().iter().map(|sums| sums.group_delta_usd).collect();
    assert_eq!(SettleGroup::ALL.map(SettleGroup::name), ["USDT", "USDC", "USD"]);
    assert_eq!(by_group, [[0.0, 0.0, -5.0 * 10.0], [3.0 * 100.0, 0.0, 0.0]]);
}

/// A market may list coins whose names are ordered otherwise than their units' names.
#[test]
fn units_come_in_order_whatever_that_of_the_positions() {
    let priced = price(&market(), &built_in());
    for rows in
        [[(LINEAR_SWAP, 3.0, 100.0), (INVERSE_SWAP, 5.0, 80.0)], [(INVERSE_SWAP, 5.0, 80.0), (LINEAR_SWAP, 3.0, 100.0)]]
    {
        let (_, units) = Rows::new(&rows, &[]).evaluate(&priced).unwrap();
        assert!(units.len() == 2 && units[0].unit < units[1].unit, "{rows:?}");
    }
}

#[test]
fn currencies_of_positions_join_those_of_balances_in_order() {
    let priced = price(&market(), &built_in());
    let mut work = Workspace::new(&priced);
    let rows = Rows::new(&[(INVERSE_SWAP, 5.0, 80.0)], &[(USDT, 7.0)]);
    evaluate(&priced, &rows.account(), &mut work, &mut Vec::new()).unwrap();
    let found: Vec<(u32, f64)> = work.currencies().into_iter().map(|(ccy, ledger)| (ccy, ledger.equity())).collect();
    assert_eq!(found, [(BTC, 5.0 * 10.0 * (20.0 / 8_000.0)), (USDT, 7.0)]);
    assert_eq!(work.unit_sums().iter().map(|sums| sums.unit).collect::<Vec<_>>(), [BTC_USD]);

    evaluate(&priced, &Rows::default().account(), &mut work, &mut Vec::new()).unwrap();
    let ledger = work.ledger(USDT);
    assert_eq!((ledger.equity(), ledger.spot_in_use_cap), (0.0, f64::INFINITY), "of the account before");
    assert_eq!((work.currencies().len(), work.unit_sums().len()), (0, 0));
}

#[test]
fn filled_orders_are_those_of_the_last_account() {
    let priced = price(&market(), &built_in());
    let mut work = Workspace::new(&priced);
    let pending = order(Traded::Contract(LINEAR_SWAP), 4.0, 100.0);
    let rows = Rows { orders: vec![pending], ..Rows::new(&[(INVERSE_SWAP, 5.0, 100.0)], &[]) };
    let mut units = Vec::new();
    evaluate(&priced, &rows.account(), &mut work, &mut units).unwrap();
    let [buys, sells] = work.orders().unwrap().filled(BTC_USDT);
    assert!(buys.mmr > 0.0 && sells.mmr == 0.0, "{buys:?} {sells:?}");
    assert_eq!(
        units.iter().map(|unit| (unit.unit, unit.mmr > 0.0)).collect::<Vec<_>>(),
        [(BTC_USD, true), (BTC_USDT, false)]
    );
    let rules = &priced.rules;
    assert_eq!((units[1].order_imr, units[1].imr), (rules.imr_multiplier * buys.mmr, rules.imr_multiplier * buys.mmr));

    let rows = Rows { orders: Vec::new(), ..rows };
    evaluate(&priced, &rows.account(), &mut work, &mut Vec::new()).unwrap();
    assert!(work.orders().is_none());
}

/// Orders stand by what they trade, then quantity, then price, whatever the floating point order of the three.
#[test]
fn orders_have_one_order() {
    let spot = Traded::Spot { base: BTC, quote: USDT };
    let sorted = [
        order(Traded::Contract(1), 5.0, 9.0),
        order(Traded::Contract(2), -3.0, 9.0),
        order(Traded::Contract(2), 1.0, 2.0),
        order(Traded::Contract(2), 1.0, 3.0),
        order(spot, -9.0, 1.0),
    ];
    for (place, one) in sorted.iter().enumerate() {
        for (other_place, other) in sorted.iter().enumerate() {
            assert_eq!(one.canonical(other), place.cmp(&other_place), "{one:?} {other:?}");
        }
    }
}

#[test]
fn holdings_count_contracts_and_keep_limits() {
    let priced = price(&market(), &built_in());
    let rows =
        Rows::new(&[(INVERSE_SWAP, 9.0, 80.0), (LINEAR_SWAP, -3.0, 90.0), (LINEAR_SWAP, 5.0, 80.0)], &[(BTC, 2.0)]);
    let mut held = Holdings::default();
    held.copy_from(&rows.account());
    assert_eq!([INVERSE_SWAP, CALL, LINEAR_SWAP].map(|instrument| held.contracts(instrument)), [9.0, 0.0, 2.0]);
    held.set_cap(BTC, 0.5);
    held.set_cap(USDT, 0.25);
    let account = held.account(SpotOffset::Usdt, &[]);
    assert_eq!((account.ccy, account.cash), ([BTC, USDT].as_slice(), [2.0, 0.0].as_slice()));
    assert_eq!(account.spot_in_use_cap, [0.5, 0.25]);
    // The coin would hedge one of the shorts.
    let rows = Rows { cap: vec![0.5], ..Rows::new(&[(LINEAR_SWAP, -3.0, 100.0)], &[(BTC, 2.0)]) };
    assert_eq!(rows.evaluate(&priced).unwrap().1[0].spot_in_use, 0.5);
}

#[test]
fn known_units_are_found_by_their_number() {
    let priced = price(&market(), &built_in());
    let rows = Rows::new(&[(INVERSE_SWAP, 5.0, 100.0), (LINEAR_SWAP, -3.0, 100.0)], &[(BTC, 1.0)]);
    let known = Known::new(&priced, &rows.account(), &mut Workspace::new(&priced)).unwrap();
    for (unit, delta_coin) in [(BTC_USD, 0.5), (BTC_USDT, -3.0)] {
        let found = known.unit(unit).unwrap();
        assert_eq!((found.margin.unit, found.delta_coin), (unit, delta_coin));
    }
    assert_eq!(known.unit(7), None);
}

/// At its expiry an option counts in equity with its mark and nowhere else.
#[test]
fn an_expired_option_is_its_value() {
    let (before, mut after) = (market(), market());
    after.as_of_ns = 10 * DAY_NS;
    let rows = Rows::new(&[(CALL, 3.0, 0.25)], &[]);
    for (market, is_alive) in [(before, true), (after, false)] {
        let priced = price(&market, &built_in());
        let contract = priced.contracts[CALL as usize].unwrap();
        assert_eq!((contract.multiplier, contract.value_settle), (2.0, 2.0 * 0.25));
        assert_eq!(contract.delta_coin > 0.0, is_alive);
        assert_eq!(priced.option_rows[0] != [0.0; OPTION_COLUMNS], is_alive);
        let (margin, _) = rows.evaluate(&priced).unwrap();
        assert_eq!((margin.total_eq, margin.mmr > 0.0), (3.0 * 2.0 * 0.25 * 100.0, is_alive));
    }
}

/// Units have the names of their underlyings, merged ones that of the coin.
#[test]
fn units_have_names() {
    let mut rules = built_in();
    assert_eq!(price(&market(), &rules).unit_names(), ["BTC-USD", "BTC-USDT"]);
    rules.risk_unit = RiskUnitMode::Merged;
    assert_eq!(price(&market(), &rules).unit_names(), ["BTC"]);
}
