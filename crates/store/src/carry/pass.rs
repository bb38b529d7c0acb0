//! One comparison of two stores, which carries over what differs.

use exhibit_model::WorkspaceId;

use super::{ARRIVING, Carry, Kind, MOVED, Stamp, TABLES, Table, Value};
use crate::{
    Page, StoreError,
    rollup::{Cell, Key},
};

/// Rows of a page.
const ROWS: usize = 500;
/// Stamps of a page.
const STAMPS: usize = 5_000;
/// Records of traces that are carried in one step, unless one trace has more.
const RECORDS: i64 = 2_000;
/// Cells of a page, and of one step.
const CELLS: usize = 2_000;

/// Settings that belong to a store and not to what is in it.
fn is_own(name: &str) -> bool {
    [MOVED, ARRIVING].contains(&name) || name.starts_with("cluster.") || name.starts_with("cli.")
}

/// Told how far a pass is.
pub trait Progress: Send + Sync {
    /// How many records the source has; called once.
    fn total(&self, records: u64);
    /// So many more were compared or carried.
    fn records(&self, n: u64);
    /// What is being done.
    fn doing(&self, what: &str);
}

/// What a pass carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Rows of tables, put or removed.
    pub rows: u64,
    /// Traces, put or removed.
    pub traces: u64,
    /// Records in them.
    pub records: u64,
    /// Rollup cells.
    pub cells: u64,
}

/// Carries over whatever differs.
///
/// Afterwards the target holds all that the source held when the pass began, and perhaps more; both are
/// alike when nothing was written in between.
pub async fn pass(
    from: &dyn Carry,
    to: &dyn Carry,
    progress: &dyn Progress,
) -> Result<Moved, StoreError> {
    let mut moved = Moved::default();
    let workspaces = from.workspaces().await?;
    let mut total = 0;
    for workspace in &workspaces {
        total += from.audit_size(workspace.id).await?;
    }
    progress.total(total);
    let (heads, rest): (Vec<&Table>, Vec<&Table>) =
        TABLES.iter().partition(|table| ["settings", "workspaces"].contains(&table.name));
    for table in heads {
        rows(from, to, table, &mut moved).await?;
    }
    progress.doing("traces");
    traces(from, to, progress, &mut moved).await?;
    for table in rest {
        progress.doing(table.name);
        rows(from, to, table, &mut moved).await?;
    }
    progress.doing("rollups");
    for workspace in &workspaces {
        cells(from, to, workspace.id, &mut moved).await?;
    }
    to.go_on_after(from.last_number().await?).await?;
    Ok(moved)
}

/// Walks pages of two sorted lists side by side.
struct Walk<T> {
    page: std::vec::IntoIter<T>,
    ended: bool,
}

impl<T> Walk<T> {
    fn new() -> Self {
        Self { page: Vec::new().into_iter(), ended: false }
    }

    fn needs_page(&self) -> bool {
        !self.ended && self.page.len() == 0
    }

    fn turn(&mut self, page: Vec<T>, limit: usize) {
        self.ended = page.len() < limit;
        self.page = page.into_iter();
    }

    fn peek(&self) -> Option<&T> {
        self.page.as_slice().first()
    }
}

/// What is at the head of two lists.
enum Head<T> {
    /// Only the source has it.
    New(T),
    /// Only the target has it.
    Gone(T),
    /// Both have it.
    Both(T, T),
}

fn head<T, K: Ord>(a: &mut Walk<T>, b: &mut Walk<T>, key: impl Fn(&T) -> K) -> Option<Head<T>> {
    let order = match (a.peek(), b.peek()) {
        (None, None) => return None,
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(x), Some(y)) => key(x).cmp(&key(y)),
    };
    Some(match order {
        std::cmp::Ordering::Less => Head::New(a.page.next()?),
        std::cmp::Ordering::Greater => Head::Gone(b.page.next()?),
        std::cmp::Ordering::Equal => Head::Both(a.page.next()?, b.page.next()?),
    })
}

async fn rows(
    from: &dyn Carry,
    to: &dyn Carry,
    table: &'static Table,
    moved: &mut Moved,
) -> Result<(), StoreError> {
    let (mut ours, mut theirs) = (Walk::new(), Walk::new());
    let (mut after_ours, mut after_theirs): (Option<Vec<Value>>, Option<Vec<Value>>) = (None, None);
    let (mut put, mut gone) = (Vec::new(), Vec::new());
    let key = |row: &Vec<Value>| table.key_of(row).to_vec();
    // With a few columns to compare, whole rows of both sides need not be read.
    let whole = table.compared == table.columns.len();
    loop {
        if ours.needs_page() {
            let page = from.rows(table, after_ours.take(), ROWS, true).await?;
            after_ours = page.last().map(&key);
            ours.turn(page, ROWS);
        }
        if theirs.needs_page() {
            let page = to.rows(table, after_theirs.take(), ROWS, whole).await?;
            after_theirs = page.last().map(&key);
            theirs.turn(page, ROWS);
        }
        let own = |row: &[Value]| {
            let name = row.first();
            table.name == "settings" && matches!(name, Some(Value::Text(name)) if is_own(name))
        };
        match head(&mut ours, &mut theirs, key) {
            None => break,
            Some(Head::New(row)) if !own(&row) => put.push(row),
            Some(Head::Gone(row)) if !own(&row) => gone.push(key(&row)),
            Some(Head::Both(row, old)) if !own(&row) && !same(table, &row, &old) => put.push(row),
            Some(_) => {}
        }
        if put.len() + gone.len() >= ROWS {
            moved.rows += (put.len() + gone.len()) as u64;
            to.put_rows(table, std::mem::take(&mut put), std::mem::take(&mut gone)).await?;
        }
    }
    if !put.is_empty() || !gone.is_empty() {
        moved.rows += (put.len() + gone.len()) as u64;
        to.put_rows(table, put, gone).await?;
    }
    Ok(())
}

