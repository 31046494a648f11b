//! Reading what may be long in coming: whoever waits for it can be interrupted.

use crate::progress::Progress;
use crate::{Error, Result};
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often somebody who waits looks whether to stop.
pub(super) const GLANCE: Duration = Duration::from_millis(50);
/// Bytes that are read at once.
const PART: usize = 1 << 16;

/// Bytes that a thread reads as they come. After an interruption an error has [`Error::Interrupted`] in it.
pub(crate) struct Patient<'a> {
    /// Parts in order; an empty one is the end.
    parts: Receiver<io::Result<Vec<u8>>>,
    part: Vec<u8>,
    from: usize,
    is_ended: bool,
    progress: &'a dyn Progress,
}

impl<'a> Patient<'a> {
    /// # Errors
    /// [`Error::Runtime`] if no thread can be started.
    pub fn start(mut input: impl Read + Send + 'static, progress: &'a dyn Progress) -> Result<Self> {
        let (send, parts) = sync_channel(1);
        let read = move || {
            loop {
                let mut part = vec![0; PART];
                let read = match input.read(&mut part) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.map(|length| part.truncate(length)).map(|()| part),
                };
                let is_last = !read.as_ref().is_ok_and(|part| !part.is_empty());
                // Nobody may be listening any more.
                if send.send(read).is_err() || is_last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("pipe".to_owned()).spawn(read);
        thread.map_err(|error| Error::Runtime(format!("cannot start a thread: {error}")))?;
        Ok(Self { parts, part: Vec::new(), from: 0, is_ended: false, progress })
    }

    fn next(&mut self) -> io::Result<()> {
        loop {
            self.progress.check().map_err(io::Error::other)?;
            match self.parts.recv_timeout(GLANCE) {
                Ok(part) => {
                    (self.part, self.from) = (part?, 0);
                    self.is_ended = self.part.is_empty();
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread that reads the pipe gave up"));
                }
            }
        }
    }
}

impl BufRead for Patient<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.from >= self.part.len() && !self.is_ended {
            self.next()?;
        }
        Ok(self.part.get(self.from..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.from += bytes;
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    struct Stopped;

    impl Progress for Stopped {
        fn stage(&self, _: &str, _: &'static str, _: u64) {}
        fn advance(&self, _: u64) {}
        fn interrupted(&self) -> bool {
            true
        }
    }

    /// Never has anything.
    struct Mute;

    impl Read for Mute {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
    }

    #[test]
    fn bytes_come_whole_and_a_wait_ends_with_an_interruption() {
        let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        let mut found = Vec::new();
        Patient::start(io::Cursor::new(bytes.clone()), &Silent).unwrap().read_to_end(&mut found).unwrap();
        assert_eq!(found, bytes);
        let error = Patient::start(Mute, &Stopped).unwrap().fill_buf().unwrap_err();
        assert!(matches!(error.downcast::<Error>(), Ok(Error::Interrupted)));
    }

    #[test]
    fn an_error_of_the_input_is_handed_on() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let error = Patient::start(Broken, &Silent).unwrap().fill_buf().unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
}
