use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};
use promql_parser::parser::{self, BinaryExpr, Expr, LabelModifier, VectorSelector};

/// What Grafana makes of it where metrics are scraped every five seconds: four times that.
const RATE_INTERVAL: &str = "20s";

/// A query in PromQL, and where it stands.
#[derive(Debug, Clone)]
pub struct Query {
    /// For whoever has to mend it.
    pub place: String,
    /// As Prometheus takes it.
    pub expr: String,
}

/// A metric that a query asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Its name, `_bucket`, `_sum` or `_count` included.
    pub metric: String,
    /// Those that it must have for the query to mean something: by which it is chosen, grouped or joined.
    pub labels: BTreeSet<String>,
    /// What is looked for, or left out, in them; `a|b` is two values.
    pub values: BTreeMap<String, Vec<String>>,
}

impl Query {
    /// A query as it stands in a file, with a length for the window that Grafana would choose.
    #[must_use]
    pub fn new(place: impl Into<String>, expr: &str) -> Self {
        Self {
            place: place.into(),
            expr: expr.replace("$__rate_interval", RATE_INTERVAL),
        }
    }

    /// Every metric in it, with the labels that are asked of it.
    ///
    /// # Errors
    /// When it is no PromQL, or a selector has no name.
    pub fn uses(&self) -> Result<Vec<Use>> {
        let parsed = parser::parse(&self.expr).map_err(|why| anyhow!("{why}"));
        let parsed = parsed.with_context(|| format!("{}: {}", self.place, self.expr))?;
        let mut uses = Vec::new();
        collect(&parsed, &BTreeSet::new(), &mut uses).with_context(|| self.place.clone())?;
        Ok(uses)
    }
}

/// `wanted` are the labels that what stands around `expr` asks of every metric in it.
fn collect(expr: &Expr, wanted: &BTreeSet<String>, uses: &mut Vec<Use>) -> Result<()> {
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
        Expr::Extension(_) => Err(anyhow!("something that is not of PromQL")),
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
    uses: &mut Vec<Use>,
) -> Result<()> {
    let metric = selector.name.clone().context("a selector without a name")?;
    let matchers = selector.matchers.matchers.iter();
    let values = matchers.map(|it| {
        let values = it.value.split('|').map(str::to_owned);
        (it.name.clone(), values.collect())
    });
    let values: BTreeMap<String, Vec<String>> = values.collect();
    uses.push(Use {
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
    fn labels_are_asked_for_by_choosing_grouping_and_joining() {
        let expr = r#"histogram_quantile(0.99, sum by (le) (rate(a_bucket{route="/orders"}[$__rate_interval])))"#;
        assert_eq!(uses(expr), [is("a_bucket", &["le", "route"])]);
        let expr = "sum by (x) (a) / on (y) (b offset 5m)";
        assert_eq!(uses(expr), [is("a", &["x", "y"]), is("b", &["y"])]);
        let expr =
            "max_over_time(sum without (z) (a)[5m:]) unless ignoring (z) absent(b) or vector(0)";
        assert_eq!(uses(expr), [is("a", &[]), is("b", &[])]);
    }

    #[test]
    fn what_is_no_query_is_told_with_its_place() {
        let error = Query::new("the place", "sum(").uses().unwrap_err();
        assert!(
            format!("{error:#}").starts_with("the place: sum("),
            "{error:#}"
        );
        let error = Query::new("the place", r#"{job="x"}"#).uses().unwrap_err();
        assert!(format!("{error:#}").contains("without a name"), "{error:#}");
    }
}
