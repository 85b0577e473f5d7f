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

/// What Redis runs as `reserve_sales.lua`: `reserve.lua` as a function, and its caller.
const RESERVE_SALES: &str = with_find_entry!(
    lua!("limit_rate"),
    "\n",
    lua!("run_alone"),
    "local function reserve(KEYS, ARGV)\n",
    lua!("reserve"),
    "end\n",
    lua!("reserve_sales")
);

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
    open_sale,
    complete,
    expire,
    watch_holds,
    ack_outbox,
    read_outbox,
    retire,
    cancel,
    close,
    stop_sale,
    restore,
    reopen_sale,
    touch_sale,
    continue_after_loss,
    grant_refusal_lease,
    snapshot;
    amend_sale = concat!(lua!("refuse_change"), lua!("amend_sale")),
    restock = concat!(lua!("refuse_change"), lua!("restock")),
    reserve = with_find_entry!(lua!("limit_rate"), "\n", lua!("reserve")),
    reserve_sales = RESERVE_SALES,
    ack_orders = with_find_entry!(lua!("run_alone"), lua!("ack_lists"), lua!("ack_orders")),
    ack_held_orders = with_find_entry!(lua!("ack_lists"), lua!("ack_held_orders")),
    is_waiting = with_find_entry!(lua!("is_waiting"))
);
