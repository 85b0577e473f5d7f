//! PromQL queries: the metrics they read.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};
use promql_parser::parser::{self, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};

/// Grafana's value for a scrape interval of five seconds: four times the interval.
const RATE_INTERVAL: &str = "20s";

/// A PromQL query, and where it is written.
#[derive(Debug, Clone)]
pub struct Query {
    /// Dashboard and panel, or the name of the rule.
    pub place: String,
    /// The query as Prometheus reads it.
    pub expr: String,
}

/// A metric that a query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricUse {
    /// The name, with `_bucket`, `_sum` or `_count`.
    pub metric: String,
    /// Labels that select, group or join the metric.
    pub labels: BTreeSet<String>,
    /// Values that the query selects or excludes; `a|b` is two values.
    pub values: BTreeMap<String, Vec<String>>,
}

impl Query {
    /// A query as it is written in a file. `$__rate_interval` is replaced by 20 s.
    #[must_use]
    pub fn new(place: impl Into<String>, expr: &str) -> Self {
        Self {
            place: place.into(),
            expr: expr.replace("$__rate_interval", RATE_INTERVAL),
        }
    }

    /// Every metric that the query reads.
    ///
    /// # Errors
    /// If the query is not PromQL, or a selector has no name.
    pub fn uses(&self) -> Result<Vec<MetricUse>> {
        let parsed = self.parse()?;
        let mut uses = Vec::new();
        collect(&parsed, &BTreeSet::new(), &mut uses).with_context(|| self.place.clone())?;
        Ok(uses)
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

/// `wanted` are the labels that the expressions around `expr` need.
fn collect(expr: &Expr, wanted: &BTreeSet<String>, uses: &mut Vec<MetricUse>) -> Result<()> {
    match expr {
        Expr::Aggregate(it) => collect(&it.expr, &with(wanted, it.modifier.as_ref()), uses),
        Expr::Binary(it) => {
            let wanted = with(wanted, joined_by(it));
            collect(&it.lhs, &wanted, uses)?;
            collect(&it.rhs, &wanted, uses)
        }
        Expr::Call(it) => it
            .args
            .args
            .iter()
            .try_for_each(|it| collect(it, wanted, uses)),
        Expr::Unary(it) => collect(&it.expr, wanted, uses),
        Expr::Paren(it) => collect(&it.expr, wanted, uses),
        Expr::Subquery(it) => collect(&it.expr, wanted, uses),
        Expr::VectorSelector(it) => selected(it, wanted, uses),
        Expr::MatrixSelector(it) => selected(&it.vs, wanted, uses),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
        Expr::Extension(_) => Err(anyhow!("not PromQL")),
    }
}

fn joined_by(expr: &BinaryExpr) -> Option<&LabelModifier> {
    expr.modifier.as_ref()?.matching.as_ref()
}

/// `by (…)` and `on (…)` need their labels; `without (…)` and `ignoring (…)` need none.
fn with(wanted: &BTreeSet<String>, modifier: Option<&LabelModifier>) -> BTreeSet<String> {
    let mut wanted = wanted.clone();
    if let Some(LabelModifier::Include(labels)) = modifier {
        wanted.extend(labels.labels.iter().cloned());
    }
    wanted
}

fn selected(
    selector: &VectorSelector,
    wanted: &BTreeSet<String>,
    uses: &mut Vec<MetricUse>,
) -> Result<()> {
    let metric = selector.name.clone().context("a selector without a name")?;
    let matchers = selector.matchers.matchers.iter();
    let values = matchers.map(|it| {
        let values = it.value.split('|').map(str::to_owned);
        (it.name.clone(), values.collect())
    });
    let values: BTreeMap<String, Vec<String>> = values.collect();
    uses.push(MetricUse {
        metric,
        labels: wanted.iter().chain(values.keys()).cloned().collect(),
        values,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(expr: &str) -> Vec<(String, Vec<String>)> {
        let uses = Query::new("here", expr).uses().unwrap();
        let told = uses
            .into_iter()
            .map(|it| (it.metric, it.labels.into_iter().collect()));
        told.collect()
    }

    fn is(metric: &str, labels: &[&str]) -> (String, Vec<String>) {
        (
            metric.to_owned(),
            labels.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn labels_come_from_selecting_grouping_and_joining() {
        let expr = r#"histogram_quantile(0.99, sum by (le) (rate(a_bucket{route="/orders"}[$__rate_interval])))"#;
        assert_eq!(uses(expr), [is("a_bucket", &["le", "route"])]);
        let expr = "sum by (x) (a) / on (y) (b offset 5m)";
        assert_eq!(uses(expr), [is("a", &["x", "y"]), is("b", &["y"])]);
        let expr =
            "max_over_time(sum without (z) (a)[5m:]) unless ignoring (z) absent(b) or vector(0)";
        assert_eq!(uses(expr), [is("a", &[]), is("b", &[])]);
    }

    #[test]
    fn a_condition_is_split_at_comparisons_and_set_operators() {
        let operands = |expr| {
            let operands = Query::new("here", expr).operands().unwrap();
            operands.into_iter().map(|it| it.expr).collect::<Vec<_>>()
        };
        assert_eq!(operands("sum(a) / b > 0.5"), ["sum(a) / b"]);
        assert_eq!(operands("a == 0 or (b > c) unless d"), ["a", "b", "c", "d"]);
        assert_eq!(operands("absent(a == 1)"), ["a"]);
        assert_eq!(
            operands("a < max_over_time(sum(b)[1d:5m])"),
            ["a", "sum(b)"]
        );
    }

    #[test]
    fn an_invalid_query_is_reported_with_its_place() {
        let error = Query::new("the place", "sum(").uses().unwrap_err();
        assert!(
            format!("{error:#}").starts_with("the place: sum("),
            "{error:#}"
        );
        let error = Query::new("the place", r#"{job="x"}"#).uses().unwrap_err();
        assert!(format!("{error:#}").contains("without a name"), "{error:#}");
    }
}
