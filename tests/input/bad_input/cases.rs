//! What is broken, and what is said of it.

use super::Edit::{self, Do, Remove, Replace, Write};
use super::*;

/// Orders that take so little that they leave IMR as it is: they close what is held, or buy what is worth little.
const ORDERS: &str = "account_id,inst_id,side,qty,px
a1,BTC-USDT-SWAP,buy,1,90000
a2,BTC-USD-SWAP,sell,20,89000
a1,BTC-USDT,buy,0.000001,90000
";

/// Broken rows. Where a case breaks several rows of an account, all have the same reason.
pub const BROKEN_ROWS: &[(&[Edit], &[Broken])] = &[
    (
        &[Replace("positions.csv", "a2,BTC-USD-SWAP", "a2,DOGE-USD-SWAP")],
        &[("positions", 2, "a2", "unknown_instrument", "inst_id", "DOGE-USD-SWAP")],
    ),
    (
        &[Replace("positions.csv", "a2,BTC-USD-SWAP", "a2,BTC-USD-260115")],
        &[("positions", 2, "a2", "expired_instrument", "inst_id", "BTC-USD-260115")],
    ),
    (
        &[Replace("instruments.csv", ",90000,C", ",,C")],
        &[
            ("instruments", 4, "", "invalid_instrument", "strike", ""),
            ("positions", 3, "a3", "invalid_instrument", "inst_id", "BTC-USD-260327-90000-C"),
        ],
    ),
    (&[Replace("positions.csv", ",88000", ",")], &[("positions", 2, "a2", "missing_avg_px", "avg_px", "")]),
    (&[Replace("positions.csv", ",88000", ",0")], &[("positions", 2, "a2", "non_positive_avg_px", "avg_px", "0")]),
    (&[Replace("positions.csv", ",88000", ",-1")], &[("positions", 2, "a2", "non_positive_avg_px", "avg_px", "-1")]),
    (&[Replace("positions.csv", ",88000", ",NaN")], &[("positions", 2, "a2", "invalid_avg_px", "avg_px", "NaN")]),
    (&[Replace("positions.csv", ",88000", ",inf")], &[("positions", 2, "a2", "invalid_avg_px", "avg_px", "inf")]),
    (&[Replace("positions.csv", ",88000", ",1e400")], &[("positions", 2, "a2", "out_of_range", "avg_px", "1e400")]),
    (&[Replace("positions.csv", ",300,", ",-1e400,")], &[("positions", 2, "a2", "out_of_range", "qty", "-1e400")]),
    (
        &[Replace("positions.csv", ",300,", ",300 lots,")],
        &[("positions", 2, "a2", "invalid_quantity", "qty", "300 lots")],
    ),
    (&[Replace("positions.csv", ",300,", ",,")], &[("positions", 2, "a2", "missing_quantity", "qty", "")]),
    (
        &[Replace("positions.csv", "a5,BTC", ",BTC-USDT-SWAP,1,90000\na5,BTC")],
        &[("positions", 6, "", "missing_account_id", "account_id", "")],
    ),
    (&[Replace("balances.csv", "a6,ETH,2", "a6,ETH,1e400")], &[("balances", 9, "a6", "out_of_range", "cash", "1e400")]),
    (&[Replace("balances.csv", "a6,ETH,2", "a6,ETH,two")], &[("balances", 9, "a6", "invalid_cash", "cash", "two")]),
    (&[Replace("balances.csv", "a6,ETH,2", "a6,ETH,")], &[("balances", 9, "a6", "missing_cash", "cash", "")]),
    (&[Replace("balances.csv", ",1.5,", ",-1.5,")], &[("balances", 2, "a1", "invalid_interest", "interest", "-1.5")]),
    (
        &[Replace("balances.csv", ",0.4", ",-0.4")],
        &[("balances", 1, "a1", "invalid_spot_in_use_cap", "spot_in_use_cap", "-0.4")],
    ),
    (
        &[Replace("balances.csv", "a6,ETH,2,,", "a6,ETH,2,,\na3,BTC,0,,")],
        &[
            ("balances", 4, "a3", "duplicate_balance", "ccy", "BTC"),
            ("balances", 10, "a3", "duplicate_balance", "ccy", "BTC"),
        ],
    ),
    (
        &[Write("orders.csv", ORDERS), Replace("orders.csv", "a2,BTC-USD-SWAP", "a2,DOGE-USD-SWAP")],
        &[("orders", 2, "a2", "unknown_instrument", "inst_id", "DOGE-USD-SWAP")],
    ),
    (
        &[Write("orders.csv", ORDERS), Replace("orders.csv", "a1,BTC-USDT,", "a1,DOGE-USDT,")],
        &[("orders", 3, "a1", "missing_fx", "inst_id", "DOGE")],
    ),
    (
        &[Write("orders.csv", ORDERS), Replace("orders.csv", "sell,20", "short,20")],
        &[("orders", 2, "a2", "invalid_side", "side", "short")],
    ),
    (
        &[Write("orders.csv", ORDERS), Replace("orders.csv", "sell,20", "sell,-20")],
        &[("orders", 2, "a2", "invalid_quantity", "qty", "-20")],
    ),
    (
        &[Write("orders.csv", ORDERS), Replace("orders.csv", ",89000", ",")],
        &[("orders", 2, "a2", "missing_px", "px", "")],
    ),
    (
        &[Write("orders.csv", ORDERS), Replace("orders.csv", ",89000", ",0")],
        &[("orders", 2, "a2", "invalid_px", "px", "0")],
    ),
    (
        &[Write("orders.csv", ORDERS), Replace("orders.csv", "a2,BTC", ",BTC")],
        &[("orders", 2, "", "missing_account_id", "account_id", "")],
    ),
    (
        &[Replace("accounts.csv", "a2,coin", "a2,coins")],
        &[("accounts", 2, "a2", "invalid_spot_offset", "spot_offset", "coins")],
    ),
    (
        &[Replace("accounts.csv", "a4,none\n", "a4,none\na2,usdt\n")],
        &[
            ("accounts", 2, "a2", "duplicate_account", "account_id", "a2"),
            ("accounts", 4, "a2", "duplicate_account", "account_id", "a2"),
        ],
    ),
    // A price that is missing hits those who hold the instrument or the currency, and nobody else.
    (
        &[Replace("marks.csv", "BTC-USDT-SWAP,90000.5,,\n", "")],
        &[("positions", 1, "a1", "missing_mark", "mark_px", ""), ("positions", 4, "a3", "missing_mark", "mark_px", "")],
    ),
    (
        &[Replace("marks.csv", "ETH-USDC-SWAP,3001", "ETH-USDC-SWAP,inf")],
        &[("positions", 5, "a4", "missing_mark", "mark_px", "inf")],
    ),
    (&[Replace("marks.csv", ",0.55,", ",,")], &[("positions", 3, "a3", "missing_vol", "mark_vol", "")]),
    (&[Replace("marks.csv", ",0.55,", ",0,")], &[("positions", 3, "a3", "missing_vol", "mark_vol", "0")]),
    (&[Replace("marks.csv", "0.55,90500", "0.55,NaN")], &[("positions", 3, "a3", "missing_forward", "fwd_px", "NaN")]),
    (&[Replace("indices.csv", "ETH-USDC,3000\n", "")], &[("positions", 5, "a4", "missing_index", "px", "ETH-USDC")]),
    (
        &[Replace("indices.csv", "ETH-USDC,3000", "ETH-USDC,-3000")],
        &[("positions", 5, "a4", "missing_index", "px", "ETH-USDC -3000")],
    ),
    (&[Replace("indices.csv", "XRP-USDT,2\n", "")], &[("balances", 7, "a4", "missing_fx", "ccy", "XRP")]),
    (&[Replace("indices.csv", "ETH-USD,3000.5\n", "")], &[("balances", 9, "a6", "missing_fx", "ccy", "ETH")]),
    (
        &[Replace("indices.csv", "USDC-USD,1\n", "")],
        &[("positions", 5, "a4", "missing_fx", "px", "USDC"), ("balances", 6, "a4", "missing_fx", "ccy", "USDC")],
    ),
    // Two accounts, one of them by two tables.
    (
        &[Replace("positions.csv", ",300,", ",nan,"), Replace("balances.csv", "a6,ETH,2", "a6,ETH,nan")],
        &[
            ("positions", 2, "a2", "invalid_quantity", "qty", "nan"),
            ("balances", 9, "a6", "invalid_cash", "cash", "nan"),
        ],
    ),
];

