//! Prometheus' text format, read strictly enough to notice what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

/// All figures that a server showed at one time.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    families: BTreeMap<String, Family>,
}

/// A figure, with all of its labels' values.
#[derive(Debug, Clone, Default)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it says about itself.
    pub help: String,
    /// Its samples; those of a histogram have a suffix.
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The name as it stands there.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Exposition {
    /// Reads it, and panics where it is not what Prometheus reads.
    pub fn parse(text: &str) -> Self {
        let mut families = BTreeMap::<String, Family>::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help has a text");
                let family = families.entry(name.to_owned()).or_default();
                assert!(family.help.is_empty(), "two helps of {name}");
                family.help = help.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a kind");
                let family = families.entry(name.to_owned()).or_default();
                assert!(family.samples.is_empty(), "the type of {name} comes late");
                family.kind = kind.to_owned();
            } else {
                let sample = Sample::parse(line);
                let family = families.iter_mut().find(|(name, family)| {
                    let suffix = sample.name.strip_prefix(name.as_str());
                    match family.kind.as_str() {
                        "histogram" => {
                            matches!(suffix, Some("_bucket" | "_sum" | "_count"))
                        }
                        _ => suffix == Some(""),
                    }
                });
                let (_, family) = family.unwrap_or_else(|| panic!("{line:?} has no type"));
                family.samples.push(sample);
            }
        }
        Self { families }
    }

    /// The names of all figures.
    pub fn names(&self) -> BTreeSet<&str> {
        self.families.keys().map(String::as_str).collect()
    }

    /// A figure by its name.
    pub fn family(&self, name: &str) -> &Family {
        let family = self.families.get(name);
        family.unwrap_or_else(|| panic!("no {name} among {:?}", self.names()))
    }

    /// All samples of all figures.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.values().flat_map(|family| &family.samples)
    }

    /// The sum of the samples of that name which have these labels; 0 of none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matching = self.samples().filter(|sample| {
            let has = |(label, value): &(&str, &str)| {
                sample
                    .labels
                    .get(*label)
                    .is_some_and(|found| found == value)
            };
            sample.name == name && labels.iter().all(has)
        });
        matching.map(|sample| sample.value).sum()
    }
}

impl Family {
    /// The names of its labels, without that of buckets.
    pub fn labels(&self) -> BTreeSet<&str> {
        let labels = self.samples.iter().flat_map(|sample| sample.labels.keys());
        labels
            .map(String::as_str)
            .filter(|label| *label != "le")
            .collect()
    }
}

impl Sample {
    /// Label values of ours need no escapes, so none are read.
    fn parse(line: &str) -> Self {
        let (named, value) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, labels) = match named.split_once('{') {
            Some((name, labels)) => {
                let labels = labels.strip_suffix('}').expect("labels have an end");
                (name, labels)
            }
            None => (named, ""),
        };
        assert!(!labels.contains('\\'), "an escape: {line}");
        let labels = labels.split_terminator("\",").map(|label| {
            let (name, value) = label.split_once("=\"").expect("a label has a value");
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        });
        Self {
            name: name.to_owned(),
            labels: labels.collect(),
            value: value
                .parse()
                .unwrap_or_else(|_| panic!("{line:?} has no number")),
        }
    }
}
