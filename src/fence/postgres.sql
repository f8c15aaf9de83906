-- Fencing in PostgreSQL (13 or later): the state of each resource's fence, the function that admits a token, and the trigger without which a
-- table takes no write. `sureclock::fence::POSTGRES`.
--
-- In one transaction:    SELECT sureclock_fence('accounts', sequence, holder, write, previous, id);   -- true: go on; false: it was made already
--                        UPDATE accounts ...;
-- For each table, once:  CREATE TRIGGER fenced BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON accounts
--                            FOR EACH STATEMENT EXECUTE FUNCTION sureclock_only_fenced('accounts');
--
-- holder, previous and id are 128 bits as uuid: 32 hexadecimal digits. Whoever owns the tables can take triggers away and change fences: the
-- services that write should be other users.

CREATE TABLE sureclock_fences (
    resource text PRIMARY KEY,
    sequence int8 NOT NULL DEFAULT 0,
    holder uuid NOT NULL DEFAULT '00000000000000000000000000000000',
    write int8 NOT NULL DEFAULT 0,
    last uuid NOT NULL DEFAULT '00000000000000000000000000000000',
    -- The transaction that may write now.
    admitted_in xid8
);

CREATE FUNCTION sureclock_fence(resource_ text, sequence_ int8, holder_ uuid, write_ int8, previous_ uuid, id_ uuid)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    state sureclock_fences;
BEGIN
    -- Compared with NULL, everything below would be neither true nor false.
    IF num_nulls(resource_, sequence_, holder_, write_, previous_, id_) > 0 THEN
        RAISE EXCEPTION 'a part of the token is NULL' USING ERRCODE = 'SF001';
    END IF;
    IF sequence_ < 1 OR sequence_ = 9223372036854775807 THEN
        RAISE EXCEPTION 'sequence % is out of range', sequence_ USING ERRCODE = 'SF001';
    END IF;
    INSERT INTO sureclock_fences (resource) VALUES (resource_) ON CONFLICT DO NOTHING;
    -- Until the end of the transaction: check and write are one step.
    SELECT * INTO STRICT state FROM sureclock_fences WHERE resource = resource_ FOR UPDATE;
    IF sequence_ < state.sequence THEN
        RAISE EXCEPTION 'sequence % is below %, which was seen already', sequence_, state.sequence USING ERRCODE = 'SF002';
    ELSIF holder_ = '00000000000000000000000000000000' THEN
        RAISE EXCEPTION 'nobody is no holder' USING ERRCODE = 'SF004';
    ELSIF sequence_ > state.sequence THEN
        IF write_ <> 0 THEN
            RAISE EXCEPTION 'sequence % writes before it has set its barrier', sequence_ USING ERRCODE = 'SF003';
        END IF;
    ELSIF holder_ <> state.holder THEN
        RAISE EXCEPTION 'sequence % belongs to another holder', sequence_ USING ERRCODE = 'SF004';
    ELSIF write_ < state.write THEN
        RAISE EXCEPTION 'write % is below %, which was made already', write_, state.write USING ERRCODE = 'SF005';
    ELSIF write_ = state.write AND id_ = state.last THEN
        RETURN false;
    ELSIF write_ > state.write AND write_ - 1 > state.write THEN
        RAISE EXCEPTION 'write % came before write %', write_, state.write + 1 USING ERRCODE = 'SF006';
    ELSIF write_ = state.write OR previous_ <> state.last THEN
        RAISE EXCEPTION 'write % does not follow what was written last', write_ USING ERRCODE = 'SF007';
    END IF;
    -- A barrier lets nobody write.
    UPDATE sureclock_fences
    SET sequence = sequence_, holder = holder_, write = write_, last = id_,
        admitted_in = CASE WHEN write_ > 0 THEN pg_current_xact_id() END
    WHERE resource = resource_;
    RETURN true;
END $$;

CREATE FUNCTION sureclock_only_fenced() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM sureclock_fences WHERE resource = TG_ARGV[0] AND admitted_in = pg_current_xact_id()) THEN
        RAISE EXCEPTION 'a write to % without a fencing token', TG_TABLE_NAME USING ERRCODE = 'SF000';
    END IF;
    RETURN NULL;
END $$;

REVOKE ALL ON sureclock_fences FROM PUBLIC;
