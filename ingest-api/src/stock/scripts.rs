use fred::types::scripts::Script;

/// The scripts of `lua/`, embedded at build time.
pub struct Scripts {
    pub open_sale: Script,
    pub reserve: Script,
    pub clear: Script,
    pub pending: Script,
    pub retire: Script,
    pub cancel: Script,
    pub restock: Script,
    pub close: Script,
}

impl Scripts {
    pub fn embedded() -> Self {
        Self {
            open_sale: Script::from_lua(include_str!("../../../lua/open_sale.lua")),
            reserve: Script::from_lua(include_str!("../../../lua/reserve.lua")),
            clear: Script::from_lua(include_str!("../../../lua/clear.lua")),
            pending: Script::from_lua(include_str!("../../../lua/pending.lua")),
            retire: Script::from_lua(include_str!("../../../lua/retire.lua")),
            cancel: Script::from_lua(include_str!("../../../lua/cancel.lua")),
            restock: Script::from_lua(include_str!("../../../lua/restock.lua")),
            close: Script::from_lua(include_str!("../../../lua/close.lua")),
        }
    }

    pub fn all(&self) -> [&Script; 8] {
        [
            &self.open_sale,
            &self.reserve,
            &self.clear,
            &self.pending,
            &self.retire,
            &self.cancel,
            &self.restock,
            &self.close,
        ]
    }
}
