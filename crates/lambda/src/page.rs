//! Lists in pages.

use crate::error::Failure;
use millstream_api_lambda::ErrorCode;

/// Cut a page out of `items`, which come in the order of their keys. The marker is the last key given, so that a page
/// goes on rightly when things come and go in between. `most` is the size of a page, which a caller may only make smaller,
/// as AWS has it.
pub(crate) fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    marker: Option<&str>,
    max_items: Option<i32>,
    most: usize,
) -> Result<(Vec<T>, Option<String>), Failure> {
    let limit = max_items.and_then(|max| usize::try_from(max).ok()).map_or(most, |max| max.min(most));
    let after = marker.filter(|marker| !marker.is_empty()).map(read_marker).transpose()?;
    let mut rest = items.skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after)).peekable();
    let mut page = Vec::new();
    let mut last = None;
    while page.len() < limit
        && let Some((key, item)) = rest.next()
    {
        page.push(item);
        last = Some(key);
    }
    let next = rest.peek().and(last).map(|key| base64_simd::URL_SAFE_NO_PAD.encode_to_string(key));
    Ok((page, next))
}

fn read_marker(marker: &str) -> Result<String, Failure> {
    base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(marker)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| {
            Failure::new(
                ErrorCode::InvalidParameterValueException,
                "The Marker is not one that this operation returned. Leave it out to begin at the first page.",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::page;

    fn keys() -> impl Iterator<Item = (String, u32)> {
        [("a", 1), ("b", 2), ("c", 3)].into_iter().map(|(key, item)| (key.to_owned(), item))
    }

    #[test]
    fn pages_join_without_gap_or_overlap() {
        let (first, marker) = page(keys(), None, Some(2), 50).unwrap();
        let (second, end) = page(keys(), marker.as_deref(), Some(2), 50).unwrap();
        assert_eq!((first, second), (vec![1, 2], vec![3]));
        assert!(marker.is_some() && end.is_none());
    }

    #[test]
    fn a_page_that_ends_with_the_list_has_no_marker() {
        assert_eq!(page(keys(), None, Some(3), 50).unwrap(), (vec![1, 2, 3], None));
        assert_eq!(page(keys(), None, None, 50).unwrap().1, None);
    }

    #[test]
    fn no_page_is_larger_than_the_largest() {
        assert_eq!(page(keys(), None, Some(3), 2).unwrap().0, [1, 2]);
    }

    #[test]
    fn a_made_up_marker_is_refused() {
        assert!(page(keys(), Some("%%"), None, 50).is_err());
    }
}
