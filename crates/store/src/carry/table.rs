//! The tables that both stores have alike.

/// What a column holds, for stores that tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Int,
    /// A number that the target may give anew when the row is replaced.
    Serial,
    /// Yes or no, as 1 or 0.
    Flag,
    /// An id or a word, which holds no U+0000.
    Word,
    /// Text that a client chose freely.
    Text,
    /// Bytes.
    Bytes,
}

/// A value of a column. Sorts as keys do in both stores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// None.
    Null,
    /// Of [`Kind::Int`], [`Kind::Serial`] and [`Kind::Flag`].
    Int(i64),
    /// Of [`Kind::Word`] and [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Bytes`].
    Bytes(Vec<u8>),
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, those of the key first.
    pub columns: &'static [Column],
    /// How many of them are the key.
    pub key: usize,
    /// How many of them tell whether a row has changed; the rest never changes without them.
    pub compared: usize,
}

impl Table {
    /// The key of a row.
    pub fn key_of<'r>(&self, row: &'r [Value]) -> &'r [Value] {
        &row[..self.key.min(row.len())]
    }
}

const fn int(name: &'static str) -> Column {
    Column { name, kind: Kind::Int }
}

const fn word(name: &'static str) -> Column {
    Column { name, kind: Kind::Word }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text }
}

const fn bytes(name: &'static str) -> Column {
    Column { name, kind: Kind::Bytes }
}

const fn flag(name: &'static str) -> Column {
    Column { name, kind: Kind::Flag }
}

const fn all(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table { name, columns, key, compared: columns.len() }
}

/// Rows of it never change.
const fn fixed(name: &'static str, key: usize, columns: &'static [Column]) -> Table {
    Table { name, columns, key, compared: key }
}

/// Every table that both stores have alike, in an order in which rows may be put.
pub const TABLES: &[Table] = &[
    all("settings", 1, &[word("name"), bytes("value")]),
    all("workspaces", 1, &[int("id"), word("public_id"), text("name"), int("created")]),
    all(
        "users",
        1,
        &[word("id"), word("email"), text("display_name"), word("password_hash"), int("created")],
    ),
    all(
        "members",
        2,
        &[
            word("member"),
            int("workspace"),
            int("role"),
            Column { name: "joined", kind: Kind::Serial },
        ],
    ),
    all(
        "api_keys",
        1,
        &[
            int("number"),
            word("id"),
            int("workspace"),
            word("owner"),
            text("name"),
            word("prefix"),
            bytes("hash"),
            word("scopes"),
            int("created"),
            int("expires"),
            int("revoked"),
            int("last_used"),
        ],
    ),
    all("sessions", 1, &[bytes("hash"), word("member"), int("expires")]),
    fixed("acts", 2, &[int("log"), int("leaf"), bytes("body")]),
    fixed("tombstones", 2, &[int("workspace"), bytes("digest")]),
    // Small runs at the end of a log are joined now and then, so their length tells.
    Table {
        name: "leaf_runs",
        columns: &[
            int("log"),
            int("first"),
            int("count"),
            int("raw_bytes"),
            bytes("hashes"),
            bytes("entries"),
        ],
        key: 2,
        compared: 4,
    },
    fixed("tiles", 3, &[int("log"), int("level"), int("place"), bytes("hash")]),
    all("logs", 1, &[int("log"), int("size"), bytes("root"), bytes("frontier"), int("published")]),
    all("checkpoints", 2, &[int("log"), int("size"), bytes("root"), word("note"), int("signed")]),
    all(
        "anchors",
        3,
        &[int("kind"), int("size"), word("name"), word("note"), bytes("token"), int("kept")],
    ),
    all(
        "reviews",
        1,
        &[
            int("number"),
            int("workspace"),
            word("id"),
            word("trace_id"),
            int("state"),
            text("queue"),
            text("assignee"),
            text("rule"),
            int("due"),
            int("version"),
            text("body"),
        ],
    ),
    all("locks", 2, &[int("workspace"), bytes("record"), bytes("key")]),
    all(
        "deliveries",
        1,
        &[
            int("number"),
            int("workspace"),
            word("id"),
            text("channel"),
            text("event"),
            text("body"),
            int("created"),
            int("next"),
            int("attempts"),
            int("delivered"),
            text("last"),
        ],
    ),
    fixed(
        "dead_letters",
        1,
        &[
            int("number"),
            int("workspace"),
            int("received"),
            text("door"),
            int("place"),
            text("pointer"),
            text("reason"),
            text("trace_id"),
            text("span_id"),
            text("body"),
            flag("cut"),
            int("bytes"),
            bytes("digest"),
        ],
    ),
];
