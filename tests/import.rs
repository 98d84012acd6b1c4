//! Model files: what they say, and that broken ones end in an error.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/fuzz.rs"]
mod fuzz;

use fuzz::{Counting, TARGETS};
use sondage_core::import::xgboost::{self, Levels};
use sondage_core::import::{MEMORY_PER_BYTE, Reading, Value, catboost, lightgbm, read_json, read_ubjson};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn json(text: &str) -> Value {
    read_json(text.as_bytes(), Reading::Single).unwrap()
}

fn file(name: &str) -> Vec<u8> {
    data(&format!("xgboost/{name}"))
}

fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The model with `from` replaced by `to`, read.
fn changed(from: &str, to: &str) -> String {
    let text = String::from_utf8(file("3.2.0-levels.json")).unwrap();
    assert!(text.contains(from), "{from}");
    match xgboost::read(text.replacen(from, to, 1).as_bytes()) {
        Ok(_) => panic!("{to} is read"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn json_is_read_as_written() {
    assert_eq!(
        json(r#" {"a": [1, true, null], "b": ["x", 2], "c": {}, "d": "\u00e9\ud83d\ude00\n"} "#).find("d"),
        Some(&Value::Text("é😀\n".into()))
    );
    assert_eq!(json("[1,-2.5e1,true,false]"), Value::Numbers(vec![1.0, -25.0, 1.0, 0.0]));
    assert_eq!(json("[[]]"), Value::List(vec![Value::Numbers(vec![])]));
    assert_eq!(json("[-Infinity,Infinity]"), Value::Numbers(vec![f64::NEG_INFINITY, f64::INFINITY]));
    assert!(matches!(json("NaN"), Value::Number(number) if number.is_nan()));
    assert_eq!(json(r#"{"a":1,"a":2}"#).find("a"), Some(&Value::Number(2.0)));
}

#[test]
fn every_float_comes_back_from_its_shortest_decimals() {
    for i in 0..2_000_000u32 {
        let float = f32::from_bits(i.wrapping_mul(2_147_483_629));
        if float.is_finite() {
            assert_eq!(json(&format!("{float:e}")), Value::Number(f64::from(float)));
        }
    }
}

#[test]
fn a_fraction_is_rounded_once() {
    // Just above the midpoint of 1 and the next float32, but not in double: 1 + 2^-24 + 2^-60.
    let text = "1.00000005960464477626059";
    assert_eq!(json(text), Value::Number(f64::from(1.0f32 + f32::EPSILON)));
    assert_eq!(read_json(text.as_bytes(), Reading::Double).unwrap(), Value::Number(1.0 + 2f64.powi(-24)));
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        "{",
        "[",
        "[1,]",
        "{\"a\"}",
        "{\"a\":1,}",
        "[1 2]",
        "\"",
        "\"\\",
        "\"\\u12",
        "\"\\ud800\"",
        "1 2",
        "nul",
        "inf",
        "nan",
        "+1",
        ".5",
        "1.",
        "1e",
        "--1",
        "0x1",
        "{a:1}",
        "\"\\ud800\\u0041\"",
        "\"\\uzzzz\"",
        "-Infinit",
        "\"\\u+123\"",
    ] {
        assert!(read_json(text.as_bytes(), Reading::Single).is_err(), "{text}");
    }
    assert!(read_json(b"\"\xff\"", Reading::Single).is_err());
    let deep = "[".repeat(1_000_000);
    assert!(read_json(deep.as_bytes(), Reading::Single).unwrap_err().to_string().contains("nested"));
}

#[test]
fn ubjson_is_read_as_written() {
    let bytes = b"{i\x01a[$d#i\x02\x3f\x80\0\0\xbf\0\0\0i\x01b[#U\x02TZi\x01c[i\xffI\x01\0S i\x02hiN]i\x01d[$L#i\x01\0\0\0\0\0\0\x01\0}";
    let bytes: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b' ').collect();
    let value = read_ubjson(&bytes).unwrap();
    assert_eq!(value.find("a"), Some(&Value::Numbers(vec![1.0, -0.5])));
    assert!(matches!(value.find("b"), Some(Value::Numbers(list)) if list[0] == 1.0 && list[1].is_nan()));
    let mixed = vec![Value::Number(-1.0), Value::Number(256.0), Value::Text("hi".into())];
    assert_eq!(value.find("c"), Some(&Value::List(mixed)));
    assert_eq!(value.find("d"), Some(&Value::Numbers(vec![256.0])));
}

#[test]
fn counts_are_held_against_what_is_left() {
    for bytes in [
        &b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff"[..],
        b"[$L#l\x7f\xff\xff\xff",
        b"[$L#i\x02\0\0\0\0\0\0\0\0",
        b"[#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"[#i\xff",
        b"SL\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"{L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"[$Z#i\x7f",
        b"[$T#L\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"[$[#i\x01",
        b"",
        b"[",
        b"[]]",
        b"]",
    ] {
        assert!(read_ubjson(bytes).is_err(), "{bytes:?}");
    }
    assert!(read_ubjson(&b"[".repeat(1_000_000)).unwrap_err().to_string().contains("nested"));
}

/// Documents whose parts are small in the file and large in memory.
#[test]
fn memory_is_bounded_by_the_length() {
    let ubjson = |unit: &[u8]| [b"[", &unit.repeat(40_000)[..], b"]"].concat();
    let object = |unit: &[u8]| [b"{", &unit.repeat(40_000)[..], b"}"].concat();
    for bytes in [
        ubjson(b"[]"),
        ubjson(b"{}"),
        ubjson(b"{i\0Z}"),
        ubjson(b"[i\0]"),
        ubjson(b"T"),
        ubjson(b"Si\0"),
        ubjson(b"Ca"),
        object(b"i\0Z"),
        object(b"i\x01aZ"),
        object(b"i\0[]"),
    ] {
        let before = Counting::reset_peak();
        assert!(read_ubjson(&bytes).is_ok());
        let used = Counting::peak() - before;
        assert!(used <= MEMORY_PER_BYTE * bytes.len(), "{:?}: {}", &bytes[..6], used / bytes.len());
    }
    for unit in ["[],", "{},", "\"\",", "0,", "{\"\":0},", "[0],", "\"a\","] {
        let text = format!("[{}0]", unit.repeat(40_000));
        let before = Counting::reset_peak();
        assert!(read_json(text.as_bytes(), Reading::Double).is_ok());
        let used = Counting::peak() - before;
        assert!(used <= MEMORY_PER_BYTE * text.len(), "{unit}: {}", used / text.len());
    }
}

#[test]
fn json_and_ubjson_are_the_same_model() {
    for name in ["1.7.6-dart", "1.7.6-multi", "3.2.0-binary", "3.2.0-categories", "3.2.0-levels"] {
        let text = xgboost::read(&file(&format!("{name}.json"))).unwrap();
        let binary = xgboost::read(&file(&format!("{name}.ubj"))).unwrap();
        assert_eq!(format!("{text:?}"), format!("{binary:?}"), "{name}");
        assert!(!text.trees.roots.is_empty());
    }
}

#[test]
fn categories_of_training_are_read() {
    let model = xgboost::read(&file("3.2.0-levels.json")).unwrap();
    assert_eq!(model.names, ["job", "size", "code"]);
    let jobs = ["baker", "clerk", "potter", "smith"].map(String::from).to_vec();
    assert_eq!(model.levels, [Levels::Texts(jobs), Levels::None, Levels::Integers(vec![10, 20, 30])]);
    assert!(model.trees.set_index.iter().any(|&set| set >= 0));
}

#[test]
fn a_truncated_file_is_an_error_at_every_length() {
    for name in ["3.2.0-levels.json", "3.2.0-levels.ubj", "1.0.2-dart.json"] {
        let bytes = file(name);
        let whole = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace()).unwrap() + 1;
        for length in 0..whole {
            assert!(xgboost::read(&bytes[..length]).is_err(), "{name} {length}");
        }
    }
}

#[test]
fn a_wrong_model_is_told_what_is_wrong() {
    for (from, to, reason) in [
        ("\"version\":[3,2,0]", "\"version\":[4,0,0]", "version 4.0.0; versions 1 to 3 are read"),
        ("\"version\":[3,2,0]", "\"version\":[3]", "versions 1 to 3"),
        ("\"version\":[3,2,0]", "\"versio\":[3,2,0]", "`version` is missing"),
        ("\"learner\"", "\"lerner\"", "`learner` is missing"),
        ("\"name\":\"gbtree\"", "\"name\":\"gbforest\"", "gbforest"),
        ("\"num_trees\":\"3\"", "\"num_trees\":\"4\"", "3 trees and says 4"),
        (
            "\"num_class\":\"0\",\"num_feature\":\"3\"",
            "\"num_class\":\"0\",\"num_feature\":\"2000000000\"",
            "2000000000 columns",
        ),
        (
            "\"num_class\":\"0\",\"num_feature\":\"3\"",
            "\"num_class\":\"0\",\"num_feature\":\"-3\"",
            "whole number from 0",
        ),
        ("\"num_class\":\"0\"", "\"num_class\":\"100000\"", "100000 outputs"),
        ("\"tree_info\":[0,0,0]", "\"tree_info\":[0,1,0]", "tree 1 adds to output 1 of 1"),
        ("\"tree_info\":[0,0,0]", "\"tree_info\":[0,0]", "`tree_info`"),
        ("\"iteration_indptr\":[0,1,2,3]", "\"iteration_indptr\":[0,2,1,3]", "growing"),
        ("\"iteration_indptr\":[0,1,2,3]", "\"iteration_indptr\":[0,1,2]", "from 0 to 3"),
        ("\"left_children\":[1,", "\"left_children\":[0,", "node 0 has the child 0"),
        ("\"left_children\":[1,", "\"left_children\":[2,", "two parents"),
        ("\"left_children\":[1,", "\"left_children\":[1000,", "child 1000"),
        ("\"split_type\":[0,1,", "\"split_type\":[0,2,", "of kind 2"),
        ("\"split_type\":[0,", "\"split_type\":[", "`split_type`"),
        ("\"categories_segments\":[0,", "\"categories_segments\":[1,", "follow one another"),
        ("\"categories\":[", "\"categories\":[-1,", "a category at node 1 is -1"),
        ("\"base_score\":\"[", "\"base_score\":\"[nan,", "`base_score`"),
        ("\"base_score\":\"[", "\"base_score\":\"[1,", "2 entries for 1 outputs"),
        ("\"id\":0", "\"id\":1", "its `id` is not its place"),
        ("\"feature_names\":[", "\"feature_names\":[\"x\",", "4 entries for 3 columns"),
        ("\"values\":[98,", "\"values\":[-61,", "outside ASCII"),
        ("\"offsets\":[0,", "\"offsets\":[9,", "cut `cats.values` into texts"),
    ] {
        let message = changed(from, to);
        assert!(message.contains(reason), "{to}: {message}");
        assert!(message.starts_with("not a readable XGBoost model: "), "{message}");
    }
    let not_one = xgboost::read(b"binf").unwrap_err().to_string();
    assert!(not_one.contains("neither JSON nor UBJSON"), "{not_one}");
}

#[test]
fn a_lightgbm_model_is_read_as_written() {
    let model = lightgbm::read(&data("lightgbm/categories.txt")).unwrap();
    assert_eq!(model.feature_names, ["x", "kind", "size"]);
    assert_eq!((model.objective.as_str(), model.trees_per_iteration), ("binary sigmoid:1", 1));
    assert_eq!(model.pandas_categorical, r#"[["a", "b", "c", "d"], ["S", "M", "L"]]"#);
    assert_eq!(model.roots.len(), 3);
    assert!(model.parameters.contains(&("num_leaves".into(), "4".into())));
    let sets = model.set_index.iter().filter(|&&set| set >= 0).count();
    assert_eq!((sets, model.set_starts.len()), (model.set_starts.len() - 1, sets + 1));
    // Four leaves and three splits of every tree, each the child of one.
    assert_eq!(model.roots, [0, 7, 14]);
    let mut children: Vec<i64> = model.left.iter().chain(&model.right).copied().filter(|&c| c >= 0).collect();
    children.sort_unstable();
    let expected: Vec<i64> = (0..21).filter(|node| node % 7 != 0).collect();
    assert_eq!(children, expected);
    assert!(lightgbm::read(&data("lightgbm/forest.txt")).unwrap().average);
    assert!(lightgbm::read(&data("lightgbm/linear.txt")).unwrap().linear);
    assert_eq!(lightgbm::read(&data("lightgbm/stump.txt")).unwrap().left, [-1]);
    let short = lightgbm::read(&data("lightgbm/short.txt")).unwrap();
    assert_eq!((short.threshold, short.value), (model.threshold, model.value));
}

#[test]
fn a_truncated_lightgbm_model_is_an_error_at_every_length() {
    let bytes = data("lightgbm/categories.txt");
    let end = String::from_utf8(bytes.clone()).unwrap().find("\nend of parameters").unwrap();
    let trees = String::from_utf8(bytes.clone()).unwrap().find("\nend of trees").unwrap();
    let parameters = String::from_utf8(bytes.clone()).unwrap().find("\nparameters:").unwrap();
    for length in 0..end {
        // What follows the trees may be missing, but not begin.
        let whole = (trees + 13..=parameters + 11).contains(&length);
        assert_eq!(lightgbm::read(&bytes[..length]).is_ok(), whole, "{length}");
    }
}

#[test]
fn a_wrong_lightgbm_model_is_told_what_is_wrong() {
    let text = String::from_utf8(data("lightgbm/short.txt")).unwrap();
    for (from, to, reason) in [
        ("version=v3", "version=v2", "its version is \"v2\"; v3 and v4 are read"),
        ("num_leaves=4", "num_leaves=18446744073709551615", "not 18446744073709551615"),
        ("num_leaves=4", "num_leaves=18446744073709551616", "num_leaves is"),
        ("num_leaves=4", "num_leaves=0", "has no leaves"),
        ("num_leaves=4", "num_leaves=4\nnum_leaves=4", "a second num_leaves"),
        ("num_cat=1", "num_cat=18446744073709551615", "too many sets"),
        ("num_cat=1", "num_cat=0", "has no set 0 of categories"),
        ("cat_boundaries=0 1", "cat_boundaries=0 99999999999", "not 99999999999"),
        ("cat_boundaries=0 1", "cat_boundaries=1 1", "do not rise from 0"),
        ("left_child=1", "left_child=0", "reaches child 0 twice"),
        ("left_child=1", "left_child=-9223372036854775808", "has no child -9223372036854775808"),
        ("left_child=1", "left_child=3", "has no child 3"),
        ("Tree=1", "Tree=2", "\"Tree=2\" instead of tree 1"),
        ("max_feature_idx=2", "max_feature_idx=18446744073709551615", "max_feature_idx is not that"),
    ] {
        assert!(text.contains(from), "{from}");
        let message = lightgbm::read(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(message.contains(reason), "{to}: {message}");
        assert!(message.starts_with("not a readable LightGBM model: "), "{message}");
    }
    assert!(lightgbm::read(b"tree\nversion=\xff").is_err());
}

#[test]
fn symmetric_trees_lose_the_leaves_that_no_row_reaches() {
    // Twice the same column: of four leaves one cannot be.
    let model = |splits: &str, leaves: &str| {
        let split = |border: &str| {
            format!(r#"{{"border":{border},"float_feature_index":0,"split_type":"FloatFeature"}}"#)
        };
        let splits: Vec<String> = splits.split_whitespace().map(split).collect();
        let text = format!(
            r#"{{"features_info":{{"float_features":[{{"feature_index":0,"flat_feature_index":0,
            "has_nans":true,"nan_value_treatment":"AsTrue"}}]}},"scale_and_bias":[1,[0]],
            "oblivious_trees":[{{"splits":[{}],"leaf_values":[{leaves}]}}]}}"#,
            splits.join(",")
        );
        catboost::read(text.as_bytes())
    };
    let read = model("1.5 0.5", "0,1,2,3").unwrap();
    assert_eq!(read.border[..2], [1.5, 0.5]);
    // Up to 0.5: no bit; up to 1.5: the second; above: both.
    assert_eq!(read.leaf_values, [0.0, 2.0, 3.0]);
    assert_eq!((read.left, read.right), (vec![1, 2, -1, -1, -1], vec![4, 3, -1, -1, -1]));
    assert_eq!(read.missing_right, [true]);
    let read = model("0.5 1.5 1.5", "0,1,2,3,4,5,6,7").unwrap();
    assert_eq!(read.leaf_values, [0.0, 1.0, 7.0]);
    assert_eq!(model("", "5").unwrap().leaf_values, [5.0]);
    assert!(model("1 2 3", "0,1,2,3").is_err());
}

#[test]
fn a_truncated_catboost_model_is_an_error_at_every_length() {
    for name in ["symmetric", "lossguide", "categories"] {
        let bytes = data(&format!("catboost/{name}.json"));
        for length in 0..bytes.trim_ascii_end().len() {
            assert!(catboost::read(&bytes[..length]).is_err(), "{name} {length}");
        }
        let model = catboost::read(&bytes).unwrap();
        assert_eq!(model.unsupported.is_empty(), name != "categories");
    }
}

/// Many outputs, and splits that do not come to a leaf.
#[test]
fn outputs_cost_memory_only_with_leaves() {
    let split = r#"{"split":{"border":0,"float_feature_index":0,"split_type":"FloatFeature"},"left":"#;
    let text = format!(
        r#"{{"features_info":{{"float_features":[{{"feature_index":0,"flat_feature_index":0,
        "nan_value_treatment":"AsIs"}}]}},"scale_and_bias":[1,[0{}]],"trees":[{}"#,
        ",0".repeat(100_000),
        split.repeat(50) + r#"{"value":0}"# + &r#","right":{"value":0}}"#.repeat(50) + "]}"
    );
    let before = Counting::reset_peak();
    let message = catboost::read(text.as_bytes()).unwrap_err().to_string();
    assert!(message.contains("a leaf must have 100001 finite numbers"), "{message}");
    assert!(Counting::peak() - before <= MEMORY_PER_BYTE * text.len());
}

#[test]
fn broken_files_neither_panic_nor_take_memory() {
    for target in TARGETS {
        let seeds = target.seeds().unwrap();
        assert!(!seeds.is_empty());
        for seed in &seeds {
            assert!((target.read)(seed));
        }
        let report = fuzz::fuzz(target, &seeds, 20_000, 0);
        assert_eq!((report.panics, report.greedy), (0, 0), "{}: {:?}", target.name, report.offender);
        // Most inputs are broken, and many get past the parser.
        assert!((1_000..10_000).contains(&report.taken), "{}", report.taken);
    }
}
