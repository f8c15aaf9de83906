//! The fence in PostgreSQL: the same verdicts as the library's, and no write without it.

use postgres::{Client, NoTls};
use sureclock::ResourceName;
use sureclock::fence::{Admitted, FenceState, FencingHolder, FencingToken, Rejected, admit};
use sureclock_stores::{INSTALL, Postgres, require_postgres};

fn name() -> ResourceName {
    "accounts".parse().unwrap()
}

fn database() -> Option<(Postgres, Client)> {
    let server = Postgres::start(&require_postgres()?).unwrap();
    let mut client = Client::connect(&server.url(), NoTls).unwrap();
    client.batch_execute(INSTALL).unwrap();
    client
        .batch_execute(
            "CREATE TABLE accounts (key int8 PRIMARY KEY, balance int8);
             SELECT sureclock.protect('accounts', 'accounts');
             SELECT sureclock.allow('accounts', 'test')",
        )
        .unwrap();
    Some((server, client))
}

/// Calls the function of the database: whether to go on, or the SQLSTATE of its error.
fn fence(client: &mut impl postgres::GenericClient, token: &FencingToken) -> Result<bool, String> {
    let uuid = |number: u128| format!("{number:032x}");
    let row = client.query_one(
        "SELECT sureclock.fence($1, $2, $3::text::uuid, $4, $5::text::uuid, $6::text::uuid)",
        &[
            &token.resource.as_str(),
            &token.sequence.cast_signed(),
            &uuid(token.holder),
            &token.write.cast_signed(),
            &uuid(token.previous),
            &uuid(token.id),
        ],
    );
    match row {
        Ok(row) => Ok(row.get(0)),
        Err(error) => Err(error.code().unwrap_or_else(|| panic!("{error}")).code().to_owned()),
    }
}

fn state_of(rejected: Rejected) -> &'static str {
    match rejected {
        Rejected::OutOfRange { .. } => "SF001",
        Rejected::Stale { .. } => "SF002",
        Rejected::NoBarrier { .. } => "SF003",
        Rejected::OtherHolder { .. } => "SF004",
        Rejected::Replayed { .. } => "SF005",
        Rejected::Gap { .. } => "SF006",
        Rejected::Conflicting { .. } => "SF007",
        Rejected::TooFarAhead { .. } => "SF008",
        other => panic!("{other}: give it a SQLSTATE"),
    }
}

#[test]
fn the_database_decides_as_the_library_does() {
    let Some((_server, mut client)) = database() else { return };
    let mut random = 1_u64;
    let mut below = |end: u64| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % end
    };
    let (mut state, mut seen) = (FenceState::new(name()), std::collections::BTreeMap::new());
    for round in 0..3_000 {
        let token = FencingToken {
            resource: name(),
            sequence: (round / 150 + below(3)).saturating_sub(below(2))
                + ((below(20) / 19 * below(2)) << 41),
            holder: u128::from(below(3)),
            write: below(4),
            previous: u128::from(below(2)),
            id: u128::from(below(2)),
        };
        let expected = match admit(&state, &token) {
            Ok(Admitted::Write(new)) => {
                state = new;
                Ok(true)
            }
            Ok(Admitted::Retry) => Ok(false),
            Err(rejected) => Err(state_of(rejected).to_owned()),
        };
        assert_eq!(fence(&mut client, &token), expected, "{token:?} at {state:?}");
        *seen.entry(format!("{expected:?}")).or_insert(0) += 1;
    }
    println!("{seen:?}");
    assert_eq!(seen.len(), 10, "all verdicts came: {seen:?}");
}

#[test]
fn found_a_token_with_a_part_that_is_null_is_refused() {
    let Some((_server, mut client)) = database() else { return };
    let mut writer = FencingHolder::new(5).unwrap().writer(name());
    assert_eq!(fence(&mut client, &writer.barrier()), Ok(true));
    assert_eq!(fence(&mut client, &writer.token(b"1").unwrap()), Ok(true));
    let whole = [
        "'accounts'",
        "5",
        "(SELECT holder FROM sureclock.fences)",
        "2",
        "(SELECT last FROM sureclock.fences)",
        "md5('x')::uuid",
    ];
    for null in 0..whole.len() {
        let mut parts = whole;
        parts[null] = "NULL";
        let error = client
            .query_one(&format!("SELECT sureclock.fence({})", parts.join(", ")), &[])
            .expect_err("NULL");
        assert_eq!(error.code().map(|code| code.code()), Some("SF001"), "{parts:?}: {error}");
    }
    let row =
        client.query_one(&format!("SELECT sureclock.fence({})", whole.join(", ")), &[]).unwrap();
    assert!(row.get::<_, bool>(0), "the twin: whole it is admitted");
}

#[test]
fn no_client_can_forget_the_fence() {
    let Some((server, mut client)) = database() else { return };
    let refused = |client: &mut Client, sql: &str| {
        let error = client.batch_execute(sql).expect_err(sql);
        assert_eq!(error.code().map(|code| code.code()), Some("SF000"), "{sql}: {error}");
    };
    for sql in [
        "INSERT INTO accounts VALUES (1, 1)",
        "UPDATE accounts SET balance = 1",
        "DELETE FROM accounts",
        "TRUNCATE accounts",
    ] {
        refused(&mut client, sql);
    }
    let mut writer = FencingHolder::new(5).unwrap().writer(name());
    // A barrier is no leave to write.
    let mut transaction = client.transaction().unwrap();
    assert_eq!(fence(&mut transaction, &writer.barrier()), Ok(true));
    assert!(transaction.batch_execute("INSERT INTO accounts VALUES (1, 1)").is_err());
    drop(transaction);
    assert_eq!(
        fence(&mut client, &writer.barrier()),
        Ok(true),
        "it was rolled back with its transaction"
    );

    let first = writer.token(b"insert").unwrap();
    let mut transaction = client.transaction().unwrap();
    assert_eq!(fence(&mut transaction, &first), Ok(true));
    transaction.batch_execute("INSERT INTO accounts VALUES (1, 10), (2, 20)").unwrap();
    transaction.commit().unwrap();
    // In the next transaction it is over; the same token again is a retry, and no leave either.
    refused(&mut client, "UPDATE accounts SET balance = 1");
    let mut transaction = client.transaction().unwrap();
    assert_eq!(fence(&mut transaction, &first), Ok(false));
    assert!(transaction.batch_execute("UPDATE accounts SET balance = 1").is_err());
    drop(transaction);

    // Two transactions at once: the second waits for the first and then knows of it.
    let second = writer.token(b"update").unwrap();
    let mut zombie = Client::connect(&server.url(), NoTls).unwrap();
    let mut transaction = client.transaction().unwrap();
    assert_eq!(
        fence(&mut transaction, &FencingHolder::new(6).unwrap().writer(name()).barrier()),
        Ok(true)
    );
    let late = std::thread::spawn(move || fence(&mut zombie, &second));
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!late.is_finished(), "it waits");
    transaction.commit().unwrap();
    assert_eq!(late.join().unwrap(), Err("SF002".into()));
    let balance: i64 =
        client.query_one("SELECT balance FROM accounts WHERE key = 1", &[]).unwrap().get(0);
    assert_eq!(balance, 10);
}
