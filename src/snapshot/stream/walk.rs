//! One walk over the pieces: ranges of decoded rows are cut one after another, become books and are worked on in
//! parallel, and leave in order.

use super::decode::Decoder;
use super::merge::{Gathered, Merge, Next};
use super::piece::{Built, PieceContext, Ranges};
use super::{Found, Origin, Piece, Store, Stream, Window};
use crate::book::{BookBuilder, Grouping};
use crate::parallel::{Bell, Running, pulled};
use crate::snapshot::{LoadOptions, Snapshot};
use crate::{Error, Result};
use rayon::ScopeFifo;
use std::collections::VecDeque;

/// Where pieces end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// After so many accounts of the snapshot, those that are left out counted.
    Known(usize),
    /// After so many accounts that are margined.
    Margined(usize),
}

impl Cut {
    fn accounts(self) -> usize {
        let (Self::Known(accounts) | Self::Margined(accounts)) = self;
        accounts.max(1)
    }
}

/// What a walk reads with. It outlives the tasks of the walk.
pub struct Reader<'a> {
    stream: &'a Stream,
    decoder: Decoder<'a>,
    context: PieceContext,
    options: LoadOptions<'a>,
}

impl Stream {
    /// To walk over the pieces.
    #[must_use]
    pub fn reader<'a>(&'a self, options: &LoadOptions<'a>) -> Reader<'a> {
        let decoder = Decoder::new(&self.listings, &self.market, &self.groups, options);
        let groups_of_none = self.groups.iter().map(Grouping::group_of_none).collect();
        let context = PieceContext { default_spot_offset: options.default_spot_offset, groups_of_none };
        Reader { stream: self, decoder, context, options: *options }
    }

    /// Hands all accounts to `work`, piece by piece in order of their ids, and the results in the same order to `sink`.
    ///
    /// Returns the snapshot without its book, or `None` if a table turns out not to be sorted: what `sink` got is then
    /// void.
    ///
    /// # Errors
    /// Those of [`crate::snapshot::load`], of `work` and of `sink`.
    pub fn pass<T: Send>(
        &self,
        cut: Cut,
        window: Window,
        options: &LoadOptions,
        work: impl Fn(Piece) -> Result<T> + Sync,
        sink: impl FnMut(T) -> Result<()>,
    ) -> Result<Option<Snapshot>> {
        let reader = self.reader(options);
        let done = match cut {
            Cut::Known(_) => reader.known(cut, window, work, sink),
            Cut::Margined(_) => {
                let work = &work;
                rayon::in_place_scope_fifo(|scope| {
                    let mut pieces = Pieces::start(&reader, scope, cut, window);
                    pulled(scope, &pieces.bell(), window.pieces, || pieces.next(scope), work, sink)?;
                    pieces.finish()
                })
            }
        };
        self.settle(done, options)
    }
}

impl Reader<'_> {
    /// A pass whose pieces are built where they are worked on: there is no need to see one before the next is cut.
    fn known<T: Send>(
        &self,
        cut: Cut,
        window: Window,
        work: impl Fn(Piece) -> Result<T> + Sync,
        mut sink: impl FnMut(T) -> Result<()>,
    ) -> Result<Option<Snapshot>> {
        let mut found = Found::default();
        let work = |ranges: Ranges| {
            let Built { piece, aside, census } = self.build(&ranges)?;
            drop(ranges);
            Ok((aside, census, work(piece)?))
        };
        let work = &work;
        let (ranges, hashes) = rayon::in_place_scope_fifo(|scope| {
            let bell = Bell::default();
            let hashes = Running::start(scope, &bell, || self.hashes());
            let mut ranges = Cutting::new(self, cut, window);
            pulled(
                scope,
                &bell,
                window.pieces,
                || ranges.next(scope, &bell),
                work,
                |(aside, census, result)| {
                    found.add_built(&self.stream.kept, aside, &census)?;
                    sink(result)
                },
            )?;
            let hashes = if ranges.is_unsorted { Vec::new() } else { hashes.wait()? };
            Ok::<_, Error>((ranges, hashes))
        })?;
        ranges.finish(hashes, found)
    }

    fn hashes(&self) -> Result<Vec<(u64, String)>> {
        match &self.stream.origin {
            Origin::Folder(survey) => survey.hash(self.options.progress),
            Origin::Memory(_) => Ok(Vec::new()),
        }
    }

    fn build(&self, ranges: &Ranges) -> Result<Built> {
        let built = ranges.build(&self.context)?;
        if matches!(self.stream.store, Store::Held(_)) {
            // Other rows are counted when they are decoded.
            self.options.progress.advance(ranges.rows() as u64);
        }
        Ok(built)
    }
}

