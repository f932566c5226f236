//! Tables of what the state directory refuses.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn state(folder: &Path) -> State {
    State::locate(None, || Ok(folder.to_owned())).unwrap()
}

/// A deleted lock file let a second process in.
#[test]
fn a_second_process_is_refused_whatever_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let state = state(folder.path());
    let lock = state.lock().unwrap();
    let refused = || format!("{:?}", state.lock().unwrap_err());
    let id = std::process::id();
    assert!(
        refused().contains(&format!("another `cargo eg run` (process {id}) already runs")),
        "{}",
        refused()
    );
    for entry in std::fs::read_dir(state.root()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert!(refused().contains("another `cargo eg run` already runs"), "{}", refused());
    drop(lock);
    state.lock().unwrap();
}

/// A project could come with a link that let a run overwrite, extend or delete its reader's files.
#[test]
fn links_are_refused_and_their_targets_stay() {
    for link in [
        "",
        "lock",
        "pid",
        "running.json",
        "logs",
        "logs/users-create.log",
        "bin",
        "data/users",
        "gateway/lock",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::fs::write(&target, "mine").unwrap();
        let state = state(folder.path());
        let path = if link.is_empty() { state.root().to_owned() } else { state.root().join(link) };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let target = if link.is_empty() { folder.path() } else { &target };
        symlink(target, &path).unwrap();
        let refused = format!("{:?}", state.lock().unwrap_err());
        assert!(refused.contains(&format!("`{}` is a symbolic link", path.display())), "{refused}");
        assert_eq!(std::fs::read_to_string(folder.path().join("target")).unwrap(), "mine");
    }
}

#[test]
fn a_link_that_the_user_names_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    std::fs::create_dir(folder.path().join("disk")).unwrap();
    symlink(folder.path().join("disk"), &link).unwrap();
    State::locate(Some(&link), || unreachable!()).unwrap().lock().unwrap();
    assert!(folder.path().join("disk/pid").exists());
}

#[test]
fn only_the_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new");
    let state = state(&root);
    // A folder from a repository has the mode of other folders.
    std::fs::create_dir_all(state.root()).unwrap();
    std::fs::set_permissions(state.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _lock = state.lock().unwrap();
    state.data_of("users").unwrap();
    for (path, expected) in
        [("", 0o700), ("pid", 0o600), (".gitignore", 0o600), ("data", 0o700), ("data/users", 0o700)]
    {
        let mode = state.root().join(path).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, expected, "{path}: {mode:o}");
    }
}

/// A folder that the user names may serve others, too.
#[test]
fn a_named_folder_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _lock = State::locate(Some(folder.path()), || unreachable!()).unwrap().lock().unwrap();
    let mode = folder.path().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "{mode:o}");
}
