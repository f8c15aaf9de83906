/* A fence: one resource, two holders of one lease one after the other, a copy of the first made at any moment, tokens that are lost,
 * doubled and late, and a resource that is restored from a backup.
 *
 * Laws: a write is made only on top of what its writer has seen; no write is made twice.
 *
 * A holder never waits for an answer but for its barrier's, and may be held up between any two steps. What was sent may arrive at any time
 * and as often as it likes. `based` goes with each token and is looked at by the law alone: what its writer takes for the content.
 */

#define INSTANCES 3             /* two holders, and the copy of the first */
#define COPY 2
#ifndef WRITES
#define WRITES 2
#define TOKENS 6                /* INSTANCES * WRITES */
#endif

typedef Instance {
	byte stage;             /* 0: no lease; 1: sequence; 2: nonce; 3: barrier set; 4: has read, may write */
	byte sequence;
	byte nonce;
	byte writes;
	byte last;              /* id of the token before the next one */
	byte view;              /* what it takes for the content */
};
Instance instance[INSTANCES];

typedef Token {
	byte sequence;          /* 0: not sent */
	byte nonce;
	byte write;
	byte previous;
	byte based;
};
Token token[TOKENS];            /* the id of a token is its index + 1 */
bool barrier_sent[INSTANCES];   /* barriers come late and again, too */
byte barrier_nonce[INSTANCES], barrier_sequence[INSTANCES];

/* The resource: fence and content. */
byte sequence = 0, nonce = 0, number = 0, last = 0, content = 0;
/* A backup of it. */
byte b_sequence, b_nonce, b_number, b_last, b_content;
bool has_backup = false, restored = false;
bool applied[TOKENS];

byte next_sequence = 1, next_nonce = 1;
bool copied = false;
#ifdef NOT_ATOMIC
byte decided = 0;
#endif
byte admitted;                  /* 0: refused; 1: write; 2: retry */

#ifdef NO_NONCE
/* 0 is nobody's all the same. */
#define SAME_NONCE && nonce > 0
#define OTHER_NONCE && nonce == 0
#else
#define SAME_NONCE && token[k].nonce == nonce
#define OTHER_NONCE && token[k].nonce != nonce
#endif

/* `admit` of src/fence.rs for a write. */
inline admit_write(k) {
	admitted = 0;
	if
	:: token[k].sequence != sequence -> skip        /* lower: stale; higher: no barrier */
	:: token[k].sequence == sequence OTHER_NONCE -> skip
	:: token[k].sequence == sequence SAME_NONCE ->
		if
#ifdef RETRY_WRITES
		:: token[k].write == number && k + 1 == last -> admitted = 1
#else
		:: token[k].write == number && k + 1 == last -> admitted = 2
#endif
#ifdef HIGHER_NUMBER            /* a number that is higher is enough */
		:: token[k].write > number -> admitted = 1
#endif
#ifdef NEXT_NUMBER              /* the next number is enough */
		:: token[k].write == number + 1 -> admitted = 1
#endif
#ifdef NO_NUMBER                /* only the chain counts */
		:: token[k].write > number && token[k].previous == last -> admitted = 1
#else
		:: token[k].write == number + 1 && token[k].previous == last -> admitted = 1
#endif
		:: else
		fi
	fi
}

inline write_content(k) {
	assert(content == token[k].based);
	assert(!applied[k]);
	applied[k] = true;
	content = k + 1
}

inline make_write(k) {
	sequence = token[k].sequence; nonce = token[k].nonce; number = token[k].write; last = k + 1;
#ifdef NOT_ATOMIC               /* the fence is stored, and the content, perhaps after something else, later */
	decided = k + 1
#else
	write_content(k)
#endif
}

/* The barrier that is there. */
byte b_sent, b_by;

/* `admit` for a barrier, and what it stores. 2 is the answer to one that is set already. */
inline do_barrier() {
	if
	:: b_sent > sequence -> admitted = 1; sequence = b_sent; nonce = b_by; number = 0; last = 0
#ifdef NO_NONCE
	:: b_sent == sequence && nonce > 0 && number == 0 && last == 0 -> admitted = 2
#else
	:: b_sent == sequence && b_by == nonce && number == 0 && last == 0 && nonce > 0 -> admitted = 2
#endif
	:: else -> admitted = 0
	fi;
	b_sent = 0; b_by = 0
}

