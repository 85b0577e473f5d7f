use fluxgate_domain::ids::OrderId;

/// One thing that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A buyer was promised an order that is nowhere.
    Lost(OrderId),
    /// One key of one user led to several orders.
    Doubled {
        /// Whose key.
        user: String,
        /// The orders.
        ids: Vec<OrderId>,
    },
    /// Several answers to one key claim to be the first.
    Unmarked {
        /// Whose key.
        user: String,
        /// How many do.
        times: usize,
    },
    /// One key was both sold an order and told that there was none left.
    Contradicted {
        /// Whose key.
        user: String,
    },
    /// A row that differs from what its buyer was promised.
    Altered(OrderId),
    /// A row that nobody was promised and nobody was left in doubt about.
    Unasked(OrderId),
    /// A promised order ended without units.
    Rejected(OrderId),
    /// A refusal that this sale gives no reason for, or an answer outside the contract.
    Unexpected(String),
    /// More units were confirmed than there are.
    Oversold {
        /// Units confirmed.
        confirmed: i64,
        /// Units there are.
        total: i64,
    },
    /// Buyers were told `sold_out`, but units are left.
    PhantomSellOut {
        /// Units that nobody got.
        unsold: i64,
    },
    /// Units that are gone from Redis and not in PostgreSQL, or the other way round.
    Stranded {
        /// Units gone from Redis.
        gone: i64,
        /// Units confirmed in PostgreSQL.
        confirmed: i64,
    },
    /// Two places that must agree do not.
    Disagreement {
        /// On what.
        what: &'static str,
        /// What is there.
        seen: i64,
        /// What should be.
        expected: i64,
    },
    /// A sale that a store does not know.
    Missing(&'static str),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(id) => write!(f, "lost: order {id} was promised and has no row"),
            Self::Doubled { user, ids } => write!(f, "doubled: {user}'s one key led to {ids:?}"),
            Self::Unmarked { user, times } => {
                write!(
                    f,
                    "unmarked: {times} answers to {user} claim to be the first"
                )
            }
            Self::Contradicted { user } => {
                write!(
                    f,
                    "contradicted: {user} was sold an order and told sold_out"
                )
            }
            Self::Altered(id) => write!(f, "altered: the row of order {id} is not what was asked"),
            Self::Unasked(id) => write!(f, "unasked: nobody can have ordered {id}"),
            Self::Rejected(id) => write!(f, "rejected: order {id} was promised and got no units"),
            Self::Unexpected(answer) => write!(f, "unexpected answer: {answer}"),
            Self::Oversold { confirmed, total } => {
                write!(f, "oversold: {confirmed} units confirmed of {total}")
            }
            Self::PhantomSellOut { unsold } => {
                write!(f, "phantom sell-out: {unsold} units left after sold_out")
            }
            Self::Stranded { gone, confirmed } => write!(
                f,
                "stranded: {gone} units gone from Redis, {confirmed} confirmed in PostgreSQL"
            ),
            Self::Disagreement {
                what,
                seen,
                expected,
            } => {
                write!(f, "{what}: {seen}, should be {expected}")
            }
            Self::Missing(store) => write!(f, "{store} does not know the sale"),
        }
    }
}
