use std::collections::HashMap;
use std::time::{Duration, Instant};

use fluxgate_domain::batch::Batch;

use super::partition_state::{Halt, PartitionState, Reading};

/// The partitions that this worker reads. Pure.
#[derive(Debug)]
pub struct Partitions {
    states: HashMap<i32, PartitionState>,
    last_generation: u64,
    /// How long the group keeps a member that it has lost.
    session: Duration,
}

impl Partitions {
    /// None yet.
    pub fn new(session: Duration) -> Self {
        Self {
            states: HashMap::new(),
            last_generation: 0,
            session,
        }
    }

    /// The state of a partition, if it is read.
    pub fn get_mut(&mut self, partition: i32) -> Option<&mut PartitionState> {
        self.states.get_mut(&partition)
    }

    /// Whether a partition is read, or would be if PostgreSQL had another position.
    pub fn follows_position(&self, partition: i32) -> bool {
        let state = self.states.get(&partition);
        state.is_some_and(|state| match state.reading {
            Reading::Verifying { .. } | Reading::Running { .. } => true,
            Reading::Halted(halt) => halt == Halt::UntilAccepted,
            Reading::Loading(_) => false,
        })
    }

    /// Whether this is the current generation of a partition.
    pub fn is_current(&self, partition: i32, generation: u64) -> bool {
        let state = self.states.get(&partition);
        state.is_some_and(|state| state.generation == generation)
    }

    /// Whether the group says that this worker reads the partition.
    pub fn is_assigned(&self, partition: i32) -> bool {
        let state = self.states.get(&partition);
        state.is_some_and(|state| state.assignment.is_assigned())
    }

    /// The partitions whose logs are being read.
    pub fn started(&self) -> Vec<i32> {
        self.numbers(PartitionState::is_started)
    }

    /// Whether records of a partition are due and arrive.
    pub fn is_read(&self, partition: i32) -> bool {
        self.states.get(&partition).is_some_and(is_read)
    }

    /// The partitions whose records are due and arrive.
    pub fn read(&self) -> Vec<i32> {
        self.numbers(is_read)
    }

    /// The partitions whose logs are being read since `then` without a record or an end.
    pub fn unanswered_since(&self, then: Instant) -> Vec<i32> {
        self.numbers(|state| state.is_unanswered_since(then))
    }

    /// Whether reading has reached the end of some partition's log.
    pub fn any_is_at_end(&self) -> bool {
        self.states.values().any(|state| state.is_at_end)
    }

    /// The group assigns partitions; returns those that are not read yet.
    pub fn assign(&mut self, partitions: Vec<i32>, now: Instant) -> Vec<i32> {
        for state in self.states.values_mut() {
            state.assignment.end_if_lost(now, self.session);
        }
        let mut new = partitions;
        new.retain(|partition| match self.states.get_mut(partition) {
            Some(state) => {
                state.assignment.assign();
                false
            }
            None => true,
        });
        new
    }

