//! The language, as a table: what matches, what does not, what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_pattern::Pattern;
use serde_json::{Value, json};

fn matches(pattern: &Value, event: &Value) -> bool {
    Pattern::parse(&pattern.to_string()).unwrap().matches(event)
}

#[test]
fn values_and_operators() {
    // Each: what stands in the pattern's list for `a`, events that match, events that do not. `null` in place of an
    // event's object is an event without `a`.
    let at = |value: Value| json!({ "a": value });
    let cases = [
        (
            json!(["x"]),
            vec![json!("x"), json!(["y", "x"])],
            vec![json!("X"), json!(1), json!([]), json!(null)],
        ),
        (json!([""]), vec![json!("")], vec![json!(null), json!("x")]),
        (json!([null]), vec![json!(null)], vec![json!(""), json!(0)]),
        (json!([true]), vec![json!(true)], vec![json!(false), json!("true")]),
        (json!([300]), vec![json!(300), json!(300.0), json!(3e2)], vec![json!("300"), json!(301)]),
        (json!([300.0]), vec![json!(300)], vec![json!(300.1)]),
        (json!(["x", 5]), vec![json!("x"), json!(5)], vec![json!("5")]),
        (json!([{ "prefix": "ab" }]), vec![json!("ab"), json!("abc")], vec![json!("Abc"), json!(7)]),
        (json!([{ "prefix": "" }]), vec![json!("x"), json!("")], vec![json!(7)]),
        (json!([{ "prefix": { "equals-ignore-case": "aB" } }]), vec![json!("Abc")], vec![json!("ba")]),
        (json!([{ "suffix": ".png" }]), vec![json!("x.png")], vec![json!("png")]),
        (json!([{ "suffix": { "equals-ignore-case": ".PNG" } }]), vec![json!("x.pNg")], vec![json!("x.gif")]),
        (json!([{ "equals-ignore-case": "ALICE" }]), vec![json!("alice")], vec![json!("alicex")]),
        (json!([{ "equals-ignore-case": "" }]), vec![json!("")], vec![json!("x")]),
        (
            json!([{ "wildcard": "dir/*.png" }]),
            vec![json!("dir/x.png"), json!("dir/.png")],
            vec![json!("dir/x.pn")],
        ),
        (
            json!([{ "wildcard": "a*b*c" }]),
            vec![json!("abbc"), json!("a-b-c")],
            vec![json!("ac"), json!("abcd")],
        ),
        (json!([{ "wildcard": "*ab*ab" }]), vec![json!("abab"), json!("xabyab")], vec![json!("ab")]),
        (json!([{ "wildcard": "a\\*" }]), vec![json!("a*")], vec![json!("ab")]),
        (json!([{ "wildcard": "x\\\\*" }]), vec![json!("x\\y")], vec![json!("xy")]),
        (
            json!([{ "anything-but": "x" }]),
            vec![json!("y"), json!(1), json!(null)],
            vec![json!("x"), json!([])],
        ),
        (json!([{ "anything-but": 0 }]), vec![json!(1), json!("0")], vec![json!(0), json!(0.0)]),
        (json!([{ "anything-but": ["x", "y"] }]), vec![json!("z")], vec![json!("x"), json!("y")]),
        (json!([{ "anything-but": [1, 2] }]), vec![json!(3)], vec![json!(2)]),
        (json!([{ "anything-but": { "prefix": "ab" } }]), vec![json!("ba"), json!(12)], vec![json!("abc")]),
        (
            json!([{ "anything-but": { "prefix": ["ab", "c"] } }]),
            vec![json!("b")],
            vec![json!("abc"), json!("cd")],
        ),
        (json!([{ "anything-but": { "suffix": ".x" } }]), vec![json!("a.y")], vec![json!("a.x")]),
        (json!([{ "anything-but": { "suffix": [".x", ".y"] } }]), vec![json!("a")], vec![json!("a.y")]),
        (json!([{ "anything-but": { "equals-ignore-case": "X" } }]), vec![json!("y")], vec![json!("x")]),
        (
            json!([{ "anything-but": { "equals-ignore-case": ["X", "Y"] } }]),
            vec![json!("z")],
            vec![json!("y")],
        ),
        (json!([{ "anything-but": { "wildcard": "*/lib/*" } }]), vec![json!("a/b")], vec![json!("a/lib/b")]),
        (
            json!([{ "anything-but": { "wildcard": ["a*", "*b"] } }]),
            vec![json!("c")],
            vec![json!("ax"), json!("xb")],
        ),
        (json!([{ "anything-but": { "wildcard": "" } }]), vec![json!("c")], vec![json!("")]),
        (json!([{ "numeric": ["=", 5] }]), vec![json!(5), json!(5.0)], vec![json!(6)]),
        (json!([{ "numeric": [">", 5] }]), vec![json!(6), json!(5.01)], vec![json!(5), json!("6")]),
        (json!([{ "numeric": [">=", 5] }]), vec![json!(5)], vec![json!(4)]),
        (json!([{ "numeric": ["<", 5] }]), vec![json!(-1)], vec![json!(5)]),
        (json!([{ "numeric": ["<=", 5] }]), vec![json!(5)], vec![json!(5.5)]),
        (json!([{ "numeric": [">", 0, "<=", 5] }]), vec![json!(5), json!(0.1)], vec![json!(0), json!(6)]),
        (
            json!([{ "exists": true }]),
            vec![json!(null), json!(""), json!(0)],
            vec![json!([]), json!({ "b": 1 })],
        ),
        (json!([{ "exists": false }]), vec![json!([]), json!({ "b": 1 })], vec![json!(null), json!(1)]),
        (
            json!([{ "cidr": "10.0.0.0/24" }]),
            vec![json!("10.0.0.255")],
            vec![json!("10.0.1.0"), json!("x"), json!(1)],
        ),
        (json!([{ "cidr": "0.0.0.0/0" }]), vec![json!("9.9.9.9")], vec![json!("::1")]),
        (json!([{ "cidr": "2001:db8::/32" }]), vec![json!("2001:db8::1")], vec![json!("2001:db9::1")]),
    ];
    for (list, yes, no) in cases {
        let pattern = at(list);
        for event in yes {
            assert!(matches(&pattern, &at(event.clone())), "{pattern} should match {event}");
        }
        for event in no {
            let wanted = pattern["a"] == json!([null]) || pattern["a"] == json!([{ "exists": true }]);
            assert!(
                wanted && event.is_null() || !matches(&pattern, &at(event.clone())),
                "{pattern} and {event}"
            );
        }
    }
}

