//! Both disks do the same with the same calls, and the simulated one fails as it says.

use millstream_host::disk::{Disk, DiskFile, Fault, OpenMode, OsDisk, SimDisk, is_exhausted, is_full};
use std::io::ErrorKind;
use std::sync::Arc;

fn contents(file: &dyn DiskFile) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().expect("a length")).expect("small")];
    file.read_exact_at(0, &mut bytes).expect("readable");
    bytes
}

fn behaves(disk: &dyn Disk) {
    disk.create_dir_all("a").expect("a directory");
    disk.create_dir_all("a").expect("twice");
    let kind = |result: std::io::Result<Arc<dyn DiskFile>>| result.map(drop).expect_err("an error").kind();
    assert_eq!(kind(disk.open("a/x", OpenMode::Read)), ErrorKind::NotFound);
    let file = disk.open("a/x", OpenMode::CreateNew).expect("a new file");
    assert_eq!(kind(disk.open("a/x", OpenMode::CreateNew)), ErrorKind::AlreadyExists);
    assert!(file.is_empty().expect("a length"));
    file.write_all_at(2, &[b"ab", b"", b"cd"]).expect("written");
    assert_eq!(contents(&*file), b"\0\0abcd");
    assert_eq!(file.read_exact_at(4, &mut [0; 3]).expect_err("the end").kind(), ErrorKind::UnexpectedEof);
    file.set_len(4).expect("shorter");
    file.sync_data().expect("synced");
    disk.rename("a/x", "a/y").expect("renamed");
    disk.sync_dir("a").expect("synced");
    drop(disk.open("a/b", OpenMode::CreateNew).expect("another file"));
    drop(disk.open("top", OpenMode::CreateNew).expect("a file above"));
    assert_eq!(disk.list("a").expect("names"), ["b", "y"]);
    let read_only = disk.open("a/y", OpenMode::Read).expect("there");
    assert_eq!(contents(&*read_only), b"\0\0ab");
    assert!(read_only.write_at(0, b"x").is_err());
    disk.open("a/y", OpenMode::ReadWrite).expect("there").write_all_at(0, &[b"x"]).expect("written");
    assert_eq!(contents(&*read_only), b"x\0ab", "handles see each other's writes");
    disk.rename("a/y", "a/b").expect("replaced");
    disk.remove("top").expect("removed");
    assert_eq!(disk.remove("top").expect_err("gone").kind(), ErrorKind::NotFound);
    assert_eq!(disk.list("a").expect("names"), ["b"]);
    let lock = disk.try_lock("LOCK").expect("no error");
    assert!(lock.is_some() && disk.try_lock("LOCK").expect("no error").is_none());
    drop(lock);
    assert!(disk.try_lock("LOCK").expect("no error").is_some());
}

#[test]
fn the_machines_disk_behaves() {
    let parent = tempfile::tempdir().expect("a temporary directory");
    behaves(&OsDisk::open(parent.path().join("new/deep")).expect("made"));
}

#[test]
fn the_simulated_disk_behaves_with_short_io_too() {
    behaves(&SimDisk::new(1));
    let disk = SimDisk::new(2);
    disk.set_short_io(true);
    behaves(&disk);
}

fn new_file(disk: &SimDisk) -> Arc<dyn DiskFile> {
    let file = disk.open("f", OpenMode::CreateNew).expect("a new file");
    file.write_all_at(0, &[&vec![1; 40_960]]).expect("written");
    file.sync_data().expect("synced");
    file
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_any_pages_of_the_rest() {
    let (mut torn, mut nameless) = (0, 0);
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let file = new_file(&disk);
        if seed % 2 == 0 {
            disk.sync_dir("").expect("synced");
        }
        file.write_all_at(0, &[&vec![2; 40_960]]).expect("written");
        disk.crash();
        assert!(file.sync_data().is_err(), "handles do not outlive it");
        let Ok(found) = disk.contents("f") else {
            assert_ne!(seed % 2, 0, "a synced name stays");
            nameless += 1;
            continue;
        };
        assert!(found.chunks(4_096).all(|page| page.iter().all(|byte| *byte == page[0])), "pages are whole");
        torn += u32::from(found.contains(&1) && found.contains(&2));
    }
    assert!(torn > 5 && nameless > 5, "{torn} torn, {nameless} without a name");
}

