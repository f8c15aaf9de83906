-- Fencing in PostgreSQL (14 or later): a row for each resource, a function that admits a token, and
-- triggers without which a table takes no write. `sureclock::fence::POSTGRES`. Everything is in the
-- schema `sureclock`.
--
-- Install once a database, in one transaction. A role that nobody logs in as owns the fences:
--
--     CREATE ROLE sureclock NOLOGIN;
--     GRANT CREATE ON DATABASE bank TO sureclock;
--     SET ROLE sureclock;                                       -- then this file
--     RESET ROLE;
--     REVOKE CREATE ON DATABASE bank FROM sureclock;
--
-- Then, as `sureclock`:
--
-- | a role that         | call                                         | it can then           |
-- |---------------------|----------------------------------------------|-----------------------|
-- | owns the tables     | SELECT sureclock.allow_owner('owner')        | fence its own tables  |
-- | writes with tokens  | SELECT sureclock.allow('accounts', 'teller') | raise that fence, and |
-- |                     |                                              | all of `accounts/...` |
-- | has rights on the   | none                                         | read the tables       |
-- | tables only         |                                              |                       |
--
-- For each table, and again after adding a partition, its owner calls:
--
--     SELECT sureclock.protect('public.accounts', 'accounts');
--
-- Each write is one transaction. The first argument is the token's own resource. `true`: go on;
-- `false`: it was made already:
--
--     SELECT sureclock.fence('accounts', sequence, holder, write, previous, id);
--     UPDATE accounts ...;
--
-- holder, previous and id are 128 bits as uuid: 32 hexadecimal digits. The caller is the role of
-- SET ROLE, or without one the session's user; so it is inside a SECURITY DEFINER function, too.
--
-- After a restore from a backup the role `sureclock` calls this, with the highest sequence that the
-- store of leases gave out:
--
--     SELECT sureclock.begin_above('accounts', 4711);
--
-- The fence does not hold off a superuser, the owner of a table or of the schema, a member of
-- `pg_write_all_data`, whoever may set `session_replication_role`, or logical replication that
-- writes to the tables: each can write without triggers, or change the fences. Do not grant TRIGGER on a
-- fenced table. The other side of a foreign table has to be fenced there.

DO $$
BEGIN
    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        RAISE EXCEPTION 'the fences must not be owned by a superuser' USING
            ERRCODE = 'insufficient_privilege',
            HINT = 'SET ROLE to one of its own first, that may create a schema in this database';
    END IF;
END $$;

-- Nobody else may use a new schema, so there is no moment at which PUBLIC can call what is made
-- below. A schema of this name that is there already is an error: somebody else may own it.
CREATE SCHEMA sureclock;

CREATE TABLE sureclock.fences (
    resource text COLLATE "C" PRIMARY KEY CHECK (octet_length(resource) BETWEEN 1 AND 63),
    sequence int8 NOT NULL DEFAULT 0,
    holder uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    write int8 NOT NULL DEFAULT 0,
    last uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    -- The transaction that may write now. NULL in every committed row: `sureclock.admission_ends`.
    admitted_in xid8
);

-- Who may raise which fence: that of `resource`, and those whose names go on after it with a slash.
CREATE TABLE sureclock.rights (
    resource text COLLATE "C" NOT NULL CHECK (octet_length(resource) BETWEEN 1 AND 63),
    role regrole NOT NULL,
    PRIMARY KEY (resource, role)
);

