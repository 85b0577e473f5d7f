use super::*;

#[test]
fn what_is_on_another_partition_than_its_sale_is_refused() {
    let opening = |partition| {
        Event::SaleOpened(Box::new(SaleOpened {
            product_id: product(),
            total: 10.try_into().unwrap(),
            opens_at: Timestamp::UNIX_EPOCH,
            closes_at: None,
            per_user_limit: None,
            epoch: 1,
            partition,
            id_time: None,
            terms: None,
        }))
    };
    let events = [
        opening(0),
        opening(1),
        Event::OrderReserved(order(1)),
        cancel(2),
        holds::facts(4)[0].clone(),
        restock(3),
        Event::SaleClosed(SaleClosed {
            product_id: product(),
            epoch: 1,
            sequence: 300,
            closed_at: Timestamp::UNIX_EPOCH,
        }),
        changes::amendment(1),
        changes::queue_start(1),
        changes::queue_change(1),
        fence(2),
    ];
    let elsewhere = (0..).map(|offset| PartitionOffset {
        partition: 1,
        offset,
    });
    let operations: Vec<_> = elsewhere.zip(events.iter().map(operation)).collect();
    let mut sales = headroom(10);
    let applied = apply(&operations, &ExistingRows::default(), &mut sales);
    let expected = operations.iter().map(|(at, _)| (*at, FOREIGN_PARTITION));
    assert_eq!(applied.refused, expected.collect::<Vec<_>>());
    assert!(applied.orders.is_empty() && applied.changes.is_empty());
    assert!(applied.amendments.is_empty());
    assert_eq!(sales, headroom(10));

    // An opening that names another partition is refused although its sale is not known yet.
    let (opening, mut unknown) = (opening(1), HashMap::new());
    let operations = [(at(0), operation(&opening))];
    let applied = apply(&operations, &ExistingRows::default(), &mut unknown);
    assert_eq!(applied.refused, [(at(0), FOREIGN_PARTITION)]);
}
