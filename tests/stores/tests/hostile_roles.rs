//! The fence in PostgreSQL against roles that want past it: no write without a token, no right
//! gained. Each attack stands beside the write with a token that goes through.

use postgres::{Client, NoTls};
use std::io::Write as _;
use std::process::{Output, Stdio};
use sureclock_stores::{INSTALL, Postgres, require_postgres};

/// `owner` owns the tables, `teller` writes with tokens, `clerk` has rights on the tables only,
/// `auditor` has a fence of its own and no table. All may make temporary tables; two have a schema
/// of their own.
const CAST: &str = "
    CREATE ROLE owner LOGIN; CREATE ROLE teller LOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE auditor LOGIN;
    CREATE SCHEMA bank AUTHORIZATION owner;
    CREATE SCHEMA teller AUTHORIZATION teller; CREATE SCHEMA clerk AUTHORIZATION clerk;
    SET ROLE sureclock;
    SELECT sureclock.allow_owner('owner'), sureclock.allow('accounts', 'teller'), sureclock.allow('audit', 'auditor');
    SET ROLE owner;
    CREATE TABLE bank.accounts (key int8 PRIMARY KEY, balance int8);
    CREATE TABLE bank.ledger (key int8, day int8) PARTITION BY LIST (day);
    CREATE TABLE bank.ledger_1 PARTITION OF bank.ledger FOR VALUES IN (1);
    CREATE TABLE bank.secrets (word text);
    GRANT USAGE ON SCHEMA bank TO teller, clerk;
    GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON bank.accounts, bank.ledger, bank.ledger_1 TO teller, clerk;
    SELECT sureclock.protect('bank.accounts', 'accounts'), sureclock.protect('bank.ledger', 'accounts');
    RESET ROLE;";

/// The writes that any role with rights on the tables may try.
const WRITES: [&str; 12] = [
    "INSERT INTO bank.accounts VALUES (9, 9)",
    "UPDATE bank.accounts SET balance = 9",
    "DELETE FROM bank.accounts",
    "TRUNCATE bank.accounts",
    "INSERT INTO bank.accounts VALUES (1, 9) ON CONFLICT (key) DO UPDATE SET balance = 9",
    "WITH written AS (UPDATE bank.accounts SET balance = 9 RETURNING 1) SELECT * FROM written",
    "UPDATE bank.ledger SET key = 9",
    "TRUNCATE bank.ledger",
    "INSERT INTO bank.ledger_1 VALUES (9, 1)",
    "UPDATE bank.ledger_1 SET key = 9",
    "DELETE FROM bank.ledger_1",
    "TRUNCATE bank.ledger_1",
];

fn bank() -> Option<Postgres> {
    let server = Postgres::start(&require_postgres()?).unwrap();
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    client.batch_execute(INSTALL).unwrap();
    client.batch_execute(CAST).unwrap();
    let mut teller = login(&server, "teller");
    teller.batch_execute(&token_call("accounts", 5, 0)).unwrap();
    teller
        .batch_execute(&with_token(
            1,
            "INSERT INTO bank.accounts VALUES (1, 10); INSERT INTO bank.ledger VALUES (1, 1)",
        ))
        .unwrap();
    Some(server)
}

fn login(server: &Postgres, role: &str) -> Client {
    Client::connect(&server.url_of(role, "postgres"), NoTls).unwrap()
}

/// Raises a fence by the writes 0, 1, 2, .. of one holder; write n has the id n.
fn token_call(resource: &str, sequence: u64, write: u64) -> String {
    let (last, id) = (write.saturating_sub(1), write);
    format!(
        "SELECT sureclock.fence('{resource}', {sequence}, '{:032x}', {write}, '{last:032x}', '{id:032x}')",
        7
    )
}

fn with_token(write: u64, sql: &str) -> String {
    format!("BEGIN; {}; {sql}; COMMIT", token_call("accounts", 5, write))
}

fn refused(client: &mut Client, sql: &str) -> String {
    let error = client.batch_execute(sql).expect_err(sql);
    // What a failed statement left of its transaction.
    client.batch_execute("ROLLBACK").unwrap();
    error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned()
}

/// What is in the tables, for the comparison.
fn contents(server: &Postgres) -> String {
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    let row = client.query_one(
        "SELECT (SELECT string_agg(a::text, ' ') FROM bank.accounts a) || '; '
             || (SELECT string_agg(l::text, ' ') FROM bank.ledger l)",
        &[],
    );
    row.unwrap().get(0)
}