    /// This worker has lost its membership in the group.
    pub fn lose(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(state) = self.states.get_mut(partition) {
                state.assignment.lose();
            }
        }
    }

    /// The partitions that another worker has by now.
    pub fn ended(&self, now: Instant) -> Vec<i32> {
        self.numbers(|state| state.assignment.has_ended(now))
    }

    /// A partition is no longer read.
    pub fn remove(&mut self, partition: i32) {
        self.states.remove(&partition);
    }

    /// The number of the next generation of any partition.
    pub fn next_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }

    /// A new generation of a partition, which may be new itself.
    pub fn begin_generation(&mut self, partition: i32, generation: u64, reading: Reading) {
        match self.states.get_mut(&partition) {
            Some(state) => {
                state.generation = generation;
                state.reading = reading;
                state.is_at_end = false;
            }
            None => {
                let state = PartitionState::assigned(generation, reading);
                self.states.insert(partition, state);
            }
        }
    }

    /// Records that a batch was handed over to its writer.
    pub fn handed_over(&mut self, batch: &Batch) {
        for slice in &batch.slices {
            if let Some(state) = self.states.get_mut(&slice.partition) {
                state.handed_over(slice);
            }
        }
    }

    /// Gives a partition the writer that has the fewest.
    ///
    /// # Panics
    /// When there are no `writers`.
    pub fn choose_writer(&mut self, partition: i32, writers: usize) -> usize {
        let mut counts = vec![0; writers];
        for writer in self.states.values().filter_map(|state| state.writer) {
            counts[writer] += 1;
        }
        let writer = (0..writers).min_by_key(|writer| counts[*writer]);
        let writer = writer.expect("there is a writer");
        if let Some(state) = self.states.get_mut(&partition) {
            state.writer = Some(writer);
        }
        writer
    }

    /// Marks the running partitions of a writer as paused; returns those that were not.
    pub fn pause(&mut self, writer: usize) -> Vec<i32> {
        self.mark(|state| {
            let pauses = state.writer == Some(writer) && state.is_running() && !state.is_paused;
            state.is_paused |= pauses;
            pauses
        })
    }

    /// Marks the paused partitions of a writer as not paused, and returns them.
    pub fn resume(&mut self, writer: usize) -> Vec<i32> {
        self.mark(|state| {
            let resumes = state.writer == Some(writer) && state.is_paused;
            state.is_paused &= !resumes;
            resumes
        })
    }

    /// Whether a partition of a writer is paused.
    pub fn has_paused(&self, writer: usize) -> bool {
        let mut states = self.states.values();
        states.any(|state| state.writer == Some(writer) && state.is_paused)
    }

    fn numbers(&self, wanted: impl Fn(&PartitionState) -> bool) -> Vec<i32> {
        let states = self.states.iter().filter(|(_, state)| wanted(state));
        states.map(|(number, _)| *number).collect()
    }

    fn mark(&mut self, marks: impl Fn(&mut PartitionState) -> bool) -> Vec<i32> {
        let states = self.states.iter_mut();
        let marked = states.filter_map(|(number, state)| marks(state).then_some(*number));
        let mut marked: Vec<i32> = marked.collect();
        marked.sort_unstable();
        marked
    }
}

/// A paused partition is checked before it is resumed.
fn is_read(state: &PartitionState) -> bool {
    state.is_running() && !state.is_paused
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Duration = Duration::from_secs(6);

    /// As the reader does once the group assigns partitions.
    fn assign(partitions: &mut Partitions, numbers: &[i32], now: Instant) -> Vec<i32> {
        let new = partitions.assign(numbers.to_vec(), now);
        for number in &new {
            let generation = partitions.next_generation();
            partitions.begin_generation(*number, generation, Reading::Halted(Halt::UntilRestart));
        }
        new
    }

    #[test]
    fn an_assigned_partition_is_new_once() {
        let (mut partitions, now) = (Partitions::new(SESSION), Instant::now());
        assert_eq!(assign(&mut partitions, &[1, 2, 3], now), [1, 2, 3]);
        assert_eq!(assign(&mut partitions, &[3, 4], now), [4]);
        partitions.remove(4);
        assert!(!partitions.is_assigned(4));
        assert_eq!(assign(&mut partitions, &[4], now), [4]);
    }

    #[test]
    fn lost_partitions_are_read_until_a_session_after_the_group_is_back() {
        let (mut partitions, now) = (Partitions::new(SESSION), Instant::now());
        assign(&mut partitions, &[1, 2, 3], now);
        partitions.lose(&[1, 2, 3]);
        assert!(!partitions.is_assigned(1));
        let later = now + 100 * SESSION;
        assert!(partitions.ended(later).is_empty());

        assert!(assign(&mut partitions, &[1], later).is_empty());
        assert!(partitions.is_assigned(1));
        assert!(partitions.ended(later).is_empty());
        assert!(assign(&mut partitions, &[2], later + SESSION / 2).is_empty());
        assert_eq!(partitions.ended(later + SESSION), [3]);
    }

    #[test]
    fn a_new_generation_keeps_the_assignment_and_the_writer() {
        let (mut partitions, now) = (Partitions::new(SESSION), Instant::now());
        assign(&mut partitions, &[1], now);
        assert_eq!(partitions.choose_writer(1, 2), 0);
        partitions.lose(&[1]);
        let generation = partitions.next_generation();
        partitions.begin_generation(1, generation, Reading::Halted(Halt::UntilRestart));
        assert!(partitions.is_current(1, generation));
        assert!(!partitions.is_current(1, generation - 1));
        assert!(!partitions.is_assigned(1));
        assert_eq!(partitions.get_mut(1).unwrap().writer, Some(0));
    }
}
