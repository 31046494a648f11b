//! The errors of the library: what was attempted, where it stopped, what was expected.
//!
//! A failure about *data* is an [`Invalid`]: it carries the file, the column, the row, the offending value,
//! what was expected and a hint, so that a person can mend the input without reading our code. Broken *rows* are
//! not errors at all: they become rejects (see [`crate::snapshot`]).

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command could not be carried out. [`Error::exit_code`] is the process's exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request asks for something that does not exist or contradicts itself (exit 2).
    #[error("{0}")]
    Usage(String),
    /// As [`Error::Usage`]; another request would be carried out (exit 2).
    #[error("{problem}\n  hint:     {remedy}")]
    Refused {
        /// What is wrong.
        problem: String,
        /// What to ask for.
        remedy: Remedy,
    },
    /// The snapshot or the rules are invalid (exit 3).
    #[error("{0}")]
    Invalid(Box<Invalid>),
    /// The operating system refused a file operation (exit 1; 3 if a file that was to be read is not there).
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was attempted, as a verb: `read`, `create`, `rename`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// Something that no input should bring about, or a library failed while writing (exit 1).
    #[error("{0}")]
    Runtime(String),
    /// The memory limit does not suffice (exit 6).
    #[error("{0}")]
    Memory(String),
    /// Another error, and what to do about it; exit code and kind are those of the other error.
    #[error("{error}{}", hint_line(hint))]
    Hinted {
        /// What is wrong.
        error: Box<Error>,
        /// What to do about it.
        hint: String,
    },
    /// The user interrupted the run (exit 130).
    #[error("interrupted: nothing was written")]
    Interrupted,
}

impl Error {
    /// The exit code of a process that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            // A file that is named and not there is wrong input, whoever wanted to read it.
            Self::Io { action: "read", source, .. } if source.kind() == std::io::ErrorKind::NotFound => 3,
            Self::Runtime(_) | Self::Io { .. } => 1,
            Self::Usage(_) | Self::Refused { .. } => 2,
            Self::Invalid(_) => 3,
            Self::Memory(_) => 6,
            Self::Hinted { error, .. } => error.exit_code(),
            Self::Interrupted => 130,
        }
    }

    /// Of a command that replaces nothing: it never hints at a flag that it lacks.
    #[must_use]
    pub(crate) fn for_new_only(self) -> Self {
        match self {
            Self::Refused { problem, remedy: Remedy::Replace } => Self::Usage(problem).hint("name a new folder"),
            other => other,
        }
    }

    /// The same, with what to do about it. [`Invalid::hint`] is that of data.
    ///
    /// ```
    /// use remargin::Error;
    /// let error = Error::Usage("A and B are the same".to_owned()).hint("give another rule set");
    /// assert_eq!((error.exit_code(), error.hint_text()), (2, Some("give another rule set")));
    /// assert_eq!(error.to_string(), "A and B are the same\n  hint:     give another rule set");
    /// ```
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self::Hinted { error: Box::new(self), hint: hint.into() }
    }

    /// What to do about it, if that is known besides its [`Error::remedy`].
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        match self {
            Self::Hinted { hint, .. } => Some(hint),
            Self::Invalid(invalid) => invalid.hint.as_deref(),
            _ => None,
        }
    }

    /// True if the memory limit does not suffice, whatever hint is given.
    pub(crate) fn is_memory(&self) -> bool {
        match self {
            Self::Memory(_) => true,
            Self::Hinted { error, .. } => error.is_memory(),
            _ => false,
        }
    }

    /// A request that another one would replace.
    pub fn refused(problem: impl Into<String>, remedy: Remedy) -> Self {
        Self::Refused { problem: problem.into(), remedy }
    }

    /// What the caller could ask for instead, if the library knows. Programs say it in their own words: the command
    /// names a flag, see [`Error::text`].
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Refused { remedy, .. } => Some(*remedy),
            Self::Invalid(invalid) => invalid.remedy,
            Self::Hinted { error, .. } => error.remedy(),
            _ => None,
        }
    }

    /// The text of the error, with other words for its remedy than the library's own.
    ///
    /// ```
    /// use remargin::error::{Error, Remedy};
    /// let error = Error::refused("`out` exists already", Remedy::Replace);
    /// assert_eq!(error.text(|_| "--force replaces it"), "`out` exists already\n  hint:     --force replaces it");
    /// assert!(error.to_string().ends_with("`force` replaces it"));
    /// assert_eq!(error.exit_code(), 2);
    /// ```
    #[must_use]
    pub fn text(&self, words: impl Fn(Remedy) -> &'static str + Copy) -> String {
        match self {
            Self::Refused { problem, remedy } => format!("{problem}{}", hint_line(words(*remedy))),
            Self::Invalid(invalid) => match invalid.remedy {
                Some(remedy) => format!("{}{}", invalid.without_remedy(), hint_line(words(remedy))),
                None => self.to_string(),
            },
            Self::Hinted { error, hint } => format!("{}{}", error.text(words), hint_line(hint)),
            _ => self.to_string(),
        }
    }

    /// A file operation that failed: `Error::io("read", path, err)`.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.as_ref().to_path_buf(), source }
    }
}

