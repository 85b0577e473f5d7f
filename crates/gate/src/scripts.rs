use fred::types::scripts::Script;

macro_rules! scripts {
    ($($name:ident),+) => {
        /// The scripts of `lua/`, embedded at build time.
        pub struct Scripts {
            $(pub $name: Script,)+
        }

        impl Scripts {
            pub fn embedded() -> Self {
                Self {
                    $($name: Script::from_lua(include_str!(concat!("../../../lua/", stringify!($name), ".lua"))),)+
                }
            }

            pub fn all(&self) -> Vec<&Script> {
                vec![$(&self.$name),+]
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
