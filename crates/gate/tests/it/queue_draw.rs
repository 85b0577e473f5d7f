//! A draw to its end: a queue that nobody joins after its start, with as many turns as units.

use std::collections::BTreeSet;

use fluxgate_domain::queue::{QueuePosition, Ticket};
use fluxgate_gate::{Join, QueueMark};

use crate::fixture::number;
use crate::queue_sale::{TURN_MS, draw, holders, served};
use crate::sale_model::order;

const UNITS: u32 = 10;
const PEOPLE: u32 = 100;

/// Users by the places that their tickets give them.
fn in_order_of_places() -> Vec<(QueuePosition, u8)> {
    let tickets = holders(0..PEOPLE).into_iter().map(|holder| Ticket {
        holder,
        number: None,
    });
    let positions = tickets.map(|ticket| QueuePosition::of(&ticket, &[7; 32]));
    let mut places: Vec<_> = positions.zip(0..).collect();
    places.sort_by_key(|(position, _)| match position {
        QueuePosition::Early(value) => *value,
        QueuePosition::Late(_) => unreachable!("nobody has joined late"),
    });
    places
}

#[tokio::test]
async fn a_draw_sells_each_unit_to_those_who_come_first() {
    let sale = draw(UNITS, 400).await;
    assert_eq!(
        sale.join(&QueueMark::default(), 0..PEOPLE).await,
        Join::Early
    );
    let mut mark = sale.start().await.mark;
    let too_late = sale.join(&mark, PEOPLE..PEOPLE + 1).await;
    assert_eq!(too_late, Join::Ended);

    let places = in_order_of_places();
    let mut tried = BTreeSet::new();
    let mut buyers = Vec::new();
    // How many have a turn is an estimate: if they are fewer than the units, the others follow when these turns have ended.
    for turn in 0.. {
        let view = sale
            .pace_until(|view| view.mark.clock_ms >= mark.clock_ms + 200)
            .await;
        let has_turn = |position| view.mark.served.have_passed(position);
        if turn == 0 {
            let most = u64::from(UNITS);
            assert!((most - 1..=most).contains(&served(&view)), "{view:?}");
        }
        for (_, user) in places
            .iter()
            .take_while(|(position, _)| has_turn(*position))
        {
            if tried.insert(*user) {
                let answers = sale.reserve(&[order(*user)], number(0)).await;
                if answers[0].starts_with("reserved") {
                    buyers.push(*user);
                }
            }
        }
        mark = sale.pace(&QueueMark::default()).await.mark;
        if buyers.len() == UNITS as usize {
            break;
        }
        assert!(turn < 20, "{} of {UNITS} units are sold", buyers.len());
        mark.clock_ms += TURN_MS;
        sale.pace(&mark).await;
    }
    let first: Vec<_> = places.iter().map(|(_, user)| *user).collect();
    assert_eq!(buyers, first[..UNITS as usize]);
    assert_eq!(sale.pace(&mark).await.remaining, 0);
}
