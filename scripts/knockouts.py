#!/usr/bin/env python3
"""Changes one part of the model at a time and checks that a test fails.

    scripts/knockouts.py            all of the list below
    scripts/knockouts.py mr3 tier   those whose name contains one of the words
    scripts/knockouts.py --mutants  cargo-mutants on src/margin instead (needs `cargo install cargo-mutants`);
                                    further arguments are passed to it, such as --test-tool nextest --shard 0/8

The model needs no table format, so its modules build in seconds in a separate crate: they and their tests are copied to
target/knockouts. Every edit must match its file exactly once, so that the list cannot become out of date without
notice. Exit code 1 if a knock-out is not caught.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATE = ROOT / "target" / "knockouts"
MODULES = ["book", "engine", "error.rs", "figures", "margin", "market", "progress.rs", "reference", "rules"]
# Files of these modules that need a table format.
LEFT_OUT = ["engine/executor.rs", "engine/pair.rs", "figures/tests.rs"]
# Modules of tests/model, and the files of tests/common that they use.
TESTS = ["differential", "edges", "golden_reference", "parts", "published"]
COMMON = ["mod.rs", "strategies.rs", "world.rs"]
NEEDED = ["fearless_simd", "hashbrown", "jiff", "libm", "rayon", "rust_decimal", "serde", "serde_path_to_error", "thiserror", "toml",
          "blake3", "serde_json", "tempfile", "tracing"]

STRESS, UNIT_MARGIN = "margin/stress.rs", "margin/unit_margin.rs"
STATUS, EXTREMES, GATHERED = "margin/status.rs", "margin/extremes.rs", "margin/gathered.rs"
SUMS, LEDGERS = "margin/sums.rs", "margin/ledgers.rs"
PRICED, REQUIREMENT, TOTALS = "margin/priced.rs", "margin/requirement.rs", "margin/totals.rs"
OPTION_ROW = "margin/option_row.rs"
BLACK, NORMAL, TIERS, HEDGE = "margin/black76.rs", "margin/normal.rs", "margin/tiers.rs", "margin/spot_hedge.rs"
ELEMENTARY, ORDERS, CHANGED = "margin/elementary.rs", "margin/orders.rs", "margin/changed.rs"
EQUITY, BORROWING, MARKET, PRICE = "margin/equity.rs", "margin/borrowing.rs", "market/mod.rs", "engine/price.rs"
UNIT, LEG, LEDGER, REFERENCE = "reference/unit.rs", "reference/leg.rs", "reference/ledger.rs", "reference/mod.rs"
RULES = "../data/rules/okx-pm2-2025-01.toml"

# Name, file below src, text, replacement.
KNOCKOUTS = [
    # The fast kernel: each component removed.
    ("mr1 gone", STRESS, "mr1: loss(worst.pnl),", "mr1: zero,"),
    ("mr1 gone without options", STRESS, "(price, loss(slope * price), slope", "(price, zero, slope"),
    ("mr2 gone", STRESS, "mr2: loss(self.options[DECAY]),", "mr2: zero,"),
    ("mr3 gone", STRESS, "mr3: self.term_structure(rules),", "mr3: zero,"),
    ("mr4 gone", STRESS, "mr4: self.basis(params, spot),\n            mr5", "mr4: zero,\n            mr5"),
    ("mr4 without its bucket of spot", STRESS, "self.basis_usd + of_spot.abs() * params.figures.spot_basis", "self.basis_usd"),
    ("mr4 unhedged with a bucket of spot", STRESS, "mr4: self.basis_usd, ..components", "..components"),
    ("mr4 unhedged with a bucket of spot without options", STRESS, "requirement(mr1_no_hedge, mr6_no_hedge, self.basis_usd)", "requirement(mr1_no_hedge, mr6_no_hedge, mr4)"),
    ("mr4 gone without options", STRESS, "(self.basis(params, spot), self.stablecoin_hedge(params, rules))", "(zero, self.stablecoin_hedge(params, rules))"),
    ("mr5 gone", STRESS, "mr5: loss(lower(self.options[RATES], self.options[RATES + 1])),", "mr5: zero,"),
    ("mr5 of one sign", STRESS, "loss(lower(self.options[RATES], self.options[RATES + 1]))", "loss(self.options[RATES])"),
    ("mr6 gone", STRESS, "            mr6: loss(lower(extreme[0], extreme[1])) * rules.mr6.charge,", "            mr6: zero,"),
    ("mr6 gone without options", STRESS, "slope.abs() * figures.extreme * rules.mr6.charge)", "zero)"),
    ("mr7 gone", STRESS, "higher(worst + self.mr3 + self.mr4 + self.mr5 + self.mr9, self.mr7)", "worst + self.mr3 + self.mr4 + self.mr5 + self.mr9"),
    ("mr7 gone without options", STRESS, "higher(higher(mr1, mr6) + mr4 + mr9, mr7)", "higher(mr1, mr6) + mr4 + mr9"),
    ("mr7 without tiers", STRESS, "            mr7: params.figures.charge.apply(self.charge_usd),", "            mr7: self.charge_usd,"),
    ("mr7 without tiers without options", STRESS, "let mr7 = figures.charge.apply(self.charge_usd);", "let mr7 = self.charge_usd;"),
    ("mr8 mmr gone", TOTALS, "let mmr = self.deriv_mmr + self.borrow_mmr;", "let mmr = self.deriv_mmr;"),
    ("mr8 imr gone", TOTALS, "imr: self.deriv_imr + self.borrow_imr,", "imr: self.deriv_imr,"),
    ("mr9 gone", STRESS, "mr9: self.stablecoin_hedge(params, rules),", "mr9: zero,"),
    ("mr9 gone without options", STRESS, "(self.basis(params, spot), self.stablecoin_hedge(params, rules))", "(self.basis(params, spot), zero)"),
    # Combination.
    ("combine adds mr2", STRESS, "higher(higher(self.mr1, self.mr2), self.mr6);", "higher(self.mr1 + self.mr2, self.mr6);"),
    ("combine without mr6", STRESS, "higher(higher(self.mr1, self.mr2), self.mr6);", "higher(self.mr1, self.mr2);"),
    ("combine adds mr6 without options", STRESS, "higher(higher(mr1, mr6) + mr4", "higher(mr1 + mr6 + mr4"),
    ("combine without mr6 without options", STRESS, "higher(higher(mr1, mr6) + mr4", "higher(mr1 + mr4"),
    ("combine without mr3", STRESS, "higher(worst + self.mr3 + self.mr4", "higher(worst + self.mr4"),
    ("combine without mr4", STRESS, "+ self.mr4 + self.mr5 + self.mr9, self", "+ self.mr5 + self.mr9, self"),
    ("combine without mr5", STRESS, "+ self.mr5 + self.mr9, self", "+ self.mr9, self"),
    ("combine without mr9", STRESS, "+ self.mr5 + self.mr9, self", "+ self.mr5, self"),
    ("imr equals mmr", STRESS, "imr: mmr * rules.imr_multiplier,\n            cash_delta: self.cash_delta_usd,\n            gamma: self", "imr: mmr,\n            cash_delta: self.cash_delta_usd,\n            gamma: self"),
    ("imr equals mmr without options", STRESS, "imr: mmr * rules.imr_multiplier,\n            cash_delta: self.cash_delta_usd,\n            gamma: zero", "imr: mmr,\n            cash_delta: self.cash_delta_usd,\n            gamma: zero"),
    # Shock signs and sizes.
    ("mr1 price sign", STRESS, "+ slope * params.figures.moves[column];", "- slope * params.figures.moves[column];"),
    ("mr1 ends swapped", STRESS, "zero.if_below(slope, R::splat(figures.lowest_move), falling)", "zero.if_below(slope, R::splat(figures.highest_move), falling)"),
    ("mr1 rise gone", STRESS, "slope.if_below(zero, R::splat(figures.highest_move),", "slope.if_below(zero, R::splat(figures.lowest_move),"),
    ("mr1 of the first vol state only", STRESS, "let pnl = least.into_iter().fold(highest, lower);", "let pnl = least[0];"),
    ("mr6 fall sign", STRESS, "self.options[EXTREME] - move_pnl,", "self.options[EXTREME] + move_pnl,"),
    ("mr6 rise sign", STRESS, "self.options[EXTREME + 1] + move_pnl]", "self.options[EXTREME + 1] - move_pnl]"),
    ("mr6 move sign", STRESS, "mr6_price: extreme[1].if_below(extreme[0], size, -size)", "mr6_price: extreme[1].if_below(extreme[0], -size, size)"),
    ("mr6 move sign without options", STRESS, "slope.if_below(zero, R::splat(figures.extreme), R::splat(-figures.extreme))", "slope.if_below(zero, R::splat(-figures.extreme), R::splat(figures.extreme))"),
    ("mr6 charge of one", STRESS, "            mr6: loss(lower(extreme[0], extreme[1])) * rules.mr6.charge,", "            mr6: loss(lower(extreme[0], extreme[1])),"),
    ("mr6 charge of one without options", STRESS, "slope.abs() * figures.extreme * rules.mr6.charge)", "slope.abs() * figures.extreme)"),
    ("mr6 option fall sign", OPTION_ROW, "(moved(-extreme), moved(extreme))", "(moved(extreme), moved(extreme))"),
    ("mr6 option rise sign", OPTION_ROW, "(moved(-extreme), moved(extreme))", "(moved(-extreme), moved(-extreme))"),
    ("loss becomes gain", EXTREMES, "pnl.if_below(zero, -pnl, zero)", "zero.if_below(pnl, pnl, zero)"),
    ("lower becomes higher", EXTREMES, "b.if_below(a, b, a)", "b.if_below(a, a, b)"),
    ("vol up is down", OPTION_ROW, "let up = terms.vol + shift;", "let up = terms.vol - shift;"),
    ("vol down is up", OPTION_ROW, "let down = higher(terms.vol - shift,", "let down = higher(terms.vol + shift,"),
    ("mr3 of volatility down", OPTION_ROW, "states.vol[TERM]) = (moved(0.0), up);", "states.vol[TERM]) = (moved(0.0), down);"),
    ("vol floor gone", OPTION_ROW, "higher(terms.vol - shift, lower(terms.vol, rules.mr1.vol_floor))", "higher(terms.vol - shift, 0.0)"),
    ("vol points only", OPTION_ROW, "higher(points, relative * vol)", "points"),
    ("vol relative only", OPTION_ROW, "higher(points, relative * vol)", "relative * vol"),
    ("forward floor gone", OPTION_ROW, ", rules.forward_floor * terms.forward);", ", f64::MIN_POSITIVE);"),
    ("shock of the forward, not of the index", OPTION_ROW, "terms.forward + spec.index_px * price_move", "terms.forward + terms.forward * price_move"),
    ("theta forward in time", OPTION_ROW, "terms.years - rules.mr2_days / 365.0", "terms.years + rules.mr2_days / 365.0"),
    ("theta in years of 360 days", OPTION_ROW, "rules.mr2_days / 365.0", "rules.mr2_days / 360.0"),
    ("rate shock signs both up", OPTION_ROW, "(-rate_move).exp_m1()", "rate_move.exp_m1()"),
    ("rate shock without years", OPTION_ROW, "rules.mr5_rate_shift * spec.terms.years;", "rules.mr5_rate_shift;"),
    ("theta past the expiry", OPTION_ROW, "positive_part(terms.years - rules.mr2_days / 365.0);", "terms.years - rules.mr2_days / 365.0;"),
    ("mr3 without netting", STRESS, "positive_part(self.vol_gross_usd - self.vol_net_usd.abs())", "self.vol_gross_usd"),
    ("mr3 charge of one", STRESS, "self.vol_net_usd.abs()) * rules.mr3_offset_charge", "self.vol_net_usd.abs())"),
    ("mr4 nets expiries", SUMS, "sums.delta_usd.abs() * sums.basis_rate", "sums.delta_usd * sums.basis_rate"),
    ("mr4 one expiry", SUMS, "if next.bucket != first.bucket {", "if next.unit != first.unit {"),
    ("mr4 floor gone", PRICED, "higher(*rules.mr4.floor.get(class), rules.mr4.annualized.get(class) * years)", "rules.mr4.annualized.get(class) * years"),
    ("mr4 annualized gone", PRICED, "higher(*rules.mr4.floor.get(class), rules.mr4.annualized.get(class) * years)", "*rules.mr4.floor.get(class)"),
    ("an expiry goes on into the next", SUMS, "                    expiry = ExpirySums::new(next);\n", ""),
    ("expiries of a merged unit apart", SUMS, "            self.join_expiries();\n", ""),
    ("mr7 short charged as long", SUMS, "if n < 0.0 { contract.charge_short_usd }", "if n < 0.0 { contract.charge_long_usd }"),
    ("mr7 premium cap gone", PRICED, "lower(option_charge, rules.mr7.option_premium_cap * base)", "option_charge"),
    ("mr9 in separate books", STRESS, "if rules.risk_unit == RiskUnitMode::Separate {", "if false {"),
    ("mr9 hedge not taken off", STRESS, "left[first as usize] = a - hedged.copysign(a);", "left[first as usize] = a;"),
    ("mr9 hedge not taken off the second", STRESS, "left[second as usize] = b - hedged.copysign(b);", "left[second as usize] = b;"),
    ("mr9 without tiers", STRESS, "sum + tiers.apply(hedged)", "sum + hedged"),
    ("mr9 at the lowest price alone", TIERS, "low.1 + share * (high.1 - low.1)", "low.1"),
    ("mr9 of the dearer stablecoin", PRICE, "if price < least { price } else { least }", "if price < least { least } else { price }"),
    ("perfect hedge left as rounding", STRESS, ".if_at_least(least, R::splat(1.0), zero)", ".if_at_least(least, R::splat(1.0), R::splat(1.0))"),
    ("options of the last unit stay", SUMS, "(self.options, self.has_options) = ([zero; OPTION_COLUMNS], false);", "self.has_options = false;"),
    ("a leg runs on", SUMS, "Some(next) if next.leg == first.leg => contract = next,\n                next => return Ok((leg, next)),\n            }\n        }\n    }\n\n    /// As", "Some(next) if next.unit == first.unit => contract = next,\n                next => return Ok((leg, next)),\n            }\n        }\n    }\n\n    /// As"),
    ("ledgers of the last account stay", LEDGERS, "self.slots[ccy as usize] = Slot::empty();", ""),
    ("gamma gone", STRESS, "gamma: self.options[GAMMA],", "gamma: zero,"),
    ("vega gone", STRESS, "vega: self.options[VEGA],", "vega: zero,"),
    ("theta gone", STRESS, "theta: self.options[DECAY],", "theta: zero,"),
    # Unit conversions.
    ("linear slope without multiplier", PRICED, "(m * spec.index_px * spec.phi_usd, m * spec.mark_px", "(spec.index_px * spec.phi_usd, m * spec.mark_px"),
    ("linear slope at the mark", PRICED, "(m * spec.index_px * spec.phi_usd,", "(m * spec.mark_px * spec.phi_usd,"),
    ("linear slope without fx", PRICED, "(m * spec.index_px * spec.phi_usd,", "(m * spec.index_px,"),
    ("linear cash delta without fx", PRICED, "m * spec.mark_px * spec.phi_usd, m)", "m * spec.mark_px, m)"),
    ("inverse delta in contracts", PRICED, "(m, m, m / spec.index_px)", "(m, m, m)"),
    ("option scale without fx", PRICED, "let scale = spec.multiplier * spec.phi_usd;", "let scale = spec.multiplier;"),
    ("option scale without multiplier", PRICED, "let scale = spec.multiplier * spec.phi_usd;", "let scale = spec.phi_usd;"),
    ("option delta without multiplier", PRICED, "delta_coin: spec.multiplier * greeks.delta,", "delta_coin: greeks.delta,"),
    ("option cash delta at the index", PRICED, "scale * greeks.delta * spec.terms.forward,", "scale * greeks.delta * spec.index_px,"),
    ("vega per 100 points", OPTION_ROW, "scale * greeks.vega * 0.01;", "scale * greeks.vega;"),
    ("gamma per coin", OPTION_ROW, "greeks.gamma * 0.01 * spec.index_px * spec.index_px;", "greeks.gamma * 0.01 * spec.index_px;"),
    ("inverse upl as linear", PRICED, "contract.mark_px * avg_px * contract.inverse + R::splat(1.0 - contract.inverse);", "R::splat(1.0);"),
    ("inverse not marked as such", PRICED, "inverse: f64::from(u8::from(spec.inverse)),", "inverse: 0.0,"),
    ("upl sign", PRICED, "(contract.mark_px - R::splat(avg_px)).over(divisor)", "(R::splat(avg_px) - contract.mark_px).over(divisor)"),
    ("upl without fx", SUMS, "leg.upl_settle * settle_usd", "leg.upl_settle"),
    ("option value gone", SUMS, "leg.value_settle += contract.value_settle * n;", ""),
    ("liquidation fee of derivatives gone", SUMS, "leg.charge_usd += contract.charge_long_usd * n.abs();\n            leg.fee_base_usd += contract.fee_base_usd * n.abs();", "leg.charge_usd += contract.charge_long_usd * n.abs();"),
    ("liquidation fee of options gone", SUMS, "leg.charge_usd += charge_usd * n.abs();\n                    leg.fee_base_usd += contract.fee_base_usd * n.abs();", "leg.charge_usd += charge_usd * n.abs();"),
    ("liquidation fee of options on their delta", PRICED, "fee_base_usd: scale * spec.index_px,", "fee_base_usd: (scale * greeks.delta * spec.terms.forward).abs(),"),
    ("interest added", LEDGERS, "account.cash[index] - account.interest[index];", "account.cash[index] + account.interest[index];"),
    ("interest gone", LEDGERS, "account.cash[index] - account.interest[index];", "account.cash[index];"),
    ("equity without fx", EQUITY, "if_zero(zero, equity_coin * fx_usd)", "if_zero(zero, equity_coin)"),
    ("discount gone", EQUITY, "tiers.apply(equity_coin * unit.per_coin) * unit.usd", "total_usd"),
    ("discount on debt", EQUITY, "zero.if_below(equity_coin, tiers.apply(equity_coin * unit.per_coin) * unit.usd, total_usd)", "tiers.apply(equity_coin * unit.per_coin) * unit.usd"),
    ("discount bounds in units where they are usd", EQUITY, "tiers.apply(equity_coin * unit.per_coin) * unit.usd", "tiers.apply(equity_coin) * fx_usd"),
    ("borrow bounds in units where they are usd", BORROWING, "tiers.rates(liability_coin * unit.per_coin)", "tiers.rates(liability_coin)"),
    ("own fee gone", TOTALS, "account.fee_rate.unwrap_or(priced.rules.mr8.fee_rate)", "priced.rules.mr8.fee_rate"),
    ("order loss gone", TOTALS, "self.adj_eq += -loss_usd;", "let _ = loss_usd;"),
    ("order fees gone", ORDERS, "sum += loss(gain_usd) + notional_usd * fee_rate;", "sum += loss(gain_usd);"),
    ("order gains count", ORDERS, "sum += loss(gain_usd) + notional_usd * fee_rate;", "sum += notional_usd * fee_rate - gain_usd;"),
    ("restricted collateral backs orders", GATHERED, "sum += positive_part(counted.adjusted_usd);", "let _ = counted;"),
    ("option P&L in usd where it is in coins", OPTION_ROW, "(in_coin(column) - in_coin(BASE)) * spec.index_px", "self.values[column] - self.values[BASE]"),
    ("mr5 in usd where it is in coins", OPTION_ROW, "self.values[BASE] / self.forwards[BASE] * spec.index_px", "self.values[BASE]"),
    ("debt without fx", BORROWING, "let liability_usd = liability_coin * fx_usd;", "let liability_usd = liability_coin;"),
    ("borrowing fee without margin", BORROWING, "liability_usd * (R::splat(1.0) + mmr) * fee_rate", "liability_usd * fee_rate"),
    ("borrowing mmr as imr", BORROWING, "imr_usd: liability_usd * imr,", "imr_usd: liability_usd * mmr,"),
    ("spot without price", STRESS, "spot.coin.if_zero(zero, spot.coin * spot.px_usd)", "spot.coin"),
    ("years of 360 days", MARKET, "365.0 * 86_400.0 * 1e9", "360.0 * 86_400.0 * 1e9"),
    # Spot hedge, tiers, status.
    ("spot hedge of the same sign", HEDGE, ".if_below(zero, size.copysign(equity_coin), zero)", ".if_below(zero, zero, size.copysign(equity_coin))"),
    ("spot hedge always long", HEDGE, "size.copysign(equity_coin)", "size"),
    ("spot hedge without equity bound", HEDGE, "least(least(equity_coin.abs(), delta_coin.abs()), cap_coin)", "least(delta_coin.abs(), cap_coin)"),
    ("spot hedge without delta bound", HEDGE, "least(least(equity_coin.abs(), delta_coin.abs()), cap_coin)", "least(equity_coin.abs(), cap_coin)"),
    ("spot hedge without cap", HEDGE, "least(least(equity_coin.abs(), delta_coin.abs()), cap_coin)", "least(equity_coin.abs(), delta_coin.abs())"),
    ("spot hedge counts options", GATHERED, "spot_in_use(ledger.hedging_equity(),", "spot_in_use(ledger.equity(),"),
    ("spot hedge in every mode", PRICED, "self.hedged_by[mode as usize]", "true"),
    ("spot hedge of another quote", PRICED, "risk_unit == RiskUnitMode::Merged || hedged == quote", "risk_unit == RiskUnitMode::Merged || !hedged.is_empty()"),
    ("spot hedge in merged books by quote", PRICED, "risk_unit == RiskUnitMode::Merged || hedged == quote", "hedged == quote"),
    ("tiers whole, not incremental", TIERS, "R::splat(sum) + (amount - R::splat(below)) * rate", "amount * rate"),
    ("borrow tiers off by one", TIERS, "            mmr = is_above.if_below(liability_coin, R::splat(tier_mmr), mmr);\n            imr = is_above.if_below(liability_coin, R::splat(tier_imr), imr);\n            if !R::splat(bound).any_below(liability_coin) {\n", "            mmr = liability_coin.if_at_least(is_above, R::splat(tier_mmr), mmr);\n            imr = liability_coin.if_at_least(is_above, R::splat(tier_imr), imr);\n            if liability_coin.any_below(R::splat(bound)) {\n"),
    ("liquidation at one is healthy", STATUS, "ratio <= rules.status.liquidation", "ratio < rules.status.liquidation"),
    ("fee not in the ratio", TOTALS, "let required = mmr + self.fee_usd;", "let required = mmr;"),
    ("deficit against mmr", REQUIREMENT, "im_deficit: figures.adj_eq < figures.imr,", "im_deficit: figures.adj_eq < figures.mmr,"),
    ("ineligible by adjusted equity", REQUIREMENT, "figures.total_eq < rules.min_net_equity_usd", "figures.adj_eq < rules.min_net_equity_usd"),
    ("no hedge hedged", STRESS, "Components { mr1, mr6, mr4: self.basis_usd, ..components }.combined();", "mmr;"),
    ("no hedge hedged without options", STRESS, "mmr_no_hedge: requirement(mr1_no_hedge, mr6_no_hedge, self.basis_usd),", "mmr_no_hedge: mmr,"),
    ("classes of mr1 for mr6", PRICE, "let class_mr1 = rules.mr1_classes.of(&base.name);", "let class_mr1 = rules.mr467_classes.of(&base.name);"),
    ("classes of mr6 for mr1", PRICE, "let class_mr467 = rules.mr467_classes.of(&base.name);", "let class_mr467 = rules.mr1_classes.of(&base.name);"),
    # Black-76.
    ("call as put", BLACK, "let sign = if self.call { 1.0 } else { -1.0 };", "let sign = if self.call { -1.0 } else { 1.0 };"),
    ("no discounting", BLACK, "exp(-self.rate * states.years[lane]) * (intrinsic", "(intrinsic"),
    ("greeks without discounting", BLACK, "exp(-self.rate * self.years)", "1.0"),
    ("deviation without root", BLACK, "states.vol[lane] * states.years[lane].sqrt();", "states.vol[lane] * states.years[lane];"),
    ("greeks without root", BLACK, "let root = self.years.sqrt();", "let root = self.years;"),
    ("forward and strike swapped", BLACK, "low[lane] = if is_below { forward } else { self.strike };", "low[lane] = if is_below { self.strike } else { forward };"),
    ("near steps by tails beside far ones", BLACK, "if s < NEAR { values[lane] } else { apart }", "apart"),
    ("time value of near steps without step", BLACK, "low[lane] * density[lane] * s * near_drop", "low[lane] * density[lane] * near_drop"),
    ("tail beyond the middle not turned", BLACK, "if first < 0.0 { 1.0 - near - far }", "if first < 0.0 { near - far }"),
    ("distances cut off at ten", BLACK, "if z > 100.0 { 100.0 }", "if z > 10.0 { 10.0 }"),
    ("distribution not turned", NORMAL, "if x > 0.0 { 1.0 - below }", "if x > 0.0 { below }"),
    ("tail coefficient", NORMAL, "5.706_604_414_895_734e-6", "5.706_604_5e-6"),
    ("closing coefficient", NORMAL, "0.001_757_295_285_215_513_4", "0.001_757_2"),
    ("closing ratio in the wrong variable", NORMAL, "2.0 * (z / spread) - 1.0", "z / spread"),
    ("exponential coefficient", ELEMENTARY, "2.755_722_457_818_157_8e-6", "2.755_73e-6"),
    ("exponential without the low part", ELEMENTARY, "(x - power * LN_2_HIGH) - power * LN_2_LOW", "x - power * LN_2_HIGH"),
    ("logarithm coefficient", ELEMENTARY, "0.090_908_686_915_040_37", "0.090_909"),
    ("logarithm without the low part", ELEMENTARY, " + power * LN_2_LOW))", "))"),
    ("put delta sign", BLACK, "{ -discount * cdf(-d1) }", "{ discount * cdf(-d1) }"),
    # Pending orders. Exchanging buys and sells would not be an error: the worse of the two counts.
    ("orders freeze nothing", UNIT_MARGIN, "if imr > self.imr {", "if false {"),
    ("orders freeze mmr", UNIT_MARGIN, "let imr = rules.imr_multiplier * filled_mmr;", "let imr = filled_mmr;"),
    ("orders freeze the whole", UNIT_MARGIN, "self.order_imr = imr - self.imr;", "self.order_imr = imr;"),
    ("orders buys alone", REQUIREMENT, "margin.freeze(rules, higher(buys.mmr, sells.mmr));", "margin.freeze(rules, buys.mmr);"),
    ("orders sells alone", REQUIREMENT, "margin.freeze(rules, higher(buys.mmr, sells.mmr));", "margin.freeze(rules, sells.mmr);"),
    ("orders buys and sells added", REQUIREMENT, "margin.freeze(rules, higher(buys.mmr, sells.mmr));", "margin.freeze(rules, buys.mmr + sells.mmr);"),
    ("orders not in the unhedged imr", REQUIREMENT, "higher(higher(margin.mmr_no_hedge, buys.mmr_no_hedge), sells.mmr_no_hedge);", "margin.mmr_no_hedge;"),
    ("orders hedged in the unhedged imr", REQUIREMENT, "higher(higher(margin.mmr_no_hedge, buys.mmr_no_hedge), sells.mmr_no_hedge);", "higher(higher(margin.mmr_no_hedge, buys.mmr), sells.mmr);"),
    ("orders make no unit", REQUIREMENT, "            work.gathered.add_empty(unit);\n", ""),
    ("orders units unsorted", SUMS, "units.sort_by_key(|sums| sums.unit);", ""),
    ("orders told apart by quantity", ORDERS, "order.qty * per_unit > 0.0", "order.qty > 0.0"),
    ("orders all filled together", ORDERS, ".filter(|order| adds_delta(order, priced) == buys)", ""),
    ("orders of spot on the other side", ORDERS, "Traded::Spot { .. } => 1.0,", "Traded::Spot { .. } => -1.0,"),
    ("orders not filled", ORDERS, "self.holdings.fill(priced, order)?;", "let _ = order;"),
    ("orders without spot", ORDERS, "                let spot = self.gathered.spot(priced, &filled, sums.unit, sums.delta_coin);", "                let spot = super::spot_hedge::Spot::default();"),
    ("orders spot base gone", ORDERS, "self.add_cash(base, order.qty);", ""),
    ("orders spot base sign", ORDERS, "self.add_cash(base, order.qty);", "self.add_cash(base, -order.qty);"),
    ("orders spot quote gone", ORDERS, "self.add_cash(quote, -order.qty * order.px);", ""),
    ("orders spot quote sign", ORDERS, "self.add_cash(quote, -order.qty * order.px);", "self.add_cash(quote, order.qty * order.px);"),
    ("orders premium gone", ORDERS, "self.add_cash(contract.settle, -qty * contract.multiplier * px);", ""),
    ("orders premium sign", ORDERS, "-qty * contract.multiplier * px", "qty * contract.multiplier * px"),
    ("orders premium without multiplier", ORDERS, "-qty * contract.multiplier * px", "-qty * px"),
    ("orders realise nothing", ORDERS, "self.add_cash(contract.settle, upl_settle(&at_px, closed, self.avg_px[row]));", "let _ = &at_px;"),
    ("orders realise at the mark", ORDERS, "let at_px = Contract { mark_px: px, ..*contract };", "let at_px = *contract;"),
    ("orders reduce nothing", ORDERS, "if held * left >= 0.0 {", "if true {"),
    ("orders turn nothing", ORDERS, "let closed = if held.abs() <= left.abs() { held } else { -left };", "let closed = held;"),
    ("orders inverse entry by contracts", ORDERS, "(held + added) / (held / avg + added / px)", "(held * avg + added * px) / (held + added)"),
    ("orders linear entry at the order", ORDERS, "(held * avg + added * px) / (held + added)", "px"),
    ("orders new currency hedges nothing", ORDERS, "self.spot_in_use_cap.insert(row, f64::INFINITY);", "self.spot_in_use_cap.insert(row, 0.0);"),
    # An account after a change. There is no knock-out of the sort of its units: instruments are in order of base and
    # underlying, so the sort changes nothing unless an underlying's name does not start with its base currency.
    ("changed rows not stressed", CHANGED, ".filter(|_| touched.binary_search(&unit).is_err())", ""),
    ("changed spot in use not stressed", CHANGED, "self.spot(priced, account, unit, was.delta_coin).coin == was.margin.spot_in_use", "true"),
    ("changed orders forgotten", CHANGED, "if !account.orders.is_empty() {", "if false {"),
    ("changed imr unhedged of mmr", CHANGED, "priced.rules.imr_multiplier * margin.mmr_no_hedge", "priced.rules.imr_multiplier * margin.mmr"),
    ("changed option value of ledgers gone", GATHERED, "PositionRows::of(account).each_leg(priced, |contract, leg| {\n            ledgers.add(contract.settle, leg.upl_settle, leg.value_settle);", "PositionRows::of(account).each_leg(priced, |contract, leg| {\n            ledgers.add(contract.settle, leg.upl_settle, R::splat(0.0));"),
    ("changed upl of ledgers gone", GATHERED, "PositionRows::of(account).each_leg(priced, |contract, leg| {\n            ledgers.add(contract.settle, leg.upl_settle, leg.value_settle);", "PositionRows::of(account).each_leg(priced, |contract, leg| {\n            ledgers.add(contract.settle, R::splat(0.0), leg.value_settle);"),
    ("changed fee gone", GATHERED, "each_leg(priced, |contract, leg| {\n            ledgers.add(contract.settle, leg.upl_settle, leg.value_settle);\n            fee_base_usd += leg.fee_base_usd;", "each_leg(priced, |contract, leg| {\n            ledgers.add(contract.settle, leg.upl_settle, leg.value_settle);"),
    # The reference model, which audits the kernel, is itself checked against published figures.
    ("reference mr1 price sign", UNIT, "leg.index.to_f64() * price).max(", "leg.index.to_f64() * -price).max("),
    ("reference mr3 gone", UNIT, "Num::from(rules.mr3_offset_charge) * (gross - net.abs())", "Num::ZERO"),
    ("reference mr4 floor gone", UNIT, "Num::from(floor).max(Num::from(annualized) * Num::from(years))", "Num::from(annualized) * Num::from(years)"),
    ("reference mr7 not the least", UNIT, "stressed.max(n(parts.mr7))", "stressed"),
    ("reference mr9 gone", UNIT, "charge = charge + hedge_charge(&rules.mr9, hedged, stablecoin);", "let _ = (hedged, stablecoin);"),
    ("reference inverse upl", LEG, "(Num::ONE / self.avg - Num::ONE / self.mark)", "(Num::ONE / self.mark - Num::ONE / self.avg)"),
    ("reference slope without fx", LEG, "InstrumentKind::Linear => self.size() * self.index * self.phi,", "InstrumentKind::Linear => self.size() * self.index,"),
    ("reference size without multiplier", LEG, "self.contracts * self.multiplier\n", "self.contracts\n"),
    ("reference debt without fx", LEDGER, "let usd = liability * self.fx;", "let usd = liability;"),
    ("reference interest added", LEDGER, "self.cash - self.interest + self.upl + self.option_value", "self.cash + self.interest + self.upl + self.option_value"),
    # Each tier table of the built-in rules.
    ("tier table mr7 major", RULES, "[500_000, 2], [1_000_000, 4]", "[500_000, 2], [1_000_000, 5]"),
    ("tier table mr7 middle", RULES, "[100_000, 2], [200_000, 4]", "[100_000, 3], [200_000, 4]"),
    ("tier table mr7 other", RULES, "[40_000, 2], [80_000, 4]", "[50_000, 2], [80_000, 4]"),
    ("tier table mr8 USDT", RULES, "[10_000_000, 0.03, 0.11], [20_000_000", "[10_000_000, 0.04, 0.11], [20_000_000"),
    ("tier table mr8 USDC", RULES, "[2_000_000, 0.02, 0.10]", "[2_000_000, 0.02, 0.11]"),
    ("tier table mr8 BTC", RULES, "[[100, 0.02, 0.10]", "[[110, 0.02, 0.10]"),
    ("tier table mr8 ETH", RULES, "[[2_000, 0.02, 0.10]", "[[2_000, 0.03, 0.10]"),
    ("tier table mr8 rest", RULES, '[["inf", 0.05, 0.20]]', '[["inf", 0.06, 0.20]]'),
    ("tier table mr9", RULES, "[25_000_000, 0.0175]", "[25_000_000, 0.0185]"),
    ("tier table discount BTC", RULES, "[990, 0.735]", "[990, 0.736]"),
    ("tier table discount ETH", RULES, "[64_000, 0.60]", "[64_000, 0.61]"),
    ("tier table discount USDT", RULES, 'USDT = [["inf", 1.0]]', 'USDT = [["inf", 0.99]]'),
    ("tier table discount rest", RULES, '"*" = [["inf", 0.80]]', '"*" = [["inf", 0.85]]'),
]


def manifest():
    """The manifest of the crate, with only the dependencies that the model needs."""
    ours = (ROOT / "Cargo.toml").read_text()
    # Examples in comments read snapshots, which the crate cannot.
    lines = ["[package]", 'name = "remargin"', 'version = "0.0.0"', 'edition = "2024"', "[lib]", "doctest = false",
             "[workspace]", "[dependencies]"]
    lines += [re.search(rf"^{name} = .*$", ours, re.M).group() for name in NEEDED]
    lines += ["[dev-dependencies]"]
    lines += [re.search(rf"^{name} = .*$", ours, re.M).group() for name in ("proptest", "schemars")]
    lines += ["[profile.dev]", "debug = false", "opt-level = 1", '[profile.dev.package."*"]', "opt-level = 0"]
    for name in ("rust_decimal", "libm"):
        lines += [f"[profile.dev.package.{name}]", "opt-level = 2"]
    return "\n".join(lines) + "\n"


# What the rules use of the module that reads files.
SOURCE = """/// Stands in for the module that reads files.
pub mod source {
    /// A file that was read.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ReadFile {
        /// Where it was.
        pub path: std::path::PathBuf,
        /// Its hash.
        pub blake3: String,
    }

    /// Its bytes, if it is there.
    ///
    /// # Errors
    /// None.
    pub fn read_if_there(path: &std::path::Path, _: u64) -> crate::Result<Option<Vec<u8>>> {
        Ok(std::fs::read(path).ok())
    }
}
"""


class DoesNotBuild(Exception):
    """The crate does not compile, so the knock-out was not tested."""


def build_crate():
    shutil.rmtree(CRATE / "src", ignore_errors=True)
    shutil.rmtree(CRATE / "tests", ignore_errors=True)
    (CRATE / "src").mkdir(parents=True)
    for module in MODULES:
        source = ROOT / "src" / module
        (shutil.copytree if source.is_dir() else shutil.copy)(source, CRATE / "src" / module)
    for file in LEFT_OUT:
        path = CRATE / "src" / file
        path.unlink()
        module, root = path.stem, path.parent / "mod.rs"
        root.write_text(re.sub(rf"^(#\[cfg\(test\)\]\n)?(pub )?(mod|use) {module}\b.*;\n", "", root.read_text(), flags=re.M))
    shutil.copytree(ROOT / "data", CRATE / "data", dirs_exist_ok=True)
    shutil.copy(ROOT / "Cargo.lock", CRATE / "Cargo.lock")
    (CRATE / "tests" / "model").mkdir(parents=True)
    (CRATE / "tests" / "common").mkdir(parents=True)
    for test in TESTS:
        shutil.copy(ROOT / "tests" / "model" / f"{test}.rs", CRATE / "tests" / "model")
    for file in COMMON:
        text = (ROOT / "tests" / "common" / file).read_text()
        text = re.sub(r"^pub mod (\w+);\n", lambda found: found[0] if f"{found[1]}.rs" in COMMON else "", text, flags=re.M)
        (CRATE / "tests" / "common" / file).write_text(text)
    modules = '#[path = "../common/mod.rs"]\nmod common;\n' + "".join(f"mod {test};\n" for test in TESTS)
    (CRATE / "tests" / "model" / "main.rs").write_text("//! Tests of the model.\n" + modules)
    names = [module.removesuffix(".rs") for module in MODULES]
    lib = "//! The model alone.\n" + "".join(f"pub mod {name};\n" for name in names)
    (CRATE / "src" / "lib.rs").write_text(lib + SOURCE + "pub use error::{Error, Invalid, Result};\n")
    (CRATE / "Cargo.toml").write_text(manifest())


def environment():
    # No shrinking: it only matters whether a test fails.
    return dict(os.environ, PROPTEST_MAX_SHRINK_ITERS="0", CARGO_TARGET_DIR=str(CRATE / "target"))


def cargo(*args):
    command = [os.environ.get("CARGO", "cargo"), *args]
    return subprocess.run(command, cwd=CRATE, env=environment(), capture_output=True, text=True, check=False)


# The test that most likely fails for a knock-out of a file. The other tests run only if it passes.
UNIT_TESTS, KERNEL = ["--lib"], ["--test", "model", "differential::kernel_and_reference_agree"]
GOLDEN, PUBLISHED = ["--test", "model", "golden_reference::"], ["--test", "model", "published::"]
CHANGE = ["--test", "model", "differential::kernel_agrees_with_itself"]
FIRST = {BLACK: UNIT_TESTS, NORMAL: UNIT_TESTS, ELEMENTARY: UNIT_TESTS, TIERS: UNIT_TESTS, CHANGED: CHANGE, RULES: PUBLISHED,
         UNIT: GOLDEN, LEG: GOLDEN, LEDGER: GOLDEN}


def tests(*passes):
    """The name of a test that fails, None if all pass."""
    for which in [*passes, []]:
        found = cargo("test", "-q", *which)
        if "could not compile" in found.stderr:
            raise DoesNotBuild(found.stderr[-3000:])
        if found.returncode != 0:
            failed = re.search(r"^    (\S+)$", found.stdout[found.stdout.rfind("failures:"):], re.M)
            return failed.group(1) if failed else "?"
    return None


def knock_out(words):
    chosen = [row for row in KNOCKOUTS if not words or any(word in row[0] for word in words)]
    for name, file, text, _ in chosen:
        count = (CRATE / "src" / file).read_text().count(text)
        if count != 1:
            sys.exit(f"{name}: {file} holds the text {count} times, not once")
    failed = tests()
    if failed:
        sys.exit(f"the model as it is fails {failed}")
    missed = []
    for name, file, text, instead in chosen:
        path = CRATE / "src" / file
        before = path.read_text()
        path.write_text(before.replace(text, instead))
        try:
            failed = tests(FIRST.get(file, KERNEL))
            outcome = "MISSED" if failed is None else "caught"
        except DoesNotBuild as words:
            failed, outcome = str(words), "BROKEN"
        path.write_text(before)
        print(f"{outcome}  {name}{'' if failed is None else ': ' + failed}", flush=True)
        if outcome != "caught":
            missed.append(name)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} knock-outs caught")
    return 1 if missed else 0


# The excluded test uses only the reference model.
NEXTEST = """[profile.default]
test-threads = 1
default-filter = "not test(random_books_reach_every_part_of_the_model)"
overrides = [{ filter = "test(/^differential::/)", priority = -50 }]
"""


def mutants(flags):
    """cargo-mutants on the copy, in place. The tests are modules of one binary, so each mutant is one compilation. With
    `--test-tool nextest` the quick tests run first, and the first failure ends the run. Only a quarter of the random
    books is drawn; mutants that are not caught must be reviewed by hand anyway."""
    paths = {"common": "common/mod.rs"} | {test: f"model/{test}.rs" for test in TESTS}
    modules = "".join(f'#[cfg(test)]\n#[path = "../tests/{path}"]\nmod {name};\n' for name, path in paths.items())
    with (CRATE / "src" / "lib.rs").open("a") as lib:
        lib.write("#[cfg(test)]\nextern crate self as remargin;\n" + modules)
    books = CRATE / "tests" / "model" / "differential.rs"
    books.write_text(books.read_text().replace("CASES: u32 = 1000;", "CASES: u32 = 250;"))
    # Without tests of its own the library is compiled only once.
    own = manifest().replace("[lib]", "autotests = false\n[lib]")
    own = own.replace("opt-level = 1", "opt-level = 0")
    (CRATE / "Cargo.toml").write_text(own)
    (CRATE / ".config").mkdir(exist_ok=True)
    (CRATE / ".config" / "nextest.toml").write_text(NEXTEST)
    command = [os.environ.get("CARGO", "cargo"), "mutants", "--in-place", "--no-shuffle",
               "--file", "src/margin/*.rs", *flags, "--", "--lib"]
    return subprocess.run(command, cwd=CRATE, env=environment(), check=False).returncode


def main():
    build_crate()
    if sys.argv[1:2] == ["--mutants"]:
        return mutants(sys.argv[2:])
    return knock_out(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
