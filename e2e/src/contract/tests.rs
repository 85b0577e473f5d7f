use reqwest::header::HeaderName;

use super::*;
use crate::answer::Failure;

const ID: &str = "018bcfe5-6800-8abc-9def-0123456789ab";

/// A request, the status of its answer, its headers and body => what it means, and how it has failed.
const ANSWERS: &str = "
order  202 location                 order buyer-7 accepted  => order
order  202 location,replayed:true   order buyer-7 accepted  => replay
order  202 location,replayed:yes    order buyer-7 accepted  => unexpected
order  202 elsewhere                order buyer-7 accepted  => unexpected
order  202 -                        order buyer-7 accepted  => unexpected
order  202 location                 order buyer-8 accepted  => unexpected
order  202 location                 nothing                 => unexpected
order  200 location                 order buyer-7 accepted  => unexpected

read   200 -                        order buyer-7 confirmed => order
reread 200 -                        order buyer-7 confirmed => unexpected
cancel 200 -                        order buyer-7 cancelled => order
cancel 200 -                        order buyer-7 confirmed => unexpected
look   200 -                        sale 5                  => sale
look   200 -                        sale 3 held 2           => sale
look   200 -                        sale 3 held 3           => unexpected
look   200 -                        sale 6                  => unexpected
close  200 -                        sale -1                 => unexpected

order  409 problem                  ended order_cancelled   => replay
order  409 problem                  ended order_rejected    => replay
order  409 problem                  code order_cancelled    => unexpected
order  422 problem                  ended order_cancelled   => unexpected
order  409 -                        ended order_cancelled   => unexpected
cancel 409 problem                  ended order_cancelled   => unexpected
order  409 problem                  code sold_out           => sold_out
order  503 problem                  code unavailable        => unavailable, status 503
look   503 problem                  code unavailable        => unavailable, status 503
cancel 409 problem                  code sale_closed        => sale_closed
cancel 409 problem                  code sold_out           => unexpected
look   409 problem                  code sale_closed        => unexpected
order  409 problem                  code unpaid_limit_reached => unpaid_limit_reached
order  409 -                        code sold_out           => unexpected
order  410 problem                  code sold_out           => unexpected
order  409 problem                  nothing                 => unexpected
order  404 problem                  code unknown_product    => unexpected
order  500 problem                  code internal           => unexpected
order  429 problem                  code rate_limited       => unexpected, status 429
order  502 -                        html                    => unexpected, status 502
";

/// The same about a sale whose orders have to be paid.
const ANSWERS_WITH_HOLDS: &str = "
order    202 location               held buyer-7 accepted   => order
order    202 location               order buyer-7 accepted  => unexpected
order    202 location,replayed:true order buyer-7 accepted  => replay
order    202 location,replayed:true held buyer-7 completed  => unexpected
read     200 -                      held buyer-7 confirmed  => order
read     200 -                      order buyer-7 completed => order
read     200 -                      held buyer-7 expired    => unexpected
order    409 problem                ended order_expired     => replay

complete 200 -                      order buyer-7 completed => order
complete 200 -                      order buyer-7 confirmed => unexpected
complete 202 retry                  order buyer-7 confirmed => pending, status 202
complete 202 retry                  held buyer-7 reserved   => pending, status 202
complete 202 retry                  order buyer-7 completed => unexpected
complete 202 -                      order buyer-7 confirmed => unexpected
complete 409 problem                code order_expired      => order
complete 409 problem                code order_cancelled    => order
complete 409 problem                code order_rejected     => order
complete 409 problem                code no_hold            => no_hold
complete 409 problem                code sold_out           => unexpected
complete 404 problem                code order_expired      => unexpected
complete 503 problem                code unavailable        => unavailable, status 503
cancel   409 problem                code order_expired      => order
cancel   409 problem                code no_hold            => unexpected
order    409 problem                code no_hold            => unexpected
";

fn action(word: &str) -> Action {
    let other = "018bcfe5-6800-8abc-9def-000000000000";
    match word {
        "read" => Action::ReadStatus(ID.parse().unwrap()),
        "reread" => Action::ReadStatus(other.parse().unwrap()),
        "cancel" => Action::Cancel(ID.parse().unwrap()),
        "complete" => Action::Complete(ID.parse().unwrap()),
        "look" => Action::ReadSale,
        "close" => Action::Close,
        _ => Action::Order {
            buyer: 7,
            quantity: 1,
        },
    }
}

fn header(word: &str) -> Option<(HeaderName, String)> {
    let (name, value) = match word {
        "location" => ("location", format!("/orders/{ID}")),
        "elsewhere" => ("location", "/orders/other".to_owned()),
        "problem" => ("content-type", "application/problem+json".to_owned()),
        "retry" => ("retry-after", "1".to_owned()),
        _ => (
            "idempotency-replayed",
            word.strip_prefix("replayed:")?.to_owned(),
        ),
    };
    Some((name.parse().unwrap(), value))
}

fn body(words: &[&str], product: &str) -> String {
    match *words {
        ["order", user, status] => format!(
            r#"{{"orderId":"{ID}","productId":"{product}","userId":"{user}","quantity":1,"status":"{status}"}}"#
        ),
        ["held", user, status] => format!(
            r#"{{"orderId":"{ID}","productId":"{product}","userId":"{user}","quantity":1,"status":"{status}","expiresAt":"2026-11-28T10:00:00Z"}}"#
        ),
        ["sale", remaining, "held", held] => {
            format!(r#"{{"total":5,"remaining":{remaining},"held":{held}}}"#)
        }
        ["sale", remaining] => format!(r#"{{"total":5,"remaining":{remaining}}}"#),
        ["ended", code] => format!(r#"{{"code":"{code}","orderId":"{ID}"}}"#),
        ["code", code] => format!(r#"{{"code":"{code}"}}"#),
        ["html"] => "<html>".to_owned(),
        _ => "{}".to_owned(),
    }
}

#[test]
fn every_answer_means_what_the_contract_says() {
    let plain = Sale::unique("contract", 1).unwrap();
    expect_meanings(&plain, ANSWERS);
    expect_meanings(&plain.with_holds(60, 5), ANSWERS_WITH_HOLDS);
}

fn expect_meanings(sale: &Sale, answers: &str) {
    for (line, expected) in answers.lines().filter_map(|line| line.split_once("=>")) {
        let words: Vec<_> = line.split_whitespace().collect();
        let headers = words[2].split(',').filter_map(header);
        let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
        let body = body(&words[3..], sale.product.as_str());
        let (action, http) = (action(words[0]), words[1].parse().unwrap());
        let response = judge(sale, &action, http, &headers.collect(), body.as_bytes());
        let meaning = match &response {
            Response::Order(order) if order.replayed => "replay",
            Response::Order(_) => "order",
            Response::Pending(_) => "pending",
            Response::Sale(_) => "sale",
            Response::Refused(refusal) => refusal.code(),
            Response::NoAnswer(_) => "none",
            Response::Unexpected { .. } => "unexpected",
        };
        let failure = response.failure().map(|it| format!(", {it}"));
        let text = meaning.to_owned() + &failure.unwrap_or_default();
        assert_eq!(text, expected.trim(), "{line}");
    }
}

#[test]
fn only_a_request_without_a_connection_or_over_a_limit_has_certainly_no_effect() {
    assert!(!Failure::Status(429).may_have_ordered() && !Failure::Refused.may_have_ordered());
    assert!(Failure::Status(503).may_have_ordered() && Failure::TimedOut.may_have_ordered());
    assert_eq!(size_of::<Response>(), 24);
}