/// Broken tables and what the message names.
pub const BROKEN_TABLES: &[(&[Edit], &[&str])] = &[
    (&[Remove("snapshot.toml")], &["snapshot.toml"]),
    (
        &[Write("snapshot.toml", "version = 1\n")],
        &["missing key", "snapshot.toml", "`as_of`", "expected: ", "as_of = "],
    ),
    (
        &[Write("snapshot.toml", "as_of = 2026-01-15T08:00:00\nversion = 1\n")],
        &["`as_of`", "2026-01-15T08:00:00", "offset"],
    ),
    (&[Write("snapshot.toml", "as_of = 2026-01-15T08:00:00Z\nversion = 2\n")], &["version", "2", "version = 1"]),
    (&[Write("snapshot.toml", "as_of = \n")], &["not valid TOML", "snapshot.toml"]),
    (&[Remove("marks.csv")], &["no table `marks`", "marks.parquet", "marks.csv"]),
    (
        &[Replace("positions.csv", "inst_id,qty,avg_px", "inst_id,quantity,avg_px")],
        &["missing column", "positions.csv", "column `qty`", "expected: ", "`quantity`"],
    ),
    (&[Replace("balances.csv", ",cash,", ",amount,")], &["missing column", "balances.csv", "column `cash`"]),
    (
        &[Replace("marks.csv", "mark_px,mark_vol", "mark_px,mark_px")],
        &["duplicate column", "marks.csv", "column `mark_px`"],
    ),
    (&[Do(narrow_quantities)], &["wrong type", "positions.parquet", "column `qty`", "Float32", "expected: Float64"]),
    (&[Do(truncated_parquet)], &["cut off or never closed", "positions.parquet"]),
    (&[Do(garbage_arrow)], &["balances.arrow"]),
    (
        &[Replace("instruments.csv", "SOL-USDT-SWAP,", "BTC-USD-SWAP,")],
        &["duplicate instrument", "instruments.csv", "column `inst_id`", "row 7", "BTC-USD-SWAP", "expected: "],
    ),
    (
        &[Replace("marks.csv", "BTC-USDT-260327,", "BTC-USDT-SWAP,")],
        &["duplicate mark", "marks.csv", "column `inst_id`", "row 5", "BTC-USDT-SWAP", "expected: "],
    ),
    (
        &[Replace("indices.csv", "ETH-USD,", "BTC-USD,")],
        &["duplicate index", "indices.csv", "column `index_id`", "row 4", "BTC-USD", "expected: "],
    ),
    (
        &[Replace("positions.csv", "300,88000", "300,88,000")],
        &["another length", "positions.csv", "row 2", "line 3", "5 cells", "expected: 4 cells"],
    ),
    (&[Replace("positions.csv", "300,88000", "300")], &["positions.csv", "row 2", "3 cells", "expected: 4 cells"]),
    (&[Replace("positions.csv", "a2,BTC", "\"a2,BTC")], &["positions.csv", "never closed in line 3"]),
    (&[Write("marks.parquet", "PAR1")], &["table `marks` is there twice", "marks.csv", "marks.parquet"]),
];
