/* A lease: one grantor, two holders, messages that are lost, doubled, late and out of order, and a grantor that restarts.
 *
 * Law: two holders never have it, at any moment.
 *
 * A node remembers how much its own clock has counted since a reading: its age. A tick of true time is 4 units. By duration (as it is), a
 * counter goes on by 3 or by 6 meanwhile, as each likes: with k = 1/3 the time that passed is within dx * 2/3 and dx * 4/3, and
 * both ends are taken. By deadline (-DDEADLINE) all know the time, but for a reading that holds true time and is up to E off on each side:
 * the reading that lets a node do the most is the one whose end is true time itself, so that one stands here, and the wrong end
 * where a twin takes the wrong one. Ages stop at MOST, where every term is over by any reckoning: so time has no end here.
 *
 * What was sent once may arrive at any time and as often as it likes: a bit that stays. Lost is what is never taken. Each holder
 * sends two requests, the first for a long term and the second for a short one; each has a nonce, its index.
 */

#define HOLDERS 2
#define REQUESTS 2
#define NOBODY 3
#define UNKNOWN 2       /* whoever had it from a grantor before the restart */
#define TICK 4
#define E 8
#define SHORT 4
#ifdef DEADLINE
#define LONG 12
#define MOST 24
#else
#define LONG 8
#define MOST 12
#endif

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define TERM(n) ((n) == 0 -> LONG : SHORT)

#ifdef DEADLINE
#define AT_LEAST(dx) (dx)
#define AT_MOST(dx) (dx)
#else
#ifdef NO_DRIFT         /* the counters are believed to be exact */
#define AT_LEAST(dx) (dx)
#define AT_MOST(dx) (dx)
#else
#define AT_LEAST(dx) (((dx) * 2) / 3)
#define AT_MOST(dx) (((dx) * 4 + 2) / 3)
#endif
#endif

typedef Holder {
	byte requests;              /* how many were sent */
	byte age[REQUESTS];         /* since the reading before each was sent */
	bool counted[REQUESTS];     /* an answer counts once */
	bool granted[REQUESTS];     /* an answer is on the way */
	bool has;                   /* some grant has counted */
	byte from;                  /* age of the reading that it counts from */
	byte term;
	bool gone;                  /* has given the lease up; its message is on the way */
};
Holder holder[HOLDERS];

byte promised = NOBODY;
byte received;                      /* age of the last receipt */
byte reach;                         /* the longest term granted */
byte released = NOBODY;
bool restarted = false;

#ifdef ASK_BY_LATEST                /* X_h counts from latest instead of earliest */
#define HELD(h) (holder[h].has && !holder[h].gone && holder[h].from < holder[h].term + E)
#else
#define HELD(h) (holder[h].has && !holder[h].gone && AT_MOST(holder[h].from) < holder[h].term)
#endif

#ifdef DEADLINE
#if defined(FREE_BY_LATEST) || defined(PROMISE_BY_EARLIEST)
#define IS_FREE (promised == NOBODY || received + E > reach)
#else
#define IS_FREE (promised == NOBODY || received > reach)
#endif
#else
#define IS_FREE (promised == NOBODY || AT_LEAST(received) >= reach)
#endif

#define SAFE assert(!(HELD(0) && HELD(1)))

#define GROWN(age) ((age) + by > MOST -> MOST : (age) + by)

/* How far a clock goes on while true time goes on by a tick. */
inline choose_by() {
#ifdef DEADLINE
	by = TICK
#else
	if :: by = 3 :: by = 6 fi
#endif
}

inline age_holder(h) {
	choose_by();
	if :: holder[h].requests > 0 -> holder[h].age[0] = GROWN(holder[h].age[0]) :: else fi;
	if :: holder[h].requests > 1 -> holder[h].age[1] = GROWN(holder[h].age[1]) :: else fi;
	if :: holder[h].has -> holder[h].from = GROWN(holder[h].from) :: else fi
}

inline pass() {
	age_holder(0);
	age_holder(1);
	choose_by();
	if :: promised != NOBODY -> received = GROWN(received) :: else fi;
	by = 0
}

inline count(h, n) {
	holder[h].counted[n] = true;
	x = holder[h].age[n];
#ifdef FROM_ANSWER          /* the term counts from when the answer came */
	x = 0;
#endif
#ifdef NO_NONCE             /* an answer is taken for one to the last request */
	x = holder[h].age[holder[h].requests - 1];
#endif
	/* The grant that reaches further: the new one, unless the old one may. By deadline the sums are exact. */
	if
	:: !holder[h].has || (x <= holder[h].from && TERM(n) + AT_LEAST(holder[h].from - x) >= holder[h].term) ->
		holder[h].from = x; holder[h].term = TERM(n)
	:: else
#ifdef DEADLINE
		if
		:: holder[h].from + TERM(n) > x + holder[h].term -> holder[h].from = x; holder[h].term = TERM(n)
		:: else
		fi
#endif
	fi;
	holder[h].has = true;
	x = 0
}

/* A request is granted: counted from its receipt. */
inline promise(h, term) {
	promised = h; received = 0; reach = term
}

inline grant(h, n) {
	if
	:: promised == h ->
		/* Renewed: nothing granted before reaches further than the longest term from now. */
		x = MAX(reach, TERM(n));
#ifdef LAST_TERM_COUNTS
		x = TERM(n);
#endif
#ifndef RENEWAL_COUNTS_FROM_FIRST
		promise(h, x);
#endif
		holder[h].granted[n] = true
	:: promised != h && IS_FREE ->
		promise(h, TERM(n));
		holder[h].granted[n] = true
	:: else
	fi;
	x = 0
}

active proctype world() {
	byte h, n, by, x;

	do
	:: atomic { pass(); SAFE }

	:: atomic {
		select(h : 0 .. 1); select(n : 0 .. 1);
		if
		/* A holder asks. The reading is taken before the request leaves. */
		:: n == holder[h].requests && !holder[h].gone -> holder[h].requests++
		/* A request arrives, perhaps once more. */
		:: n < holder[h].requests && released != h -> grant(h, n)
		/* A grant arrives. */
		:: holder[h].granted[n] && !holder[h].counted[n] && !holder[h].gone -> count(h, n)
		/* A holder gives up: it stops, and says so. */
		:: n == 0 && !holder[h].gone && holder[h].requests > 0 -> holder[h].gone = true
		/* That arrives. */
		:: n == 0 && holder[h].gone && promised == h ->
			promised = NOBODY; received = 0; reach = 0; released = h
#ifdef RELEASE_AND_GO_ON    /* it says so, and does not stop */
		:: n == 0 && promised == h -> promised = NOBODY; received = 0; reach = 0; released = h
#endif
		:: else
		fi;
		h = 0; n = 0;
		SAFE
	   }

	/* The grantor restarts, once, and knows nothing: it waits for the longest term ever offered. */
	:: atomic { !restarted ->
		restarted = true;
		released = NOBODY;
#ifdef RESTART_AT_ONCE
		promised = NOBODY; received = 0; reach = 0
#else
		promise(UNKNOWN, LONG)
#endif
	   }
	od
}
