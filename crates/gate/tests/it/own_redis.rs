//! A Redis process of one test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::Config;

/// A Redis of its own, whose data outlive its process.
pub struct OwnRedis {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl OwnRedis {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let name = format!("fluxgate-redis-{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let process = launch(&folder, port);
        Self {
            folder,
            port,
            process,
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = launch(&self.folder, self.port);
    }

    pub async fn client(&self) -> Client {
        let client = Client::new(Config::from_url(&self.url()).unwrap(), None, None, None);
        client.init().await.unwrap();
        client
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn launch(folder: &Path, port: u16) -> Child {
    let stack = std::env::var("STACK_DIR").expect("STACK_DIR is set: run `make test`");
    let mut server = Command::new(Path::new(&stack).join("redis/redis-server"));
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    server
        .args(["--save", "", "--appendonly", "yes", "--dir"])
        .arg(folder);
    server.stdout(Stdio::null()).spawn().unwrap()
}
