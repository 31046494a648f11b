//! Figures as they are printed, and what their digits allow.

/// A figure and half a unit of its last digit: the exchange's own number lies within `value +- half`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Printed {
    /// The number.
    pub value: f64,
    /// Half of the unit of its last digit, and what arithmetic in doubles loses.
    pub half: f64,
}

/// Relative error of a figure that the exchange computes in doubles: a few operations of `2^-53` each.
const DOUBLE: f64 = 1e-15;
/// The most decimals of any figure of an answer. Zeros at the end are not printed, so that a figure with fewer decimals
/// is known as well as the others. Doubles in full have so many decimals that they bound nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits(i32);

impl Digits {
    /// From all figures of an answer.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let decimals = |text: &str| {
            let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
            let behind = mantissa.split_once('.').map_or(0, |(_, behind)| behind.len());
            i32::try_from(behind).unwrap_or(0) - exponent.parse::<i32>().unwrap_or(0)
        };
        Self(texts.map(decimals).max().unwrap_or(0))
    }

    /// A figure of the answer; `None` if it is no number.
    pub fn read(self, text: &str) -> Option<Printed> {
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        Some(Printed { value, half: 0.5 * 10f64.powi(-self.0) + DOUBLE * value.abs() })
    }
}

impl Printed {
    /// A number that is known.
    pub fn exact(value: f64) -> Self {
        Self { value, half: 0.0 }
    }

    /// With the error of a sum of terms of this size.
    pub fn among(self, gross: f64) -> Self {
        Self { half: self.half + DOUBLE * gross.abs(), ..self }
    }

    pub fn low(self) -> f64 {
        self.value - self.half
    }

    pub fn high(self) -> f64 {
        self.value + self.half
    }

    /// True if another figure may be the same number.
    pub fn meets(self, other: Self) -> bool {
        (self.value - other.value).abs() <= self.half + other.half
    }

    /// Half the range in parts of the value; infinite for zero.
    pub fn relative(self) -> f64 {
        if self.half == 0.0 { 0.0 } else { self.half / self.value.abs() }
    }
}

/// A function of printed figures, and what their digits allow: each is moved by its half, one after another, and the
/// changes are added up. Exact to first order, which is all that digits this fine need.
pub fn estimate(inputs: &[Printed], function: impl Fn(&[f64]) -> Option<f64>) -> Option<Printed> {
    let mut at: Vec<f64> = inputs.iter().map(|input| input.value).collect();
    let value = function(&at).filter(|value| value.is_finite())?;
    let mut half = DOUBLE * value.abs();
    for (place, input) in inputs.iter().enumerate() {
        if input.half == 0.0 {
            continue;
        }
        let mut most: f64 = 0.0;
        for moved in [input.low(), input.high()] {
            *at.get_mut(place)? = moved;
            most = most.max((function(&at).filter(|value| value.is_finite())? - value).abs());
        }
        *at.get_mut(place)? = input.value;
        half += most;
    }
    Some(Printed { value, half })
}

/// The decimal with the fewest digits within a range; the middle if there is none.
pub fn simplest(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    if low <= 0.0 && high >= 0.0 {
        return 0.0;
    }
    for digits in 0..17 {
        let text = format!("{middle:.digits$e}");
        if let Ok(rounded) = text.parse::<f64>()
            && (low..=high).contains(&rounded)
        {
            return rounded;
        }
    }
    middle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_say_how_far_a_figure_is_known() {
        let full = Digits::of(["0", "-776.2739496480004"].into_iter());
        assert!(full.read("0").unwrap().half < 1e-13);
        let rounded = Digits::of(["0", "12.5", "0.0025"].into_iter());
        assert_eq!(rounded, Digits(4));
        assert!((rounded.read("12.5").unwrap().half - 5e-5).abs() < 1e-10);
        assert_eq!(rounded.read("x"), None);
    }

    #[test]
    fn a_quotient_has_the_errors_of_both() {
        let inputs = [Printed { value: 10.0, half: 0.1 }, Printed { value: 5.0, half: 0.05 }];
        let found = estimate(&inputs, |x| Some(x[0] / x[1])).unwrap();
        assert_eq!(found.value, 2.0);
        assert!((found.half - 0.04).abs() < 1e-3);
        assert_eq!(simplest(0.004_499_999, 0.004_500_001), 0.0045);
        assert_eq!(simplest(-1e-12, 1e-12), 0.0);
    }
}
