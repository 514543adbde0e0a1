/*
 * Lease and recall, for the model checker spin. docs/model/README.md says what is modelled, what is not, and how to read
 * a counterexample.
 *
 * One folder, one file in it, one loss of access. Beside each step stands the function that takes it: members of
 * types and paths are of the sources, held against them by tests/docs; fuse_...() and d_...() are the kernel's.
 * What one atomic {...} holds is one step. Two steps of the code are one here only where the code does the earlier one
 * first and a change in between could not do harm: it would make the answer less, or the decision newer.
 *
 * Switches (-D) choose a scene, or take out what closes a hole: tools/lib/model.py has the list of both.
 */

/* ---- Spans, in ticks (src/base/lease_spans.h). What counts is how they relate. */
#define LEASE 2
#ifndef FOLDER_SHARE
#define FOLDER_SHARE 1  /* spans::FolderShare */
#endif
#ifndef CHECKED_SHARE
#define CHECKED_SHARE 1 /* spans::CheckedShare: both together are a lease */
#endif
#define STEADY 3        /* spans::kSteadyLease: longer than a lease */
#define NEVER 15

#define FOLDER 0
#define FILE 1

/* What the policy gives on the folder (Access): nothing, a way through, or all below it. */
#define CLOSED 0
#define PASSAGE 1
#define READ 2

mtype = { RUNS, STOPPED, DEAD, TAKEN_OVER }; /* the daemon */
mtype = { NOTHING, SAME, APART };            /* what a stacked file system holds: no entry, that of the name, another one */
mtype = { NONE, OF_STEADY, OF_ALL };         /* a review (Review::Of) */

/* ---- The policy's newest commit, and time */
bool may = true;       /* it lets the file be read, until that expires */
byte expires = NEVER;  /* ticks until then */
byte level_before, level_after; /* what it gives on the folder, before the loss and after */
byte since = NEVER;    /* ticks since the loss, LEASE at most; NEVER: it has not come */
byte dead_for;         /* ticks since the daemon died, LEASE at most */
bool returned;         /* the command that took access away has returned */
bool was_stopped;      /* the daemon has been stopped */

#define ALLOWED (may && expires > 0)
#define LEVEL (ALLOWED -> level_before : level_after)

/* ---- The feed (src/policy/feed/feed.cc), since the daemon looked last */
bool commits;          /* PRAGMA data_version is another one */
bool risen;            /* meta.revision has risen: all that was committed is taken for explained */
bool row_of_loss;      /* the triggers have written down what was lost */
bool row_of_other;     /* they have written down a loss of somebody's that these entries rested on, too, without need */
bool asked, acknowledged; /* "recall" on the control socket: ControlAnswers::answer(), Recaller::catch_up() */

/* ---- The kernel's entries (dentries) of the two names, and the folder's attributes */
bool hashed[2];        /* a walk finds it */
byte until[2];         /* ticks until it must be looked up again (fuse_change_entry_timeout()) */
bool fresh[2];         /* it is of the present epoch (fuse_dentry_revalidate()) */
bool looking[2];       /* a first lookup is under way, under the folder's lock (lookup_slow(), d_alloc_parallel()) */
byte attributes;       /* ticks until they must be asked for again (fuse_permission()) */
mtype held = NOTHING;  /* the file's entry that a stacked file system holds */
byte held_until;
bool held_fresh;

/* ---- Requests under way, at most two */
byte age[2];           /* ticks since the answer was begun (Beginning) */
bool current[2];       /* no recall has begun since it took its mark (LentEntries::mark()) */
bool of_epoch[2];      /* no epoch was raised since it was sent: fuse_lookup_name() reads it before */
byte revalidates[2];   /* 1 + the entry that it revalidates, while that is hashed */
bool lending[2];       /* what it lends is noted, and the reply is not out */
bool worked_out[2];    /* what is left of the lease is worked out, and the reply is not out (Lender::left_of()) */
bool overdue[2];       /* ... and time has passed since then */
byte busy;             /* how many there are */
bool late[2];          /* the reply that was out last came late, and the entry is not forgotten yet (Recaller::forget_late()) */
bool late_attributes;  /* the same for the folder's attributes */

