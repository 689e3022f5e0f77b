//! `shadernet completions`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueEnum};
use clap_complete::aot::{Shell, generate};
use clap_mangen::Man;
use shadernet::output_file;

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

    /// Only with man: write the manual pages of the command and its subcommands into a folder
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
                // `help` has no page.
                let no_help = |command: Command| command.disable_help_subcommand(true);
                command = no_help(command).mut_subcommands(no_help);
                // Gives subcommands the options of all.
                command.build();
                return write_pages(&command, "shadernet", folder);
            }
            (None, None) => page(&command, "shadernet", &mut text)?,
        }
        Ok(output::raw_stdout().write_all(&text)?)
    }
}

/// Writes the manual pages of `command`, which is called `name`, and of its subcommands into `folder`.
fn write_pages(command: &Command, name: &str, folder: &Path) -> Result<(), Failure> {
    let mut text = Vec::new();
    page(command, name, &mut text)?;
    output_file::write(folder.join(format!("{name}.1")), &text)?;
    for subcommand in command.get_subcommands() {
        let name = format!("{name}-{}", subcommand.get_name());
        write_pages(subcommand, &name, folder)?;
    }
    Ok(())
}

/// One manual page. Examples, which are indented in the help, have lines of their own: they are not filled.
fn page(command: &Command, name: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let after = command.get_after_help().map(ToString::to_string);
    let command = (command.clone())
        .display_name(name.to_owned())
        .bin_name(name.replace('-', " "))
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .after_help("");
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command);
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if has_subcommands {
        man.render_subcommands_section(out)?;
    }
    if let Some(after) = after {
        writeln!(out, ".SH EXAMPLES AND NOTES")?;
        for line in after.lines() {
            let text = line.replace('\\', "\\e").replace('-', "\\-");
            match line.starts_with(' ') {
                true => writeln!(out, ".nf\n{text}\n.fi")?,
                false if line.is_empty() => writeln!(out, ".PP")?,
                false => writeln!(out, "\\&{text}")?,
            }
        }
    }
    man.render_version_section(out)
}
