//! What the tests of the reference model share: one coin at 100, and round rules.

use super::*;
use crate::margin::rules::{
    ByCurrency, Class, Classes, Mr1Rules, Mr4Rules, Mr6Rules, Mr7Rules, Mr8Rules, Mr9Rules, OptionPnl, OtherBounds,
    PerClass, SettleGroup,
};
use crate::margin::tiers::BorrowTiers;
use crate::market::{Currency, Instrument, InstrumentKind, Underlying};

pub(super) const INF: f64 = f64::INFINITY;
pub(super) const DAY_NS: i64 = 86_400_000_000_000;
pub(super) const CURRENCIES: [&str; 4] = ["BTC", "USD", "USDC", "USDT"];
pub(super) const BTC: usize = 0;
pub(super) const USDC: usize = 2;
pub(super) const USDT: usize = 3;
// Indices of the instruments of `market`.
pub(super) const SWAP_USD: usize = 0;
pub(super) const FUTURE_USD: usize = 1;
pub(super) const CALL_10D: usize = 2;
pub(super) const CALL_100D: usize = 3;
pub(super) const SWAP_USDC: usize = 4;
pub(super) const SWAP_USDT: usize = 5;

pub(super) fn same<T: Clone>(value: T) -> PerClass<T> {
    PerClass { major: value.clone(), middle: value.clone(), other: value }
}

pub(super) fn tiers(rows: &[(f64, f64)]) -> Tiers {
    Tiers::new(rows.to_vec()).unwrap()
}

pub(super) fn rules() -> Rules {
    let classes = Classes { listed: vec![("BTC".into(), Class::Major)], rest: Class::Other };
    Rules {
        name: "round".into(),
        effective_from_ns: 0,
        risk_unit: RiskUnitMode::Separate,
        imr_multiplier: 1.5,
        min_net_equity_usd: 100.0,
        default_spot_offset: SpotOffset::Usdt,
        rate: 0.0,
        forward_floor: 0.01,
        coin_option_pnl: OptionPnl::Usd,
        other_bounds: OtherBounds::Units,
        orders_deduct_loss: false,
        status: StatusRules { liquidation: 1.0, near: 2.0, warning: 3.0 },
        mr1_classes: classes.clone(),
        mr467_classes: classes,
        mr1: Mr1Rules {
            price: same([-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
            vol_floor: 0.01,
            vol_days: vec![0.0, 100.0],
            vol_points: vec![0.2, 0.1],
            vol_relative: vec![0.0, 0.0],
        },
        mr2_days: 1.0,
        mr3_offset_charge: 0.25,
        mr4: Mr4Rules {
            annualized: same(0.365),
            floor: same(0.01),
            perpetual_like: vec!["XPERP".to_owned()],
            spot_bucket: false,
        },
        mr6: Mr6Rules { price: same(0.5), charge: 0.5 },
        mr5_rate_shift: 0.05,
        mr7: Mr7Rules {
            delta_one: same(0.01),
            option: same(0.02),
            option_premium_cap: 0.1,
            tiers: same(tiers(&[(100.0, 1.0), (INF, 2.0)])),
        },
        mr8: Mr8Rules {
            fee_rate: 0.01,
            tiers: ByCurrency {
                listed: vec![],
                rest: BorrowTiers::new(vec![(1000.0, 0.02, 0.1), (INF, 0.05, 0.2)]).unwrap(),
            },
        },
        mr9: Mr9Rules {
            pairs: vec![
                (SettleGroup::Usdt, SettleGroup::Usd),
                (SettleGroup::Usdt, SettleGroup::Usdc),
                (SettleGroup::Usdc, SettleGroup::Usd),
            ],
            prices: vec![],
            tiers: vec![tiers(&[(100.0, 0.01), (INF, 0.1)])],
        },
        liquidation_fee_derivatives: 0.001,
        discount: ByCurrency {
            listed: vec![("BTC".into(), tiers(&[(2.0, 0.9), (INF, 0.5)]))],
            rest: tiers(&[(INF, 1.0)]),
        },
    }
}

/// BTC at 100 in every quote, stablecoins at 1; linear contracts of 1 coin, inverse ones of 10 USD.
pub(super) fn market() -> Market {
    let ccy = |name: &str| CURRENCIES.iter().position(|&ccy| ccy == name).unwrap() as u32;
    let underlying = |base: &str, quote: &str, px: f64| Underlying {
        name: format!("{base}-{quote}"),
        base: ccy(base),
        quote: ccy(quote),
        index_px: Some(px),
    };
    let contract =
        |inst_id: &str, kind: InstrumentKind, underlying: u32, settle: &str, days: Option<i64>, mark_px: f64| {
            let option = matches!(kind, InstrumentKind::Option { .. });
            Instrument {
                inst_id: inst_id.into(),
                kind,
                underlying,
                settle: ccy(settle),
                multiplier: if matches!(kind, InstrumentKind::Inverse) { 10.0 } else { 1.0 },
                expiry_ns: days.map(|days| days * DAY_NS),
                lot_sz: 1.0,
                mark_px,
                mark_vol: if option { 0.5 } else { 0.0 },
                fwd_px: if option { 100.0 } else { 0.0 },
                gap: None,
            }
        };
    let call = InstrumentKind::Option { call: true, strike: 100.0 };
    Market {
        as_of_ns: 0,
        currencies: CURRENCIES.iter().map(|name| Currency { name: (*name).into(), fx: None }).collect(),
        underlyings: vec![
            underlying("BTC", "USD", 100.0),
            underlying("BTC", "USDC", 100.0),
            underlying("BTC", "USDT", 100.0),
            underlying("USDC", "USDT", 1.0),
            underlying("USDT", "USD", 1.0),
        ],
        instruments: vec![
            contract("BTC-USD-SWAP", InstrumentKind::Inverse, 0, "BTC", None, 100.0),
            contract("BTC-USD-F50", InstrumentKind::Inverse, 0, "BTC", Some(50), 100.0),
            contract("BTC-USD-C10", call, 0, "BTC", Some(10), 0.03),
            contract("BTC-USD-C100", call, 0, "BTC", Some(100), 0.1),
            contract("BTC-USDC-SWAP", InstrumentKind::Linear, 1, "USDC", None, 100.0),
            contract("BTC-USDT-SWAP", InstrumentKind::Linear, 2, "USDT", None, 100.0),
        ],
    }
}

pub(super) fn at(instrument: usize, qty: f64, avg_px: f64) -> Position {
    Position { instrument, qty, avg_px }
}

pub(super) fn cash(ccy: usize, cash: f64) -> Balance {
    Balance { ccy, cash, interest: 0.0, cap: None, restricted: false }
}

pub(super) fn margin_of(rules: &Rules, mode: SpotOffset, positions: &[Position], balances: &[Balance]) -> Margin {
    let market = market();
    let (positions, balances) = (positions.to_vec(), balances.to_vec());
    margin(&Account { market: &market, rules, positions, balances, spot_offset: mode, orders: vec![], fee_rate: None })
        .unwrap()
}
