//! The table of modules in `docs/architecture.md` against the imports of the code.

#[path = "common/place.rs"]
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules that all may use, which the table leaves out.
const AVAILABLE_TO_ALL: [&str; 5] = ["error", "output_file", "printable", "tensor", "util"];

type Imports = BTreeMap<String, BTreeSet<String>>;

/// The Rust files below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.flat_map(|path| match path.is_dir() {
        true => rust_files(&path),
        false => vec![path],
    });
    files
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect()
}

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    let words = text.split('`').skip(1).step_by(2);
    words.map(|word| word.trim_end_matches('/').to_owned())
}

/// What each module of `src` imports from the others, tests aside.
fn imports() -> Imports {
    let src = place::repository().join("src");
    let mut imports = Imports::new();
    for path in rust_files(&src) {
        let inner = path.strip_prefix(&src).unwrap();
        let module = inner.iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs").to_owned();
        let is_test = inner
            .iter()
            .any(|part| part == "tests" || part == "tests.rs");
        if module == "lib" || is_test {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let found = imports.entry(module.clone()).or_default();
        for line in code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for import in line.split("crate::").skip(1) {
                let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
                let name: String = import.chars().take_while(|c| is_name(*c)).collect();
                if !name.is_empty() && name != module && !AVAILABLE_TO_ALL.contains(&&*name) {
                    found.insert(name);
                }
            }
        }
    }
    imports
}

/// The column "may use" of the table.
fn documented() -> Imports {
    let path = place::repository().join("docs/architecture.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("| module | holds | may use |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|row| row.starts_with('|'));
    let mut documented = Imports::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [modules, _, may_use] = cells[..] else {
            panic!("a row of three cells was expected: {row}");
        };
        for module in quoted(modules) {
            let used = quoted(may_use).collect();
            documented.insert(module, used);
        }
    }
    documented
}

#[test]
fn the_table_of_modules_is_what_the_code_imports() {
    let (documented, imports) = (documented(), imports());
    assert!(imports.len() > 15, "{imports:?}");
    for (module, imported) in &imports {
        let may_use = documented
            .get(module)
            .unwrap_or_else(|| panic!("{module} is not in the table"));
        assert_eq!(
            imported, may_use,
            "imports of {module}, and what the table lists"
        );
    }
}