#[test]
fn found_a_temporary_table_of_the_fences_name_lets_nobody_write() {
    let Some(server) = bank() else { return };
    for role in ["clerk", "teller"] {
        let mut client = login(&server, role);
        // In every way in which a name without a schema may be found first.
        for path in ["public", "pg_temp, pg_catalog, sureclock", "pg_temp, sureclock, pg_catalog"] {
            let own = format!(
                "BEGIN; SET LOCAL search_path = {path};
                 CREATE TEMP TABLE fences (resource text, sequence int8, holder uuid, write int8, last uuid,
                     admitted_in xid8) ON COMMIT DROP;
                 INSERT INTO fences SELECT 'accounts', 1, NULL, 1, NULL, pg_current_xact_id();"
            );
            for write in WRITES {
                assert_eq!(
                    refused(&mut client, &format!("{own} {write}; COMMIT")),
                    "SF000",
                    "{role}: {write}"
                );
            }
        }
    }
    assert_eq!(contents(&server), "(1,10); (1,1)");
    login(&server, "teller")
        .batch_execute(&with_token(2, "UPDATE bank.accounts SET balance = 20"))
        .unwrap();
    assert_eq!(contents(&server), "(1,20); (1,1)", "the twin: with a token it is written");
}

#[test]
fn found_functions_operators_types_and_triggers_of_a_role_are_never_run_as_the_owner_of_the_fences()
{
    let Some(server) = bank() else { return };
    let mut teller = login(&server, "teller");
    teller
        .batch_execute(
            "SET search_path = teller, pg_temp, pg_catalog;
             CREATE TABLE teller.ran (who text); GRANT INSERT ON teller.ran TO PUBLIC;
             GRANT USAGE ON SCHEMA teller TO PUBLIC;
             CREATE FUNCTION teller.note() RETURNS boolean LANGUAGE sql VOLATILE AS
                 $$ INSERT INTO teller.ran VALUES (current_user) RETURNING true $$;
             CREATE FUNCTION teller.pg_current_xact_id() RETURNS xid8 LANGUAGE sql AS $$ SELECT '1'::xid8 $$;
             CREATE FUNCTION teller.pg_current_xact_id_if_assigned() RETURNS xid8 LANGUAGE sql
                 AS $$ SELECT CASE WHEN teller.note() THEN '1'::xid8 END $$;
             CREATE FUNCTION teller.pg_has_role(name, oid, text) RETURNS boolean LANGUAGE sql
                 AS $$ SELECT teller.note() $$;
             CREATE FUNCTION teller.starts_with(text, text) RETURNS boolean LANGUAGE sql
                 AS $$ SELECT teller.note() $$;
             CREATE FUNCTION teller.current_setting(text) RETURNS text LANGUAGE sql
                 AS $$ SELECT CASE WHEN teller.note() THEN 'test' END $$;
             CREATE FUNCTION teller.same(xid8, xid8) RETURNS boolean LANGUAGE sql AS $$ SELECT teller.note() $$;
             CREATE FUNCTION teller.same(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT teller.note() $$;
             CREATE FUNCTION teller.less(int8, int8) RETURNS boolean LANGUAGE sql AS $$ SELECT NOT teller.note() $$;
             CREATE OPERATOR teller.= (FUNCTION = teller.same, LEFTARG = xid8, RIGHTARG = xid8);
             CREATE OPERATOR teller.= (FUNCTION = teller.same, LEFTARG = text, RIGHTARG = text);
             CREATE OPERATOR teller.< (FUNCTION = teller.less, LEFTARG = int8, RIGHTARG = int8);
             CREATE DOMAIN teller.name AS text CHECK (teller.note());
             CREATE DOMAIN teller.uuid AS pg_catalog.uuid CHECK (teller.note());
             CREATE TYPE teller.word AS (word text);
             CREATE FUNCTION teller.as_text(teller.word) RETURNS text LANGUAGE sql
                 AS $$ SELECT CASE WHEN teller.note() THEN 'accounts' END $$;
             CREATE CAST (teller.word AS text) WITH FUNCTION teller.as_text AS IMPLICIT;",
        )
        .unwrap_or_else(|error| panic!("{error:?}"));
    // The shadows are found by the role itself: the attack is one.
    let row = teller
        .query_one("SELECT pg_has_role('a'::name, 1::oid, 'b'), 2::int8 < 3::int8", &[])
        .unwrap();
    assert!(!row.get::<_, bool>(1), "the role's own operator");
    teller.batch_execute("TRUNCATE teller.ran").unwrap();
    let temporary = "CREATE TEMP TABLE fences (resource text, admitted_in xid8);
        CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO teller.ran VALUES (current_user); RETURN NEW; END $$;
        CREATE TRIGGER note BEFORE INSERT ON pg_temp.fences FOR EACH ROW EXECUTE FUNCTION pg_temp.note();";
    teller.batch_execute(temporary).unwrap();
    for write in WRITES {
        assert_eq!(refused(&mut teller, write), "SF000", "{write}");
    }
    // Old sequences, other holders, fences of others: by the library's rules, and not by the role's
    // operators.
    assert_eq!(refused(&mut teller, &token_call("accounts", 4, 0)), "SF002");
    assert_eq!(refused(&mut teller, &token_call("audit", 5, 0)), "42501");
    teller
        .batch_execute(&with_token(2, "UPDATE bank.accounts SET balance = 20"))
        .unwrap_or_else(|error| panic!("the twin: {error:?}"));
    // An argument of the role's own type is made a text by the role, before the function is
    // entered.
    let cast = token_call("accounts", 5, 2).replace("'accounts'", "ROW('x')::teller.word");
    teller.batch_execute(&cast).unwrap_or_else(|error| panic!("{error:?}"));
    let ran = teller.query("SELECT DISTINCT who FROM teller.ran", &[]).unwrap();
    let ran: Vec<String> = ran.iter().map(|row| row.get(0)).collect();
    assert_eq!(ran, ["teller"], "nothing of the role's has run as anybody else");
}

#[test]
fn found_a_role_without_a_right_raises_no_fence_and_gains_none() {
    let Some(server) = bank() else { return };
    let mut clerk = login(&server, "clerk");
    for sql in [
        &token_call("accounts", 6, 0),
        "SELECT sureclock.allow('accounts', 'clerk')",
        "SELECT sureclock.allow_owner('clerk')",
        "SELECT sureclock.begin_above('accounts', 0)",
        "SELECT sureclock.protect('bank.accounts', 'x')",
        "SELECT * FROM sureclock.fences",
        "UPDATE sureclock.fences SET admitted_in = pg_current_xact_id()",
        "INSERT INTO sureclock.rights VALUES ('accounts', 'clerk')",
        "CREATE TABLE sureclock.mine ()",
        "CREATE TABLE clerk.mine (); CREATE TRIGGER fenced BEFORE INSERT ON clerk.mine
             EXECUTE FUNCTION sureclock.only_fenced('accounts')",
        "DROP TRIGGER sureclock ON bank.accounts",
        "ALTER TABLE bank.accounts DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "CREATE TABLE clerk.child () INHERITS (bank.accounts)",
    ] {
        assert_eq!(refused(&mut clerk, sql), "42501", "{sql}");
    }
    // Who may raise one fence may raise those below it, and none beside it.
    let mut teller = login(&server, "teller");
    for resource in ["audit", "accounts2", "accoun", "", "accounts ", "Accounts"] {
        assert_eq!(refused(&mut teller, &token_call(resource, 6, 0)), "42501", "{resource}");
    }
    teller.batch_execute(&token_call("accounts/17", 6, 0)).unwrap();
    for sql in ["SELECT sureclock.allow('audit', 'teller')", "SELECT * FROM sureclock.fences"] {
        assert_eq!(refused(&mut teller, sql), "42501", "{sql}");
    }
    // A token for one resource is no leave to write to another.
    let mut auditor = login(&server, "auditor");
    auditor.batch_execute(&token_call("audit", 1, 0)).unwrap();
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    client
        .batch_execute(
            "GRANT USAGE ON SCHEMA bank TO auditor; GRANT UPDATE ON bank.accounts TO auditor",
        )
        .unwrap();
    let elsewhere = format!(
        "BEGIN; {}; UPDATE bank.accounts SET balance = 9; COMMIT",
        token_call("audit", 1, 1)
    );
    assert_eq!(refused(&mut auditor, &elsewhere), "SF000");
    assert_eq!(contents(&server), "(1,10); (1,1)");
}

#[test]
fn a_right_is_that_of_the_role_that_is_set_and_of_its_members() {
    let Some(server) = bank() else { return };
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    client
        .batch_execute("CREATE ROLE pool LOGIN IN ROLE teller, auditor; CREATE ROLE member LOGIN IN ROLE teller")
        .unwrap();
    login(&server, "member").batch_execute(&token_call("accounts/1", 1, 0)).unwrap();
    let mut pool = login(&server, "pool");
    assert_eq!(
        refused(&mut pool, &format!("SET ROLE auditor; {}", token_call("accounts/1", 2, 0))),
        "42501"
    );
    pool.batch_execute(&format!("SET ROLE teller; {}", token_call("accounts/1", 2, 0))).unwrap();
}

#[test]
fn found_a_partition_by_its_own_name_and_one_attached_later_take_no_write_without_a_token() {
    let Some(server) = bank() else { return };
    let (mut owner, mut clerk, mut teller) =
        (login(&server, "owner"), login(&server, "clerk"), login(&server, "teller"));
    owner
        .batch_execute(
            "CREATE TABLE bank.ledger_2 PARTITION OF bank.ledger FOR VALUES IN (2);
             CREATE TABLE bank.ledger_3 (key int8, day int8);
             ALTER TABLE bank.ledger ATTACH PARTITION bank.ledger_3 FOR VALUES IN (3);
             CREATE TABLE bank.ledger_4 PARTITION OF bank.ledger FOR VALUES IN (4) PARTITION BY LIST (key);
             CREATE TABLE bank.ledger_4_1 PARTITION OF bank.ledger_4 FOR VALUES IN (1);
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA bank TO clerk, teller",
        )
        .unwrap();
    let rows = [
        ("ledger_2", "(1, 2)"),
        ("ledger_3", "(1, 3)"),
        ("ledger_4", "(1, 4)"),
        ("ledger_4_1", "(1, 4)"),
    ];
    for (table, row) in rows {
        assert_eq!(
            refused(&mut clerk, &format!("INSERT INTO bank.{table} VALUES {row}")),
            "SF000",
            "{table}"
        );
        assert_eq!(
            refused(&mut clerk, &format!("INSERT INTO bank.ledger VALUES {row}")),
            "SF000",
            "{table}"
        );
        assert_eq!(refused(&mut clerk, &format!("TRUNCATE bank.{table}")), "42501", "{table}");
    }
    // Until the new ones are fenced against TRUNCATE, nothing is written to the table.
    assert_eq!(
        refused(&mut teller, &with_token(2, "INSERT INTO bank.ledger VALUES (2, 1)")),
        "SF009"
    );
    owner.batch_execute("SELECT sureclock.protect('bank.ledger', 'accounts')").unwrap();
    owner.batch_execute("GRANT TRUNCATE ON ALL TABLES IN SCHEMA bank TO clerk").unwrap();
    for (table, row) in rows {
        assert_eq!(refused(&mut clerk, &format!("TRUNCATE bank.{table}")), "SF000", "{table}");
        assert_eq!(
            refused(&mut clerk, &format!("INSERT INTO bank.{table} VALUES {row}")),
            "SF000",
            "{table}"
        );
    }
    let everywhere =
        "INSERT INTO bank.ledger VALUES (2, 1), (2, 2), (2, 3), (1, 4); DELETE FROM bank.ledger_2";
    teller
        .batch_execute(&with_token(2, everywhere))
        .unwrap_or_else(|error| panic!("the twin: {error:?}"));
    assert_eq!(contents(&server), "(1,10); (1,1) (2,1) (2,3) (1,4)");
    // Rows move between partitions as they are, and not without a token.
    assert_eq!(refused(&mut clerk, "UPDATE bank.ledger SET day = 2 WHERE day = 3"), "SF000");
    teller.batch_execute(&with_token(3, "UPDATE bank.ledger SET day = 2 WHERE day = 3")).unwrap();

    // A table that inherits has no triggers of its own until it is fenced.
    owner
        .batch_execute(
            "CREATE TABLE bank.child () INHERITS (bank.accounts);
             GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON bank.child TO clerk, teller",
        )
        .unwrap();
    assert_eq!(
        refused(&mut teller, &with_token(4, "UPDATE bank.accounts SET balance = 11")),
        "SF009"
    );
    owner.batch_execute("SELECT sureclock.protect('bank.accounts', 'accounts')").unwrap();
    assert_eq!(refused(&mut clerk, "INSERT INTO bank.child VALUES (2, 2)"), "SF000");
    teller.batch_execute(&with_token(4, "UPDATE bank.accounts SET balance = 11")).unwrap();
}

#[test]
fn copy_and_a_cascade_take_no_way_around_the_fence() {
    let Some(server) = bank() else { return };
    let (mut owner, mut clerk, mut teller) =
        (login(&server, "owner"), login(&server, "clerk"), login(&server, "teller"));
    for table in ["accounts", "ledger", "ledger_1"] {
        let rows = format!("SET ROLE clerk;\nCOPY bank.{table} FROM STDIN;\n8\t1\n\\.\n");
        let told = output(
            &server,
            "psql",
            "postgres",
            &["--no-psqlrc", "--set=VERBOSITY=sqlstate"],
            rows.as_bytes(),
        );
        let told = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.contains("SF000"), "{table}: {told}");
    }
    owner
        .batch_execute(
            "CREATE TABLE bank.people (key int8 PRIMARY KEY);
             INSERT INTO bank.people VALUES (1);
             ALTER TABLE bank.accounts ADD FOREIGN KEY (key) REFERENCES bank.people ON DELETE CASCADE;
             GRANT SELECT, DELETE, TRUNCATE ON bank.people TO clerk, teller",
        )
        .unwrap();
    assert_eq!(refused(&mut clerk, "DELETE FROM bank.people"), "SF000");
    assert_eq!(refused(&mut clerk, "TRUNCATE bank.people CASCADE"), "SF000");
    assert_eq!(contents(&server), "(1,10); (1,1)");
    teller.batch_execute(&with_token(2, "DELETE FROM bank.people")).unwrap();
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    assert_eq!(
        client.query_one("SELECT count(*) FROM bank.accounts", &[]).unwrap().get::<_, i64>(0),
        0,
        "the twin"
    );
}

