use std::fs;

use super::*;

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_appear_when_they_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    OutputFile::check(&path).unwrap();
    assert!(names(folder.path()).is_empty());
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"one").unwrap();
    assert!(!path.exists());
    drop(file);
    assert!(names(folder.path()).is_empty());

    write(&path, b"old").unwrap();
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    file.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn wrong_destinations_are_errors_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| {
        let error = OutputFile::check(path).unwrap_err().report().to_string();
        let created = OutputFile::create(path).unwrap_err().report().to_string();
        assert_eq!(error, created);
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        error
    };
    assert!(error(folder.path()).contains("found a folder"));
    assert!(error(&folder.path().join("no/a.txt")).contains("there is no folder"));
    assert!(error(&folder.path().join("new/")).contains("expected the name of a file"));

    let path = folder.path().join("a.txt");
    fs::write(&path, "old").unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions.clone()).unwrap();
    assert!(error(&path).contains("read-only"));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "so that Windows can remove it"
    )]
    permissions.set_readonly(false);
    fs::set_permissions(&path, permissions).unwrap();
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn links_are_followed_and_permissions_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, dangling] =
            ["file", "link", "dangling"].map(|name| folder.path().join(name));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        // A chain of two, relative to their folder.
        symlink("file", folder.path().join("inner")).unwrap();
        symlink("inner", &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);

        symlink("later", &dangling).unwrap();
        write(&dangling, b"created").unwrap();
        assert_eq!(fs::read(folder.path().join("later")).unwrap(), b"created");
        symlink("no/where", folder.path().join("lost")).unwrap();
        let error = OutputFile::check(folder.path().join("lost")).unwrap_err();
        assert!(error.to_string().contains("there is no folder"), "{error}");
        symlink("loop", folder.path().join("loop")).unwrap();
        OutputFile::check(folder.path().join("loop")).unwrap_err();
    }

    #[test]
    fn hard_links_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        fs::write(&a, "a long old text").unwrap();
        fs::hard_link(&a, &b).unwrap();
        let mut file = OutputFile::create(&a).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&b).unwrap(), b"a long old text");
        file.finish().unwrap();
        assert_eq!([fs::read(&a).unwrap(), fs::read(&b).unwrap()], [b"new"; 2]);
        assert_eq!(fs::metadata(&a).unwrap().nlink(), 2);
        assert_eq!(names(folder.path()), ["a", "b"]);
    }

    #[test]
    fn pipes_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        // Does not wait for a reader.
        OutputFile::check(&path).unwrap();
        assert_eq!(OutputFile::target(&path).unwrap(), None);
        let reader = thread::spawn({
            let path = path.clone();
            move || fs::read(path).unwrap()
        });
        write(&path, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(names(folder.path()), ["pipe"]);
    }

    /// As `/dev/null`, where this process may create one. Never the real one, which the fault destroys.
    #[test]
    fn devices_are_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("null");
        let made = Command::new("mknod")
            .arg(&path)
            .args(["c", "1", "3"])
            .status();
        if !made.is_ok_and(|made| made.success()) {
            return;
        }
        // Some systems allow creating a device, but not opening it.
        if write(&path, b"nowhere").is_ok() {
            assert!(fs::metadata(&path).unwrap().file_type().is_char_device());
        }
        assert_eq!(names(folder.path()), ["null"]);
    }

    #[test]
    fn open_files_of_this_process_are_written_to() {
        use std::io::{Read, Seek};
        use std::os::fd::AsRawFd;

        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before ").unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", file.as_raw_fd()));
        OutputFile::check(&path).unwrap();
        write(&path, b"after").unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "before after");
        let error = OutputFile::check("/dev/fd/9999").unwrap_err();
        assert!(error.report().to_string().contains("could not be written"));
        assert!(OutputFile::target("/dev/stdout").unwrap().is_none());
    }

    #[test]
    fn what_dead_processes_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let hours = |hours| std::time::SystemTime::now() - std::time::Duration::from_hours(hours);
        let file = |name: &str, age| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(hours(age)).unwrap();
            file
        };
        file(".shadernet-aaaaaa.tmp", 2);
        file(".shadernet-bbbbbb.tmp", 0);
        let held = file(".shadernet-cccccc.tmp", 2);
        held.lock().unwrap();
        file(".shadernet-notes.tmp", 2);
        file("shadernet-dddddd.tmp", 2);
        let left = folder.path().join(".shadernet-eeeeee.tmp");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("config.json"), "{}").unwrap();
        File::open(&left).unwrap().set_modified(hours(2)).unwrap();
        symlink("nothing", folder.path().join(".shadernet-ffffff.tmp")).unwrap();

        write(folder.path().join("z"), b"new").unwrap();
        assert_eq!(
            names(folder.path()),
            [
                ".shadernet-bbbbbb.tmp",
                ".shadernet-cccccc.tmp",
                ".shadernet-ffffff.tmp",
                ".shadernet-notes.tmp",
                "shadernet-dddddd.tmp",
                "z"
            ]
        );
    }

    #[test]
    fn files_of_others_are_not_touched_while_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = OutputFile::create(folder.path().join("a")).unwrap();
        let [name] = &names(folder.path())[..] else {
            panic!("one temporary file was expected");
        };
        // Another process's lock.
        let other = File::options()
            .write(true)
            .open(folder.path().join(name))
            .unwrap();
        assert!(other.try_lock().is_err());
        file.write_all(b"done").unwrap();
        file.finish().unwrap();
        assert_eq!(names(folder.path()), ["a"]);
    }
}
