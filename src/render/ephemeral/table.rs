//! The worst pools, one a row, as wide as there is room for.

use super::{EphemeralReport, PoolNotes, label, owner};
use crate::analyze::Pool;
use crate::render::page::Page;
use crate::render::paint::Paint;
use crate::render::plain::width;

/// Owners named of a pool.
pub(super) const MOST_OWNERS: usize = 3;
/// Blanks between columns.
const GAP: &str = "  ";
/// What stands below the name of its pool is indented.
const INDENT: &str = "    ";
const HEADING: [&str; 7] = [
    "POOL",
    "FULL",
    "USED",
    "TIME-WAIT",
    "RECLAIMABLE",
    "FREE",
    "OWNERS",
];
const FULL: usize = 1;
const OWNERS: usize = 6;

/// How a pool is laid out.
#[derive(Clone, Copy)]
struct Layout {
    /// Characters of the bar.
    bar: usize,
    /// Whether numbers stand beside the name of the pool, else below it; owners likewise.
    numbers_beside: bool,
    owners_beside: bool,
}

const fn layout(bar: usize, numbers_beside: bool, owners_beside: bool) -> Layout {
    Layout {
        bar,
        numbers_beside,
        owners_beside,
    }
}

/// The first that fits is taken, else the last.
const LAYOUTS: [Layout; 4] = [
    layout(20, true, true),
    layout(20, true, false),
    layout(10, true, false),
    layout(10, false, false),
];

/// A pool, or the heading.
struct Row {
    /// On a line of its own.
    name: String,
    /// Before the bar, the bar, and after it.
    before: String,
    full: String,
    after: String,
    /// On lines of their own.
    owners: String,
}

/// Appends the table.
pub(super) fn table(page: &mut Page<'_>, report: &EphemeralReport<'_>, paint: Paint) {
    let mut rows = Vec::new();
    for layout in LAYOUTS {
        rows = draw(report, layout);
        let fits = |row: &Row| {
            let line = format!("{}{}{}", row.before, row.full, row.after);
            page.fits(line.trim_end())
        };
        if rows.iter().all(fits) {
            break;
        }
    }
    let pools = report.findings.pools.iter().map(Some);
    for (row, pool) in rows.iter().zip(std::iter::once(None).chain(pools)) {
        if !row.name.is_empty() {
            page.line(&row.name);
        }
        page.out.extend_from_slice(row.before.as_bytes());
        match pool {
            Some(pool) => paint.severe(page.out, pool.severity, &row.full),
            None => paint.faint(page.out, &row.full),
        }
        page.line(&row.after);
        if !row.owners.is_empty() {
            page.indented(INDENT, &row.owners);
        }
    }
}

fn draw(report: &EphemeralReport<'_>, layout: Layout) -> Vec<Row> {
    let pools = report.findings.pools.iter().zip(&report.notes);
    let pools = pools.map(|(pool, notes)| cells(report, pool, notes, layout.bar));
    let pools: Vec<[String; 7]> = pools.collect();
    // A column in which nothing stands only takes room.
    let is_told = |column: usize| {
        let says_nothing = |cell: &str| cell.is_empty() || cell == "0";
        !is_number(column) && column != OWNERS
            || !pools.iter().all(|cells| says_nothing(&cells[column]))
    };
    let after: Vec<usize> = (FULL + 1..HEADING.len())
        .filter(|&column| is_told(column) && (column != OWNERS || layout.owners_beside))
        .collect();
    let rows: Vec<[String; 7]> = std::iter::once(HEADING.map(str::to_owned))
        .chain(pools)
        .collect();
    let widest = |column: usize| {
        let widths = rows.iter().map(|cells| width(cells[column].as_bytes()));
        widths.max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(widest);
    rows.iter()
        .map(|cells| {
            let padded = |column: usize| padded(&cells[column], widths[column], is_number(column));
            let blanks = " ".repeat(widths[FULL] - width(cells[FULL].as_bytes()));
            let mut row = Row {
                name: String::new(),
                before: padded(0),
                full: cells[FULL].clone(),
                after: blanks + GAP,
                owners: String::new(),
            };
            if !layout.numbers_beside {
                row.name = cells[0].clone();
                row.before = INDENT.to_owned();
            }
            row.after.extend(after.iter().map(|&column| padded(column)));
            let owners = &cells[OWNERS];
            if !layout.owners_beside && !owners.is_empty() && owners != HEADING[OWNERS] {
                row.owners = format!("owners: {owners}");
            }
            row
        })
        .collect()
}

const fn is_number(column: usize) -> bool {
    matches!(column, 2..=4)
}

fn padded(cell: &str, most: usize, right: bool) -> String {
    let blanks = " ".repeat(most.saturating_sub(width(cell.as_bytes())));
    if right {
        format!("{blanks}{cell}{GAP}")
    } else {
        format!("{cell}{blanks}{GAP}")
    }
}

fn cells(report: &EphemeralReport<'_>, pool: &Pool, notes: &PoolNotes, bar: usize) -> [String; 7] {
    let percent = pool.percent();
    // Rounded down, so that a full bar is a full pool; the percentage is from 0 to 100.
    let filled = ((percent / 100.0 * bar as f64) as usize).min(bar);
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(bar - filled));
    let owners: Vec<String> = notes
        .owners
        .iter()
        .take(MOST_OWNERS)
        .map(|share| format!("{} {}", owner(share), share.ports))
        .collect();
    [
        label(pool),
        format!("[{bar}] {:>3.0}%", report.rounded(percent)),
        format!("{}/{}", pool.used, pool.capacity),
        pool.time_wait.to_string(),
        pool.reclaimable.to_string(),
        if pool.free_min == pool.free_max {
            pool.free.to_string()
        } else {
            format!("{} ({}-{})", pool.free, pool.free_min, pool.free_max)
        },
        match notes.owners_status {
            Some("hidden") if owners.is_empty() => "(hidden)".to_owned(),
            _ => owners.join(", "),
        },
    ]
}