active [INSTANCES] proctype act() {
	byte me = _pid;
	byte k;
	do
	/* The store gives each sequence once. A copy has nothing of its own before it is made. */
	:: atomic { instance[me].stage == 0 && me != COPY ->
		instance[me].sequence = next_sequence; next_sequence++; instance[me].stage = 1 }
	/* The nonce is drawn after the grant. */
	:: atomic { instance[me].stage == 1 ->
		instance[me].nonce = next_nonce; next_nonce++; instance[me].stage = 2 }
#ifdef READ_BEFORE_BARRIER
	:: atomic { instance[me].stage == 2 -> instance[me].view = content; instance[me].stage = 3 }
	:: atomic { instance[me].stage == 3 ->
		b_sent = instance[me].sequence; b_by = instance[me].nonce;
		do_barrier();
		if :: admitted > 0 -> instance[me].stage = 4 :: else -> instance[me].stage = 5 fi;
		admitted = 0 }
#else
#ifndef NO_BARRIER
	/* The barrier is sent and comes late, or never: it is sent again until it is answered. */
	:: atomic { instance[me].stage == 2 && !barrier_sent[me] ->
		barrier_sent[me] = true;
		barrier_nonce[me] = instance[me].nonce; barrier_sequence[me] = instance[me].sequence }
#endif
	:: atomic { instance[me].stage == 2 ->
#ifndef NO_BARRIER
		barrier_sent[me] = true;
		barrier_nonce[me] = instance[me].nonce; barrier_sequence[me] = instance[me].sequence;
		b_sent = instance[me].sequence; b_by = instance[me].nonce;
		do_barrier();
		if :: admitted > 0 -> instance[me].stage = 3 :: else -> instance[me].stage = 5 fi;
#else
		/* Without one the first write brings the sequence up; and the resource lets it. */
		instance[me].stage = 3;
#endif
		admitted = 0 }
	:: atomic { instance[me].stage == 3 -> instance[me].view = content; instance[me].stage = 4 }
#endif
	/* A new write: on top of all that it knows, without waiting for the one before. */
	:: atomic { instance[me].stage == 4 && instance[me].writes < WRITES ->
		k = me * WRITES + instance[me].writes;
		instance[me].writes++;
		token[k].sequence = instance[me].sequence; token[k].nonce = instance[me].nonce;
		token[k].write = instance[me].writes; token[k].previous = instance[me].last;
		token[k].based = instance[me].view;
		instance[me].last = k + 1; instance[me].view = k + 1;
		k = 0 }
	/* It is copied, whole. */
	:: atomic { me == COPY && !copied && instance[0].stage > 0 ->
		copied = true;
		instance[COPY].stage = instance[0].stage; instance[COPY].sequence = instance[0].sequence;
		instance[COPY].nonce = instance[0].nonce; instance[COPY].writes = instance[0].writes;
		instance[COPY].last = instance[0].last; instance[COPY].view = instance[0].view }
	:: instance[me].stage == 5 || instance[me].writes == WRITES -> break
	od
}

/* The network brings what it likes, to a resource that decides and writes in one step. */
active proctype resource() {
	byte k;
	do
	:: atomic {
		select(k : 0 .. TOKENS - 1);
		if
		:: token[k].sequence > 0 ->
#ifdef NO_BARRIER
			if
			:: token[k].sequence > sequence && token[k].write == 1 -> make_write(k)
			:: else -> admit_write(k); if :: admitted == 1 -> make_write(k) :: else fi
			fi
#else
			admit_write(k);
			if :: admitted == 1 -> make_write(k) :: else fi
#endif
		:: else
		fi;
		k = 0; admitted = 0
	   }
	:: atomic {
		select(k : 0 .. INSTANCES - 1);
		if :: barrier_sent[k] -> b_sent = barrier_sequence[k]; b_by = barrier_nonce[k]; do_barrier() :: else fi;
		k = 0; admitted = 0
	   }
	:: atomic { !has_backup ->
		has_backup = true;
		b_sequence = sequence; b_nonce = nonce; b_number = number; b_last = last; b_content = content }
	:: atomic { has_backup && !restored ->
		restored = true;
		content = b_content;
#ifdef RESTORED_AS_IT_WAS
		sequence = b_sequence; nonce = b_nonce; number = b_number; last = b_last
#else
		/* Above the highest sequence that the store gave out. */
		sequence = next_sequence - 1; nonce = 0; number = 0; last = 0
#endif
	   }
	:: break
#ifdef NOT_ATOMIC
	:: atomic { decided > 0 -> k = decided - 1; decided = 0; write_content(k); k = 0 }
#endif
	od
}