-- With this `search_path` a name without a schema is PostgreSQL's own, whatever the caller made.
-- `pg_temp` is named, and last: if it is not named it is searched first.
CREATE FUNCTION sureclock.fence(
    resource_ text, sequence_ int8, holder_ uuid, write_ int8, previous_ uuid, id_ uuid
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict error
DECLARE
    state_ sureclock.fences;
    -- Inside of a SECURITY DEFINER function `current_user` is its owner.
    caller_ CONSTANT name := CASE current_setting('role') WHEN 'none' THEN session_user
        ELSE current_setting('role')::name END;
    nobody_ CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    -- Compared with NULL, everything below would be neither true nor false.
    IF num_nulls(resource_, sequence_, holder_, write_, previous_, id_) > 0 THEN
        RAISE EXCEPTION 'a part of the token is NULL' USING ERRCODE = 'SF001';
    END IF;
    IF NOT EXISTS (
        SELECT FROM sureclock.rights AS r
        WHERE (r.resource = resource_ OR starts_with(resource_, r.resource || '/'))
            AND pg_has_role(caller_, r.role, 'USAGE')
    ) THEN
        RAISE EXCEPTION 'role % may not raise the fence of %', caller_, resource_
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF sequence_ < 1 OR sequence_ = 9223372036854775807 OR write_ < 0 THEN
        RAISE EXCEPTION 'sequence % or write % is out of range', sequence_, write_
            USING ERRCODE = 'SF001';
    END IF;
    INSERT INTO sureclock.fences (resource) VALUES (resource_) ON CONFLICT DO NOTHING;
    -- Until the end of the transaction: check and write are one step.
    SELECT * INTO STRICT state_ FROM sureclock.fences AS f WHERE f.resource = resource_ FOR UPDATE;
    IF sequence_ < state_.sequence THEN
        RAISE EXCEPTION 'sequence % is below %, which was seen already', sequence_, state_.sequence
            USING ERRCODE = 'SF002';
    ELSIF sequence_ - state_.sequence > 1099511627776 THEN
        RAISE EXCEPTION 'sequence % is more than 2^40 above %, the highest one seen',
            sequence_, state_.sequence USING ERRCODE = 'SF008';
    ELSIF holder_ = nobody_ THEN
        RAISE EXCEPTION 'nobody is no holder' USING ERRCODE = 'SF004';
    ELSIF sequence_ > state_.sequence THEN
        IF write_ <> 0 THEN
            RAISE EXCEPTION 'sequence % writes before it has set its barrier', sequence_
                USING ERRCODE = 'SF003';
        END IF;
    ELSIF holder_ <> state_.holder THEN
        RAISE EXCEPTION 'sequence % belongs to another holder', sequence_
            USING ERRCODE = 'SF004';
    ELSIF write_ < state_.write THEN
        RAISE EXCEPTION 'write % is below %, which was made already', write_, state_.write
            USING ERRCODE = 'SF005';
    ELSIF write_ = state_.write AND id_ = state_.last THEN
        RETURN false;
    ELSIF write_ > state_.write AND write_ - 1 > state_.write THEN
        RAISE EXCEPTION 'write % came before write %', write_, state_.write + 1
            USING ERRCODE = 'SF006';
    ELSIF write_ = state_.write OR previous_ <> state_.last THEN
        RAISE EXCEPTION 'write % does not follow what was written last', write_
            USING ERRCODE = 'SF007';
    END IF;
    -- A barrier lets nobody write.
    UPDATE sureclock.fences AS f
    SET sequence = sequence_, holder = holder_, write = write_, last = id_,
        admitted_in = CASE WHEN write_ > 0 THEN pg_current_xact_id() END
    WHERE f.resource = resource_;
    RETURN true;
END $$;

-- An admission is taken back by its own transaction. So none survives a dump or a disk's copy:
-- 1. Only `sureclock.fence` sets `admitted_in`, and each time it queues an event of this trigger.
-- 2. Queued events run before COMMIT or PREPARE TRANSACTION. SET CONSTRAINTS can only make them run
--    earlier; writes are then refused.
-- 3. After them run only the statements of other queued events; what these admit is queued again.
-- 4. So every committed row has NULL. A dump, a standby, a backup replayed to any moment show
--    committed rows only.
-- 5. So what a transaction sees as admitted, it has admitted itself. (The number repeats it.)
CREATE FUNCTION sureclock.admission_ends() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE sureclock.fences AS f SET admitted_in = NULL
    WHERE f.resource = NEW.resource AND f.admitted_in IS NOT NULL;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER admission_ends AFTER INSERT OR UPDATE ON sureclock.fences
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.admitted_in IS NOT NULL)
    EXECUTE FUNCTION sureclock.admission_ends();

-- Refuses a write to the table unless this transaction has passed the fence of its argument.
CREATE FUNCTION sureclock.only_fenced() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict error
DECLARE
    open_ oid;
