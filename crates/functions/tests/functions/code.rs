//! The code store.

use crate::common::zip_of;
use bytes::Bytes;
use millstream_functions::{BadZip, CodeError, CodeKey, CodeStore};
use millstream_host::fs;
use std::collections::HashSet;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn directory() -> PathBuf {
    fs::create_unique_dir(&std::env::temp_dir(), "millstream-test-").unwrap()
}

fn bad(error: CodeError) -> BadZip {
    match error {
        CodeError::BadZip(bad) => bad,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_zip_is_kept_by_its_content_over_a_restart() {
    let directory = directory();
    let zip = zip_of(&[("main.py", "x"), ("bin/bootstrap", "#!/bin/sh")]);
    let store = CodeStore::open(&directory).unwrap();
    let stored = store.put_zip(zip.clone()).await.unwrap();
    assert_eq!(stored, store.put_zip(zip.clone()).await.unwrap(), "again changes nothing");
    assert_eq!(stored.size, zip.len() as u64);
    assert_eq!(stored.unzipped_size, 10);
    assert_eq!(stored.sha256_base64.len(), 44);
    assert_eq!(stored.key.as_str().len(), 64);
    drop(store);

    let store = CodeStore::open(&directory).unwrap();
    assert_eq!(store.get_zip(&stored.key).await.unwrap(), zip);
    let tree = store.materialize(&stored.key).await.unwrap();
    assert_eq!(fs::read_to_string(&tree.join("main.py")).unwrap(), "x");
    let mode = |name: &str| tree.join(name).metadata().unwrap().permissions().mode() & 0o777;
    let of = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(of(directory.clone()), 0o700);
    assert_eq!(of(directory.join("zips").join(format!("{}.zip", stored.key))), 0o600);
    assert_eq!(mode("main.py"), 0o644);
    assert_eq!(mode("bin/bootstrap"), 0o755);
    assert_eq!(store.materialize(&stored.key).await.unwrap(), tree);

    assert_eq!(store.remove_unreferenced(&HashSet::from([stored.key.clone()])).await.unwrap(), 0);
    assert_eq!(store.remove_unreferenced(&HashSet::new()).await.unwrap(), 1);
    assert!(matches!(store.get_zip(&stored.key).await, Err(CodeError::Missing { .. })));
    assert!(matches!(store.materialize(&stored.key).await, Err(CodeError::Missing { .. })));
    assert!(!tree.exists());
    fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn a_zip_that_rots_is_not_served_until_it_is_uploaded_again() {
    let directory = directory();
    let (zip, other) = (zip_of(&[("main.py", "x")]), zip_of(&[("main.py", "y")]));
    let store = CodeStore::open(&directory).unwrap();
    let stored = store.put_zip(zip.clone()).await.unwrap();
    let path = directory.join("zips").join(format!("{}.zip", stored.key));
    // A whole zip, and yet another one.
    fs::write(&path, &other).unwrap();
    let store = CodeStore::open(&directory).unwrap();
    assert!(matches!(store.get_zip(&stored.key).await, Err(CodeError::Io { .. })));
    let error = store.materialize(&stored.key).await.unwrap_err();
    assert!(
        matches!(&error, CodeError::Io { source, .. } if source.to_string().contains("damaged")),
        "{error:?}"
    );
    assert_eq!(store.put_zip(zip.clone()).await.unwrap(), stored);
    assert_eq!(store.get_zip(&stored.key).await.unwrap(), zip);
    fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn a_temporary_store_goes_with_its_last_clone() {
    let store = CodeStore::temporary().unwrap();
    let directory = store.directory().to_owned();
    let clone = store.clone();
    drop(store);
    assert!(directory.exists());
    drop(clone);
    assert!(!directory.exists());
}

#[tokio::test]
async fn what_is_no_zip_is_refused_and_leaves_nothing() {
    let store = CodeStore::temporary().unwrap();
    let good = zip_of(&[("main.py", &"some text ".repeat(1_000))]);
    let mut broken = good.to_vec();
    let middle = broken.len() / 3;
    broken[middle] ^= 0xff;
    for zip in [Bytes::new(), Bytes::from_static(b"no zip"), good.slice(..good.len() / 2), broken.into()] {
        let error = bad(store.put_zip(zip).await.unwrap_err());
        assert!(matches!(error, BadZip::Unreadable { .. }), "{error}");
    }
    for place in ["zips", "unzipped", "making"] {
        let entries = store.directory().join(place).read_dir().unwrap().count();
        assert_eq!(entries, 0, "{place}");
    }
}

#[tokio::test]
async fn a_zip_may_not_lead_out() {
    let store = CodeStore::temporary().unwrap();
    for name in ["../evil", "/evil", "a/../../evil", "..\\..\\evil/../.."] {
        let error = bad(store.put_zip(zip_of(&[("main.py", "x"), (name, "y")])).await.unwrap_err());
        assert_eq!(error, BadZip::UnsafePath { path: name.to_owned() });
    }
    assert!(!store.directory().join("evil").exists());
}

#[tokio::test]
async fn links_stay_inside_and_nothing_is_written_through_them() {
    let store = CodeStore::temporary().unwrap();
    let with_link = |target: &str, then: Option<&str>| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("lib/link", target, SimpleFileOptions::default()).unwrap();
        if let Some(name) = then {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(b"through").unwrap();
        }
        Bytes::from(writer.finish().unwrap().into_inner())
    };
    for target in ["/etc/passwd", "../../etc", "../..", ""] {
        let error = bad(store.put_zip(with_link(target, None)).await.unwrap_err());
        assert_eq!(error, BadZip::UnsafePath { path: "lib/link".to_owned() }, "{target}");
    }
    let error = bad(store.put_zip(with_link("../real", Some("lib/link/file"))).await.unwrap_err());
    assert_eq!(error, BadZip::UnsafePath { path: "lib/link".to_owned() });
    let stored = store.put_zip(with_link("../real", Some("real"))).await.unwrap();
    let tree = store.materialize(&stored.key).await.unwrap();
    assert_eq!(fs::read_to_string(&tree.join("lib/link")).unwrap(), "through");
}

#[tokio::test]
async fn content_is_limited_whatever_the_zip_says_of_itself() {
    let store = CodeStore::temporary().unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let zeros = vec![0; 1 << 20];
    writer.start_file("zeros", SimpleFileOptions::default()).unwrap();
    for _ in 0..251 {
        writer.write_all(&zeros).unwrap();
    }
    let zip = Bytes::from(writer.finish().unwrap().into_inner());
    assert!(zip.len() < 1 << 20, "it compresses well");
    let error = bad(store.put_zip(zip).await.unwrap_err());
    assert_eq!(error, BadZip::UnzippedTooLarge { limit: 250 << 20 });
    let error = bad(store.put_zip(vec![0; (50 << 20) + 1].into()).await.unwrap_err());
    assert!(matches!(error, BadZip::TooLarge { .. }));
}

#[tokio::test]
async fn a_later_layer_wins_also_over_another_kind_of_file() {
    let store = CodeStore::temporary().unwrap();
    let mut keys = Vec::new();
    for layer in
        [&[("a/b", "1"), ("c", "1"), ("keep/x", "1")][..], &[("a", "2"), ("c/d", "2"), ("keep/y", "2")]]
    {
        keys.push(store.put_zip(zip_of(layer)).await.unwrap().key);
    }
    let tree = store.materialize_layers(&keys).await.unwrap();
    for (path, text) in [("a", "2"), ("c/d", "2"), ("keep/x", "1"), ("keep/y", "2")] {
        assert_eq!(fs::read_to_string(&tree.join(path)).unwrap(), text, "{path}");
    }
    let first = store.materialize(&keys[0]).await.unwrap();
    assert_eq!(fs::read_to_string(&first.join("a/b")).unwrap(), "1", "the layer itself is as it was");
    keys.reverse();
    let other = store.materialize_layers(&keys).await.unwrap();
    assert_ne!(other, tree);
    assert_eq!(fs::read_to_string(&other.join("a/b")).unwrap(), "1");
    assert_eq!(store.materialize_layers(&[]).await.unwrap().read_dir().unwrap().count(), 0);
}

#[test]
fn a_key_is_64_hexadecimal_digits() {
    let key = "0123456789abcdef".repeat(4);
    assert_eq!(key.parse::<CodeKey>().unwrap().to_string(), key);
    for text in ["", "../zips/x", &key[1..], &key.to_uppercase()] {
        assert!(text.parse::<CodeKey>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn what_was_just_uploaded_is_kept_and_merged_layers_go_with_a_layer() {
    let directory = directory();
    let store = CodeStore::open(&directory).unwrap();
    let old = store.put_zip(zip_of(&[("old", "1")])).await.unwrap().key;
    drop(store);
    let store = CodeStore::open(&directory).unwrap();
    let new = store.put_zip(zip_of(&[("new", "2")])).await.unwrap().key;
    let both = store.materialize_layers(&[old.clone(), new.clone()]).await.unwrap();
    let only_new = store.materialize_layers(std::slice::from_ref(&new)).await.unwrap();
    assert_eq!(store.remove_unreferenced(&HashSet::new()).await.unwrap(), 1);
    assert!(matches!(store.get_zip(&old).await, Err(CodeError::Missing { .. })));
    assert!(!both.exists());
    assert!(only_new.join("new").exists() && store.get_zip(&new).await.is_ok());
    fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn directories_that_only_paths_name_are_counted() {
    let store = CodeStore::temporary().unwrap();
    let deep = "d/".repeat(62);
    let names: Vec<String> = (0..1_700).map(|number| format!("{number}/{deep}f")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let error = bad(store.put_zip(zip_of(&files)).await.unwrap_err());
    assert!(matches!(error, BadZip::TooManyEntries { count: 100_001, limit: 100_000 }), "{error}");
}
