//! The thread that writes audit records, and its queue.

use std::{
    io::{self, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use super::{
    record::{Event, line},
    target::{Sink, Target},
};
use crate::{error::io_sentence, metrics::Metrics};

/// The way to the thread that writes.
pub(super) struct Writer {
    target: Target,
    shared: Arc<Shared>,
    queue: SyncSender<Entry>,
}

enum Entry {
    Line(Vec<u8>),
    /// Everything before it is written: tell it here.
    Flush(SyncSender<()>),
}

struct Shared {
    /// A sink to go on with, in place of the one in use.
    fresh: Mutex<Option<Sink>>,
    metrics: Arc<Metrics>,
}

impl Writer {
    pub(super) fn start(target: &Target, queue: usize, metrics: Arc<Metrics>) -> io::Result<Self> {
        let sink = target.open()?;
        let shared = Arc::new(Shared { fresh: Mutex::default(), metrics });
        let (queue, entries) = sync_channel(queue);
        thread::Builder::new().name("audit".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || Task { shared, sink, told: 0, torn: false, failing: false }.run(&entries)
        })?;
        Ok(Self { target: target.clone(), shared, queue })
    }

    /// Queues a line, or counts it as lost.
    pub(super) fn write(&self, line: Vec<u8>) {
        if self.queue.try_send(Entry::Line(line)).is_err() {
            self.shared.metrics.audit.dropped.increment();
        }
    }

    /// Waits until everything queued so far is written, but no longer than this. Blocks the thread.
    pub(super) fn flush(&self, most: Duration) -> bool {
        let (tell, told) = sync_channel(1);
        // With a full queue there is nothing to wait for: it is full because nothing is taken from it.
        self.queue.try_send(Entry::Flush(tell)).is_ok() && told.recv_timeout(most).is_ok()
    }

    /// Opens the target once more.
    pub(super) fn open(&self) -> io::Result<Sink> {
        self.target.open()
    }

    /// Lets the next line go to this sink.
    pub(super) fn replace(&self, sink: Sink) {
        *self.shared.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(sink);
    }
}

struct Task {
    shared: Arc<Shared>,
    sink: Sink,
    /// Lost records that the log tells of already.
    told: u64,
    /// A line was begun and not finished.
    torn: bool,
    failing: bool,
}

impl Task {
    /// Until the gateway is gone.
    fn run(&mut self, entries: &Receiver<Entry>) {
        while let Ok(entry) = entries.recv() {
            if let Some(fresh) = self.shared.fresh.lock().unwrap_or_else(PoisonError::into_inner).take() {
                self.sink = fresh;
                self.torn = false;
            }
            self.tell_lost();
            match entry {
                Entry::Line(line) => {
                    if !self.put(&line) {
                        self.shared.metrics.audit.dropped.increment();
                    }
                }
                Entry::Flush(tell) => {
                    // Who waited may have lost patience.
                    let _ = tell.try_send(());
                }
            }
        }
    }

    /// The log itself says what it lacks.
    fn tell_lost(&mut self) {
        let lost = self.shared.metrics.audit.dropped.get();
        let records = lost - self.told;
        if records > 0 && self.put(&line(SystemTime::now(), 0, None, &Event::RecordsLost { records })) {
            self.told = lost;
            tracing::warn!(records, "audit records were lost: writing them was too slow, or failed");
        }
    }

    /// Writes a line whole; false where that failed.
    fn put(&mut self, line: &[u8]) -> bool {
        match self.try_put(line) {
            Ok(()) => {
                if self.failing {
                    tracing::info!("the audit log can be written again");
                }
                self.failing = false;
                self.shared.metrics.audit.written.increment();
                true
            }
            Err(error) => {
                if !self.failing {
                    tracing::error!(error = io_sentence(&error), "the audit log cannot be written; records are lost");
                }
                self.failing = true;
                false
            }
        }
    }

    fn try_put(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            // What was begun on a full disk must not swallow the next record.
            self.sink.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
