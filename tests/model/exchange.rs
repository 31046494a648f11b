//! A simulated exchange: the reference model behind the position builder's JSON, in a market of its own, under rules
//! that the calibration does not know.

use remargin::listing::{Contract, Kind, Listing};
use remargin::margin::black76;
use remargin::margin::rules::Rules;
use remargin::market::{InstrumentKind, Market};
use remargin::reference::{Account, Balance, Margin, Position, Unit, margin};
use serde_json::{Map, Value, json};

/// Numbers drawn one after another (`SplitMix64`).
pub struct Draws(pub u64);

impl Draws {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// 2026-04-27T08:00:00Z, and a quarter of a second.
pub const AS_OF_MS: i64 = 1_777_276_800_250;
const DAY_MS: i64 = 86_400_000;
/// Prices of coins in USD, and coins of a contract.
const COINS: [(&str, f64, f64); 14] = [
    ("BTC", 67_123.4, 0.01),
    ("ETH", 3_512.7, 0.1),
    ("SOL", 151.23, 1.0),
    ("DOGE", 0.1234, 1000.0),
    ("XRP", 0.5512, 100.0),
    ("LTC", 81.9, 1.0),
    ("BCH", 401.1, 0.1),
    ("ADA", 0.4123, 100.0),
    ("APT", 9.012, 1.0),
    ("ARB", 1.0912, 10.0),
    ("SUI", 1.777, 1.0),
    ("TON", 6.021, 1.0),
    ("LINK", 14.55, 1.0),
    ("INJ", 25.31, 0.1),
];
const EXPIRY_DAYS: [f64; 15] = [1.0, 2.0, 3.0, 6.0, 10.0, 17.0, 24.0, 31.0, 38.0, 45.0, 52.0, 66.0, 94.0, 157.0, 248.0];
const STRIKES: [f64; 7] = [-2.0, -1.2, -0.5, 0.0, 0.6, 1.3, 2.0];

/// What is listed. Options are marked at `V / F` with this rate, on a smile that is so much higher at its wings.
pub fn listing(rate: f64, wings: f64) -> Listing {
    let mut listing = Listing { as_of_ms: AS_OF_MS, ..Listing::default() };
    listing.indices.insert("USDT-USD".into(), 0.999_37);
    listing.indices.insert("USDC-USD".into(), 1.000_13);
    let mut add = |contract: Contract| listing.contracts.insert(contract.inst_id.clone(), contract);
    let mut indices = Vec::new();
    for (coin, usd, coins) in COINS {
        indices.push((format!("{coin}-USD"), usd));
        indices.push((format!("{coin}-USDT"), usd / 0.999_37 * 1.000_02));
        indices.push((format!("{coin}-USDC"), usd / 1.000_13 * 0.999_99));
        let of = |id: &str, kind: Kind, quote: &str, settle: &str, multiplier: f64| Contract {
            inst_id: id.to_owned(),
            kind,
            base: coin.into(),
            quote: quote.into(),
            settle: settle.into(),
            multiplier,
            lot: if coin == "BTC" { 0.1 } else { 1.0 },
            expiry_ms: None,
            strike: 0.0,
            mark_px: usd * if quote == "USDT" { 1.000_81 } else { 0.999_93 },
            mark_vol: 0.0,
            fwd_px: 0.0,
        };
        add(of(&format!("{coin}-USDT-SWAP"), Kind::Linear, "USDT", "USDT", coins));
        if ["BTC", "ETH", "SOL", "LTC"].contains(&coin) {
            let face = if coin == "BTC" { 100.0 } else { 10.0 };
            add(of(&format!("{coin}-USD-SWAP"), Kind::Inverse, "USD", coin, face));
        }
        if ["BTC", "ETH"].contains(&coin) {
            add(of(&format!("{coin}-USDC-SWAP"), Kind::Linear, "USDC", "USDC", coins));
            let like = of(&format!("{coin}-USD_UM_XPERP-310404"), Kind::Linear, "USD", "USD", coins);
            add(Contract { expiry_ms: Some(AS_OF_MS + 1800 * DAY_MS), ..like });
        }
        if ["BTC", "ETH", "SOL", "ARB"].contains(&coin) {
            for days in [60, 151, 242] {
                let id = format!("{coin}-USDT-F{days}");
                let future = of(&id, Kind::Linear, "USDT", "USDT", coins);
                let mark_px = future.mark_px * (1.0 + f64::from(days) * 1e-4);
                add(Contract { expiry_ms: Some(expiry(f64::from(days))), mark_px, ..future });
            }
        }
        if ["BTC", "ETH"].contains(&coin) {
            for days in EXPIRY_DAYS {
                for option in options(coin, usd, days, rate, wings) {
                    add(option);
                }
            }
        }
    }
    listing.indices.extend(indices);
    listing
}

fn expiry(days: f64) -> i64 {
    // Eight in the morning, as the exchange has it.
    AS_OF_MS - 250 + (days * DAY_MS as f64) as i64
}

fn options(coin: &str, usd: f64, days: f64, rate: f64, wings: f64) -> Vec<Contract> {
    let expiry_ms = expiry(days);
    let years = (expiry_ms - AS_OF_MS) as f64 / (365.0 * DAY_MS as f64);
    let forward = usd * (1.0 + 0.04 * years + 0.0003);
    let mut found = Vec::new();
    for z in STRIKES {
        let unit = usd / 1000.0;
        let strike = ((forward * (z * 0.45 * years.sqrt()).exp()) / unit).round() * unit;
        let lift = if coin == "ETH" { 0.09 } else { 0.0 };
        let vol = 0.43 + lift + wings * z * z + 0.01 * z;
        for (kind, letter, call) in [(Kind::Call, 'C', true), (Kind::Put, 'P', false)] {
            let mark_px = black76::value(forward, strike, vol, years, rate, call) / forward;
            found.push(Contract {
                inst_id: format!("{coin}-USD-{days}-{strike}-{letter}"),
                kind,
                base: coin.into(),
                quote: "USD".into(),
                settle: coin.into(),
                multiplier: 0.01,
                lot: 1.0,
                expiry_ms: Some(expiry_ms),
                strike,
                mark_px,
                mark_vol: vol,
                fwd_px: forward,
            });
        }
    }
    found
}

/// The exchange: its market and its rules.
pub struct Exchange {
    pub market: Market,
    pub rules: Rules,
    /// Figures are rounded to so many decimals; `None` prints doubles in full.
    pub decimals: Option<usize>,
}

impl Exchange {
    /// The answer to a request of the position builder.
    pub fn answer(&self, request: &Value) -> Value {
        let number = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
        let mut legs = Vec::new();
        for leg in request["simPos"].as_array().unwrap() {
            let id = leg["instId"].as_str().unwrap();
            let instrument = self.market.instruments.iter().position(|it| it.inst_id == id).unwrap();
            legs.push(Position { instrument, qty: number(&leg["pos"]), avg_px: number(&leg["avgPx"]) });
        }
        assert!(legs.len() <= 200, "{} legs", legs.len());
        let balance = |asset: &Value| {
            let name = asset["ccy"].as_str().unwrap();
            let ccy = self.market.currencies.iter().position(|ccy| ccy.name == name).unwrap();
            Balance { ccy, cash: number(&asset["amt"]), interest: 0.0, cap: None, restricted: false }
        };
        let account = Account {
            market: &self.market,
            rules: &self.rules,
            positions: legs.clone(),
            balances: request["simAsset"].as_array().unwrap().iter().map(balance).collect(),
            spot_offset: self.rules.default_spot_offset,
            orders: Vec::new(),
            fee_rate: None,
        };
        self.printed(&legs, &margin(&account).unwrap())
    }

