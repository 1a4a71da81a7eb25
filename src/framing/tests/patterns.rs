//! Compiling patterns: what is refused, and in which words.

use super::super::PatternError;
use super::*;

fn refusal(pattern: &str) -> PatternError {
    WaitFor::compile(pattern, &PatternLimits::default()).expect_err("the pattern is refused")
}

#[test]
fn a_pattern_longer_than_its_limit_is_refused_before_it_is_compiled() {
    // Not a valid pattern either, but nobody gets to see that.
    let error = refusal(&"(".repeat(4097));
    assert_eq!(error, PatternError::TooLong { limit: 4096, len: 4097 });
    assert_eq!(error.to_string(), "the pattern is 4097 bytes long, the limit is 4096");
    assert!(WaitFor::compile(&"a".repeat(4096), &PatternLimits::default()).is_ok());
}

#[test]
fn an_invalid_pattern_is_refused_with_a_readable_sentence() {
    assert_eq!(refusal("a(b").to_string(), "the pattern is not valid: unclosed group");
    let error = refusal("(?x)\na\n(?=b)").to_string();
    assert!(error.starts_with("the pattern is not valid: look-around") && !error.contains('\n'), "{error}");
}

#[test]
fn a_pattern_that_compiles_too_large_is_refused() {
    let error = refusal(r"(\pL{500}){50}");
    assert_eq!(error, PatternError::TooLarge { limit: 256 << 10 });
    assert_eq!(error.to_string(), "the pattern needs more than 262144 bytes when compiled");
}

#[test]
fn repeated_unicode_classes_are_large_and_ascii_ones_are_not() {
    let compiles = |pattern| WaitFor::compile(pattern, &PatternLimits::default()).is_ok();
    assert!(compiles(r"\w{5}") && !compiles(r"\w{10}") && compiles(r"(?-u:\w{500})"));
}

#[test]
fn a_pattern_that_nests_too_deep_is_refused() {
    let nested = |depth: usize| "(".repeat(depth) + "a" + &")".repeat(depth);
    assert!(WaitFor::compile(&nested(50), &PatternLimits::default()).is_ok());
    let PatternError::Invalid(message) = refusal(&nested(51)) else { panic!("nesting is a fault of the syntax") };
    assert!(message.contains("nest"), "{message}");
}

#[test]
fn a_pattern_is_returned_as_it_was_written() {
    let pattern = WaitFor::compile("(?i) é+ ", &PatternLimits::default()).unwrap();
    assert_eq!(pattern.as_str(), "(?i) é+ ");
    assert_eq!(format!("{:?}", pattern.clone()), r#"WaitFor("(?i) é+ ")"#);
}