#[test]
fn what_is_missing_matches_only_what_asks_for_that() {
    for list in [json!(["x"]), json!([null]), json!([{ "anything-but": "x" }]), json!([{ "exists": true }])] {
        assert!(!matches(&json!({ "a": { "b": list } }), &json!({ "c": 1 })), "{list}");
    }
    for event in [json!({}), json!({ "a": {} }), json!({ "a": 1 })] {
        assert!(matches(&json!({ "a": { "b": [{ "exists": false }] } }), &event), "{event}");
    }
}

#[test]
fn keys_nest_and_join() {
    let event = json!({ "a": { "b": { "c": 1 } }, "d.e": 2, "l": [{ "x": 1, "y": 2 }, { "x": 3, "y": 4 }] });
    let yes = [
        json!({ "a": { "b": { "c": [1] } } }),
        json!({ "a.b": { "c": [1] } }),
        json!({ "a": { "b.c": [1] } }),
        json!({ "a.b.c": [1] }),
        json!({ "d": { "e": [2] } }),
        json!({ "d.e": [2], "a": { "b": { "c": [1] } } }),
        json!({ "l": { "x": [3], "y": [4] } }),
    ];
    for pattern in yes {
        assert!(matches(&pattern, &event), "{pattern}");
    }
    let no = [
        json!({ "a": { "c": [1] } }),
        json!({ "d.e": [2], "a": { "b": { "c": [2] } } }),
        // Both are there, but in no object together.
        json!({ "l": { "x": [1], "y": [4] } }),
    ];
    for pattern in no {
        assert!(!matches(&pattern, &event), "{pattern}");
    }
}