#[test]
fn after_a_failed_sync_no_later_one_saves_the_pages() {
    let mut lost = 0;
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let file = new_file(&disk);
        disk.sync_dir("").expect("synced");
        file.write_all_at(0, &[&vec![2; 40_960]]).expect("written");
        disk.fail(Fault::Sync, 0);
        assert!(file.sync_data().is_err());
        file.sync_data().expect("the next one reports success");
        assert_eq!(disk.contents("f").expect("there"), vec![2; 40_960], "reads see the pages");
        disk.crash();
        lost += u32::from(disk.contents("f").expect("there").contains(&1));
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn faults_strike_once_and_a_full_disk_passes() {
    let disk = SimDisk::new(1);
    let file = new_file(&disk);
    disk.fail(Fault::Read, 1);
    let mut buffer = [0; 4];
    assert!(file.read_at(0, &mut buffer).is_ok());
    assert!(file.read_at(0, &mut buffer).is_err());
    assert!(file.read_at(0, &mut buffer).is_ok());
    disk.set_capacity(Some(disk.used()));
    file.write_all_at(0, &[b"over what is there"]).expect("needs no room");
    assert!(is_full(&file.write_at(40_960, b"x").expect_err("no room")));
    disk.set_capacity(None);
    file.write_all_at(40_960, &[b"x"]).expect("room again");
    assert_eq!(
        disk.flip_bit("f", 40_960, 0).expect_err("not on the disk yet").kind(),
        ErrorKind::InvalidInput
    );
    file.sync_data().expect("synced");
    disk.flip_bit("f", 40_960, 0).expect("there");
    assert_eq!(disk.contents("f").expect("there")[40_960], b'y');
}

#[test]
fn a_limit_of_open_files_holds_until_one_is_closed() {
    let disk = SimDisk::new(1);
    let file = new_file(&disk);
    disk.set_open_files(Some(1));
    let refused = disk.open("f", OpenMode::Read).expect_err("no handle is left");
    assert!(is_exhausted(&refused) && !is_full(&refused), "{refused}");
    assert!(is_exhausted(&disk.sync_dir("").expect_err("a directory needs one too")));
    assert_eq!(disk.open_files(), 1);
    drop(file);
    let file = disk.open("f", OpenMode::Read).expect("a handle");
    disk.kill();
    assert_eq!(disk.open_files(), 0, "a process's handles end with it");
    drop(file);
    assert_eq!(disk.open_files(), 0);
}

#[test]
fn what_passes_is_told_from_what_is_broken() {
    // EIO, ENOMEM, ENFILE, EMFILE, ENOSPC as Linux numbers them.
    for (number, full, exhausted) in
        [(5, false, false), (12, false, true), (23, false, true), (24, false, true), (28, true, false)]
    {
        let error = std::io::Error::from_raw_os_error(number);
        assert_eq!((is_full(&error), is_exhausted(&error)), (full, exhausted), "{error}");
    }
}

#[test]
fn what_the_machines_disk_makes_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("a temporary directory");
    let root = home.path().join("data");
    let disk = OsDisk::open(&root).expect("made");
    disk.create_dir_all("wal").expect("made");
    let file = disk.open("wal/1", OpenMode::CreateNew).expect("made");
    let lock = disk.try_lock("LOCK").expect("made").expect("free");
    for (name, expected) in [("", 0o700), ("wal", 0o700), ("wal/1", 0o600), ("LOCK", 0o600)] {
        let mode = root.join(name).metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{name}: {mode:o}");
    }
    drop((file, lock));
}
