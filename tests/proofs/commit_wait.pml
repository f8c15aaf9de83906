/* Commit wait: two servers whose clocks say an interval that holds true time, one commit after another on each, reads, given up
 * waits and restarts, in every order.
 *
 * Laws: a transaction that starts after another was exposed, anywhere, has the larger timestamp; a server gives out no commit timestamp
 * at or below one that it gave out before, to a commit or to a read, also before a restart.
 *
 * True time is a number that passes by itself. Each reading is uncertain anew, by up to E on each side. What a server keeps on disk is
 * `mark`: written before a timestamp leaves (in the library: the log, and the file of the high-water mark).
 */

#define SERVERS 2
#ifndef COMMITS
#define COMMITS 2
#endif
#ifndef END
#define END 7
#endif
#ifndef E
#define E 2
#endif

#ifdef CLOCK_WRONG      /* the assumption of the clock is broken: true time may be above latest */
#define LATEST_FROM (now - 1)
#else
#define LATEST_FROM now
#endif

byte now = E;
/* The highest timestamp that anyone could see: of all exposed commits. */
byte exposed = 0;

typedef Server {
	byte given;     /* the highest given out, in memory */
	byte mark;      /* the same on disk */
	byte ever;      /* the same as it really was; only the laws look at it */
};
Server server[SERVERS];

#define MAX(a, b) ((a) > (b) -> (a) : (b))

active proctype time() {
	do
	:: now < END -> now++
	:: else -> break
	od
}

/* A reading of latest, into `latest`: any number from true time to E above. */
inline read_latest() {
	select(latest : LATEST_FROM .. now + E)
}

active [SERVERS] proctype serve() {
	byte me = _pid - 1;
	byte commits = 0;
	bool restarted = false, has_read = false;
	byte floor, s, latest;

	do
	:: commits < COMMITS ->
		atomic {
			commits++;
#ifdef STAMP_BEFORE_START   /* latest is read before the request has arrived */
			read_latest()
		}
		atomic {
#endif
			/* The request arrives: everything that is exposed by now is before it. */
			floor = exposed
		}
		atomic {
#ifndef STAMP_BEFORE_START
			read_latest();
#endif
#ifdef STAMP_IS_EARLIEST
			latest = latest - E;
#endif
			s = MAX(latest, server[me].given + 1);
			assert(s > server[me].ever);
			assert(s > floor);
			server[me].given = s;
			server[me].mark = s;
			server[me].ever = s;
			floor = 0; latest = 0
		}
		/* The wait, until s < earliest. The greatest earliest that a reading may say is true time; one that says less waits on. It may
		 * be given up at any time, which exposes nothing. */
		if
#ifdef NO_WAIT
		:: true -> exposed = MAX(exposed, s)
#else
#ifdef WAIT_TO_S            /* until s may be now, not until it is past */
		:: atomic { s <= now -> exposed = MAX(exposed, s) }
#else
		:: atomic { s < now -> exposed = MAX(exposed, s) }
#endif
#endif
#ifdef GIVEN_UP_IS_DONE
		:: true -> exposed = MAX(exposed, s)
#else
		:: true -> skip
#endif
		fi;
		s = 0

	:: atomic { !has_read ->
		has_read = true;
		/* A snapshot at latest sees all that is at or below it. */
		read_latest();
#ifndef READ_NOT_RAISED
		server[me].given = MAX(server[me].given, latest);
		server[me].mark = MAX(server[me].mark, latest);
#endif
		server[me].ever = MAX(server[me].ever, latest);
		latest = 0
	   }

	:: atomic { !restarted ->
		restarted = true;
#ifdef RESTART_FORGETS
		server[me].given = 0
#else
		server[me].given = server[me].mark
#endif
	   }
	:: commits == COMMITS -> break
	od
}
