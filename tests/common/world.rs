//! Plain descriptions of markets and accounts, and the `Market` and `Book` that they stand for.
//!
//! The descriptions are what proptest draws, shrinks and prints; everything here is deterministic.

use super::Case;
use remargin::book::{BalanceRows, Book, IdTable, OrderRows, PositionRows};
use remargin::margin::account::{Order, Traded};
use remargin::margin::rules::SpotOffset;
use remargin::market::{Currency, Instrument, InstrumentKind, Market, Underlying};

/// The bases a world may have: two majors, a middle coin in every list, one that is `other` for MR1 and middle for the
/// rest, and one that no list names.
pub const BASES: [&str; 5] = ["BTC", "ETH", "LTC", "SOL", "ZZZ"];
pub const AS_OF_NS: i64 = 1_768_464_000_000_000_000;

/// A market and its accounts, in a few numbers each.
#[derive(Debug, Clone)]
pub struct World {
    pub knobs: Knobs,
    pub usdt_usd: f64,
    pub usdc_usd: f64,
    /// USDC has an index in USDT only, so that its USD value goes through USDT.
    pub usdc_through_usdt: bool,
    pub bases: Vec<Base>,
    pub accounts: Vec<Trader>,
}

/// What the worlds change in the built-in rules.
#[derive(Debug, Clone, Copy)]
pub struct Knobs {
    pub merged: bool,
    pub rate: f64,
    pub forward_floor: f64,
    pub vol_floor: f64,
    pub switches: Switches,
}

/// Which of the model's optional readings hold.
#[derive(Debug, Clone, Copy)]
pub struct Switches {
    /// MR9's rates depend on the price of the stablecoin.
    pub mr9_by_price: bool,
    pub spot_bucket: bool,
    pub coin_option_pnl: bool,
    pub deduct_loss: bool,
    /// Ladders in USD for coins without a table of their own.
    pub usd_ladders: bool,
}

/// A coin with its contracts.
#[derive(Debug, Clone)]
pub struct Base {
    pub name: &'static str,
    pub usd: f64,
    /// Relative difference of the indices of the three quotes.
    pub index_noise: [f64; 3],
    pub contracts: Vec<Contract>,
}

/// Quote of an underlying.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quote {
    Usd,
    Usdc,
    Usdt,
}

impl Quote {
    pub fn name(self) -> &'static str {
        ["USD", "USDC", "USDT"][self as usize]
    }
}

/// What is traded.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    LinearSwap(Quote),
    LinearFuture(Quote),
    InverseSwap,
    InverseFuture,
    /// On `B-USD`, settled in the coin.
    CoinOption(Terms),
    QuoteOption(Quote, Terms),
}

/// An option beyond its expiry.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub call: bool,
    /// `ln(strike / forward)`.
    pub log_moneyness: f64,
    pub vol: f64,
    /// Mark per coin, as a share of the forward.
    pub mark_share: f64,
}

/// A contract.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    pub shape: Shape,
    pub multiplier: f64,
    /// Mark or forward over the index, less one.
    pub basis: f64,
    /// For futures and options.
    pub expiry_seconds: i64,
}

/// An account.
#[derive(Debug, Clone)]
pub struct Trader {
    pub mode: SpotOffset,
    pub positions: Vec<Holding>,
    pub balances: Vec<Money>,
    pub orders: Vec<Pending>,
    /// Its own taker fee.
    pub fee_rate: Option<f64>,
}

/// A pending order, sized by its notional.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    /// Contracts of the world, then its coins against each of its quotes; taken modulo their number.
    pub on: usize,
    /// Signed USD of notional.
    pub usd: f64,
    /// Price over mark or index, less one.
    pub away: f64,
}

/// A position row, sized by its notional.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    /// Taken modulo the number of contracts of the world.
    pub contract: usize,
    /// Signed USD of notional.
    pub usd: f64,
    /// Average price over mark, less one.
    pub entry: f64,
    pub echo: Echo,
}

/// What stands beside a position row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Echo {
    Nothing,
    /// A row of the same instrument the other way, of the same size.
    Opposite,
    /// A row of the same instrument, a third of the size, another price.
    Partial,
    /// The coin in cash that hedges a linear position in full.
    Spot,
}

/// A balance, sized by its USD value.
#[derive(Debug, Clone, Copy)]
pub struct Money {
    /// Taken modulo the number of currencies of the world.
    pub ccy: usize,
    pub usd: f64,
    /// Interest as a share of cash.
    pub interest: f64,
    /// Cap as a share of cash.
    pub cap: Option<f64>,
    /// It may not back new orders.
    pub restricted: bool,
}

/// Cash, interest and limit of a balance, and whether it is restricted.
type Line = ([f64; 3], bool);

