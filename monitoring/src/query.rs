//! PromQL queries: the metrics they read.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};
use promql_parser::parser::{self, Call, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};

/// Grafana's value for a scrape interval of five seconds: four times the interval.
const RATE_INTERVAL: &str = "20s";

/// The values of each label. No values: any.
pub type Labels = BTreeMap<String, BTreeSet<String>>;

/// A PromQL query, and where it is written.
#[derive(Debug, Clone)]
pub struct Query {
    /// Dashboard and panel, or the name of the rule.
    pub place: String,
    /// The query as Prometheus reads it.
    pub expr: String,
    /// What a panel calls the series; `{{label}}` stands for the value of a label.
    pub legend: String,
}

/// A metric that a query reads.
#[derive(Debug)]
pub struct MetricUse {
    /// The name, with `_bucket`, `_sum` or `_count`.
    pub metric: String,
    /// Labels that select, group or join the metric, with the values that are selected or excluded; `a|b` is two values.
    pub labels: Labels,
}

impl Query {
    /// A query as it is written in a file. `$__rate_interval` is replaced by 20 s.
    #[must_use]
    pub fn new(place: impl Into<String>, expr: &str) -> Self {
        Self {
            place: place.into(),
            expr: expr.replace("$__rate_interval", RATE_INTERVAL),
            legend: String::new(),
        }
    }

    /// Every metric that the query reads.
    ///
    /// # Errors
    /// If the query is not PromQL, or a selector has no name.
    pub fn uses(&self) -> Result<Vec<MetricUse>> {
        let mut collector = Collector::default();
        walk_expr(&mut collector, &self.parse()?).with_context(|| self.place.clone())?;
        Ok(collector.uses)
    }

    /// The queries that a condition compares or combines, without the comparisons: each of them has data whether
    /// the condition holds or not.
    ///
    /// # Errors
    /// If the query is not PromQL.
    pub fn operands(&self) -> Result<Vec<Self>> {
        let mut operands = Vec::new();
        split(&self.parse()?, &mut operands);
        let query = |expr: String| Self::new(self.place.clone(), &expr);
        Ok(operands.into_iter().map(query).collect())
    }

    fn parse(&self) -> Result<Expr> {
        let parsed = parser::parse(&self.expr).map_err(|why| anyhow!("{why}"));
        parsed.with_context(|| format!("{}: {}", self.place, self.expr))
    }
}

/// Collects the metrics of an expression.
#[derive(Default)]
struct Collector {
    /// The labels that each of the expressions around the current one needs.
    needed: Vec<Vec<String>>,
    uses: Vec<MetricUse>,
}

impl ExprVisitor for Collector {
    type Error = anyhow::Error;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool> {
        let modifier = match expr {
            Expr::Aggregate(it) => it.modifier.as_ref(),
            Expr::Binary(it) => it.modifier.as_ref().and_then(|it| it.matching.as_ref()),
            _ => None,
        };
        // `by (…)` and `on (…)` need their labels; `without (…)` and `ignoring (…)` need none.
        let needed = modifier.filter(|it| it.is_include());
        let needed = needed.map(|it| it.labels().labels.clone());
        self.needed.push(needed.unwrap_or_default());
        match expr {
            Expr::VectorSelector(it) => self.add(it),
            Expr::MatrixSelector(it) => self.add(&it.vs),
            _ => Ok(true),
        }
    }

    fn post_visit(&mut self, _: &Expr) -> Result<bool> {
        self.needed.pop();
        Ok(true)
    }
}

impl Collector {
    fn add(&mut self, selector: &VectorSelector) -> Result<bool> {
        let metric = selector.name.clone().context("a selector without a name")?;
        let needed = self.needed.iter().flatten();
        let mut labels: Labels = needed.map(|it| (it.clone(), BTreeSet::new())).collect();
        for it in &selector.matchers.matchers {
            let values = it.value.split('|').map(str::to_owned);
            labels.entry(it.name.clone()).or_default().extend(values);
        }
        self.uses.push(MetricUse { metric, labels });
        Ok(true)
    }
}

fn split(expr: &Expr, operands: &mut Vec<String>) {
    match expr {
        Expr::Binary(it) if it.op.is_comparison_operator() || it.op.is_set_operator() => {
            split(&it.lhs, operands);
            split(&it.rhs, operands);
        }
        Expr::Paren(it) => split(&it.expr, operands),
        // A subquery may be longer than the whole run.
        Expr::Subquery(it) => split(&it.expr, operands),
        Expr::Call(it) if it.func.name == "absent" || has_subquery(it) => {
            it.args.args.iter().for_each(|it| split(it, operands));
        }
        Expr::NumberLiteral(_) => {}
        _ => operands.push(expr.to_string()),
    }
}

fn has_subquery(call: &Call) -> bool {
    let mut arguments = call.args.args.iter();
    arguments.any(|it| matches!(**it, Expr::Subquery(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_from_selecting_grouping_and_joining() {
        for (expr, expected) in [
            (
                r#"histogram_quantile(0.99, sum by (le) (rate(a_bucket{route="/orders"}[$__rate_interval])))"#,
                "a_bucket le route",
            ),
            ("sum by (x) (a) / on (y) (b offset 5m)", "a x y, b y"),
            (
                "max_over_time(sum without (z) (a)[5m:]) unless ignoring (z) absent(b) or vector(0)",
                "a, b",
            ),
        ] {
            let uses = Query::new("here", expr).uses().unwrap().into_iter();
            let texts = uses.map(|it| {
                let labels = it.labels.into_keys();
                Vec::from_iter(std::iter::once(it.metric).chain(labels)).join(" ")
            });
            assert_eq!(Vec::from_iter(texts).join(", "), expected, "{expr}");
        }
    }

    #[test]
    fn a_condition_is_split_at_comparisons_and_set_operators() {
        for (expr, expected) in [
            ("sum(a) / b > 0.5", "sum(a) / b"),
            ("a == 0 or (b > c) unless d", "a, b, c, d"),
            ("absent(a == 1)", "a"),
            ("a < max_over_time(sum(b)[1d:5m])", "a, sum(b)"),
        ] {
            let operands = Query::new("here", expr).operands().unwrap().into_iter();
            let operands: Vec<_> = operands.map(|it| it.expr).collect();
            assert_eq!(operands.join(", "), expected, "{expr}");
        }
    }

    #[test]
    fn an_invalid_query_is_reported_with_its_place() {
        for (expr, expected) in [
            ("sum(", "the place: sum("),
            (r#"{job="x"}"#, "the place: a selector without a name"),
        ] {
            let error = Query::new("the place", expr).uses().unwrap_err();
            assert!(format!("{error:#}").starts_with(expected), "{error:#}");
        }
    }
}
