use fred::error::{Error, ErrorKind};
use fred::types::Value;

use crate::distinct::Distinct;
use crate::reservation::{Answers, answers};
use crate::{GateError, ReservationContext, ReservationRequest, ReservationStore};

/// Orders of one sale, in a call that sales share.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct SaleRequests<'a> {
    pub sale: ReservationContext<'a>,
    pub requests: Vec<ReservationRequest>,
}

impl ReservationStore {
    /// Whether only sales with the same tag can share a call: in a Cluster, others may be on another node.
    pub fn is_cluster(&self) -> bool {
        self.connections.cluster().is_some()
    }

    /// As [`Self::reserve`], for at most [`ORDERS_PER_CALL_MAX`](crate::ORDERS_PER_CALL_MAX) orders of several sales in one
    /// call. One answer per order, in the order of the sales: damaged data of one sale does not fail the others.
    ///
    /// # Errors
    /// When Redis gave no usable answer; units may have been reserved.
    pub async fn reserve_sales(
        &self,
        mut sales: Vec<SaleRequests<'_>>,
    ) -> Result<Answers, GateError> {
        if sales.len() == 1 {
            let SaleRequests { sale, requests } = sales.remove(0);
            return self.reserve(&sale, requests).await;
        }
        let sales = sales.into_iter();
        let sales = sales.map(|it| (it.sale, Distinct::of(it.requests)));
        let sales: Vec<_> = sales.collect();
        let (mut keys, mut arguments) = (Vec::with_capacity(4 * sales.len()), Vec::new());
        for (sale, Distinct { requests, .. }) in &sales {
            keys.extend(sale.keys.of_reservation());
            let count = i64::try_from(sale.arguments(requests));
            arguments.push(count.expect("orders are few").into());
            sale.push_arguments(requests, &mut arguments);
        }
        let script = match sales.iter().any(|(sale, _)| sale.is_limited) {
            true => &self.scripts.reserve_limited_sales,
            false => &self.scripts.reserve_sales,
        };
        let (replies, client): (Vec<Value>, _) =
            self.run_on("reserve", script, keys, arguments).await?;
        if replies.len() != sales.len() {
            return Err(GateError::unexpected("a reply per sale", replies));
        }
        let mut of_sales = Vec::with_capacity(sales.len());
        for ((sale, distinct), reply) in sales.into_iter().zip(replies) {
            let orders = distinct.places.given();
            let answers = match error(&reply) {
                Some(error) => Err(self.failed(error)),
                None => answers(reply, distinct, sale.shares_entries),
            };
            let answers = answers.unwrap_or_else(|error| vec![Err(error); orders]);
            of_sales.push((&sale.keys.sale, answers));
        }
        self.keep_promises(&client, &mut of_sales).await;
        Ok(of_sales
            .into_iter()
            .flat_map(|(_, answers)| answers)
            .collect())
    }
}

/// The error of one sale: a list of its text alone.
pub(crate) fn error(reply: &Value) -> Option<Error> {
    let Value::Array(parts) = reply else {
        return None;
    };
    match &parts[..] {
        [text] => Some(Error::new(ErrorKind::Unknown, text.as_string()?)),
        _ => None,
    }
}
