use crate::generated::patterns::EXPRESSIONS;
use millstream_shapes::Pattern;

#[test]
fn every_pattern_of_the_model_can_be_checked() {
    assert!(!EXPRESSIONS.is_empty());
    for (shape, source) in EXPRESSIONS {
        assert!(Pattern::regex(source, source).compiles(), "{shape}: {source}");
    }
}
