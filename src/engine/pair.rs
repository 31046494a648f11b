//! Two books walked side by side by account id, in pieces.

use super::executor::OpenBook;
use crate::book::{Book, BookBuilder};
use crate::parallel::pulled;
use crate::snapshot::Snapshot;
use crate::snapshot::stream::{Cut, Piece, Pieces, Window};
use crate::{Error, Result};
use rayon::ScopeFifo;
use std::cmp::Ordering;

/// Accounts of two books from the same range of ids.
pub struct Pair {
    /// Of each side the accounts that were wanted.
    pub books: [Book; 2],
    /// The number of each of them among the margined accounts of its side.
    pub numbers: [Vec<usize>; 2],
    /// Places in its book of the accounts that chose no spot hedging mode.
    pub undecided: [Vec<usize>; 2],
}

/// Hands the accounts of both books to `work`, so many ids at a time in byte order, and the results in the same order
/// to `sink`. `start` makes what the work shares and what the sink fills, as in [`OpenBook::pass`]. `want` sees each id
/// in order, with the number of the account on each side, and says whether it is wanted.
///
/// Returns what was filled, and the snapshots without their books.
///
/// # Errors
/// Those of [`OpenBook::pass`], and of `want`.
pub fn side_by_side<S: Sync, C, T: Send>(
    [a, b]: [&mut OpenBook; 2],
    ids: usize,
    mut start: impl FnMut() -> Result<(S, C)>,
    want: impl Fn(&str, [Option<usize>; 2]) -> Result<bool>,
    work: impl Fn(&S, &Pair) -> Result<T> + Sync,
    mut sink: impl FnMut(&mut C, T) -> Result<()>,
) -> Result<(C, [Snapshot; 2])> {
    loop {
        let windows = [a.ready()?, b.ready()?];
        let (shared, mut filled) = start()?;
        let work = |pair: Pair| work(&shared, &pair);
        let (readers, work) = ([a.reader(), b.reader()], &work);
        let [of_a, of_b] = rayon::in_place_scope_fifo(|scope| {
            let walk = |side: usize| Side::start(Pieces::start(&readers[side], scope, Cut::Known(ids), windows[side]));
            let mut zip = Zip { sides: [walk(0), walk(1)], ids, want: &want };
            let bell = zip.sides[0].pieces.bell();
            let pieces = windows.iter().map(|window: &Window| window.pieces).min().unwrap_or(1);
            pulled(scope, &bell, pieces, || zip.next(scope), work, |result| sink(&mut filled, result))?;
            let [a, b] = zip.sides.map(|side| side.pieces.finish());
            Ok::<_, Error>([a?, b?])
        })?;
        drop(readers);
        match (of_a, of_b) {
            (Some(of_a), Some(of_b)) => return Ok((filled, [of_a, of_b])),
            (None, _) => a.unsorted()?,
            (_, None) => b.unsorted()?,
        }
    }
}

/// Where the walk over one book stands.
struct Side<'s> {
    pieces: Pieces<'s>,
    piece: Option<Piece>,
    /// Account of the piece.
    place: usize,
    /// Accounts before it, over the whole book.
    number: usize,
}

impl<'s> Side<'s> {
    fn start(pieces: Pieces<'s>) -> Self {
        Self { pieces, piece: None, place: 0, number: 0 }
    }

    /// Goes on to the next piece where one is used up. False behind the last account.
    fn fill(&mut self, scope: &ScopeFifo<'s>) -> Result<bool> {
        while self.piece.as_ref().is_none_or(|piece| self.place == piece.book.len()) {
            self.piece = self.pieces.next(scope)?;
            self.place = 0;
            if self.piece.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn id(&self) -> Option<&str> {
        self.piece.as_ref().map(|piece| piece.book.accounts().get(self.place))
    }

    /// Moves behind the account, and adds it if it is wanted.
    fn pass_by(&mut self, taken: Option<&mut Taken>) {
        if let (Some(taken), Some(piece)) = (taken, &self.piece) {
            if piece.undecided.binary_search(&self.place).is_ok() {
                taken.undecided.push(taken.numbers.len());
            }
            taken.numbers.push(self.number);
            taken.book.copy_account(&piece.book, self.place);
        }
        self.place += 1;
        self.number += 1;
    }
}

/// The accounts of one side of a pair in the making.
#[derive(Default)]
struct Taken {
    book: BookBuilder,
    numbers: Vec<usize>,
    undecided: Vec<usize>,
}

struct Zip<'s, 'w, W> {
    sides: [Side<'s>; 2],
    ids: usize,
    want: &'w W,
}

impl<'s, W: Fn(&str, [Option<usize>; 2]) -> Result<bool>> Zip<'s, '_, W> {
    /// The next ids; `None` behind the last, and where a table turns out not to be sorted.
    fn next(&mut self, scope: &ScopeFifo<'s>) -> Result<Option<Pair>> {
        let mut taken = [Taken::default(), Taken::default()];
        let mut count = 0;
        while count < self.ids {
            let [a, b] = &mut self.sides;
            let there = [a.fill(scope)?, b.fill(scope)?];
            if a.pieces.is_unsorted() || b.pieces.is_unsorted() {
                return Ok(None);
            }
            let order = match there {
                [false, false] => break,
                [true, false] => Ordering::Less,
                [false, true] => Ordering::Greater,
                [true, true] => a.id().cmp(&b.id()),
            };
            let has = [order.is_le(), order.is_ge()];
            let id = if has[0] { a.id() } else { b.id() };
            let numbers = [has[0].then_some(a.number), has[1].then_some(b.number)];
            let is_wanted = (self.want)(id.unwrap_or_default(), numbers)?;
            count += usize::from(is_wanted);
            for ((side, taken), has) in self.sides.iter_mut().zip(&mut taken).zip(has) {
                if has {
                    side.pass_by(is_wanted.then_some(taken));
                }
            }
        }
        let [a, b] = taken;
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(Pair {
            books: [a.book.build()?, b.book.build()?],
            numbers: [a.numbers, b.numbers],
            undecided: [a.undecided, b.undecided],
        }))
    }
}