impl World {
    /// The market and the book.
    pub fn build(&self) -> Case {
        let market = self.market();
        let book = self.book(&market);
        Case { market, book, rules: super::rules(self.knobs) }
    }

    fn market(&self) -> Market {
        let mut names: Vec<&str> = self.bases.iter().map(|base| base.name).collect();
        names.extend(["USD", "USDC", "USDT"]);
        names.sort_unstable();
        let ccy = |name: &str| names.iter().position(|&found| found == name).unwrap() as u32;
        let usdc_index =
            if self.usdc_through_usdt { ("USDT", self.usdc_usd / self.usdt_usd) } else { ("USD", self.usdc_usd) };
        let mut indices = vec![("USDC", usdc_index.0, usdc_index.1), ("USDT", "USD", self.usdt_usd)];
        for base in &self.bases {
            for quote in [Quote::Usd, Quote::Usdc, Quote::Usdt] {
                indices.push((base.name, quote.name(), self.index(base, quote)));
            }
        }
        indices.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        let underlyings: Vec<Underlying> = indices
            .iter()
            .map(|&(base, quote, px)| Underlying {
                name: format!("{base}-{quote}"),
                base: ccy(base),
                quote: ccy(quote),
                index_px: Some(px),
            })
            .collect();
        let mut instruments = Vec::new();
        for base in &self.bases {
            for (number, contract) in base.contracts.iter().enumerate() {
                let quote = contract.shape.quote();
                let underlying = format!("{}-{}", base.name, quote.name());
                let place = underlyings.iter().position(|found| found.name == underlying).unwrap();
                instruments.push(Instrument {
                    inst_id: format!("{underlying}-{number:02}"),
                    underlying: place as u32,
                    settle: ccy(contract.shape.settle(base.name)),
                    ..contract.instrument(self.index(base, quote))
                });
            }
        }
        instruments.sort_by(|a, b| {
            let key = |i: &Instrument| (i.underlying, i.expiry_ns, i.inst_id.clone());
            key(a).cmp(&key(b))
        });
        let fx = |name: &str| match name {
            "USD" => 1.0,
            "USDT" => self.usdt_usd,
            "USDC" if self.usdc_through_usdt => usdc_index.1 * self.usdt_usd,
            "USDC" => self.usdc_usd,
            coin => self.bases.iter().find(|base| base.name == coin).map_or(0.0, |base| self.index(base, Quote::Usd)),
        };
        let currencies = names.iter().map(|&name| Currency { name: name.into(), fx: Some(fx(name)) }).collect();
        Market { as_of_ns: AS_OF_NS, currencies, underlyings, instruments }
    }

    fn index(&self, base: &Base, quote: Quote) -> f64 {
        let fx = [1.0, self.usdc_usd, self.usdt_usd][quote as usize];
        base.usd / fx * (1.0 + base.index_noise[quote as usize])
    }

    fn book(&self, market: &Market) -> Book {
        let ids: Vec<String> = (0..self.accounts.len()).map(|number| format!("a{number}")).collect();
        let ids: IdTable = ids.iter().map(String::as_str).collect();
        let modes: Vec<SpotOffset> = self.accounts.iter().map(|trader| trader.mode).collect();
        let (mut positions, mut balances) = (PositionRows::default(), BalanceRows::default());
        let mut orders = OrderRows::default();
        for (account, trader) in self.accounts.iter().enumerate() {
            let mut ledger: Vec<Option<Line>> = vec![None; market.currencies.len()];
            for money in &trader.balances {
                money.enter(market, &mut ledger);
            }
            for holding in &trader.positions {
                holding.enter(account as u32, market, &mut positions, &mut ledger);
            }
            for pending in &trader.orders {
                orders.account.push(account as u32);
                orders.order.push(pending.order(market));
            }
            for (ccy, line) in ledger.into_iter().enumerate() {
                let Some(([cash, interest, cap], restricted)) = line else { continue };
                balances.account.push(account as u32);
                balances.ccy.push(ccy as u32);
                balances.cash.push(cash);
                balances.interest.push(interest);
                balances.spot_in_use_cap.push(cap);
                balances.restricted.push(restricted);
            }
        }
        let fees: Vec<Option<f64>> = self.accounts.iter().map(|trader| trader.fee_rate).collect();
        let book = Book::from_rows(&ids, &modes, &vec![false; modes.len()], positions, balances, orders).unwrap();
        book.with_fee_rates(&fees).unwrap()
    }
}

impl Shape {
    fn quote(self) -> Quote {
        match self {
            Self::LinearSwap(quote) | Self::LinearFuture(quote) | Self::QuoteOption(quote, _) => quote,
            Self::InverseSwap | Self::InverseFuture | Self::CoinOption(_) => Quote::Usd,
        }
    }

