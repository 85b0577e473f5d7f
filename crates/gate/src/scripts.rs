use fred::types::scripts::Script;

/// What Redis runs as `reserve_sales.lua`: `reserve.lua` as a function, and its caller.
const RESERVE_SALES: &str = concat!(
    "local function reserve(KEYS, ARGV)\n",
    include_str!("../../../lua/reserve.lua"),
    "end\n",
    include_str!("../../../lua/reserve_sales.lua")
);

macro_rules! scripts {
    ($($name:ident),+) => {
        /// The scripts of `lua/`, embedded at build time.
        pub struct Scripts {
            $(pub $name: Script,)+
            pub reserve_sales: Script,
        }

        impl Scripts {
            pub fn embedded() -> Self {
                Self {
                    $($name: Script::from_lua(include_str!(concat!("../../../lua/", stringify!($name), ".lua"))),)+
                    reserve_sales: Script::from_lua(RESERVE_SALES),
                }
            }

            pub fn all(&self) -> Vec<&Script> {
                vec![$(&self.$name,)+ &self.reserve_sales]
            }
        }
    };
}

scripts!(
    open_sale,
    reserve,
    ack_outbox,
    read_outbox,
    retire,
    cancel,
    restock,
    close,
    stop_sale,
    restore,
    reopen_sale,
    touch_sale,
    continue_after_loss,
    grant_refusal_lease,
    snapshot
);
