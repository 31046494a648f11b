//! The macro behind the two lists of figures.
//!
//! A declaration reads
//!
//! ```text
//! /// What it means, in one sentence.
//! sum NAME: KIND(|margin| value) => ABOUT;
//! ```
//!
//! `sum` or `one`: whether its sum over accounts is reported. `KIND`: `number`, `optional`, `flag` or `label[WORDS]`.
//! `ABOUT`: its unit, and what is unusual about it.

/// Declares the figures of a margin: their list, their names as an enum, a row of them, and the sums of those that sum
/// up.
macro_rules! figures {
    (
        $(#[$list_doc:meta])* list $list:ident of $margin:ty;
        $(#[$place_doc:meta])* place $place:ident;
        $(#[$row_doc:meta])* row $row:ident;
        $(#[$totals_doc:meta])* totals $totals:ident;
        $(
            $(#[doc = $meaning:literal])+
            $sum:ident $name:ident: $kind:ident $([$words:expr])? (|$margin_of:ident| $value:expr) => $about:expr;
        )+
    ) => {
        figures! { @totals [$(#[$totals_doc])*] $totals $margin; []; $([$(#[doc = $meaning])+] $sum $name)+ }

        mod get {
            #[allow(clippy::wildcard_imports)]
            use super::*;
            $(
                #[inline]
                pub(super) fn $name($margin_of: &$margin) -> figures!(@type $kind) {
                    $value
                }
            )+
        }

        $(#[$place_doc])*
        // Named as the columns are.
        #[allow(non_camel_case_types)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $place {
            $($(#[doc = $meaning])+ $name),+
        }

        impl $place {
            /// All, in order.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$name),+];

            /// What is declared of it.
            #[must_use]
            pub const fn figure(self) -> &'static $crate::figures::Figure<$margin> {
                &$list[self as usize]
            }
        }

        $(#[$list_doc])*
        pub static $list: [$crate::figures::Figure<$margin>; $place::ALL.len()] = [$({
            let about: $crate::figures::About<$margin> = $about;
            $crate::figures::Figure {
                name: stringify!($name),
                meaning: concat!($($meaning),+).trim_ascii(),
                unit: about.unit,
                get: figures!(@get $kind $([$words])? $name),
                sums: figures!(@sums $sum),
                tolerance: about.tolerance,
                stored: about.stored,
                statistics: about.statistics,
                compared: about.compared,
            }
        }),+];

        $(#[$row_doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $row([f64; $place::ALL.len()]);

        impl From<&$margin> for $row {
            fn from(margin: &$margin) -> Self {
                use $crate::figures::IntoNumber;
                Self([$(get::$name(margin).into_number()),+])
            }
        }

        impl $row {
            /// From a row of a table; `names` and `numbers` are what a reader of `layout` gives. A label that
            /// is none of its words is missing, and the first such is named.
            pub fn read(
                layout: &$crate::figures::Layout<$margin>,
                names: &[&str],
                numbers: &[Option<f64>],
            ) -> (Self, Option<$crate::figures::Unknown>) {
                let (values, unknown) = layout.values(&$list, names, numbers);
                (Self(values), unknown)
            }

            /// A number; NaN where it is missing.
            #[must_use]
            pub const fn number(&self, figure: $place) -> f64 {
                self.0[figure as usize]
            }

            /// A number that may be missing.
            #[must_use]
            pub fn optional(&self, figure: $place) -> Option<f64> {
                Some(self.number(figure)).filter(|value| !value.is_nan())
            }

            /// A flag, which may be unknown.
            #[must_use]
            pub fn flag(&self, figure: $place) -> Option<bool> {
                self.optional(figure).map(|value| value != 0.0)
            }

            /// The place of a label among its words.
            #[must_use]
            pub fn label(&self, figure: $place) -> Option<usize> {
                self.optional(figure).map(|place| place as usize)
            }

            /// The same with another value.
            #[must_use]
            pub const fn with(mut self, figure: $place, value: f64) -> Self {
                self.0[figure as usize] = value;
                self
            }

            /// All values in order.
            #[must_use]
            pub const fn values(&self) -> &[f64; $place::ALL.len()] {
                &self.0
            }
        }

        impl PartialEq for $row {
            /// What is missing on both sides is equal.
            fn eq(&self, other: &Self) -> bool {
                self.0.map(f64::to_bits) == other.0.map(f64::to_bits)
            }
        }
    };
    // Picks those that sum up, one after the other.
    (@totals $doc:tt $totals:ident $margin:ty; [$($picked:tt)*]; $meaning:tt sum $name:ident $($rest:tt)*) => {
        figures! { @totals $doc $totals $margin; [$($picked)* $meaning $name]; $($rest)* }
    };
    (@totals $doc:tt $totals:ident $margin:ty; $picked:tt; $meaning:tt one $name:ident $($rest:tt)*) => {
        figures! { @totals $doc $totals $margin; $picked; $($rest)* }
    };
    (@totals [$($doc:tt)*] $totals:ident $margin:ty; [$([$($meaning:tt)*] $name:ident)+];) => {
        $($doc)*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        pub struct $totals {
            $($($meaning)* pub $name: f64),+
        }

        impl $totals {
            /// The names of the figures that sum up, in order.
            pub const NAMES: [&str; [$(stringify!($name)),+].len()] = [$(stringify!($name)),+];

            /// What a margin adds to each sum.
            #[inline]
            #[must_use]
            pub fn of(margin: &$margin) -> [f64; Self::NAMES.len()] {
                [$(get::$name(margin)),+]
            }

            /// From the sums in order.
            #[must_use]
            pub const fn new([$($name),+]: [f64; Self::NAMES.len()]) -> Self {
                Self { $($name),+ }
            }

            /// The sums in order.
            #[must_use]
            pub const fn values(&self) -> [f64; Self::NAMES.len()] {
                [$(self.$name),+]
            }
        }
    };
    (@type number) => { f64 };
    (@type optional) => { Option<f64> };
    (@type flag) => { bool };
    (@type label) => { u32 };
    (@get number $name:ident) => {
        $crate::figures::Get::Number(get::$name, |rows, column| column.extend(rows.iter().map(get::$name)))
    };
    (@get optional $name:ident) => {
        $crate::figures::Get::Optional(get::$name, |rows, column| column.extend(rows.iter().map(get::$name)))
    };
    (@get flag $name:ident) => {
        $crate::figures::Get::Flag(get::$name, |rows, column| column.extend(rows.iter().map(get::$name)))
    };
    (@get label [$words:expr] $name:ident) => {
        $crate::figures::Get::Label($words, get::$name, |rows, column| column.extend(rows.iter().map(get::$name)))
    };
    (@sums sum) => { true };
    (@sums one) => { false };
}
