//! An explanation as text, from equity to status. Figures are rounded; JSON has them in full.

use super::model::{Explanation, TierStep, UnitStep};
use crate::market::scenario::EVERY_COIN;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt::{self, Write};

impl Explanation {
    /// The explanation as text, sections in the order of the calculation.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut out);
        wrapped(&out)
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "Account {}   {}   rules {}", self.account_id, self.as_of, self.rules)?;
        writeln!(out, "risk units {}, spot hedging mode {}", self.risk_unit, self.spot_offset)?;
        self.write_outcome(out)?;
        self.write_equity(out)?;
        for (number, unit) in self.units.iter().enumerate() {
            writeln!(out, "\n{}. Risk unit {}", number + 2, unit.risk_unit)?;
            unit.write(out)?;
        }
        self.write_totals(out)?;
        self.write_distances(out)
    }

    /// How far prices are from a liquidation, if that was searched.
    fn write_distances(&self, out: &mut String) -> fmt::Result {
        let Some(distances) = &self.distances else { return Ok(()) };
        writeln!(out, "\n{}. Distances: the nearest move to the liquidation threshold", self.units.len() + 3)?;
        let header = ["coin", "way", "move", "USD now", "USD there", "ratio there"];
        let rows = distances.iter().flat_map(|step| {
            let coin = if step.base == EVERY_COIN { "all coins" } else { &step.base };
            [("fall", &step.down), ("rise", &step.up)].map(|(name, way)| {
                let jump = if way.reach == "jump" { " (jump)" } else { "" };
                vec![
                    coin.to_owned(),
                    name.to_owned(),
                    way.price_move.map_or_else(|| "none".to_owned(), |by| percent(by) + jump),
                    step.px_usd.map_or_else(String::new, price),
                    way.px_usd.map_or_else(String::new, price),
                    way.margin_ratio.map_or_else(String::new, |ratio| format!("{ratio:.6}")),
                ]
            })
        });
        out.push_str(&table(&header, rows));
        Ok(())
    }

    /// The result first: the account's status, and the largest unit.
    fn write_outcome(&self, out: &mut String) -> fmt::Result {
        let totals = &self.totals;
        let ratio =
            totals.margin_ratio.map_or_else(|| "no margin ratio".to_owned(), |x| format!("margin ratio {x:.6}"));
        write!(out, "{}: {ratio}, equity {} USD, MMR {} USD", totals.status, usd(totals.adj_eq), usd(totals.mmr))?;
        let largest = self.units.iter().reduce(|most, unit| if unit.mmr > most.mmr { unit } else { most });
        if let Some(unit) = largest.filter(|unit| unit.mmr > 0.0) {
            write!(out, ", the largest unit {} with {}", unit.risk_unit, usd(unit.mmr))?;
        }
        writeln!(out, "\n")
    }

    fn write_equity(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "1. Equity: cash - interest + UPL + option values, by currency")?;
        let header = ["ccy", "cash - int", "upl", "options", "equity", "fx USD", "total USD", "adjusted USD"];
        let rows = self.currencies.iter().map(|step| {
            vec![
                step.ccy.clone(),
                coin(step.cash),
                coin(step.upl),
                coin(step.option_value),
                coin(step.equity),
                step.fx_usd.map_or_else(|| "none".to_string(), price),
                usd(step.total_usd),
                usd(step.adjusted_usd),
            ]
        });
        out.push_str(&table(&header, rows));
        for step in &self.currencies {
            if step.discount.iter().any(|tier| tier.rate != 1.0) {
                writeln!(out, "   discount of {}: {}", step.ccy, tiers(&step.discount, coin))?;
            }
            if let Some(borrowing) = &step.borrowing {
                writeln!(
                    out,
                    "   borrowing (MR8) of {}: liability {}, MMR {} at {}, IMR {} at {}, liquidation fee {}",
                    step.ccy,
                    coin(borrowing.liability),
                    usd(borrowing.mmr_usd),
                    percent(borrowing.mmr_rate),
                    usd(borrowing.imr_usd),
                    percent(borrowing.imr_rate),
                    usd(borrowing.fee_usd),
                )?;
            }
        }
        Ok(())
    }

    fn write_totals(&self, out: &mut String) -> fmt::Result {
        let totals = &self.totals;
        writeln!(out, "\n{}. Account, USD", self.units.len() + 2)?;
        let mut lines = vec![
            ("adjusted equity", usd(totals.adj_eq)),
            ("total equity", usd(totals.total_eq)),
            ("unrealised P&L", usd(totals.upl)),
            ("MMR of risk units", usd(totals.deriv_mmr)),
            ("MMR of borrowing", usd(totals.borrow_mmr)),
            ("MMR", usd(totals.mmr)),
            ("IMR", usd(totals.imr)),
            ("liquidation fee", usd(totals.liquidation_fee)),
            ("MMR, hedging off", usd(totals.mmr_no_hedge)),
            ("IMR, hedging off", usd(totals.imr_no_hedge)),
        ];
        if totals.order_imr > 0.0 {
            lines.push(("IMR of pending orders", usd(totals.order_imr)));
        }
        out.push_str(&table(&["", "USD"], lines.into_iter().map(|(name, amount)| vec![name.to_string(), amount])));
        match totals.margin_ratio {
            Some(ratio) => writeln!(
                out,
                "   margin ratio = adjusted equity / (MMR + liquidation fee) = {} / {} = {ratio:.6}: {}",
                usd(totals.adj_eq),
                usd(totals.mmr + totals.liquidation_fee),
                totals.status
            )?,
            None => writeln!(out, "   no margin ratio: MMR and liquidation fee are zero ({})", totals.status)?,
        }
        if totals.im_deficit {
            writeln!(out, "   IM deficit: adjusted equity is {} USD below IMR", usd(totals.imr - totals.adj_eq))?;
        }
        if totals.ineligible {
            writeln!(out, "   ineligible: total equity is below the minimum for portfolio margin")?;
        }
        Ok(())
    }
}