#[test]
fn one_of_several() {
    let pattern =
        json!({ "$or": [{ "a": [1] }, { "b": { "$or": [{ "c": [2] }, { "d": [3] }] } }], "e": [4] });
    for (event, wanted) in [
        (json!({ "a": 1, "e": 4 }), true),
        (json!({ "b": { "d": 3 }, "e": 4 }), true),
        (json!({ "b": { "c": 2 } }), false),
        (json!({ "a": 2, "e": 4 }), false),
    ] {
        assert_eq!(matches(&pattern, &event), wanted, "{event}");
    }
    // Not a list of patterns, so a key as any other.
    assert!(matches(&json!({ "$or": ["x"] }), &json!({ "$or": "x" })));
    assert!(matches(&json!({ "$or": [{ "prefix": "x" }, { "prefix": "y" }] }), &json!({ "$or": "yes" })));
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let pattern = Pattern::parse(r#"{"a":["x"],"a":["y"]}"#).unwrap();
    assert!(pattern.matches(&json!({ "a": "y" })) && !pattern.matches(&json!({ "a": "x" })));
}

#[test]
fn what_is_no_pattern_is_refused() {
    let texts = [
        "",
        "x",
        "\"x\"",
        "[]",
        "1",
        "null",
        "{}",
        r#"{"a":"x"}"#,
        r#"{"a":1}"#,
        r#"{"a":null}"#,
        r#"{"a":true}"#,
        r#"{"a":[]}"#,
        r#"{"a":{}}"#,
        r#"{"a":[[1]]}"#,
        r#"{"a":[{}]}"#,
        r#"{"a":[{"unknown":"x"}]}"#,
        r#"{"a":[{"prefix":"x","suffix":"y"}]}"#,
        r#"{"a":[{"prefix":1}]}"#,
        r#"{"a":[{"prefix":["x"]}]}"#,
        r#"{"a":[{"prefix":{"wildcard":"x"}}]}"#,
        r#"{"a":[{"suffix":null}]}"#,
        r#"{"a":[{"equals-ignore-case":["x"]}]}"#,
        r#"{"a":[{"wildcard":"a**b"}]}"#,
        r#"{"a":[{"wildcard":"a\\b"}]}"#,
        r#"{"a":[{"wildcard":5}]}"#,
        r#"{"a":[{"anything-but":null}]}"#,
        r#"{"a":[{"anything-but":false}]}"#,
        r#"{"a":[{"anything-but":[]}]}"#,
        r#"{"a":[{"anything-but":["x",1]}]}"#,
        r#"{"a":[{"anything-but":["x",null]}]}"#,
        r#"{"a":[{"anything-but":{"prefix":""}}]}"#,
        r#"{"a":[{"anything-but":{"suffix":""}}]}"#,
        r#"{"a":[{"anything-but":{"prefix":5}}]}"#,
        r#"{"a":[{"anything-but":{"prefix":["x",5]}}]}"#,
        r#"{"a":[{"anything-but":{"wildcard":[]}}]}"#,
        r#"{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"x"}}}]}"#,
        r#"{"a":[{"anything-but":{"numeric":["=",1]}}]}"#,
        r#"{"a":[{"exists":"true"}]}"#,
        r#"{"a":[{"numeric":5}]}"#,
        r#"{"a":[{"numeric":[]}]}"#,
        r#"{"a":[{"numeric":["="]}]}"#,
        r#"{"a":[{"numeric":["=","5"]}]}"#,
        r#"{"a":[{"numeric":["!",5]}]}"#,
        r#"{"a":[{"numeric":["<",5,">",0]}]}"#,
        r#"{"a":[{"numeric":[">",5,"<",5]}]}"#,
        r#"{"a":[{"numeric":[">",0,"<",5,"<",6]}]}"#,
        r#"{"a":[{"numeric":["=",6000000000]}]}"#,
        r#"{"a":[{"cidr":"10.0.0.0"}]}"#,
        r#"{"a":[{"cidr":"10.0.0.0/33"}]}"#,
        r#"{"a":[{"cidr":"10.0.0/8"}]}"#,
        r#"{"a":[{"cidr":"::/129"}]}"#,
        r#"{"a":[{"cidr":5}]}"#,
        r#"{"$or":[{"a":[]},{"b":[1]}]}"#,
        r#"{"$or":{}}"#,
    ];
    for text in texts {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(600), "}".repeat(600));
    assert!(Pattern::parse(&deep).is_err());
}

#[test]
fn a_pattern_says_which_keys_it_asks_for() {
    let pattern = |text| Pattern::parse(text).unwrap();
    assert!(pattern(r#"{"data":{"a":[1]}}"#).asks_for("data"));
    assert!(pattern(r#"{"data.a":[1]}"#).asks_for("data"));
    assert!(pattern(r#"{"$or":[{"x":[1]},{"data":["y"]}]}"#).asks_for_value_of("data"));
    assert!(!pattern(r#"{"data.a":[1]}"#).asks_for_value_of("data"));
    assert!(!pattern(r#"{"database":[1],"x":{"data":[1]}}"#).asks_for("data"));
}