/* ---- The daemon */
mtype daemon = RUNS;
bool lent_now[2];      /* LentEntries::is_lent(). Here it ends with the kernel's lease; in the code, spans::kLateness later */
byte lent_level;       /* LentEntry::lent, of the folder */
byte hold_age;         /* LentEntries::hold_steady(): 1 + ticks for which the folder has held files in steady use */
bool kept;             /* SteadyFiles::keep() */
bool paused;           /* SteadyFiles::pause() */
byte kept_up_age;      /* Recaller::vouch() goes by that: ticks since all that was committed was recalled */
byte looked_age;       /* ticks since the round under way looked at the database */
byte review_age;       /* ... and since that one did in which the review was begun */
mtype demand = NONE, review = NONE; /* Recaller::demand_review(), Recaller::begin_review() */
bool stood_still;      /* time has passed while the daemon was stopped */
bool goes_on;          /* ... and it goes on, and the thread has not noticed yet */
bool settled;          /* a round has found nothing more to do in this tick */

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define DOWN(x) x = (x > 0 -> x - 1 : 0)
#define UP(x, most) x = (x < most -> x + 1 : most)
#define GONE (daemon == DEAD || daemon == TAKEN_OVER)

/* ---- From when on nothing opens */
#define TAKEN_AWAY (returned || (since != NEVER && since >= LEASE)) /* promise 2 */
#ifdef EXPIRES
#define EXPIRED (expires == 0)                                      /* promise 3 */
#else
#define EXPIRED false
#endif
#define LEFT_BEHIND (GONE && dead_for >= LEASE)                     /* promise 9, of the mount of the daemon that died */
#ifdef PUNCTUAL
/* Promise 2: a change that the daemon can see counts within 50 ms, on an idle machine. A tick is longer. */
#define SEEN_AT_ONCE (since != NEVER && since >= 1 && !was_stopped && daemon == RUNS)
#else
#define SEEN_AT_ONCE false
#endif

/* ---- The kernel's steps */

/* d_invalidate(): no walk finds the entry any more. Who holds it, has it still. */
inline unhash(which) {
  hashed[which] = false;
  until[which] = 0;
  revalidates[0] = (revalidates[0] == 1 + which -> 0 : revalidates[0]);
  revalidates[1] = (revalidates[1] == 1 + which -> 0 : revalidates[1]);
  if
  :: which == FILE && held == SAME -> held = APART; held_until = 0; held_fresh = fresh[FILE]
  :: else
  fi;
  fresh[which] = false
}

/* FUSE_NOTIFY_INC_EPOCH: FuseMount::forget_everything(). It takes no lock. */
inline raise_epoch() {
  fresh[FOLDER] = false; fresh[FILE] = false; held_fresh = false;
  of_epoch[0] = false; of_epoch[1] = false
}

/* fuse_reverse_inval_entry(): FuseMount::forget_entry(). It takes the folder's lock, and so waits for first lookups under
   way; for revalidations it does not wait. fuse_dir_changed(): the folder's attributes must be asked for again. */
#ifdef WAITS_FOR_NO_LOOKUP
#define LOCKED(which) false
#else
#define LOCKED(which) looking[which]
#endif
inline forget_entry(which) {
  if
  :: atomic {
       daemon == RUNS && !LOCKED(which) ->
       if
       :: hashed[which] ->
          attributes = (which == FILE -> 0 : attributes);
          unhash(which)
       :: else
       fi;
       late[which] = false
     }
  :: GONE -> goto over
  fi
}

/* ---- The handlers' steps (src/fuse/name_handlers.cc), each request on a thread of its own */

/* LentEntries::begin_recall(): what was decided before is not lent. */
inline begin_recall() { current[0] = false; current[1] = false }

