//! The older text format (version 0.0.4) made of OpenMetrics text, for scrapers that ask for it.
//!
//! The two differ, as far as this gateway uses them, in the metadata: the older one names a counter and an info with their suffix,
//! knows no info, and has no end mark. Lines of samples are the same.

use std::fmt::Write as _;

/// The page in the older format.
pub(super) fn classic(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(metadata) = line.strip_prefix("# ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        // HELP comes first and does not tell the type; the TYPE that follows does.
        let Some(("HELP", rest)) = metadata.split_once(' ') else { continue };
        let Some((name, help)) = rest.split_once(' ') else { continue };
        let kind = lines.peek().and_then(|next| next.strip_prefix("# TYPE ")).and_then(|rest| rest.split_once(' '));
        let (suffix, kind) = match kind.map(|(_, kind)| kind) {
            Some("counter") => ("_total", "counter"),
            Some("info") => ("_info", "gauge"),
            Some(kind) => ("", kind),
            None => ("", "untyped"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_get_their_suffix_and_the_end_mark_goes() {
        let open = "# HELP a_b Things.\n# TYPE a_b counter\na_b_total{x=\"y\"} 3\n# HELP c What.\n# TYPE c info\n\
                    c_info{v=\"1\"} 1\n# HELP d Now.\n# TYPE d gauge\nd 5\n# EOF\n";
        let expected = "# HELP a_b_total Things.\n# TYPE a_b_total counter\na_b_total{x=\"y\"} 3\n\
                        # HELP c_info What.\n# TYPE c_info gauge\nc_info{v=\"1\"} 1\n# HELP d Now.\n# TYPE d gauge\nd 5\n";
        assert_eq!(classic(open), expected);
    }
}