    fn printed(&self, legs: &[Position], margin: &Margin) -> Value {
        let asset = |equity: &remargin::reference::Equity| {
            let debt = (-equity.eq).max(0.0);
            let rates = self.rules.mr8.tiers.get(&equity.ccy).rows();
            let in_usd = self.rules.other_bounds == remargin::margin::rules::OtherBounds::Usd;
            let in_usd = in_usd && !self.rules.mr8.tiers.lists(&equity.ccy);
            let held = if in_usd { debt * equity.fx } else { debt };
            let imr = rates.iter().find(|row| held <= row.0).map_or(0.0, |row| row.2);
            let spot: f64 = margin
                .units
                .iter()
                .filter(|it| it.name.split('-').next() == Some(&equity.ccy))
                .map(|it| it.spot_in_use)
                .sum();
            json!({
                "availEq": self.figure(equity.eq), "borrowImr": self.figure(debt * equity.fx * imr), "borrowMmr": "",
                "ccy": equity.ccy, "spotInUse": self.figure(spot),
            })
        };
        let data = json!({
            "acctLever": "", "assets": margin.equity.iter().map(asset).collect::<Vec<_>>(),
            "borrowMmr": self.figure(margin.borrow_mmr), "derivMmr": self.figure(margin.deriv_mmr),
            "eq": self.figure(margin.adj_eq),
            "marginRatio": margin.margin_ratio.map(|x| self.figure(x)).unwrap_or_default(), "positions": [],
            "riskUnitData": margin.units.iter().map(|unit| self.unit(legs, unit, margin)).collect::<Vec<_>>(),
            "totalImr": self.figure(margin.imr), "totalMmr": self.figure(margin.mmr),
            "ts": (self.market.as_of_ns / 1_000_000).to_string(), "upl": self.figure(margin.upl),
        });
        json!({ "code": "0", "data": [data], "msg": "" })
    }