/* Lender::folder_lease(), Recaller::vouch() */
#ifdef VOUCHES_FOR_ALL
#define VOUCHED true
#else
#define VOUCHED (!kept || kept_up_age <= CHECKED_SHARE)
#endif
#define FOLDER_LEASE (holds -> FOLDER_SHARE : LEASE)
inline forget_everything_first() {
  if
  :: atomic { daemon == RUNS -> raise_epoch(); kept = false } /* SteadyFiles::clear() */
  :: GONE -> goto over
  fi
}

/* Lender::left(), Lender::left_of(): what is left of a span since the answer was begun, and no more than the decision holds
   for (Lender::span_of()). */
#ifdef LENDS_BEYOND_THE_EXPIRY
#define LEFT(span) ((span) <= age[me] -> 0 : (span) - age[me])
#else
#define LEFT(span) ((span) <= age[me] -> 0 : (bounded -> MIN((span) - age[me], expires) : (span) - age[me]))
#endif

/* Lender::lend_longer(), when the file is kept: whoever passed the folder before that was vouched for by nobody, if there was
   nothing to vouch for. */
#ifdef LENDS_LONGER_HOWEVER_LATE
#define IN_TIME true
#else
#define IN_TIME (age[me] <= CHECKED_SHARE)
#endif

/* Lookups::answer(), Lookups::answer_folder(), Lookups::answer_file() */
inline left_of_lookup() {
  left = (!lent -> 0 : (what == FOLDER -> LEFT(FOLDER_LEASE) : (longer -> LEFT(STEADY) : LEFT(LEASE))))
}

/* AttributesReader::read_folder(): only by a decision that is no worse than the one that the folder's entry was lent by, and
   that no recall has made old. */
inline left_of_attributes() {
#ifdef ATTRIBUTES_COUNT_FROM_THE_REPLY
  left = (level == CLOSED -> 0 : MIN(FOLDER_LEASE, expires))
#else
  left = (level == CLOSED || level < lent_before || !current[me] -> 0 : LEFT(FOLDER_LEASE))
#endif
}

/* Lender::is_late() */
#if defined(LATE_REPLIES_STAY) || defined(RING) /* Over io_uring the reply is out later than Tree::sent() looks. */
#define IS_LATE false
#else
#define IS_LATE overdue[me]
#endif

/* TreeParts::begin() */
inline begin() { age[me] = 0; current[me] = true }

/* NodeTable::find() */
inline find_folder() {
  holds = (hold_age > 0);
  lent_before = (lent_now[FOLDER] -> lent_level : CLOSED)
}

/* Requests, one after the other, as somebody walks to the file: by its path, from inside the folder, through a stacked file
   system. As many are under way at a time as there are such processes. */
