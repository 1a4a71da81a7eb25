//! Loads, their alternation, and what the figures are held against.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde::Serialize;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::{self, Sockets},
    process::Child,
};

/// What a load does before it counts.
const WARM_UP: Duration = Duration::from_millis(100);

/// Work that goes on until it is finished, and counts what it has done.
#[derive(Default)]
pub struct Load {
    done: Arc<AtomicU64>,
    tasks: JoinSet<Result<()>>,
    sessions: Vec<(Sockets, String)>,
}

impl Load {
    /// Where the work is counted.
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.done)
    }

    /// Part of the work; it may only end by failing.
    pub fn spawn(&mut self, work: impl Future<Output = Result<()>> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// A session to close in the end.
    pub fn owns(&mut self, sockets: &Sockets, session: &str) {
        self.sessions.push((sockets.clone(), session.to_owned()));
    }

    /// Lets it run, and returns the work per second, and the processor time that the server spent on each piece of it in seconds.
    pub async fn rate(mut self, window: Duration, server: &Child) -> Result<(f64, f64)> {
        sleep(WARM_UP).await;
        let (before, used, start) = (self.done.load(Ordering::Relaxed), server.processor_time()?, Instant::now());
        sleep(window).await;
        let (after, used, elapsed) =
            (self.done.load(Ordering::Relaxed), server.processor_time()? - used, start.elapsed());
        if let Some(ended) = self.tasks.try_join_next() {
            ended??;
            bail!("a part of the load ended by itself");
        }
        if after == before {
            bail!("nothing was done in {window:?}");
        }
        self.tasks.shutdown().await;
        let mut closing: JoinSet<_> =
            self.sessions.into_iter().map(|(sockets, session)| client::close(sockets, session)).collect();
        while closing.join_next().await.is_some() {}
        let done = (after - before) as f64;
        Ok((done / elapsed.as_secs_f64(), used.as_secs_f64() / done))
    }
}

/// Median and spread of some rounds.
#[derive(Clone, Copy, Serialize)]
pub struct Stats {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Stats {
    /// Of at least one figure.
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { median: quantile(&sorted, 0.5), min: sorted[0], max: sorted[sorted.len() - 1] }
    }
}

/// Of sorted figures, between the two nearest.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// What a figure must be, and what it should be.
#[derive(Clone, Copy, Serialize)]
pub struct Bar {
    pub must: f64,
    pub reach: f64,
}

impl Bar {
    pub const fn new(must: f64, reach: f64) -> Self {
        Self { must, reach }
    }

    pub fn lower_is_better(&self) -> bool {
        self.reach < self.must
    }

    /// The figure relative to what it must be: 1 or more is enough, whichever way is better.
    pub fn score(&self, figure: f64) -> f64 {
        if self.lower_is_better() { self.must / figure } else { figure / self.must }
    }

    pub fn is_met(&self, figure: f64) -> bool {
        self.score(figure) >= 1.0
    }

    pub fn is_reached(&self, figure: f64) -> bool {
        self.score(figure) >= self.score(self.reach)
    }
}

/// What a row is about.
#[derive(Clone, Serialize)]
pub struct Subject {
    pub case: u8,
    pub name: String,
    /// Of the figures.
    pub unit: &'static str,
    /// What a figure is divided by to be shown in its unit.
    #[serde(skip)]
    pub scale: f64,
    pub bar: Option<Bar>,
}

/// One line of the result.
#[derive(Serialize)]
pub struct Row {
    #[serde(flatten)]
    pub subject: Subject,
    pub gateway: Stats,
    pub limit: Option<Stats>,
    /// What is held against the bar: gateway over limit, round by round; without a limit the figure itself.
    pub judged: Stats,
    /// Microseconds of processor time that the gateway spent on each piece of work (thousands a second), or on a megabyte.
    pub processor: Option<Stats>,
}

/// Two loads, one after the other.
pub struct Pair {
    /// Work per second.
    pub gateway: f64,
    pub limit: f64,
    /// Seconds of processor time of the gateway for each piece of its work.
    processor: f64,
}

impl Row {
    /// Of figures without a limit to compare them with.
    pub fn alone(subject: Subject, figures: &[f64]) -> Self {
        let shown = scaled(figures, subject.scale);
        Self { subject, gateway: shown, limit: None, judged: shown, processor: None }
    }

    /// Of pairs measured one after the other; `judge` makes of each what counts.
    pub fn pairs(subject: Subject, pairs: &[Pair], judge: impl Fn(f64, f64) -> f64) -> Self {
        let each = |of: fn(&Pair) -> f64| pairs.iter().map(of).collect::<Vec<_>>();
        let judged: Vec<f64> = pairs.iter().map(|pair| judge(pair.gateway, pair.limit)).collect();
        // Per piece where the unit is thousands of them, per megabyte where they are bytes.
        let piece = if subject.scale > 1e3 { subject.scale } else { 1.0 };
        Self {
            gateway: scaled(&each(|pair| pair.gateway), subject.scale),
            limit: Some(scaled(&each(|pair| pair.limit), subject.scale)),
            judged: Stats::of(&judged),
            processor: Some(scaled(&each(|pair| pair.processor * 1e6), 1.0 / piece)),
            subject,
        }
    }
}

fn scaled(figures: &[f64], scale: f64) -> Stats {
    Stats::of(&figures.iter().map(|figure| figure / scale).collect::<Vec<_>>())
}

/// Measures two loads in alternation; `server` is the gateway.
pub async fn alternate(
    rounds: u32,
    window: Duration,
    server: &Child,
    gateway: impl AsyncFn() -> Result<Load>,
    limit: impl AsyncFn() -> Result<Load>,
) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for _ in 0..rounds {
        let (ours, processor) = gateway().await?.rate(window, server).await?;
        let (limit, _) = limit().await?.rate(window, server).await?;
        pairs.push(Pair { gateway: ours, limit, processor });
    }
    Ok(pairs)
}
