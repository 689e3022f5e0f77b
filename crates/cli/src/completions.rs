//! `shadernet completions`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Command, ValueEnum};
use clap_complete::aot::{Shell, generate};
use shadernet::{Error, output_file};

use super::{Failure, output};

/// Print a shell's completions, or the manual page
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet completions bash > ~/.local/share/bash-completion/completions/shadernet
  shadernet completions zsh > ~/.zfunc/_shadernet
  shadernet completions fish > ~/.config/fish/completions/shadernet.fish
  shadernet completions man | man -l -
  shadernet completions man -o ~/.local/share/man/man1")]
pub struct Completions {
    /// The shell, or man for the manual page
    #[arg(value_enum)]
    kind: Kind,

    /// Write the manual pages of the command and its subcommands into a folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Bash,
    Elvish,
    Fish,
    Man,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
}

impl Kind {
    /// The shell; `None` for the manual.
    fn shell(self) -> Option<Shell> {
        Some(match self {
            Self::Bash => Shell::Bash,
            Self::Elvish => Shell::Elvish,
            Self::Fish => Shell::Fish,
            Self::Man => return None,
            Self::PowerShell => Shell::PowerShell,
            Self::Zsh => Shell::Zsh,
        })
    }
}

impl Completions {
    /// `command` is the whole command line.
    pub fn execute(&self, mut command: Command) -> Result<(), Failure> {
        let mut text = Vec::new();
        match (self.kind.shell(), &self.output) {
            (Some(_), Some(_)) => {
                return Err(Failure::Usage("--output is only for man".to_owned()));
            }
            (Some(shell), None) => generate(shell, &mut command, "shadernet", &mut text),
            (None, Some(folder)) => {
                output_file::check_folder(folder)?;
                return clap_mangen::generate_to(command, folder)
                    .map_err(|error| Error::write(folder)(error).into());
            }
            (None, None) => clap_mangen::Man::new(command).render(&mut text)?,
        }
        Ok(output::raw_stdout().write_all(&text)?)
    }
}
