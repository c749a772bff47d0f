//! Reading input files.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Reads a file of that name and content; the given field of every record, or the error.
fn fields(name: &str, content: &[u8], field: &str) -> Result<Vec<Option<String>>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("written");
    let read = || -> Result<Vec<Option<String>>> {
        let mut input = Input::open(&path, None)?;
        let mut texts = Vec::new();
        while let Some(record) = input.next()? {
            assert_eq!(record.line(), u64::try_from(texts.len())? + 1);
            texts.push(record.field(field).map(str::to_owned));
        }
        Ok(texts)
    };
    read().map_err(|error| format!("{error:#}"))
}

fn some(texts: &[&str]) -> Result<Vec<Option<String>>, String> {
    Ok(texts.iter().map(|text| Some((*text).to_owned())).collect())
}

#[test]
fn formats_follow_the_name_and_texts_stay_as_written() {
    assert_eq!(
        fields("a.csv", b"x,y\n1.50,\"a,b\"\n2,c\n", "y"),
        some(&["a,b", "c"])
    );
    assert_eq!(fields("a.tsv", b"x\ty\n1\t\"q\n", "y"), some(&["\"q"]));
    let ndjson = b"{\"x\":{\"y\":1.50}}\n\n{\"x\":{\"y\":\"\\u00e4\"}}\n";
    assert_eq!(fields("a.ndjson", ndjson, "x.y"), some(&["1.50", "\u{e4}"]));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"x\n7\n").expect("compressed");
    assert_eq!(
        fields("a.csv.gz", &gzip.finish().expect("compressed"), "x"),
        some(&["7"])
    );
}

#[test]
fn short_rows_lack_their_last_columns() {
    assert_eq!(fields("a.tsv", b"x\ty\n1\n", "y"), Ok(vec![None]));
    assert_eq!(fields("a.ndjson", b"{\"x\":null}\n", "x"), Ok(vec![None]));
}

#[test]
fn what_cannot_be_read_is_named_with_its_record() {
    for (name, content, part) in [
        ("a.csv", &b"x\n1\n1,2\n"[..], "record 2 of"),
        ("a.ndjson", b"{\"x\":1}\n[1]\n", "record 2 of"),
        ("a.ndjson", b"{\"x\":1\n", "no JSON object"),
        ("a.csv", b"", "has no header line"),
        ("a.txt", b"", "give --format"),
        ("a.csv.gz", b"plain", "failed to read the header"),
    ] {
        let error = fields(name, content, "x").expect_err(name);
        assert!(error.contains(part), "{name}: {error}");
    }
}