proctype Requests(byte me) {
  byte what, level, lent_before, left;
  bool stacked, first, bounded, lent, holds, longer;

end_idle:
  /* fuse_dentry_revalidate(); lookup_slow() where there is no good entry; fuse_permission(). The request is sent, and the
     handler begins: on_lookup(), Lookups::lookup(); or on_getattr(), Tree::attributes(). */
  atomic {
    daemon == RUNS ->
    if
    :: hashed[FOLDER] && fresh[FOLDER] && until[FOLDER] == 0 -> what = FOLDER; revalidates[me] = 1 + FOLDER
    :: hashed[FILE] && fresh[FILE] && until[FILE] == 0 -> what = FILE; revalidates[me] = 1 + FILE
    :: !(hashed[FOLDER] && fresh[FOLDER]) && !looking[FOLDER] -> what = FOLDER; first = true
    :: !(hashed[FILE] && fresh[FILE]) && !looking[FILE] -> what = FILE; first = true
    :: attributes == 0 -> goto getattr
#ifdef CAN_BE_STACKED_ON
    :: held == APART && held_fresh && held_until == 0 -> what = FILE; stacked = true
#endif
    fi;
    if
    :: first ->
       if
       :: hashed[what] -> unhash(what)
       :: else
       fi;
       looking[what] = true
    :: else
    fi;
    busy++;
    of_epoch[me] = true;
    begin(); /* and then the decision: Doors::of(), Judge::decide() */
    level = LEVEL;
    bounded = (expires != NEVER);
    if
    :: (what == FILE && !ALLOWED) || level == CLOSED -> /* ENOENT: d_invalidate() of what was revalidated */
       if
       :: revalidates[me] > 0 -> unhash(what)
       :: else
       fi;
       goto over
    :: else
    fi
  }
  /* Lender::offer(), NodeTable::remember(): LentEntries::lend() looks at the mark, and notes what is lent. */
  if
  :: atomic {
       daemon == RUNS ->
#ifdef LENDS_WHATEVER_THE_MARK
       lent = true;
#else
       lent = current[me] && !(what == FOLDER && lent_now[FOLDER] && lent_level > level);
#endif
       holds = (what == FOLDER && hold_age > 0);
       if
       :: lent ->
          lending[me] = true;
          lent_now[what] = true;
          if
          :: what == FOLDER -> lent_level = MAX(lent_level, level)
          :: what == FILE && level == READ -> lent_now[FOLDER] = true; lent_level = READ /* LentEntries::rest_on() */
          :: else
          fi
       :: else
       fi;
       level = CLOSED;
       /* In steady use (NodeTable::note_use()), or not. Lender::lend_longer(): LentEntries::hold_steady(), SteadyFiles::keep() */
       if
       :: what == FILE && lent && !bounded && hold_age > LEASE + 1 && !paused && !stacked -> kept = true; longer = IN_TIME
#ifdef BEGINS
       :: what == FILE && lent && hold_age == 0 -> hold_age = 1
#endif
       :: true
       fi
     }
  :: GONE -> goto over
  fi;
  if
  :: longer -> /* LentEntries::lend_for() looks at the mark once more. */
     if
     :: atomic { daemon == RUNS -> longer = current[me] }
     :: GONE -> goto over
     fi
  :: holds && lent ->
     if
     :: atomic { daemon == RUNS && VOUCHED -> skip }
     :: atomic { daemon == RUNS && !VOUCHED -> paused = true };
        forget_everything_first()
     :: GONE -> goto over
     fi
  :: else
  fi;
#ifdef HELD_BACK /* Elsewhere what is left is worked out as the reply goes out: there are fewer states. */
  if
  :: atomic { daemon == RUNS -> left_of_lookup(); worked_out[me] = (left > 0) }
  :: GONE -> goto over
  fi;
#endif
  /* fuse_reply_entry(): d_splice_alias(), fuse_change_entry_timeout(), fuse_change_attributes(). Then Tree::sent() */
  if
  :: atomic {
       daemon == RUNS ->
#ifndef HELD_BACK
       left_of_lookup();
#endif
       if
       :: first -> hashed[what] = true; fresh[what] = of_epoch[me]; until[what] = left
       :: stacked -> held_until = left
       :: !first && !stacked && revalidates[me] > 0 -> until[what] = left
       :: else /* it was unhashed meanwhile */
       fi;
       attributes = (what == FOLDER -> left : attributes);
       if
       :: IS_LATE -> late[what] = true; late_attributes = late_attributes || what == FOLDER; settled = false
       :: else
       fi;
#ifdef CAN_BE_STACKED_ON
       if
       :: what == FILE && held == NOTHING && first -> held = SAME
       :: true
       fi;
#endif
       goto over
     }
  :: GONE -> goto over
  fi;

getattr: /* It refuses nobody: what is refused is the name. on_getattr(), AttributesReader::read() */
  atomic {
    busy++;
    begin();
    find_folder();
    if
    :: holds && !VOUCHED -> paused = true
    :: else -> level = LEVEL; bounded = (expires != NEVER); goto decided /* Judge::decide() */
    fi
  };
  forget_everything_first();
  if
  :: atomic { daemon == RUNS -> level = LEVEL; bounded = (expires != NEVER) }
  :: GONE -> goto over
  fi;
decided:
#ifdef HELD_BACK
  if
  :: atomic { daemon == RUNS -> left_of_attributes(); worked_out[me] = (left > 0) }
  :: GONE -> goto over
  fi;
#endif
  /* fuse_reply_attr(), fuse_change_attributes(). Then Tree::sent() */
  if
  :: atomic {
       daemon == RUNS ->
#ifndef HELD_BACK
       left_of_attributes();
#endif
       attributes = left;
       if
       :: IS_LATE -> late_attributes = true; settled = false
       :: else
       fi;
       goto over
     }
  :: GONE -> goto over
  fi;

over: /* Or the connection has ended: ENOTCONN, ECONNABORTED. */
  atomic {
    if
    :: first -> looking[what] = false
    :: else
    fi;
    busy--;
    what = FOLDER; level = CLOSED; lent_before = CLOSED; left = 0;
    stacked = false; first = false; bounded = false; lent = false; holds = false; longer = false;
    age[me] = 0; current[me] = false; of_epoch[me] = false; revalidates[me] = 0; lending[me] = false;
    worked_out[me] = false; overdue[me] = false;
    goto end_idle
  }
}

