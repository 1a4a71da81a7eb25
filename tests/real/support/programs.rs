//! Programs: found, started on a free port, waited for, and ended by their own process id.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::PATIENCE;

/// A port may be taken by another program between the choice and the start.
const ATTEMPTS: usize = 3;

/// Where scripts/install-test-tools puts things, before what the caller has in PATH.
pub fn search_path() -> OsString {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin");
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths([tools].into_iter().chain(env::split_paths(&path)).chain(system))
        .expect("no colon in a folder's name")
}

/// A program the tests need.
pub fn tool(name: &str) -> PathBuf {
    let found = env::split_paths(&search_path()).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not in PATH: run scripts/test, which installs what the tests need"))
}

/// Cargo builds the examples for `cargo test`, beside the tests.
pub fn built_example(name: &str) -> PathBuf {
    let this = env::current_exe().expect("a path");
    let example = this.ancestors().nth(2).expect("target/PROFILE/deps").join("examples").join(name);
    assert!(example.is_file(), "{} is not built: run scripts/test, or cargo build --examples", example.display());
    example
}

/// A command that finds the tools.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(tool(name));
    command.env("PATH", search_path());
    command
}

/// What `id` says.
pub fn id(flag: &str) -> String {
    let output = command("id").arg(flag).output().expect("id runs");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}

/// A port nobody uses now, for TCP and UDP.
pub fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = tcp.local_addr().expect("an address").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A process that ends with the test.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub fn is_over(&mut self) -> bool {
        self.0.try_wait().expect("it is ours").is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real server on a port and in a folder of its own.
pub struct RealServer {
    pub port: u16,
    // Ends before its folder goes.
    _process: Process,
    folder: TempDir,
}

impl RealServer {
    /// Starts what `prepare` makes of a folder and a port, and waits until it answers.
    pub fn start(prepare: impl Fn(&Path, u16) -> Command, answers: impl Fn(u16) -> bool) -> Self {
        for _ in 0..ATTEMPTS {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let port = free_port();
            let log = folder.path().join("output");
            let output = File::create(&log).expect("a log file");
            let mut command = prepare(folder.path(), port);
            command.stdin(Stdio::null()).stdout(output.try_clone().expect("a handle")).stderr(output);
            let mut process = Process::start(&mut command);
            let deadline = Instant::now() + PATIENCE;
            loop {
                if answers(port) {
                    return Self { port, _process: process, folder };
                }
                if process.is_over() {
                    break;
                }
                assert!(Instant::now() < deadline, "{command:?} does not answer:\n{}", read(&log));
                std::thread::sleep(Duration::from_millis(20));
            }
            eprintln!("{command:?} ended at once:\n{}", read(&log));
        }
        panic!("no attempt to start the server succeeded; see above");
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether somebody accepts connections there.
pub fn accepts(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}