    fn settle(self, base: &'static str) -> &'static str {
        match self {
            Self::LinearSwap(quote) | Self::LinearFuture(quote) | Self::QuoteOption(quote, _) => quote.name(),
            Self::InverseSwap | Self::InverseFuture | Self::CoinOption(_) => base,
        }
    }
}

impl Contract {
    /// The instrument at an index price; its id, underlying and settle currency are the caller's.
    fn instrument(&self, index: f64) -> Instrument {
        let forward = index * (1.0 + self.basis);
        let expiry_ns = Some(AS_OF_NS + self.expiry_seconds * 1_000_000_000);
        let delta_one = |kind: InstrumentKind, expiry_ns: Option<i64>| Instrument {
            inst_id: String::new(),
            kind,
            underlying: 0,
            settle: 0,
            multiplier: self.multiplier,
            expiry_ns,
            lot_sz: 1.0,
            mark_px: forward,
            mark_vol: 0.0,
            fwd_px: 0.0,
            gap: None,
        };
        let option = |terms: Terms, coin: bool| {
            let kind = InstrumentKind::Option { call: terms.call, strike: forward * terms.log_moneyness.exp() };
            let mark_px = if coin { terms.mark_share } else { terms.mark_share * forward };
            Instrument { mark_px, mark_vol: terms.vol, fwd_px: forward, ..delta_one(kind, expiry_ns) }
        };
        match self.shape {
            Shape::LinearSwap(_) => delta_one(InstrumentKind::Linear, None),
            Shape::LinearFuture(_) => delta_one(InstrumentKind::Linear, expiry_ns),
            Shape::InverseSwap => delta_one(InstrumentKind::Inverse, None),
            Shape::InverseFuture => delta_one(InstrumentKind::Inverse, expiry_ns),
            Shape::CoinOption(terms) => option(terms, true),
            Shape::QuoteOption(_, terms) => option(terms, false),
        }
    }
}

impl Money {
    fn enter(&self, market: &Market, ledger: &mut [Option<Line>]) {
        let ccy = self.ccy % ledger.len();
        let cash = self.usd / market.currencies[ccy].fx.unwrap();
        let cap = self.cap.map_or(f64::INFINITY, |share| share * cash.abs());
        ledger[ccy] = Some(([cash, self.interest * cash.abs(), cap], self.restricted));
    }
}

impl Pending {
    fn order(&self, market: &Market) -> Order {
        let contracts = market.instruments.len();
        let priced: Vec<&Underlying> = market.underlyings.iter().filter(|index| index.index_px.is_some()).collect();
        let on = self.on % (contracts + priced.len());
        let (traded, px, unit_usd) = if on < contracts {
            let instrument = &market.instruments[on];
            let coin_usd = market.currencies[market.underlyings[instrument.underlying as usize].base as usize].fx;
            let unit_usd = instrument.multiplier
                * if instrument.kind == InstrumentKind::Inverse { 1.0 } else { coin_usd.unwrap() };
            (Traded::Contract(on as u32), instrument.mark_px.max(1e-4), unit_usd)
        } else {
            let &&Underlying { base, quote, index_px, .. } = &priced[on - contracts];
            (Traded::Spot { base, quote }, index_px.unwrap(), market.currencies[base as usize].fx.unwrap())
        };
        Order { traded, qty: self.usd / unit_usd, px: px * (1.0 + self.away) }
    }
}

impl Holding {
    fn enter(&self, account: u32, market: &Market, rows: &mut PositionRows, ledger: &mut [Option<Line>]) {
        let number = self.contract % market.instruments.len();
        let instrument = &market.instruments[number];
        let underlying = &market.underlyings[instrument.underlying as usize];
        let coin_usd = market.currencies[underlying.base as usize].fx.unwrap();
        let contract_usd =
            instrument.multiplier * if instrument.kind == InstrumentKind::Inverse { 1.0 } else { coin_usd };
        let qty = self.usd / contract_usd;
        let mut row = |qty: f64, entry: f64| {
            rows.account.push(account);
            rows.instrument.push(number as u32);
            rows.qty.push(qty);
            rows.avg_px.push(instrument.mark_px * (1.0 + entry));
        };
        row(qty, self.entry);
        match self.echo {
            Echo::Nothing => {}
            Echo::Opposite => row(-qty, 0.0),
            Echo::Partial => row(-qty / 3.0, -self.entry / 2.0),
            Echo::Spot => {
                let coins = if instrument.kind == InstrumentKind::Inverse { 0.0 } else { -qty * instrument.multiplier };
                ledger[underlying.base as usize] = Some(([coins, 0.0, f64::INFINITY], false));
            }
        }
    }
}