/// Cuts ranges of whole accounts.
struct Cutting<'s> {
    reader: &'s Reader<'s>,
    merge: Option<Merge<'s>>,
    cut: Cut,
    row_groups: usize,
    /// Accounts of tables in memory that are cut.
    next: usize,
    is_unsorted: bool,
}

impl<'s> Cutting<'s> {
    fn new(reader: &'s Reader<'s>, cut: Cut, window: Window) -> Self {
        let merge = match &reader.stream.store {
            Store::Flows(flows) => Some(Merge::new(flows.each_ref().map(Option::as_ref), cut.accounts())),
            Store::Held(_) | Store::Untouched => None,
        };
        Self { reader, merge, cut, row_groups: window.row_groups, next: 0, is_unsorted: false }
    }

    /// The next accounts; `None` behind the last, and where a table turns out not to be sorted. Waits for what must be
    /// decoded first.
    fn next(&mut self, scope: &ScopeFifo<'s>, bell: &Bell) -> Result<Option<Ranges>> {
        let Some(merge) = &mut self.merge else {
            let Store::Held(held) = &self.reader.stream.store else {
                return Err(Error::Runtime("the tables of accounts are not read".to_owned()));
            };
            let first = self.next;
            self.next += self.cut.accounts();
            return Ok(held.ranges(first, self.cut.accounts()));
        };
        loop {
            let before = bell.rung();
            merge.read_ahead(scope, bell, &self.reader.decoder, self.row_groups)?;
            match merge.next() {
                _ if merge.is_unsorted() => {
                    self.is_unsorted = true;
                    return Ok(None);
                }
                Next::Piece(ranges) => {
                    merge.read_ahead(scope, bell, &self.reader.decoder, self.row_groups)?;
                    return Ok(Some(ranges));
                }
                Next::End => return Ok(None),
                // What was cut may have left a table without a row group: then the next one is begun first.
                Next::Waiting if merge.read_ahead(scope, bell, &self.reader.decoder, self.row_groups)? => {}
                Next::Waiting => bell.work_or_wait(before),
            }
        }
    }

    fn finish(self, hashes: Vec<(u64, String)>, mut found: Found) -> Result<Option<Snapshot>> {
        if self.is_unsorted {
            return Ok(None);
        }
        let Reader { stream, options, .. } = self.reader;
        let gathered = match (self.merge, &stream.store) {
            (Some(merge), _) => merge.into_gathered(),
            (None, Store::Held(held)) => held.gathered.clone(),
            (None, _) => Gathered::default(),
        };
        let census = std::mem::take(&mut found.census);
        let mut snapshot = stream.snapshot(hashes, found, gathered);
        if let Origin::Folder(survey) = &stream.origin {
            survey.verify(&snapshot.inputs, options.expectations)?;
            survey.refuse_copies(&snapshot.inputs)?;
        }
        snapshot.warnings.extend(stream.judge(&snapshot, census, options)?);
        Ok(Some(snapshot))
    }
}

/// Pieces one after another, for a walk that looks at each before it goes on: to cut by margined accounts, or to walk
/// over two books side by side. They are built ahead, in parallel.
pub struct Pieces<'s> {
    ranges: Cutting<'s>,
    is_ended: bool,
    building: VecDeque<Running<Built>>,
    ahead: usize,
    hashes: Running<Vec<(u64, String)>>,
    bell: Bell,
    found: Found,
    /// Built and not handed out.
    rest: Option<Piece>,
    /// Margined accounts that were handed out.
    first: usize,
}