#ifdef BEGINS
/* ---- A GETATTR besides, once, that stands still in AttributesReader::read() while the folder may come to hold files in steady
   use: the time first, and then the node. One that begins after the loss is decided by it. */
proctype StalledGetattr(byte me) {
  byte level, lent_before, left;
  bool bounded, holds;

end_not_yet:
  atomic {
    daemon == RUNS && since == NEVER && hold_age == 0 && attributes == 0 ->
#ifdef FINDS_BEFORE_THE_TIME
    find_folder()
#else
    begin()
#endif
  };
end_stalled:
  atomic {
    daemon == RUNS ->
#ifdef FINDS_BEFORE_THE_TIME
    begin();
#else
    find_folder();
#endif
    if
    :: !holds || VOUCHED -> level = LEVEL; left_of_attributes(); attributes = left
    :: else
    fi;
    holds = false; lent_before = CLOSED; level = CLOSED; left = 0;
    age[me] = 0; current[me] = false
  }
}
#endif

/* ---- An open that begins when nothing may open any more, from inside the folder: by the path it would have to pass the folder's
   entry besides, and would come no further. What it asks the daemon is answered at one moment; what would be lent to
   it then, Requests lends. Assumed: nobody opens by what a late reply lent in the moment until the kernel is told to forget it. */
#ifdef COUNTS_EVERY_MOMENT
#define BY_A_LATE(reply) false
#else
#define BY_A_LATE(reply) (reply || goes_on)
#endif

proctype LateOpen() {
  byte promise;

end_not_yet:
  atomic {
    if
    :: TAKEN_AWAY || SEEN_AT_ONCE -> promise = 2
    :: EXPIRED -> promise = 3
    :: LEFT_BEHIND -> promise = 9
    fi;
    if
    :: true
#ifdef CAN_BE_STACKED_ON
    :: held == APART && held_fresh && held_until > 0 -> goto opened /* ovl_dentry_revalidate() */
#endif
    fi
  }
  if
  :: attributes > 0 && !BY_A_LATE(late_attributes)
  :: daemon == RUNS && (hold_age == 0 || VOUCHED)
  :: atomic { true -> promise = 0; goto end_not_yet }
  fi;
  if
  :: hashed[FILE] && fresh[FILE] && until[FILE] > 0 && !BY_A_LATE(late[FILE])
  :: atomic { true -> promise = 0; goto end_not_yet }
  fi;
opened:
  assert(promise != 2);
  assert(promise != 3);
  assert(promise != 9)
}

/* ---- The recalling thread (src/lease/recall/recaller.cc). It alone has the kernel forget names. */