/// What to ask for after an error: an option of the request. Its `Display` names fields of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Ask for the output folder to be replaced.
    Replace,
    /// Expect another hash of the snapshot.
    ExpectedHash,
    /// Do not bound the age of marks.
    MarkAge,
    /// Take other rules, or accept these before they are in force.
    RulesDate,
    /// Say where the snapshot of a run is now.
    SnapshotMoved,
    /// Say where the snapshots of two runs are now.
    SnapshotsMoved,
    /// Give price scenarios.
    Scenarios,
    /// Say the time of the snapshot.
    AsOf,
    /// Name an account.
    Account,
    /// Allow larger books.
    MaxPositions,
    /// Leave out the windows of a history that begin or end in a gap.
    PriceGaps,
    /// Leave out or mark the windows of a history over a jump of a price.
    PriceJumps,
    /// Leave out or mark the windows of a history where a price stands still.
    StalePrices,
    /// Take the moves of a coin from another one.
    Proxy,
    /// Take logarithmic returns.
    LogReturns,
    /// Write every account in every scenario of a stress.
    AllDetail,
    /// Sum up the book over the scenarios.
    BookDistribution,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replace => "`force` replaces it",
            Self::ExpectedHash => "the request expects that `hash`",
            Self::MarkAge => "the request bounds the age of marks by `max_mark_age`",
            Self::RulesDate => "take another set of rules, or accept this one with `allow_rules_date`",
            Self::SnapshotMoved => "`snapshot` names the snapshot where it is now",
            Self::SnapshotsMoved => "`snapshots` say where the snapshots of A and B are now",
            Self::Scenarios => "give a file of shocks, axes of a grid, scenarios or presets",
            Self::AsOf => "say it with `as_of_ms`",
            Self::Account => "name one with `account`",
            Self::MaxPositions => "raise `max_positions`",
            Self::PriceGaps => "`gaps` may leave out the windows that begin or end there",
            Self::PriceJumps => {
                "if it is a real move: raise `largest_jump`, or let `jumps` leave out or mark the windows"
            }
            Self::StalePrices => "raise `stale_rows`, or let `stale` leave out or mark the windows",
            Self::Proxy => "name a coin in `proxies` whose moves it takes, or begin later with `from_ns`",
            Self::LogReturns => "take logarithmic returns, which stay above -100 %",
            Self::AllDetail => "the `detail` of all writes it",
            Self::BookDistribution => "the `distribution` of the book writes it",
        })
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(Box::new(invalid))
    }
}

impl From<Box<Invalid>> for Error {
    fn from(invalid: Box<Invalid>) -> Self {
        Self::Invalid(invalid)
    }
}

/// Data that cannot be used, with its place. Built by chaining:
/// `Invalid::new("duplicate instrument").file(path).column("inst_id").row(7).value("BTC-USDT-SWAP")`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Invalid {
    /// What is wrong, lower-case, without a full stop.
    pub problem: String,
    /// The file that holds it.
    pub file: Option<PathBuf>,
    /// The table, where it is not in a file.
    pub table: Option<String>,
    /// The column or the dotted key.
    pub column: Option<String>,
    /// The row, counted from 1 without the header.
    pub row: Option<u64>,
    /// The value as it stands there.
    pub value: Option<String>,
    /// What would have been right.
    pub expected: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What to ask for instead.
    pub remedy: Option<Remedy>,
}

impl Invalid {
    /// A problem without a place yet.
    pub fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), ..Self::default() }
    }
    /// Names the file.
    #[must_use]
    pub fn file(mut self, file: impl AsRef<Path>) -> Self {
        self.file = Some(file.as_ref().to_path_buf());
        self
    }
    /// Names the column or the dotted key.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
    /// Names the row, counted from 1 without the header.
    #[must_use]
    pub fn row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }
    /// Quotes the offending value.
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = Some(value.into());
        self
    }
    /// Says what would have been right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }
    /// Names the table, where it is not in a file.
    #[must_use]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }
    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Says what to ask for instead.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }

    fn without_remedy(&self) -> Self {
        Self { remedy: None, ..self.clone() }
    }
}

/// The problem as text; see [`Error::text`] for a program's own words.
impl std::error::Error for Invalid {}

fn hint_line(text: impl fmt::Display) -> String {
    format!("\n  hint:     {text}")
}

/// The problem on the first line, then an indented line for each thing known of it: the place, the value,
/// what was expected, a hint.
impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        let mut place = Vec::new();
        place.extend(self.file.as_ref().map(|file| format!("file `{}`", file.display())));
        place.extend(self.table.as_ref().map(|table| format!("table `{table}`")));
        place.extend(self.column.as_ref().map(|column| format!("column `{column}`")));
        place.extend(self.row.map(|row| format!("row {row}")));
        if !place.is_empty() {
            write!(f, "\n  at:       {}", place.join(", "))?;
        }
        for (label, text) in [("value:   ", &self.value), ("expected:", &self.expected), ("hint:    ", &self.hint)] {
            if let Some(text) = text {
                write!(f, "\n  {label} {text}")?;
            }
        }
        self.remedy.map_or(Ok(()), |remedy| f.write_str(&hint_line(remedy)))
    }
}

/// True if an error of the system has an interruption inside, as it comes through the traits of readers.
pub(crate) fn is_interruption(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| matches!(inner.downcast_ref(), Some(Error::Interrupted)))
}
