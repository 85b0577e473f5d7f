use crate::reservation::Answers;
use crate::{Answer, GateError, Reservation, ReservationRequest};

/// The requests of one sale, each order once: `reserve.lua` does not compare the ids of a call with each other.
pub struct Distinct {
    pub requests: Vec<ReservationRequest>,
    pub places: Places,
}

/// Of each request that was given, its place among the distinct ones.
pub struct Places(Vec<usize>);

impl Distinct {
    pub fn of(given: Vec<ReservationRequest>) -> Self {
        let mut requests: Vec<ReservationRequest> = Vec::with_capacity(given.len());
        let mut places = Vec::with_capacity(given.len());
        for request in given {
            let is_it = |other: &ReservationRequest| other.order_id == request.order_id;
            // A call has few orders.
            let place = requests.iter().position(is_it);
            places.push(place.unwrap_or(requests.len()));
            if place.is_none() {
                requests.push(request);
            }
        }
        let places = Places(places);
        Self { requests, places }
    }
}

impl Places {
    /// How many requests were given.
    pub fn given(&self) -> usize {
        self.0.len()
    }

    /// The answers to the requests that were given, from those to the distinct ones. An order that was given again is known if
    /// it was reserved, and otherwise refused as it was the first time, even if it requested fewer units.
    pub fn answers_to_given(&self, answers: Answers) -> Answers {
        if self.given() == answers.len() {
            return answers;
        }
        let mut is_given = vec![false; answers.len()];
        let answer = |&place: &usize| match std::mem::replace(&mut is_given[place], true) {
            true => repeated(answers[place].clone()),
            false => answers[place].clone(),
        };
        self.0.iter().map(answer).collect()
    }
}

fn repeated(answer: Result<Answer, GateError>) -> Result<Answer, GateError> {
    let mut answer = answer?;
    if let Reservation::Reserved { record, .. } = answer.reservation {
        answer.reservation = Reservation::Known {
            record,
            waiting: true,
        };
    }
    Ok(answer)
}
