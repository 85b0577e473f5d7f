//! The order in which a pass of the relay takes the sales.

use fluxgate_domain::ids::ProductId;
use fluxgate_gate::IndexedSale;

/// Rotates the sales so that those after `last` come first and `last` comes last.
pub fn begin_after(sales: &mut [IndexedSale], last: Option<&ProductId>) {
    if let Some(at) = sales.iter().position(|sale| Some(&sale.product) == last) {
        sales.rotate_left(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_begins_after_the_sale_whose_page_was_not_acknowledged() {
        let ids = |text: &str| -> Vec<IndexedSale> {
            let product = |id: char| ProductId::parse(&id.to_string()).unwrap();
            let sale = |id| IndexedSale {
                product: product(id),
                retirements: vec![0],
            };
            text.chars().map(sale).collect()
        };
        let rotated = |last: Option<&str>| {
            let mut sales = ids("abcd");
            let last = last.map(|id| ids(id).remove(0).product);
            begin_after(&mut sales, last.as_ref());
            sales
        };
        assert_eq!(rotated(None), ids("abcd"));
        assert_eq!(rotated(Some("b")), ids("cdab"));
        assert_eq!(rotated(Some("d")), ids("abcd"));
        assert_eq!(rotated(Some("x")), ids("abcd"));
    }
}