BEGIN
    IF NOT EXISTS (
        SELECT FROM sureclock.fences AS f
        WHERE f.resource = TG_ARGV[0] AND f.admitted_in = pg_current_xact_id_if_assigned()
    ) THEN
        RAISE EXCEPTION 'a write to % without a fencing token', TG_TABLE_NAME
            USING ERRCODE = 'SF000';
    END IF;
    IF TG_LEVEL = 'ROW' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    -- A partition that was attached later has its parent's trigger for rows, and none for TRUNCATE.
    -- A table that inherits has no trigger at all. Nothing is written until they have all.
    IF (SELECT c.relhassubclass FROM pg_class AS c WHERE c.oid = TG_RELID) THEN
        WITH RECURSIVE tree (relid) AS (
            SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = TG_RELID
            UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN tree ON i.inhparent = tree.relid
        )
        SELECT tree.relid INTO open_ FROM tree WHERE NOT EXISTS (
            SELECT FROM pg_trigger AS t
            WHERE t.tgrelid = tree.relid AND t.tgfoid = 'sureclock.only_fenced()'::regprocedure
                -- Enabled, BEFORE (2), INSERT (4), DELETE (8), UPDATE (16), TRUNCATE (32); not for
                -- rows (1), and without a condition.
                AND t.tgenabled IN ('O', 'A') AND t.tgtype & 63 = 62 AND t.tgqual IS NULL
                AND t.tgargs = convert_to(TG_ARGV[0], getdatabaseencoding()) || decode('00', 'hex')
        ) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION '% belongs to % and is not fenced', open_::regclass, TG_TABLE_NAME
                USING ERRCODE = 'SF009', HINT = 'call sureclock.protect of the whole table again';
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- Fences a table with its partitions and the tables that inherit from it. Runs with the rights of
-- its caller.
CREATE FUNCTION sureclock.protect(table_ regclass, resource_ text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict error
DECLARE
    member_ regclass;
BEGIN
    IF num_nulls(table_, resource_) > 0 OR octet_length(resource_) NOT BETWEEN 1 AND 63 THEN
        RAISE EXCEPTION 'a resource has a name of 1 to 63 bytes' USING ERRCODE = 'SF001';
    END IF;
    -- Nothing is attached, detached or written meanwhile.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', table_);
    -- PostgreSQL gives triggers for rows to each partition, now and later.
    IF (SELECT c.relkind = 'p' FROM pg_class AS c WHERE c.oid = table_) THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER sureclock_rows '
            'BEFORE INSERT OR UPDATE OR DELETE ON %s '
            'FOR EACH ROW EXECUTE FUNCTION sureclock.only_fenced(%L)', table_, resource_);
    END IF;
    FOR member_ IN
        WITH RECURSIVE tree (relid) AS (
            SELECT table_::oid
            UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN tree ON i.inhparent = tree.relid
        )
        SELECT tree.relid FROM tree
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER sureclock '
            'BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
            'FOR EACH STATEMENT EXECUTE FUNCTION sureclock.only_fenced(%L)', member_, resource_);
    END LOOP;
END $$;

-- Lets a role raise the fence of a resource, and of those whose names go on after it with a slash.
CREATE FUNCTION sureclock.allow(resource_ text, role_ regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sureclock.rights VALUES (resource_, role_) ON CONFLICT DO NOTHING;
    EXECUTE format('GRANT USAGE ON SCHEMA sureclock TO %s', role_);
    EXECUTE format('GRANT EXECUTE ON FUNCTION sureclock.fence TO %s', role_);
END $$;

-- Lets a role fence the tables that it owns.
CREATE FUNCTION sureclock.allow_owner(role_ regrole) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA sureclock TO %s', role_);
    EXECUTE format(
        'GRANT EXECUTE ON FUNCTION sureclock.protect, sureclock.only_fenced TO %s', role_);
END $$;

-- From now on every sequence up to this one is refused: `FenceState::above`. For the owner, after a
-- restore, or after a barrier that was far too high, which locks out everybody until this sets a
-- lower number.
CREATE FUNCTION sureclock.begin_above(resource_ text, sequence_ int8) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO sureclock.fences (resource, sequence) VALUES (resource_, sequence_)
    ON CONFLICT (resource) DO UPDATE SET sequence = excluded.sequence, holder = excluded.holder,
        write = excluded.write, last = excluded.last, admitted_in = NULL;
END;

REVOKE ALL ON SCHEMA sureclock FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA sureclock FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sureclock FROM PUBLIC;

-- ALTER DEFAULT PRIVILEGES may have given rights to others.
DO $$
DECLARE
    granted_ text;
BEGIN
    SELECT pg_catalog.format('%s to %s', a.privilege_type, a.grantee::pg_catalog.regrole)
    INTO granted_ FROM (
        SELECT nspacl AS acl, nspowner AS owner FROM pg_catalog.pg_namespace
        WHERE nspname = 'sureclock'
        UNION ALL SELECT relacl, relowner FROM pg_catalog.pg_class
        WHERE relnamespace = 'sureclock'::pg_catalog.regnamespace
        UNION ALL SELECT proacl, proowner FROM pg_catalog.pg_proc
        WHERE pronamespace = 'sureclock'::pg_catalog.regnamespace
    ) AS made, pg_catalog.aclexplode(made.acl) AS a
    WHERE a.grantee <> made.owner LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the schema sureclock begins with rights of others: %', granted_
            USING ERRCODE = 'insufficient_privilege',
            HINT = 'ALTER DEFAULT PRIVILEGES has granted them';
    END IF;
END $$;
