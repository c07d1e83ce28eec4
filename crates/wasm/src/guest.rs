//! What the host keeps of one running component.

use crate::limiter::Limiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

pub(crate) struct Guest {
    pub wasi: WasiCtx,
    pub table: ResourceTable,
    pub limiter: Limiter,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