/* Withdrawal::add_each(): what is decided worse than it was lent, with all that is lent below it (LentEntries::take_back()) */
inline take_back_all() {
  go_folder = lent_now[FOLDER];
  go_file = lent_now[FILE];
  lent_now[FOLDER] = false;
  lent_now[FILE] = false;
  lent_level = CLOSED
}
inline withdraw() {
  if
#ifdef FORGETS_THE_HIGHEST_ALONE
  :: lent_now[FOLDER] && lent_level > LEVEL -> go_folder = true; lent_now[FOLDER] = false; lent_level = CLOSED
#else
  :: lent_now[FOLDER] && lent_level > LEVEL -> take_back_all()
#endif
  :: !(lent_now[FOLDER] && lent_level > LEVEL) && lent_now[FILE] && !ALLOWED -> go_file = true; lent_now[FILE] = false
  :: else
  fi
}

/* Recaller::recall() */
inline recall() {
  if
  :: go_folder -> forget_entry(FOLDER); go_folder = false
  :: else
  fi;
  if
  :: go_file -> forget_entry(FILE); go_file = false
  :: else
  fi
}

/* What Recaller::forget_late() asked for: Recaller::forget_attributes(), which waits for nothing, and then the entries */
inline forget_late() {
  if
  :: atomic {
       daemon == RUNS && late_attributes ->
       attributes = 0;
       late_attributes = false
     }
  :: !late_attributes
  :: GONE -> goto over
  fi;
  if
  :: late[FOLDER] -> forget_entry(FOLDER)
  :: else
  fi;
  if
  :: late[FILE] -> forget_entry(FILE)
  :: else
  fi
}

/* Recaller::end_review() */
inline end_review() {
  if
  :: review != NONE -> kept_up_age = MIN(kept_up_age, review_age); review = NONE; review_age = 0
  :: else
  fi
}

/* Recaller::recall_everything(), by an epoch. Last comes Recaller::end_all_reviews(). */
inline recall_everything() {
  if
  :: atomic {
       daemon == RUNS ->
#ifdef ENDS_REVIEWS_BEFORE_THE_EPOCH
       end_review();
       demand = NONE;
#endif
       begin_recall()
     }
  :: GONE -> goto over
  fi;
  if
  :: atomic { daemon == RUNS -> raise_epoch() }
  :: GONE -> goto over
  fi;
  if
  :: atomic {
       daemon == RUNS ->
       end_review();
       demand = NONE
     }
  :: GONE -> goto over
  fi
}

