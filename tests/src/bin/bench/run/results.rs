//! All samples of a benchmark, by name, in the order of their first appearance.

use serde::{Deserialize, Serialize};

use crate::load::{Latency, Summary};

/// One measurement of one round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// What happened in each second, or another figure of that measurement.
    pub(crate) figure: f64,
    pub(crate) latency: Latency,
    pub(crate) refusal_latency: Latency,
    /// Refusals in each second.
    pub(crate) refusals: f64,
}

impl From<&Summary> for Sample {
    fn from(summary: &Summary) -> Self {
        Self {
            figure: summary.rate,
            latency: summary.latency,
            refusal_latency: summary.refusal_latency,
            refusals: summary.refusals as f64 / summary.seconds.max(1e-9),
        }
    }
}

/// The samples of one measurement, a round each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Series {
    /// As in `scaled/D256`.
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

/// Everything that was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) series: Vec<Series>,
    /// What went wrong, a sentence each: the run has failed if there is any,
    /// but what else can be measured is.
    #[serde(default)]
    pub(crate) failures: Vec<String>,
}

/// The middle one and both ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Results {
    pub(crate) fn add(&mut self, name: &str, sample: Sample) {
        let refused = match sample.refusals > 0.0 {
            true => format!(
                "; refused {:.0}, p99 {:.3} ms",
                sample.refusals, sample.refusal_latency.p99_ms
            ),
            false => String::new(),
        };
        eprintln!(
            "  {name:<24} {:>12.1}   p50 {:.3} ms, p99 {:.3} ms{refused}",
            sample.figure, sample.latency.p50_ms, sample.latency.p99_ms
        );
        match self.series.iter_mut().find(|series| series.name == name) {
            Some(series) => series.samples.push(sample),
            None => self.series.push(Series {
                name: name.to_owned(),
                samples: vec![sample],
            }),
        }
    }

    /// Remembers that something could not be measured or was not kept.
    pub(crate) fn fail(&mut self, name: &str, sentence: &str) {
        eprintln!("  {name:<24} FAILED: {sentence}");
        self.failures.push(format!("{name}: {sentence}"));
    }

    /// A sample, nothing if it cannot be taken on this machine, or a failure.
    pub(crate) fn take(&mut self, name: &str, outcome: Result<Option<Sample>, String>) {
        match outcome {
            Ok(Some(sample)) => self.add(name, sample),
            Ok(None) => eprintln!("  {name:<24} cannot be measured here"),
            Err(sentence) => self.fail(name, &sentence),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }

    /// The best by median of the series whose names begin so.
    pub(crate) fn best(&self, prefix: &str) -> Option<&Series> {
        let candidates = self
            .series
            .iter()
            .filter(|series| series.name.starts_with(prefix));
        candidates.max_by(|a, b| a.figures().median.total_cmp(&b.figures().median))
    }

    /// The figure of the newest sample.
    pub(crate) fn last(&self, name: &str) -> Option<f64> {
        self.get(name)?.samples.last().map(|sample| sample.figure)
    }
}

impl Series {
    pub(crate) fn figures(&self) -> Spread {
        self.spread(|sample| sample.figure)
    }

    pub(crate) fn spread(&self, of: impl Fn(&Sample) -> f64) -> Spread {
        spread(self.samples.iter().map(of).collect())
    }
}

/// The middle of two values lies between them.
pub(crate) fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_unstable_by(f64::total_cmp);
    let (Some(min), Some(max)) = (values.first(), values.last()) else {
        return Spread {
            median: f64::NAN,
            min: f64::NAN,
            max: f64::NAN,
        };
    };
    let half = values.len() / 2;
    let median = if values.len() % 2 == 1 {
        values[half]
    } else {
        f64::midpoint(values[half - 1], values[half])
    };
    Spread {
        median,
        min: *min,
        max: *max,
    }
}

/// One series divided by another, round by round where both have as many.
pub(crate) fn ratio(
    above: &Series,
    below: &Series,
    of_above: impl Fn(&Sample) -> f64,
    of_below: impl Fn(&Sample) -> f64,
) -> Spread {
    if above.samples.len() == below.samples.len() {
        let rounds = above.samples.iter().zip(&below.samples);
        let divided = rounds.map(|(a, b)| match (of_above(a), of_below(b)) {
            // Nothing on both sides is as much.
            (0.0, 0.0) => 1.0,
            (above, below) => above / below,
        });
        return spread(divided.collect());
    }
    let (above, below) = (above.spread(of_above), below.spread(of_below));
    Spread {
        median: above.median / below.median,
        min: above.min / below.max,
        max: above.max / below.min,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(spread(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!(spread(Vec::new()).median.is_nan());
    }
}
