use super::*;

#[test]
fn ranges_are_checked() {
    let tensor = Tensor::from_fn([2, 3], |i| i as f32);
    let weights = Weights::from_tensors("t", [("a".to_owned(), tensor)]);
    assert_eq!(weights.read_range("a", 2..4).unwrap()[..], [2.0, 3.0]);
    assert!(weights.read_range("a", 6..6).unwrap().is_empty());
    let text = weights.read_range("a", 4..7).unwrap_err().to_string();
    assert!(text.contains("4..7") && text.contains("holds 6"), "{text}");
    let text = weights.read("A").unwrap_err().to_string();
    assert!(text.contains("did you mean 'a'?"), "{text}");
}