#[test]
fn an_admission_ends_with_its_transaction_however_that_ends() {
    let Some(server) = bank() else { return };
    let mut teller = login(&server, "teller");
    let admitted = |server: &Postgres| -> i64 {
        let mut client = Client::connect(&server.url(), NoTls).unwrap();
        let count = "SELECT count(*) FROM sureclock.fences WHERE admitted_in IS NOT NULL";
        client.query_one(count, &[]).unwrap().get(0)
    };
    let update = "UPDATE bank.accounts SET balance = balance + 1";
    // A savepoint that is kept, one that is rolled back, and constraints that are checked early.
    let call = token_call("accounts", 5, 2);
    let rolled_back = format!("BEGIN; SAVEPOINT a; {call}; ROLLBACK TO a; {update}; COMMIT");
    assert_eq!(refused(&mut teller, &rolled_back), "SF000");
    let early = format!("BEGIN; SET CONSTRAINTS ALL IMMEDIATE; {call}; {update}; COMMIT");
    assert_eq!(refused(&mut teller, &early), "SF000", "refused, and not let through for ever");
    let afterwards = format!("BEGIN; {call}; SET CONSTRAINTS ALL IMMEDIATE; {update}; COMMIT");
    assert_eq!(refused(&mut teller, &afterwards), "SF000");
    let kept =
        format!("BEGIN; SAVEPOINT a; {call}; RELEASE a; {update}; SAVEPOINT b; {update}; COMMIT");
    teller.batch_execute(&kept).unwrap_or_else(|error| panic!("the twin: {error:?}"));
    assert_eq!((contents(&server).as_str(), admitted(&server)), ("(1,12); (1,1)", 0));
    let isolated = with_token(3, update).replace("BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE");
    teller.batch_execute(&isolated).unwrap_or_else(|error| panic!("serializable: {error:?}"));
    // One statement alone, with a token and without another statement.
    teller.batch_execute(&token_call("accounts", 5, 4)).unwrap();
    assert_eq!(admitted(&server), 0);
    assert_eq!(refused(&mut teller, update), "SF000");
}

