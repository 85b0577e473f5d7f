use fred::types::scripts::Script;

/// The text of a file of `lua/`.
macro_rules! lua {
    ($name:expr) => {
        include_str!(concat!("../../../lua/", $name, ".lua"))
    };
}

/// The functions of `find_entry.lua`, then the script.
macro_rules! with_find_entry {
    ($($text:expr),+) => {
        concat!(lua!("find_entry"), "\n", $($text),+)
    };
}

/// What `reserve.lua` has before it, for sales without limits.
macro_rules! without_limits {
    ($($text:expr),+) => {
        with_find_entry!("local rate_limits, unpaid_limit\n", $($text),+)
    };
}

/// What `reserve.lua` has before it, for all sales.
macro_rules! with_limits {
    ($($text:expr),+) => {
        with_find_entry!(lua!("limit_rate"), "\n", lua!("limit_unpaid"), "\n", $($text),+)
    };
}

/// `reserve.lua` as a function, and its caller.
macro_rules! for_sales {
    () => {
        concat!(
            lua!("run_alone"),
            "local function reserve(KEYS, ARGV)\n",
            lua!("reserve"),
            "end\n",
            lua!("reserve_sales")
        )
    };
}

macro_rules! scripts {
    ($($name:ident),+; $($composed:ident = $text:expr),+) => {
        /// The scripts of `lua/`, embedded at build time.
        pub struct Scripts {
            $(pub $name: Script,)+
            $(pub $composed: Script,)+
        }

        impl Scripts {
            pub fn embedded() -> Self {
                Self {
                    $($name: Script::from_lua(lua!(stringify!($name))),)+
                    $($composed: Script::from_lua($text),)+
                }
            }

            /// Each with its name.
            pub fn all(&self) -> Vec<(&'static str, &Script)> {
                vec![
                    $((stringify!($name), &self.$name),)+
                    $((stringify!($composed), &self.$composed),)+
                ]
            }
        }
    };
}

scripts!(
    complete,
    expire,
    watch_holds,
    close,
    stop_sale,
    reopen_sale,
    touch_sale,
    continue_after_loss,
    grant_refusal_lease;
    read_outbox = concat!(lua!("needs_users"), lua!("optional_keys"), lua!("read_outbox")),
    open_sale = concat!(lua!("optional_keys"), lua!("open_sale")),
    restore = concat!(lua!("optional_keys"), lua!("restore")),
    retire = concat!(lua!("needs_users"), lua!("optional_keys"), lua!("retire")),
    cancel = concat!(lua!("needs_users"), lua!("optional_keys"), lua!("cancel")),
    ack_outbox = concat!(lua!("needs_users"), lua!("event_name"), lua!("ack_outbox")),
    snapshot = concat!(lua!("needs_users"), lua!("optional_keys"), lua!("snapshot")),
    amend_sale = concat!(lua!("refuse_change"), lua!("optional_keys"), lua!("amend_sale")),
    restock = concat!(lua!("refuse_change"), lua!("restock")),
    change_queue = concat!(lua!("refuse_change"), lua!("change_queue")),
    reserve = without_limits!(lua!("reserve")),
    reserve_limited = with_limits!(lua!("reserve")),
    reserve_sales = without_limits!(for_sales!()),
    reserve_limited_sales = with_limits!(for_sales!()),
    ack_orders = with_find_entry!(lua!("event_name"), lua!("run_alone"), lua!("ack_lists"), lua!("ack_orders")),
    ack_held_orders = with_find_entry!(lua!("event_name"), lua!("ack_lists"), lua!("ack_held_orders")),
    join_queue = concat!(lua!("read_queue"), lua!("join_queue")),
    pace_queue = concat!(lua!("read_queue"), lua!("pace_queue")),
    find_unheld = with_find_entry!(lua!("find_unheld")),
    is_waiting = with_find_entry!(lua!("is_waiting"))
);