impl<'s> Pieces<'s> {
    /// Begins to read.
    #[must_use]
    pub fn start(reader: &'s Reader<'s>, scope: &ScopeFifo<'s>, cut: Cut, window: Window) -> Self {
        let bell = Bell::default();
        Self {
            ranges: Cutting::new(reader, cut, window),
            is_ended: false,
            building: VecDeque::new(),
            ahead: window.pieces.div_ceil(2),
            hashes: Running::start(scope, &bell, move || reader.hashes()),
            bell,
            found: Found::default(),
            rest: None,
            first: 0,
        }
    }

    /// Rings for the tasks of this walk.
    #[must_use]
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// True if a table turned out not to be sorted.
    #[must_use]
    pub fn is_unsorted(&self) -> bool {
        self.ranges.is_unsorted
    }

    /// The next piece; `None` behind the last, and where a table turns out not to be sorted.
    ///
    /// # Errors
    /// Those of [`crate::snapshot::load`].
    pub fn next(&mut self, scope: &ScopeFifo<'s>) -> Result<Option<Piece>> {
        let size = self.ranges.cut.accounts();
        loop {
            let built = self.built(scope)?;
            let is_last = built.is_none();
            let mut piece = match (self.rest.take(), built) {
                (None, None) => return Ok(None),
                (Some(piece), None) | (None, Some(piece)) => piece,
                (Some(rest), Some(piece)) => join(&rest, &piece)?,
            };
            if matches!(self.ranges.cut, Cut::Margined(_)) && piece.book.len() > size {
                let (head, tail) = split(&piece, size)?;
                (piece, self.rest) = (head, Some(tail));
            }
            if !is_last && matches!(self.ranges.cut, Cut::Margined(_)) && piece.book.len() < size {
                self.rest = Some(piece);
                continue;
            }
            piece.first = self.first;
            self.first += piece.book.len();
            return Ok(Some(piece));
        }
    }

    /// The next piece as it is cut, accounts that are left out counted.
    fn built(&mut self, scope: &ScopeFifo<'s>) -> Result<Option<Piece>> {
        while !self.is_ended && self.building.len() < self.ahead {
            let Some(ranges) = self.ranges.next(scope, &self.bell)? else {
                self.is_ended = true;
                break;
            };
            let reader = self.ranges.reader;
            self.building.push_back(Running::start(scope, &self.bell, move || reader.build(&ranges)));
        }
        let Some(first) = self.building.pop_front() else { return Ok(None) };
        let Built { piece, aside, census } = first.wait()?;
        self.found.add_built(&self.ranges.reader.stream.kept, aside, &census)?;
        Ok(Some(piece))
    }

    /// The snapshot without its book, or `None` if a table is not sorted.
    ///
    /// # Errors
    /// [`Error::Invalid`] for files that are not those that `checksums` or the expectations name.
    pub fn finish(self) -> Result<Option<Snapshot>> {
        let hashes = if self.ranges.is_unsorted { Vec::new() } else { self.hashes.wait()? };
        self.ranges.finish(hashes, self.found)
    }
}

fn join(a: &Piece, b: &Piece) -> Result<Piece> {
    let mut builder = BookBuilder::default();
    builder.append(&a.book);
    builder.append(&b.book);
    let later = b.undecided.iter().map(|account| account + a.book.len());
    Ok(Piece { first: 0, book: builder.build()?, undecided: a.undecided.iter().copied().chain(later).collect() })
}

fn split(piece: &Piece, size: usize) -> Result<(Piece, Piece)> {
    let part = |range: std::ops::Range<usize>| {
        let mut builder = BookBuilder::default();
        for account in range.clone() {
            builder.copy_account(&piece.book, account);
        }
        let undecided = piece.undecided.iter().filter(|account| range.contains(account));
        let undecided = undecided.map(|account| account - range.start).collect();
        Ok::<_, Error>(Piece { first: 0, book: builder.build()?, undecided })
    };
    Ok((part(0..size)?, part(size..piece.book.len())?))
}
