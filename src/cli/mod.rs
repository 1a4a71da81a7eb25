//! The command line: `serve`, `check`, `settings`, `token`, `completion`, and the commands that use a gateway (`commands`).
//!
//! Exit codes: 0 when all went well, 64 when the command line or the configuration is wrong, 1 for everything else; `check` has more.

mod activation;
mod check;
mod descriptors;
mod lines;
mod logging;
mod reload;
mod serve;
mod signals;
mod token;
mod traces;
mod who;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use self::{activation::Inherited, check::CheckArguments, reload::Reload, traces::Traces};
use crate::{
    commands,
    config::{self, Config, Faults, Flags},
};

/// EX_USAGE of sysexits.h.
const USAGE: u8 = 64;
/// EX_NOHOST.
const NO_HOST: u8 = 68;

/// Raw TCP and UDP sockets for any program, in any language, through gRPC.
#[derive(Parser)]
#[command(name = "socket-gateway", version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

const AFTER_HELP: &str = "Without a command: serve. Its settings come from the file, the environment (SOCKET_GATEWAY_*) \
                          and flags; later ones win. The other commands use a gateway: --gateway or SOCKET_GATEWAY_TARGET \
                          names it.\n\nExit codes: 0 all went well, 1 failed, 64 wrong command line, configuration or \
                          request, 66 no such session or listener, 69 the gateway cannot be reached, 75 no answer in time, \
                          77 not permitted, 130 interrupted.";

#[derive(Subcommand)]
enum Command {
    /// Run the gateway (what happens without a command as well)
    Serve(ServeArguments),
    /// Check a configuration file as a whole, or ask its policy what may be dialled and bound; nothing is opened
    Check(Box<CheckArguments>),
    /// Print all settings as a table in Markdown
    Settings,
    /// Make a bearer token, and the table for the configuration file that lets it in
    Token(token::TokenArguments),
    /// Print a script that completes this command line in a shell
    Completion {
        /// The shell
        shell: Shell,
    },
    #[command(flatten)]
    Use(commands::Command),
}

#[derive(Args)]
struct ServeArguments {
    /// Configuration file in TOML [env: SOCKET_GATEWAY_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port of the gRPC server [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// How logs are written: auto, human or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What is logged, for example debug or info,socket_gateway=debug
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
    /// Any setting, for example limits.sessions=100; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Listen beyond this machine although nobody is asked who they are
    #[arg(long)]
    insecure_allow_anyone_to_open_sockets: bool,
    /// Let bearer tokens come from other machines without TLS
    #[arg(long)]
    insecure_allow_tokens_in_the_clear: bool,
}

/// Why a command failed.
pub enum Failure {
    /// The command line is wrong, or asked for help.
    Usage(clap::Error),
    /// The configuration is wrong, and nothing was started.
    Configuration(Faults),
    /// The file that was to be checked is wrong.
    Check(Faults),
    /// A command that uses a gateway did not do all it was asked to.
    Use(commands::End),
    /// The policy denies what was asked for, as was told.
    Denied,
    /// The name that was asked for has no address.
    NoHost(String),
    /// Something failed while starting or running.
    Runtime(anyhow::Error),
}

/// Runs a command line, the program's name first.
///
/// # Errors
/// Whatever keeps the command from doing what it was asked to; also the help texts, which clap takes for errors.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let arguments = Arguments::try_parse_from(arguments).map_err(Failure::Usage)?;
    match arguments.command {
        None => serve(arguments.serve),
        Some(Command::Serve(arguments)) => serve(arguments),
        Some(Command::Check(arguments)) => check::run(*arguments),
        Some(Command::Settings) => print(&config::markdown()),
        Some(Command::Token(arguments)) => {
            let text = token::text(&arguments).map_err(|error| Failure::Runtime(error.into()))?;
            print(&text)
        }
        Some(Command::Completion { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "socket-gateway", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Some(Command::Use(command)) => command.run().map_err(Failure::Use),
    }
}

fn serve(arguments: ServeArguments) -> Result<(), Failure> {
    let (flags, environment) = (Flags::from(arguments), config::environment());
    let config = Config::load(&flags, &environment).map_err(Failure::Configuration)?;
    let inherited = Inherited::take(&environment).map_err(Failure::Runtime)?;
    let runtime = serve::runtime(&config.runtime).map_err(Failure::Runtime)?;
    // The exporter of traces lives on the runtime.
    let entered = runtime.enter();
    let traces = Traces::start(&config.tracing).map_err(Failure::Runtime)?;
    let logs = logging::start(&config.log, &traces);
    drop(entered);
    let reload = Reload::new(flags, environment, &config);
    let result = serve::run(runtime, &config, reload, inherited, &logs, &traces);
    result.map_err(Failure::Runtime)
}

/// A reader that has seen enough and went away is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Runtime(error.into())),
        _ => Ok(()),
    }
}

impl From<ServeArguments> for Flags {
    fn from(arguments: ServeArguments) -> Self {
        let ServeArguments { config, listen, log_format, log_filter, set, .. } = arguments;
        let said = |flag: bool| flag.then(|| "true".to_owned());
        let named = [
            ("--listen", "listen", listen),
            ("--log-format", "log.format", log_format),
            ("--log-filter", "log.filter", log_filter),
            (
                "--insecure-allow-anyone-to-open-sockets",
                "insecure.allow_anyone_to_open_sockets",
                said(arguments.insecure_allow_anyone_to_open_sockets),
            ),
            (
                "--insecure-allow-tokens-in-the-clear",
                "insecure.allow_tokens_in_the_clear",
                said(arguments.insecure_allow_tokens_in_the_clear),
            ),
        ];
        let named = named.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value?))).collect();
        Self { file: config, named, set }
    }
}

impl Failure {
    /// Tells what happened and gives the exit code.
    pub fn report(self) -> ExitCode {
        // Where nobody can read it, the exit code has to do.
        match self {
            Self::Usage(error) => {
                let _ = error.print();
                if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
            }
            Self::Configuration(faults) => {
                let _ = writeln!(io::stderr(), "{faults}");
                ExitCode::from(USAGE)
            }
            Self::Check(faults) => {
                let _ = writeln!(io::stderr(), "{faults}");
                ExitCode::FAILURE
            }
            Self::Use(end) => end.tell(),
            Self::Denied => ExitCode::FAILURE,
            Self::NoHost(reason) => {
                let _ = writeln!(io::stderr(), "socket-gateway: {reason}");
                ExitCode::from(NO_HOST)
            }
            Self::Runtime(error) => {
                let _ = writeln!(io::stderr(), "socket-gateway: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}