proctype Recaller() {
  bool go_folder, go_file, serving, expired, everything;

end_wait:
#ifdef RING
  /* Recaller::note_standstill(), Recaller::begin_afresh() */
  if
  :: atomic {
       daemon == RUNS && goes_on ->
#ifndef GOES_ON_AS_BEFORE
       paused = true;
       raise_epoch();
       kept = false; /* SteadyFiles::clear() */
#endif
       goes_on = false;
       stood_still = false
     }
  :: !goes_on
  :: GONE -> goto over
  fi;
#endif
  /* Recaller::wait(), Recaller::keep_up(): notes who asks, and what time it is, and looks at the database. Then
     Recaller::follow_database(): Feed::losses(), Feed::between(), LentEntries::begin_recall(), Withdrawal::of(). */
  if
  :: atomic {
       daemon == RUNS ->
       serving = serving || asked;
       asked = false;
       looked_age = 0;
       if
       :: commits ->
#ifndef RECALL_BEGINS_LATE
          begin_recall();
#endif
          if
          :: !risen -> demand = OF_ALL
          :: risen && row_of_other -> take_back_all()
          :: risen && !row_of_other && row_of_loss ->
             if
             :: withdraw()
#ifdef EVERYTHING
             :: everything = true /* Recaller::Options::most_touched */
#endif
             fi
          :: else
          fi;
#ifndef TRUSTS_WHAT_IS_EXPLAINED
          if
          :: demand == NONE && kept -> demand = OF_STEADY
          :: else
          fi;
#endif
          commits = false; risen = false; row_of_loss = false; row_of_other = false
       :: else
       fi
#if defined(EXPIRES) || defined(SHORTENS)
       ; /* Withdrawal::of_expired() */
       if
       :: expires == 0 && !expired -> expired = true; begin_recall(); withdraw()
       :: else
       fi
#endif
     }
  :: GONE -> goto over
  fi;
  if
  :: everything -> everything = false; recall_everything()
  :: else -> recall()
  fi;
#ifdef HELD_BACK
  forget_late();
#endif
#ifdef RECALL_BEGINS_LATE
  begin_recall();
#endif
  /* Recaller::go_on_reviewing() */
  if
  :: demand != NONE ->
     if
     :: atomic {
          daemon == RUNS ->
          review = demand;
          review_age = looked_age;
          demand = NONE
        };
        if
        :: atomic {
             daemon == RUNS ->
             if
             :: review == OF_STEADY && kept && LEVEL != READ && lent_now[FILE] && !ALLOWED -> /* Withdrawal::review_files() */
                go_file = true;
                lent_now[FILE] = false
             :: review == OF_ALL -> /* Withdrawal::review_folder() */
                if
                :: LEVEL == CLOSED -> take_back_all()
                :: else -> withdraw()
                fi
             :: else
             fi
           };
           recall()
#ifdef EVERYTHING
        :: review == OF_ALL -> recall_everything() /* Recaller::Options::longest_review */
#endif
        :: GONE -> goto over
        fi
#ifndef PUNCTUAL
     :: !serving /* Recaller::begin_review(): not yet */
#endif
     :: GONE -> goto over
     fi
  :: else
  fi;
  /* Recaller::end_review(), Recaller::has_kept_up(), Recaller::answer_waiting() */
  if
  :: atomic {
       daemon == RUNS ->
       end_review();
       if
       :: demand == NONE -> kept_up_age = MIN(kept_up_age, looked_age)
#ifdef KEEPS_UP_BEFORE_THE_REVIEW
       :: demand != NONE -> kept_up_age = MIN(kept_up_age, looked_age)
#endif
       :: else
       fi;
       looked_age = 0;
       settled = (demand == NONE && !commits && !asked);
       if
       :: serving && demand != OF_ALL -> serving = false; acknowledged = true
       :: else
       fi;
       goto end_wait
     }
  :: GONE -> goto over
  fi;
over:
  skip
}

/* ---- Who takes access away */

#define COMMIT commits = true; settled = false

proctype Writer() {
end_before:
#if defined(REVOKES)
  /* grantctl revoke: recall() in src/control/recall.cc asks, and waits until the lease is over where nobody acknowledges
     (lease_end()), also where a daemon was killed (wait_for_killed()). */
  atomic { may = false; since = 0; risen = true; row_of_loss = true; COMMIT };
  if
  :: atomic { !GONE -> asked = true; settled = false }
  :: GONE
  fi;
  if
  :: acknowledged
  :: since >= LEASE
#ifdef WAITS_FOR_NO_KILLED_DAEMON
  :: daemon == TAKEN_OVER
#endif
  fi;
  returned = true
#elif defined(COMMITS)
  /* another writer, by SQL */
  atomic { may = false; since = 0; risen = true; row_of_loss = true; COMMIT }
#elif defined(PASSES_BY)
  /* a writer whose connection has its triggers off */
  atomic { may = false; since = 0; COMMIT }
#elif defined(SHORTENS)
  /* An expiry that comes sooner than the kernel was told. The loss comes with it. */
  atomic { expires = 2; risen = true; row_of_loss = true; COMMIT }
#else
  skip
#endif
}

#ifdef OTHERS
/* Another loss, of somebody's: these entries did not rest on it, or did so without need. */
proctype OtherWriter() {
end_before:
  atomic {
    risen = true;
    if
    :: row_of_other = true
    :: true
    fi;
    COMMIT
  }
}
#endif

