//! Business as usual: several people at once, each doing one action after the other.
//!
//! Every person has a connection and a die of their own, thrown from one seed. On one connection
//! the same seed is the same business; on several, who meets whom is up to the database.
//! Now and then somebody thinks better of it at the last moment: the transaction is rolled back.

use std::collections::BTreeMap;
use std::time::Duration;

use erpbridge_test_support::{Failure, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::actions::Action;
use crate::database::{Client, Error};
use crate::erp::Erp;

/// Of a hundred transactions, how many are rolled back at their end.
const SECOND_THOUGHTS: u32 = 3;

/// How busy the company is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// People who work at once, each on a connection.
    pub people: u32,
    /// Actions per second, all people together.
    pub rate: u32,
    /// Seed of all chance.
    pub seed: u64,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Committed actions by kind.
    pub committed: BTreeMap<Action, u64>,
    /// Transactions rolled back after all their changes were made.
    pub rolled_back: u64,
}

impl Tally {
    /// How many transactions were committed.
    pub fn transactions(&self) -> u64 {
        self.committed.values().sum()
    }

    fn add(&mut self, other: &Self) {
        for (action, count) in &other.committed {
            *self.committed.entry(*action).or_default() += count;
        }
        self.rolled_back += other.rolled_back;
    }
}

/// People at work, until told to stop. They are sent home if this is dropped.
#[derive(Debug)]
pub struct Simulation {
    people: JoinSet<Result<Tally>>,
    stop: watch::Sender<bool>,
}

impl Simulation {
    /// Sends everybody to work.
    pub async fn start(erp: &Erp, pace: Pace) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut people = JoinSet::new();
        for number in 0..pace.people {
            let person = Person {
                client: erp.client().await?,
                rng: StdRng::seed_from_u64(pace.seed.wrapping_add(number.into())),
                tally: Tally::default(),
            };
            let pause = Duration::from_secs(1) * pace.people / std::cmp::max(pace.rate, 1);
            people.spawn(person.work(pause, stopped.clone()));
        }
        Ok(Self { people, stop })
    }

    /// Lets everybody finish what they are at, and adds up.
    pub async fn stop(mut self) -> Result<Tally> {
        self.stop.send_replace(true);
        let mut tally = Tally::default();
        while let Some(ended) = self.people.join_next().await {
            let person = ended.map_err(|error| Failure::caused("a person fell ill", &error))?;
            tally.add(&person?);
        }
        Ok(tally)
    }

    /// Does `actions` actions on one connection, without pause: the same seed, the same business.
    pub async fn run(erp: &Erp, seed: u64, actions: u32) -> Result<Tally> {
        let (client, rng) = (erp.client().await?, StdRng::seed_from_u64(seed));
        let mut person = Person { client, rng, tally: Tally::default() };
        for _ in 0..actions {
            person.act().await?;
        }
        Ok(person.tally)
    }
}

struct Person {
    client: Client,
    rng: StdRng,
    tally: Tally,
}

impl Person {
    async fn work(mut self, pause: Duration, mut stopped: watch::Receiver<bool>) -> Result<Tally> {
        let mut clock = interval(pause);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stopped.borrow() {
            self.act().await?;
            // Dropping the tick or the wait for the stop loses nothing: no action has begun.
            tokio::select! {
                _ = stopped.changed() => {}
                _ = clock.tick() => {}
            }
        }
        Ok(self.tally)
    }

    /// Does one action that finds something to do, or gives up after a few.
    async fn act(&mut self) -> Result<()> {
        for _ in 0..10 {
            let action = Action::pick(&mut self.rng);
            match self.attempt(action).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) if error.may_be_tried_again() => {}
                Err(error) => return Err(Failure::caused(format!("{action:?} failed"), &error)),
            }
        }
        Ok(())
    }

    /// One transaction. Dropped without commit, it is rolled back.
    async fn attempt(&mut self, action: Action) -> std::result::Result<bool, Error> {
        let mut work = self.client.begin().await?;
        if !action.perform(&mut work, &mut self.rng).await? {
            work.rollback().await?;
            return Ok(false);
        }
        if self.rng.random_range(0..100) < SECOND_THOUGHTS {
            work.rollback().await?;
            self.tally.rolled_back += 1;
        } else {
            work.commit().await?;
            self.client.committed().await?;
            *self.tally.committed.entry(action).or_default() += 1;
        }
        Ok(true)
    }
}