    fn unit(&self, legs: &[Position], unit: &Unit, margin: &Margin) -> Value {
        let column = |state: usize| {
            let cells = unit.grid_prices.iter().zip(&unit.grid);
            cells.map(|(step, pnl)| (figure(*step), json!(self.figure(pnl[state])))).collect::<Map<String, Value>>()
        };
        let worst = usize::from(unit.mr6_price > 0.0);
        let parts = &unit.parts;
        let of_unit = |leg: &&Position| {
            let underlying = &self.market.underlyings[self.market.instruments[leg.instrument].underlying as usize];
            let base = &self.market.currencies[underlying.base as usize].name;
            unit.name == underlying.name || unit.name == *base
        };
        json!({
            "delta": self.figure(unit.cash_delta), "gamma": self.figure(unit.gamma), "imr": self.figure(unit.imr),
            "mmr": self.figure(unit.mmr), "mr1": self.figure(parts.mr1),
            "mr1FinalResult": {
                "pnl": self.figure(-parts.mr1), "spotShock": self.figure(unit.mr1_price), "volShock": "up",
            },
            "mr1Scenarios": { "volSame": column(1), "volShockDown": column(2), "volShockUp": column(0) },
            "mr2": self.figure(parts.mr2), "mr3": self.figure(parts.mr3), "mr4": self.figure(parts.mr4),
            "mr5": self.figure(parts.mr5),
            "mr6": self.figure(parts.mr6),
            "mr6FinalResult": { "pnl": self.figure(unit.mr6_pnl[worst]), "spotShock": self.figure(unit.mr6_price) },
            "mr7": self.figure(parts.mr7), "mr8": self.figure(margin.borrow_mmr), "mr9": self.figure(parts.mr9),
            "portfolios": legs.iter().filter(of_unit).map(|leg| self.leg(leg)).collect::<Vec<_>>(),
            "riskUnit": unit.name, "theta": self.figure(unit.theta), "upl": self.figure(unit.upl),
            "vega": self.figure(unit.vega),
        })
    }

    fn leg(&self, leg: &Position) -> Value {
        let instrument = &self.market.instruments[leg.instrument];
        let underlying = &self.market.underlyings[instrument.underlying as usize];
        let phi = self.market.currencies[underlying.quote as usize].fx.unwrap();
        let (size, mark) = (leg.qty * instrument.multiplier, instrument.mark_px);
        let (delta, pnl, kind) = match instrument.kind {
            InstrumentKind::Linear => (size * mark * phi, size * (mark - leg.avg_px), "SWAP"),
            InstrumentKind::Inverse => (size, size * (1.0 / leg.avg_px - 1.0 / mark), "SWAP"),
            InstrumentKind::Option { .. } => (0.0, size * (mark - leg.avg_px), "OPTION"),
        };
        json!({
            "amt": figure(leg.qty), "avgPx": figure(leg.avg_px), "delta": self.figure(delta),
            "floatPnl": self.figure(pnl),
            "gamma": "0", "instId": instrument.inst_id, "instType": kind, "isRealPos": false,
            "markPx": figure(mark), "notionalUsd": "", "posSide": "net", "theta": "0", "vega": "0",
        })
    }

    /// A figure as the exchange prints it.
    fn figure(&self, number: f64) -> String {
        let Some(decimals) = self.decimals else { return figure(number) };
        let text = format!("{number:.decimals$}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text == "-0" { "0".to_owned() } else { text.to_owned() }
    }
}

/// The shortest decimal of the same double, as the exchange's answers have it.
fn figure(number: f64) -> String {
    (number + 0.0).to_string()
}