impl UnitStep {
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "   class {} (MR1), {} (MR4, MR6, MR7)", self.class_mr1, self.class_mr4_mr6_mr7)?;
        self.write_positions(out)?;
        self.write_spot(out)?;
        self.write_grid(out)?;
        self.write_components(out)?;
        let worst = format!("max({}, {}, {})", usd(self.mr1.charge), usd(self.mr2.charge), usd(self.mr6.charge));
        let sums = [self.mr3.charge, self.mr4.charge, self.mr5.charge, self.mr9.charge].map(usd).join(" + ");
        writeln!(out, "   MMR = max( max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7 )")?;
        writeln!(out, "       = max( {worst} + {sums}, {} )", usd(self.mr7.charge))?;
        let binds = self.binding.map(|term| format!("   ({term} binds)")).unwrap_or_default();
        writeln!(out, "       = {}{binds}   IMR {}", usd(self.mmr), usd(self.imr))?;
        if let Some(orders) = &self.orders {
            writeln!(
                out,
                "   pending orders: MMR with all buys filled {}, with all sells {}: they add {} to IMR",
                usd(orders.mmr_with_buys),
                usd(orders.mmr_with_sells),
                usd(orders.order_imr)
            )?;
        }
        writeln!(
            out,
            "   Greeks, USD: cash delta {}, gamma {}, vega {}, theta {}",
            usd(self.cash_delta),
            usd(self.gamma),
            usd(self.vega),
            usd(self.theta)
        )
    }

    fn write_positions(&self, out: &mut String) -> fmt::Result {
        let header = ["instrument", "kind", "qty", "avg", "mark", "upl / value", "delta coin", "delta USD", "MR7 raw"];
        let rows = self.positions.iter().map(|step| {
            vec![
                step.inst_id.clone(),
                step.kind.to_string(),
                coin(step.qty),
                price(step.avg_px),
                price(step.mark_px),
                format!(
                    "{} {}",
                    coin(if step.option.is_some() { step.option_value_settle } else { step.upl_settle }),
                    step.settle_ccy
                ),
                coin(step.delta_coin),
                usd(step.cash_delta),
                usd(step.mr7_raw),
            ]
        });
        out.push_str(&table(&header, rows));
        for step in &self.positions {
            if let Some(option) = &step.option {
                writeln!(
                    out,
                    "   {}: forward {}, {:.3} days, volatility {} (up {}, down {}), Black-76 value {}",
                    step.inst_id,
                    price(option.fwd_px),
                    step.years * 365.0,
                    percent(option.vol),
                    percent(option.vol_up),
                    percent(option.vol_down),
                    price(option.value)
                )?;
            }
        }
        Ok(())
    }

    fn write_spot(&self, out: &mut String) -> fmt::Result {
        let spot = &self.spot;
        let cap = spot.cap_coin.map_or_else(|| "none".to_string(), coin);
        writeln!(
            out,
            "   spot in use: {} coins (delta {}, equity {}, cap {cap}): {}",
            coin(spot.spot_in_use_coin),
            coin(spot.delta_coin),
            coin(spot.equity_coin),
            spot.reason
        )?;
        writeln!(
            out,
            "   slope: positions {} + spot {} = {} USD for a move of 100 %",
            usd(self.slope_positions),
            usd(self.slope_spot),
            usd(self.slope)
        )
    }

    fn write_grid(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "   MR1: P&L in USD by price move and volatility state")?;
        let header: Vec<String> =
            std::iter::once(String::new()).chain(self.mr1.moves.iter().map(|step| percent(*step))).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let rows = [("vol up", &self.mr1.up), ("vol same", &self.mr1.same), ("vol down", &self.mr1.down)];
        let rows = rows.into_iter().map(|(name, pnl)| {
            std::iter::once(name.to_string()).chain(pnl.iter().map(|pnl| usd(*pnl))).collect::<Vec<_>>()
        });
        out.push_str(&table(&header, rows));
        Ok(())
    }

    fn write_components(&self, out: &mut String) -> fmt::Result {
        let expiries = self.mr3.expiries.iter().map(|line| format!("{} {}", line.expiry, usd(line.pnl)));
        let basis = self
            .mr4
            .expiries
            .iter()
            .map(|line| format!("{} |{}| x {}", line.expiry, usd(line.cash_delta), percent(line.rate)));
        let pairs = self.mr9.pairs.iter().map(|line| format!("{} {} hedged", line.pair, usd(line.hedged)));
        let how = [
            (
                "MR1",
                self.mr1.charge,
                format!("move {}, volatility {}", percent(self.mr1.worst_price), self.mr1.worst_vol),
            ),
            ("MR2", self.mr2.charge, format!("P&L of {} day(s) {}", self.mr2.days, usd(self.mr2.pnl))),
            (
                "MR3",
                self.mr3.charge,
                format!("{} x offset {}; {}", percent(self.mr3.rate), usd(self.mr3.offset), joined(expiries)),
            ),
            ("MR4", self.mr4.charge, joined(basis)),
            ("MR5", self.mr5.charge, format!("rate up {}, down {}", usd(self.mr5.up), usd(self.mr5.down))),
            (
                "MR6",
                self.mr6.charge,
                format!(
                    "{} x loss; -{}: {}, +{}: {}",
                    percent(self.mr6.share),
                    percent(self.mr6.size),
                    usd(self.mr6.fall),
                    percent(self.mr6.size),
                    usd(self.mr6.rise)
                ),
            ),
            ("MR7", self.mr7.charge, format!("raw {}: {}", usd(self.mr7.raw), tiers(&self.mr7.tiers, usd))),
            ("MR9", self.mr9.charge, joined(pairs)),
        ];
        for (name, charge, how) in how {
            let rests = self.rests_on.get(name.to_lowercase().as_str());
            let rests = rests.map_or_else(String::new, |words| format!("   [{words}]"));
            writeln!(out, "   {name} {:>18}   {how}{rests}", usd(charge))?;
        }
        Ok(())
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "none".to_string() } else { parts.join("; ") }
}

