//! A comparison as a person reads it.

use super::summary::{CompareSummary, Mover, SideSummary};
use crate::wording::{count, number, plain, short, usd};
use comfy_table::Table;
use std::fmt::Write;

/// Risk units, movers and parameters shown; files hold all of them.
const SHOWN: usize = 8;

/// The totals that are shown, with the words for them.
const FIGURES: [(&str, &str); 6] = [
    ("adj_eq", "adjusted equity"),
    ("mmr", "MMR"),
    ("borrow_mmr", "  of it borrowing"),
    ("imr", "IMR"),
    ("liquidation_fee", "liquidation fee"),
    ("mmr_no_hedge", "MMR, hedging off"),
];

impl CompareSummary {
    /// A page of text, without colour.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("A  {}\nB  {}\n", side(&self.a), side(&self.b));
        text += &self.parameters_text();
        let accounts = &self.accounts;
        let _ = writeln!(
            text,
            "\n{} accounts compared, {} new, {} closed, {} left out as unmargined\n",
            count(accounts.kept),
            count(accounts.new),
            count(accounts.closed),
            count(accounts.unmargined)
        );
        if accounts.kept == 0 && accounts.new > 0 && accounts.closed > 0 {
            text += "No account is in both: A and B may be of different books.\n\n";
        }
        block(&mut text, &self.totals_table());
        block(&mut text, &self.counts_table());
        let breaches = &self.breaches;
        let _ = writeln!(
            text,
            "newly in liquidation {}, no longer {}; new IM deficit {}, no longer {}\n",
            count(breaches.newly_liquidation),
            count(breaches.no_longer_liquidation),
            count(breaches.newly_im_deficit),
            count(breaches.no_longer_im_deficit)
        );
        if let Some(table) = self.causes_table() {
            block(&mut text, &table);
        }
        if let Some(why) = &self.not_attributed {
            let _ = writeln!(text, "causes are not told apart: {why}\n");
        }
        block(&mut text, &self.migration_table());
        block(&mut text, &self.units_table());
        for (title, movers) in [("MMR rises most", &self.largest_rises), ("MMR falls most", &self.largest_falls)] {
            if !movers.is_empty() {
                block(&mut text, &movers_table(title, movers));
            }
        }
        if !self.new_breaches.is_empty() {
            block(&mut text, &self.breaches_table());
        }
        text.truncate(text.trim_end().len());
        text + "\n"
    }

    fn parameters_text(&self) -> String {
        let mut text = String::new();
        let value = |value: &Option<String>| value.as_ref().map_or_else(|| "none".to_owned(), |value| short(value, 40));
        for parameter in self.parameters.iter().take(SHOWN) {
            let _ = writeln!(text, "   {}: {} -> {}", parameter.key, value(&parameter.a), value(&parameter.b));
        }
        if let Some(more @ 1..) = self.parameters.len().checked_sub(SHOWN) {
            let _ = writeln!(text, "   and {more} more parameters differ");
        }
        text
    }

    fn totals_table(&self) -> Table {
        let mut table = plain(&["USD", "A", "B", "change", ""]);
        for (figure, words) in FIGURES {
            if let Some(total) = self.totals.iter().find(|total| total.figure == figure) {
                let share = share(total.change, total.a);
                let cells = [usd(total.a), usd(total.b), usd(total.change), share].map(number);
                table.add_row(std::iter::once(words.into()).chain(cells).collect::<Vec<_>>());
            }
        }
        table
    }

    fn counts_table(&self) -> Table {
        let mut table = plain(&["accounts", "A", "B", "change"]);
        for row in &self.counts {
            let change = i128::from(row.b) - i128::from(row.a);
            let sign = if change < 0 { "-" } else { "" };
            let change = format!("{sign}{}", count(u64::try_from(change.unsigned_abs()).unwrap_or(u64::MAX)));
            let cells = [count(row.a), count(row.b), change].map(number);
            table.add_row(std::iter::once(row.accounts.into()).chain(cells).collect::<Vec<_>>());
        }
        table
    }

    fn causes_table(&self) -> Option<Table> {
        let mut table = plain(&["cause", "MMR, USD", "excess, USD", "liquidations", "IM deficits"]);
        for row in self.causes.as_ref()? {
            let counts = [row.newly_liquidation, row.newly_im_deficit].map(count);
            let cells = [usd(row.mmr), usd(row.excess)].into_iter().chain(counts).map(number);
            table.add_row(std::iter::once(row.cause.into()).chain(cells).collect::<Vec<_>>());
        }
        Some(table)
    }

    fn migration_table(&self) -> Table {
        let mut table = plain(&["status in A", "in B", "accounts"]);
        for row in &self.migration {
            table.add_row([
                row.status_a.unwrap_or("(new)").into(),
                row.status_b.unwrap_or("(closed)").into(),
                number(count(row.accounts)),
            ]);
        }
        table
    }

    /// The units whose MMR changes most.
    fn units_table(&self) -> Table {
        let mut units: Vec<_> = self.risk_units.iter().collect();
        units.sort_by(|a, b| b.mmr_change.abs().total_cmp(&a.mmr_change.abs()));
        let mut table = plain(&["risk unit", "MMR in A", "in B", "change", "", "mainly"]);
        for unit in units.iter().take(SHOWN) {
            let share = share(unit.mmr_change, unit.mmr_a);
            let cells = [usd(unit.mmr_a), usd(unit.mmr_b), usd(unit.mmr_change), share].map(number);
            let name = std::iter::once(short(&unit.risk_unit, 18).into());
            table.add_row(name.chain(cells).chain([unit.main_component.unwrap_or("").into()]).collect::<Vec<_>>());
        }
        if let Some(rest) = units.get(SHOWN..).filter(|rest| !rest.is_empty()) {
            let sum = |of: fn(&crate::compare::summary::UnitChange) -> f64| usd(rest.iter().map(|unit| of(unit)).sum());
            let cells = [sum(|unit| unit.mmr_a), sum(|unit| unit.mmr_b), sum(|unit| unit.mmr_change)].map(number);
            table.add_row(std::iter::once(format!("{} more", rest.len()).into()).chain(cells).collect::<Vec<_>>());
        }
        table
    }

    fn breaches_table(&self) -> Table {
        let mut table = plain(&["newly breaches", "", "ratio in A", "in B", "MMR change", "mainly"]);
        let ratio = |ratio: Option<f64>| number(ratio.map_or_else(|| "none".to_owned(), |ratio| format!("{ratio:.4}")));
        for row in &self.new_breaches {
            table.add_row([
                short(&row.account_id, 24).into(),
                row.breach.into(),
                ratio(row.margin_ratio_a),
                ratio(row.margin_ratio_b),
                number(usd(row.mmr_change)),
                row.main_cause.unwrap_or("").into(),
            ]);
        }
        table
    }
}