#if defined(STOPS) || defined(KILLS)
/* ---- Who stops the daemon (SIGSTOP, SIGCONT), kills it (SIGKILL), and starts another in its place */
proctype Keeper() {
end_keeper:
  do
#ifdef STOPS
  :: atomic { daemon == RUNS -> daemon = STOPPED; was_stopped = true }
  :: atomic { daemon == STOPPED -> daemon = RUNS; goes_on = stood_still; settled = settled && !goes_on }
#endif
#ifdef KILLS
  :: daemon == RUNS || daemon == STOPPED -> daemon = DEAD
  :: daemon == DEAD -> daemon = TAKEN_OVER
#endif
  od
}
#endif

/* ---- Time. A tick may come between any two steps, so that each thread may be late by any time. With PUNCTUAL only a daemon that
   is stopped is late. */
/* What a reply that is under way lends counts as lent for longer than a lease (spans::kLateness), and no longer. */
#define LENDING(which) (lending[which] && age[which] <= LEASE)

proctype Clock() {
end_clock:
  do
  :: atomic {
#ifdef PUNCTUAL
       daemon != RUNS || (busy == 0 && settled) ->
#endif
       DOWN(until[FOLDER]); DOWN(until[FILE]); DOWN(attributes); DOWN(held_until);
       if
       :: until[FILE] == 0 && held_until == 0 && !LENDING(0) && !LENDING(1) -> lent_now[FILE] = false; kept = false
       :: else
       fi;
       if
       :: until[FOLDER] == 0 && !LENDING(0) && !LENDING(1) && !(lent_level == READ && lent_now[FILE]) ->
          lent_now[FOLDER] = false;
          lent_level = CLOSED
       :: else
       fi;
       paused = paused && busy > 0;
       expires = (expires == NEVER || expires == 0 -> expires : expires - 1);
#ifdef SHORTENS
       since = (since == NEVER -> (expires == 0 -> 0 : NEVER) : MIN(since + 1, LEASE));
#else
       since = (since == NEVER -> NEVER : MIN(since + 1, LEASE));
#endif
       dead_for = (GONE -> MIN(dead_for + 1, LEASE) : 0);
       age[0] = (current[0] || lending[0] || of_epoch[0] || revalidates[0] > 0 -> MIN(age[0] + 1, STEADY) : 0);
       age[1] = (current[1] || lending[1] || of_epoch[1] || revalidates[1] > 0 -> MIN(age[1] + 1, STEADY) : 0);
       hold_age = (hold_age == 0 -> 0 : MIN(hold_age + 1, LEASE + 2));
       UP(kept_up_age, CHECKED_SHARE + 1);
       UP(looked_age, CHECKED_SHARE + 1);
       UP(review_age, CHECKED_SHARE + 1);
#ifdef RING
       stood_still = stood_still || daemon == STOPPED;
#endif
       overdue[0] = worked_out[0];
       overdue[1] = worked_out[1];
       settled = false
     }
  od
}

init {
  atomic {
#if defined(FOLDER_GOES)
    level_before = READ; level_after = CLOSED;  /* the session goes, or the folder's only grant */
#elif defined(FOLDER_IS_LESS)
    level_before = READ; level_after = PASSAGE; /* the folder's grant goes; another file's keeps it there */
#else
    level_before = PASSAGE; level_after = PASSAGE; /* the file's own grant goes; another file's keeps the folder there */
#endif
#ifdef EXPIRES
    if
    :: expires = 2
    :: expires = 5
    fi;
#endif
    kept_up_age = CHECKED_SHARE + 1;
#ifdef STEADY_USE
    hold_age = LEASE + 2; /* the folder has held files in steady use for longer than a lease */
#endif
    run Requests(0);
#ifdef TWO_REQUESTS
    run Requests(1);
#endif
#ifdef BEGINS
    run StalledGetattr(1);
#endif
    run LateOpen();
    run Recaller();
    run Writer();
#ifdef OTHERS
    run OtherWriter();
#endif
#if defined(STOPS) || defined(KILLS)
    run Keeper();
#endif
    run Clock()
  }
}