fn tiers(steps: &[TierStep], amount: impl Fn(f64) -> String) -> String {
    joined(steps.iter().map(|step| format!("{} x {}", amount(step.amount), step.rate)))
}

/// Widest line.
const WIDTH: usize = 80;

/// A table of at most [`WIDTH`]: of a wider one the columns that fit, then the others below, behind the first again.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|name| name.chars().count())).max().unwrap_or(0) + 2
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let fewest = parts(&widths, WIDTH).len();
    // As many parts as are needed, and these of like width.
    let narrowest = (1..=WIDTH).find(|&limit| parts(&widths, limit).len() == fewest).unwrap_or(WIDTH);
    parts(&widths, narrowest).iter().map(|columns| table_of(columns, header, &rows)).collect()
}

/// The columns of each part, the first in all of them.
fn parts(widths: &[usize], limit: usize) -> Vec<Vec<usize>> {
    let first = widths.first().map_or(0, |first| first + 2);
    let mut parts: Vec<Vec<usize>> = vec![vec![0]];
    let mut taken = first;
    for (column, width) in widths.iter().enumerate().skip(1) {
        if taken + width > limit && taken > first {
            parts.push(vec![0]);
            taken = first;
        }
        taken += width;
        if let Some(part) = parts.last_mut() {
            part.push(column);
        }
    }
    parts
}

