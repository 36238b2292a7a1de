//! Prometheus' text format, as far as its samples go: what a figure means is known here,
//! so helps and types are passed over.

use std::collections::{BTreeMap, HashMap};

/// The labels of a sample.
pub(super) type Labels = BTreeMap<String, String>;

/// All samples that were shown at one time, by the name of the figure.
#[derive(Debug, Clone, Default)]
pub(super) struct Exposition(HashMap<String, BTreeMap<Labels, f64>>);

impl Exposition {
    /// Reads samples. The error is the first line that is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut families = HashMap::<String, BTreeMap<Labels, f64>>::new();
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, labels, value) = sample(line).ok_or_else(|| line.to_owned())?;
            families.entry(name).or_default().insert(labels, value);
        }
        Ok(Self(families))
    }

    /// Whether there is a sample of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The samples of that name which have these labels, among others.
    pub(super) fn of<'a>(
        &'a self,
        name: &str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (&'a Labels, f64)> {
        let samples = self.0.get(name).into_iter().flatten();
        let matching = samples.filter(move |(found, _)| {
            let has = |(label, value): &(&str, &str)| found.get(*label).is_some_and(|v| v == value);
            labels.iter().all(has)
        });
        matching.map(|(labels, value)| (labels, *value))
    }

    /// The sum of them, 0 of none.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).map(|(_, value)| value).sum()
    }

    /// One sample, if there is one of exactly these labels.
    pub(super) fn one(&self, name: &str, labels: &Labels) -> Option<f64> {
        self.0.get(name)?.get(labels).copied()
    }

    /// All samples that only ever grow while a process lives.
    pub(super) fn growing(&self) -> impl Iterator<Item = (&str, &Labels, f64)> {
        let families = self.0.iter().filter(|(name, _)| {
            let ends_with = |end| name.ends_with(end);
            ["_total", "_count", "_bucket"].into_iter().any(ends_with)
        });
        families.flat_map(|(name, samples)| {
            let samples = samples.iter();
            samples.map(move |(labels, value)| (name.as_str(), labels, *value))
        })
    }
}

/// `name{label="value",…} number`, and perhaps a time, which nobody needs.
fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then(|| (name.to_owned(), labels, value))
}

/// Labels up to the brace that ends them, and what is behind it.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, behind) = rest.split_once("=\"")?;
        let (value, behind) = quoted(behind)?;
        labels.insert(name.trim().to_owned(), value);
        rest = behind;
    }
}

/// A value up to its closing quotation mark, and what is behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn samples_are_read_with_their_labels_and_the_rest_is_passed_over() {
        let text = "# HELP a_total What {it=\"says\"} 7\n# TYPE a_total counter\n\
                    a_total{x=\"1\",y=\"p q\"} 3\na_total{x=\"2\",y=\"p q\"} 4 1395066363000\n\n\
                    b 1.5e3\nc_bucket{le=\"+Inf\"} 2\nd{} NaN\n\
                    e{path=\"C:\\\\x \\\"y\\\"\\n}\"} 1\n";
        let shown = Exposition::parse(text).expect("samples");
        assert_eq!(shown.sum("a_total", &[]), 7.0);
        assert_eq!(shown.sum("a_total", &[("x", "2")]), 4.0);
        assert_eq!(shown.sum("a_total", &[("x", "2"), ("y", "z")]), 0.0);
        assert_eq!(shown.sum("b", &[]), 1_500.0);
        assert_eq!(shown.sum("c_bucket", &[("le", "+Inf")]), 2.0);
        assert!(shown.sum("d", &[]).is_nan());
        assert_eq!(shown.sum("e", &[("path", "C:\\x \"y\"\n}")]), 1.0);
        assert!(shown.has("b") && !shown.has("a") && !shown.has("# HELP"));
        let growing: Vec<&str> = shown.growing().map(|(name, _, _)| name).collect();
        assert_eq!(growing.iter().filter(|name| **name == "a_total").count(), 2);
        assert_eq!(growing.len(), 3);
    }

    #[test]
    fn what_is_no_sample_is_told() {
        for line in [
            "<html>",
            "a",
            "a b",
            "a{x=\"1\" 2",
            "a{x=1} 2",
            "{x=\"1\"} 2",
            "a{x=\"\\",
        ] {
            assert_eq!(Exposition::parse(line).err().as_deref(), Some(line));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(text in "[a-z{}\"=\\\\,+. 0-9é\n]{0,80}") {
            let _ = Exposition::parse(&text);
        }
    }
}