/// Runs a program of the server's package to its end.
fn output(
    server: &Postgres,
    program: &str,
    database: &str,
    arguments: &[&str],
    input: &[u8],
) -> Output {
    let mut tool = server.tool(program, database);
    tool.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writes = std::thread::spawn(move || {
        // It may end before it has read all.
        let _ended = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap();
    output
}

#[test]
fn found_a_restored_dump_admits_no_transaction_of_the_new_cluster() {
    let (Some(old), Some(bin)) = (bank(), require_postgres()) else { return };
    // The number of the transaction that was admitted last, which a new cluster has still before
    // it.
    let mut client = Client::connect(&old.url(), NoTls).unwrap();
    for _ in 0..500 {
        client.batch_execute("SELECT pg_current_xact_id()").unwrap();
    }
    let mut teller = login(&old, "teller");
    let number: String = {
        let mut transaction = teller.transaction().unwrap();
        transaction.batch_execute(&token_call("accounts", 5, 2)).unwrap();
        transaction.batch_execute("UPDATE bank.accounts SET balance = 20").unwrap();
        let number =
            transaction.query_one("SELECT pg_current_xact_id()::text", &[]).unwrap().get(0);
        transaction.commit().unwrap();
        number
    };
    let dump = output(&old, "pg_dump", "postgres", &["--no-sync"], &[]);
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let new = Postgres::start(&bin).unwrap();
    let roles = "CREATE ROLE sureclock NOLOGIN; CREATE ROLE owner LOGIN; CREATE ROLE teller LOGIN;
        CREATE ROLE clerk LOGIN; CREATE ROLE auditor LOGIN;";
    Client::connect(&new.url(), NoTls).unwrap().batch_execute(roles).unwrap();
    let options = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction"];
    let restored = output(&new, "psql", "postgres", &options, &dump.stdout);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_eq!(contents(&new), "(1,20); (1,1)", "it is restored");

    let number: u64 = number.parse().unwrap();
    let mut clerk = login(&new, "clerk");
    let mut current = 0;
    while current < number {
        // Each transaction of the new cluster until that number, which is one of them.
        let mut transaction = clerk.transaction().unwrap();
        let drawn: String =
            transaction.query_one("SELECT pg_current_xact_id()::text", &[]).unwrap().get(0);
        current = drawn.parse().unwrap();
        assert!(current <= number, "the new cluster is beyond {number} already");
        let error = transaction
            .batch_execute("UPDATE bank.accounts SET balance = 9")
            .expect_err("without a token");
        assert_eq!(
            error.code().map(|code| code.code()),
            Some("SF000"),
            "transaction {current} of {number}"
        );
    }
    assert_eq!(contents(&new), "(1,20); (1,1)");

    // Rights and state came along. What was given out after the backup is refused once the owner
    // has said so.
    assert_eq!(refused(&mut clerk, &token_call("accounts", 6, 0)), "42501");
    let mut teller = login(&new, "teller");
    assert_eq!(refused(&mut teller, &token_call("accounts", 4, 0)), "SF002");
    let above = "SET ROLE sureclock; SELECT sureclock.begin_above('accounts', 8); RESET ROLE";
    Client::connect(&new.url(), NoTls).unwrap().batch_execute(above).unwrap();
    assert_eq!(refused(&mut teller, &token_call("accounts", 8, 0)), "SF004");
    teller.batch_execute(&token_call("accounts", 9, 0)).unwrap();
    let write = format!(
        "BEGIN; {}; UPDATE bank.accounts SET balance = 30; COMMIT",
        token_call("accounts", 9, 1)
    );
    teller.batch_execute(&write).unwrap_or_else(|error| panic!("the twin: {error:?}"));
    assert_eq!(contents(&new), "(1,30); (1,1)");
}

#[test]
fn the_fence_is_not_installed_with_more_rights_than_it_needs() {
    let Some(bin) = require_postgres() else { return };
    let server = Postgres::start(&bin).unwrap();
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    let as_superuser =
        client.batch_execute(sureclock::fence::POSTGRES).expect_err("by a superuser");
    assert!(as_superuser.to_string().contains("db error"), "{as_superuser:?}");
    assert_eq!(as_superuser.code().map(|code| code.code()), Some("42501"));
    client.batch_execute("ROLLBACK; CREATE ROLE sureclock NOLOGIN; CREATE ROLE clerk").unwrap();
    client
        .batch_execute("ALTER DEFAULT PRIVILEGES FOR ROLE sureclock GRANT ALL ON TABLES TO clerk")
        .unwrap();
    let install = INSTALL.replace("CREATE ROLE sureclock NOLOGIN;", "");
    let with_defaults = client.batch_execute(&install).expect_err("default privileges");
    assert_eq!(with_defaults.code().map(|code| code.code()), Some("42501"), "{with_defaults:?}");
    client
        .batch_execute(
            "ROLLBACK; ALTER DEFAULT PRIVILEGES FOR ROLE sureclock REVOKE ALL ON TABLES FROM clerk",
        )
        .unwrap();
    client.batch_execute(&install).unwrap_or_else(|error| panic!("the twin: {error:?}"));
    // A schema that another role has made before is not used.
    let again = client.batch_execute(&install).expect_err("it is there");
    assert_eq!(again.code().map(|code| code.code()), Some("42P06"), "{again:?}");
}
