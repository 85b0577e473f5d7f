//! What every Fluxgate program is built on; knows no store driver and nothing about sales.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | settings that more than one program reads |
//! | [`telemetry`], [`traces`] | logs, and OpenTelemetry traces |
//! | [`metrics`] | how a program declares its metrics |
//! | [`server`] | HTTP servers whose connections are bounded |
//! | [`ops`] | health, readiness and metrics over HTTP |
//! | [`shutdown`] | SIGTERM and SIGINT |
//! | [`essential_tasks`] | tasks whose end ends the program |
//! | [`causes`] | the text of an error with its causes |
//! | [`crash_points`] | places where a fault run kills a program; empty in every other build |

pub mod causes;
pub mod crash_points;
pub mod essential_tasks;
pub mod metrics;
pub mod ops;
pub mod server;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod traces;