fn table_of(columns: &[usize], header: &[&str], rows: &[Vec<String>]) -> String {
    let chosen = |cells: &[String]| columns.iter().filter_map(|&column| cells.get(column).cloned()).collect::<Vec<_>>();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().filter_map(|&column| header.get(column).copied()));
    table.add_rows(rows.iter().map(|row| chosen(row)));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().fold(String::new(), |text, line| text + "  " + line.trim_end() + "\n")
}

/// Lines of at most [`WIDTH`], broken between words, what is left further in. Longer words stay whole.
fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        wrap_line(line, &mut out);
    }
    out
}

fn wrap_line(line: &str, out: &mut String) {
    let indent = line.len() - line.trim_start().len();
    let mut width = 0;
    let mut rest = line;
    while rest.chars().count() + width > WIDTH {
        let room: String = rest.chars().take(WIDTH - width + 1).collect();
        let begins = if width == 0 { indent } else { 0 };
        // Not a blank between a number and its unit: what follows would be alone.
        let breaks = room.rmatch_indices(' ').map(|(at, _)| at).find(|&at| {
            let after = rest.get(at + 1..).unwrap_or_default();
            at > begins && !after.starts_with(['%', ' ', '='])
        });
        let Some(at) = breaks else { break };
        out.push_str(rest.get(..at).unwrap_or_default().trim_end());
        out.push('\n');
        rest = rest.get(at..).unwrap_or_default().trim_start();
        width = indent + 4;
        out.extend(std::iter::repeat_n(' ', width));
    }
    out.push_str(rest);
    out.push('\n');
}

/// USD with cents and thousands separators.
fn usd(amount: f64) -> String {
    grouped(&format!("{amount:.2}"))
}

/// Coins with up to 8 decimals.
fn coin(amount: f64) -> String {
    let text = if amount != 0.0 && amount.abs() < 1e-8 { format!("{amount:e}") } else { format!("{amount:.8}") };
    if text.contains('e') { text } else { grouped(text.trim_end_matches('0').trim_end_matches('.')) }
}

/// A price to 8 significant decimals.
fn price(amount: f64) -> String {
    coin(amount)
}

fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Inserts thousands separators before the decimal point.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    if out.trim_start_matches('-').chars().all(|digit| matches!(digit, '0' | '.')) { out.replace('-', "") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words() {
        let text = format!("   a: {}, b 12 % of it\nshort\n  {}\n", "word ".repeat(14).trim_end(), "x".repeat(90));
        let wrapped = wrapped(&text);
        let lines: Vec<&str> = wrapped.lines().collect();
        assert_eq!(lines.len(), 4, "{wrapped}");
        assert!(lines[1].starts_with("       ") && lines[3].len() == 92, "{wrapped}");
        assert!(lines[..2].iter().all(|line| line.chars().count() <= WIDTH), "{wrapped}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&wrapped), words(&text));
    }

    #[test]
    fn wide_tables_continue_below() {
        let cell = "1,234,567,890.12".to_owned();
        let text = table(&["name", "a", "b", "c", "d", "e"], std::iter::once(vec![cell; 6]));
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn numbers_for_people() {
        for (found, expected) in [
            (usd(-1_234_567.891), "-1,234,567.89"),
            (usd(-0.001), "0.00"),
            (usd(999.999), "1,000.00"),
            (coin(0.5), "0.5"),
            (coin(-12_345.678_9), "-12,345.6789"),
            (coin(1e-12), "1e-12"),
            (coin(100.0), "100"),
            (percent(-0.12), "-12 %"),
            (percent(0.0045), "0.45 %"),
        ] {
            assert_eq!(found, expected);
        }
    }
}