fn same(table: &Table, a: &[Value], b: &[Value]) -> bool {
    let columns = table.columns.iter().take(table.compared).zip(a.iter().zip(b));
    // Numbers that the target may give anew say nothing.
    columns.filter(|(column, _)| column.kind != Kind::Serial).all(|(_, (a, b))| a == b)
}

async fn traces(
    from: &dyn Carry,
    to: &dyn Carry,
    progress: &dyn Progress,
    moved: &mut Moved,
) -> Result<(), StoreError> {
    let (mut ours, mut theirs) = (Walk::new(), Walk::new());
    let (mut after_ours, mut after_theirs) = (i64::MIN, i64::MIN);
    let (mut put, mut gone, mut records) = (Vec::new(), Vec::new(), 0);
    loop {
        if ours.needs_page() {
            let page = from.stamps(after_ours, STAMPS).await?;
            after_ours = page.last().map_or(after_ours, |stamp| stamp.number);
            ours.turn(page, STAMPS);
        }
        if theirs.needs_page() {
            let page = to.stamps(after_theirs, STAMPS).await?;
            after_theirs = page.last().map_or(after_theirs, |stamp| stamp.number);
            theirs.turn(page, STAMPS);
        }
        match head(&mut ours, &mut theirs, |stamp: &Stamp| stamp.number) {
            None => break,
            Some(Head::Gone(stamp)) => gone.push(stamp.number),
            Some(Head::Both(stamp, old)) if stamp == old => progress.records(stamp.records as u64),
            Some(Head::New(stamp) | Head::Both(stamp, _)) => {
                put.push(stamp.number);
                records += stamp.records;
            }
        }
        if records >= RECORDS || put.len() + gone.len() >= ROWS {
            carry(from, to, &mut put, &mut gone, progress, moved).await?;
            records = 0;
        }
    }
    carry(from, to, &mut put, &mut gone, progress, moved).await
}

async fn carry(
    from: &dyn Carry,
    to: &dyn Carry,
    put: &mut Vec<i64>,
    gone: &mut Vec<i64>,
    progress: &dyn Progress,
    moved: &mut Moved,
) -> Result<(), StoreError> {
    if put.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let traces = if put.is_empty() { Vec::new() } else { from.carried(put).await? };
    put.clear();
    let records = traces.iter().map(|trace| trace.records).sum();
    moved.traces += (traces.len() + gone.len()) as u64;
    moved.records += records;
    to.put_traces(traces, std::mem::take(gone)).await?;
    progress.records(records);
    Ok(())
}

async fn cells(
    from: &dyn Carry,
    to: &dyn Carry,
    workspace: WorkspaceId,
    moved: &mut Moved,
) -> Result<(), StoreError> {
    let (mut ours, mut theirs) = (Cells::new(), Cells::new());
    let mut add: Vec<(Key, Cell)> = Vec::new();
    loop {
        ours.fill(from, workspace).await?;
        theirs.fill(to, workspace).await?;
        let found = head(&mut ours.walk, &mut theirs.walk, |(key, _): &(Key, Cell)| key.clone());
        match found {
            None => break,
            Some(Head::New(cell)) => add.push(cell),
            Some(Head::Gone((key, cell))) => {
                let mut less = Cell::default();
                less.subtract(&cell);
                add.push((key, less));
            }
            Some(Head::Both((key, mut cell), (_, old))) => {
                cell.subtract(&old);
                if !cell.is_zero() {
                    add.push((key, cell));
                }
            }
        }
    }
    // What is added does not disturb the walk, which is over.
    moved.cells += add.len() as u64;
    while !add.is_empty() {
        let rest = add.split_off(add.len().min(CELLS));
        to.add_cells(workspace, std::mem::replace(&mut add, rest)).await?;
    }
    Ok(())
}

/// The cells of a workspace, page by page.
struct Cells {
    walk: Walk<(Key, Cell)>,
    next: Option<String>,
    begun: bool,
}

impl Cells {
    fn new() -> Self {
        Self { walk: Walk::new(), next: None, begun: false }
    }

    async fn fill(&mut self, store: &dyn Carry, workspace: WorkspaceId) -> Result<(), StoreError> {
        while self.walk.page.len() == 0 && (!self.begun || self.next.is_some()) {
            self.begun = true;
            let Page { rows, next } =
                store.audit_rollups(workspace, self.next.take(), CELLS).await?;
            self.next = next;
            self.walk.turn(rows, 0);
        }
        Ok(())
    }
}