fn side(side: &SideSummary) -> String {
    let SideSummary { as_of, rules, spot_offset } = side;
    let hash: String = rules.hash.chars().take(8).collect();
    let mode = spot_offset.map(|mode| format!(", spot_offset {mode} for all")).unwrap_or_default();
    format!("{as_of} · rules {} {hash}{mode}", short(&rules.name, 40))
}

fn share(change: f64, of: f64) -> String {
    if of != 0.0 && change != 0.0 { format!("{:+.1} %", change / of.abs() * 100.0) } else { String::new() }
}

fn movers_table(title: &str, movers: &[Mover]) -> Table {
    let mut table = plain(&[title, "in A", "in B", "change", "mainly"]);
    let mmr = |mmr: Option<f64>| mmr.map_or_else(|| "none".to_owned(), usd);
    for row in movers.iter().take(SHOWN) {
        let cells = [mmr(row.mmr_a), mmr(row.mmr_b), usd(row.mmr_change)].map(number);
        let name = std::iter::once(short(&row.account_id, 24).into());
        table.add_row(name.chain(cells).chain([row.mmr_main_cause.unwrap_or("").into()]).collect::<Vec<_>>());
    }
    table
}

fn block(text: &mut String, table: &Table) {
    for line in table.trim_fmt().lines() {
        *text += line.trim_end();
        text.push('\n');
    }
    text.push('\n');
}
