//! Rows of risk units, column by column.

use super::at_risk::Binding;
use crate::figures::UnitFigure;

/// Rows of risk units, column by column, with the figures in the order of the sums in [`super::group_units`].
pub(crate) struct UnitColumns<'a> {
    account: &'a [u32],
    scenario: &'a [u32],
    unit: &'a [u32],
    often: [&'a [f64]; 8],
    seldom: [&'a [f64]; 7],
    /// What binds in each row, by its place among [`Binding::ALL`].
    binding: Vec<u8>,
    /// Some of the figures are not zero that only units with options have.
    has_options: Vec<bool>,
}

impl<'a> UnitColumns<'a> {
    /// Of accounts, scenarios and units, each counted from the first; `of` gives the column of a figure. The MMR with
    /// spot hedging off stands in no table of risk units.
    pub fn new(keys: [&'a [u32]; 3], of: impl Fn(UnitFigure) -> &'a [f64], mmr_no_hedge: &'a [f64]) -> Self {
        use UnitFigure::{cash_delta, gamma, imr, mmr, mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9, theta, vega};
        let [account, scenario, unit] = keys;
        let often = [of(mmr), of(imr), mmr_no_hedge, of(cash_delta), of(mr1), of(mr4), of(mr6), of(mr7)];
        let seldom = [gamma, vega, theta, mr2, mr3, mr5, mr9].map(&of);
        let figures = [mmr, mr1, mr2, mr6, mr7].map(&of);
        let binding = |row: usize| Binding::place_among(figures.map(|column| column[row])) as u8;
        let mut has_options = vec![false; unit.len()];
        for column in seldom {
            has_options.iter_mut().zip(column).for_each(|(has, &figure)| *has |= figure != 0.0);
        }
        Self { account, scenario, unit, often, seldom, binding: (0..unit.len()).map(binding).collect(), has_options }
    }

    /// The rows of each of so many scenarios.
    pub fn by_scenario(&self, scenarios: usize) -> Vec<Vec<u32>> {
        let mut rows = vec![Vec::with_capacity(self.unit.len() / scenarios.max(1)); scenarios];
        (0..).zip(self.scenario).for_each(|(row, &scenario)| rows[scenario as usize].push(row));
        rows
    }

    /// Account and risk unit of a row.
    pub fn key(&self, row: u32) -> (u32, u32) {
        (self.account[row as usize], self.unit[row as usize])
    }

    /// What binds in a row, by its place among [`Binding::ALL`].
    pub fn binding(&self, row: usize) -> usize {
        self.binding[row].into()
    }

    /// A figure of all units.
    pub fn often(&self, figure: usize) -> &[f64] {
        self.often[figure]
    }

    /// The figures of units with options in a row.
    pub fn seldom(&self, row: usize) -> Option<[f64; 8]> {
        let figures = || std::array::from_fn(|figure| self.seldom.get(figure).map_or(0.0, |column| column[row]));
        self.has_options[row].then(figures)
    }
}
